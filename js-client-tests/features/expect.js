// Assertions for both runtimes: a page has no node:assert.

/** JSON with the members of objects in order, and undefined told from null. */
function text(value) {
  return JSON.stringify(value, (_, member) => {
    if (member === undefined) return "undefined";
    if (member === null || typeof member !== "object" || Array.isArray(member)) return member;
    return Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** Claims that two values are the same, as JSON would have them. */
export function equal(actual, expected, what = "") {
  if (text(actual) !== text(expected)) throw new Error(`${what} wanted ${text(expected)}, got ${text(actual)}`.trim());
}

/** Claims that a text matches the pattern. */
export function matches(actual, pattern) {
  if (!pattern.test(actual)) throw new Error(`wanted ${pattern}, got ${text(actual)}`);
}

/** Claims that this is rejected with an error text that matches. */
export async function rejects(promise, pattern) {
  const error = await promise.then(
    (value) => Promise.reject(new Error(`wanted a refusal, got ${text(value)}`)),
    (error) => error,
  );
  matches(error.message, pattern);
}

let numbered = 0;

/** A name that no other test uses on this server, so that tests beside each other do not meet. */
export function unique(word) {
  numbered += 1;
  return `${word}-${numbered}-${Math.random().toString(36).slice(2)}`;
}
