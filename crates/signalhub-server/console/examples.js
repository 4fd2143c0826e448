// Events to publish and to subscribe to: those of Portos, and those of the configuration.

const RESOURCE = {
  u: { u: "999", d: "BackOffice", f: null }, n: "tickets", a: 2,
  i: { i: "573f4511088c772684a738f8", n: "tickets", v: 7 }, r: [{ state: "open" }],
};

const PORTOS = { "portos.resources.changed": RESOURCE, "portos.licence.activated": { shopId: 123456 } };

/** Prepared bodies by event name, also for the names in the configuration. */
export function examples({ withResources = [], withoutResources = [] } = {}) {
  const payloads = new Map(Object.entries(PORTOS));
  for (const event of withResources) payloads.set(event, { n: "tickets", a: 2 });
  for (const event of withoutResources) payloads.set(event, { text: "Hello" });
  return new Map([...payloads].map(([e, p]) => [e, { e, p }]));
}
