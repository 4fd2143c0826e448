// A clock of its own for a program, which can be moved while it runs (libfaketime).

import { spawnSync } from "node:child_process";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The library, as `faketime` preloads it; absent if it is not installed. */
const { stdout: LIBRARY } = spawnSync("faketime", ["-m", "-f", "+0", "printenv", "LD_PRELOAD"], { encoding: "utf8" });

/** Why tests with another clock are not run, or false. */
export const withoutFakeTime = !LIBRARY && "not run: faketime is not installed";

/** The clock of one program, which is right until it is moved. The clock that only measures is never moved. */
export class FakeClock {
  #folder;

  static async open() {
    const clock = new FakeClock();
    clock.#folder = await mkdtemp(join(tmpdir(), "signalhub-clock-"));
    await clock.move(0);
    return clock;
  }

  get #file() {
    return join(this.#folder, "clock");
  }

  /** The variables of the program. */
  get variables() {
    return {
      LD_PRELOAD: LIBRARY.trim(),
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_CACHE_DURATION: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      DONT_FAKE_MONOTONIC: "1",
    };
  }

  /** Sets it to the right time plus this number of seconds. The program sees that within a second. */
  async move(seconds) {
    const next = `${this.#file}.next`;
    await writeFile(next, `+${seconds}\n`);
    await rename(next, this.#file);
  }

  async close() {
    await rm(this.#folder, { recursive: true, force: true });
  }
}
