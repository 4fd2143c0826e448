// How the console writes values. Its files are modules without a package, so they are imported by their text.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { it } from "node:test";

const text = readFileSync(new URL("../../crates/signalhub-server/console/format.js", import.meta.url), "utf8");
const { clockLabels } = await import(`data:text/javascript,${encodeURIComponent(text)}`);

it("shows seconds on a time axis only if two labels would be the same without them", () => {
  const labels = (...seconds) => clockLabels(seconds.map((second) => 1_800_000_000 + second));
  assert.deepEqual(labels(0, 30).map((label) => label.slice(3)), ["00:00", "00:30"]);
  assert.deepEqual(labels(0, 60, 120).map((label) => label.slice(3)), ["00", "01", "02"]);
  assert.deepEqual(labels(), []);
});
