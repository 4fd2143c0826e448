// Events to publish and to subscribe to: those of Portos, and those of the configuration.

const RESOURCE = {
  u: { u: "999", d: "BackOffice", f: null }, n: "tickets", a: 2,
  i: { i: "573f4511088c772684a738f8", n: "tickets", v: 7 }, r: [{ state: "open" }],
};

const PORTOS = { "portos.resources.changed": RESOURCE, "portos.licence.activated": { shopId: 123456 } };

/** Prepared bodies by event name; `declared` are the names in the configuration. */
export function examples(declared = []) {
  const others = declared.filter((event) => !(event in PORTOS)).map((event) => [event, { text: "Hello" }]);
  return Object.fromEntries([...Object.entries(PORTOS), ...others].map(([e, p]) => [e, { e, p }]));
}
