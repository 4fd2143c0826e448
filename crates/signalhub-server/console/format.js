// How numbers, times and names are written.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

// Controls, invisible characters, and those that turn the direction of text, also within a line.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** A text in which every control character is an escape such as \u{7}, so that it can be seen and does nothing. */
export function visible(text) {
  return String(text).replace(HIDDEN, (character) => `\\u{${character.codePointAt(0).toString(16)}}`);
}

/** The same for a text of several lines: line breaks and tabs stay. */
export function visibleLines(text) {
  return String(text).replace(HIDDEN, (character) => ("\n\t".includes(character) ? character : visible(character)));
}

/** A whole number, with commas between thousands. */
export const count = (value) => (isNumber(value) ? whole.format(value) : "–");

/** A count with its noun in singular or plural: `1 connection`. */
export const counted = (value, noun, plural = noun + "s") => `${count(value)} ${value === 1 ? noun : plural}`;

/** A rate per second. */
export function rate(value) {
  if (!isNumber(value)) return "–";
  return value > 0 && value < 0.1 ? "< 0.1" : value < 100 ? tenths.format(value) : whole.format(value);
}

/** Bytes in the largest unit that leaves a number of one or more. */
export function bytes(value) {
  if (!isNumber(value)) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit === 0 ? whole.format(value) : tenths.format(value)} ${units[unit]}`;
}

/** Seconds as a latency: µs, ms or s. */
export function latency(seconds) {
  if (!isNumber(seconds)) return "–";
  if (seconds < 0.001) return `${whole.format(seconds * 1e6)} µs`;
  return seconds < 1 ? `${tenths.format(seconds * 1000)} ms` : `${tenths.format(seconds)} s`;
}

/** Seconds as a length of time in its two largest units: `3 d 4 h`. */
export function duration(seconds) {
  if (!isNumber(seconds)) return "–";
  const parts = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  let rest = Math.max(0, Math.floor(seconds));
  const first = parts.findIndex(([, size]) => rest >= size);
  if (first < 0) return "0 s";
  const words = [];
  for (const [unit, size] of parts.slice(first, first + 2)) {
    const times = Math.floor(rest / size);
    if (times > 0) words.push(`${times} ${unit}`);
    rest -= times * size;
  }
  return words.join(" ");
}

/** The time of day. */
export const clock = (date) => date.toLocaleTimeString("en-GB");

/** Labels of points in time, in seconds: with seconds of the clock only if two would be the same without them. */
export function clockLabels(times) {
  const labels = times.map((time) => clock(new Date(time * 1000)));
  const minutes = labels.map((label) => label.slice(0, 5));
  return new Set(minutes).size < minutes.length ? labels : minutes;
}

/** A point in time, as the API writes it, with how long ago it was or will be. */
export function moment(text) {
  const date = new Date(text);
  if (!text || Number.isNaN(date.getTime())) return "–";
  const seconds = (Date.now() - date.getTime()) / 1000;
  const written = date.toISOString().replace("T", " ").slice(0, 19) + " UTC";
  return `${written} (${seconds >= 0 ? `${duration(seconds)} ago` : `in ${duration(-seconds)}`})`;
}

/** The names of transports, protocols and phases, in words. */
export function words(value) {
  const known = {
    web_sockets: "WebSockets", server_sent_events: "Server-Sent Events", long_polling: "Long polling",
    json: "JSON", messagepack: "MessagePack", none: "none yet",
  };
  return known[value] ?? visible(String(value ?? "–").replaceAll("_", " "));
}

/** JSON in lines, of a limited length. */
export function json(value, limit = 20_000) {
  const text = JSON.stringify(value, null, 2) ?? "";
  return visibleLines(text.length > limit ? `${text.slice(0, limit)}\n… ${count(text.length - limit)} more characters` : text);
}

function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}
