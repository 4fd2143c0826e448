// The two events of Portos as publish bodies, and the filters of clients.

/** A resource was created, updated or deleted. */
export const CHANGED = "portos.resources.changed";

/** The licence was activated. */
export const LICENCE = "portos.licence.activated";

/** Words of subscriptions, by the number of the notification. */
export const ACTIONS = { 1: "created", 2: "updated", 3: "deleted" };

/** The body that publishes a change of a resource. */
export function changed(resource, action, { id = "573f4511088c772684a738f8", version = 1, org } = {}) {
  return {
    e: CHANGED,
    p: {
      u: { u: "999", d: "BackOffice", f: null },
      n: resource,
      a: action,
      i: { i: id, n: resource, v: version },
      r: [{}],
    },
    org,
  };
}

/** The body that publishes a licence. */
export function licence(payload = { shopId: 123456 }, { org } = {}) {
  return { e: LICENCE, p: payload, org };
}

/** A notification or a publish body in a few characters, such as `tickets created`. */
export function brief({ e, p }) {
  return e === CHANGED ? `${p.n} ${ACTIONS[p.a]}` : "licence";
}
