// Subscriptions that miss no event: the wrapper of docs/history.md.

/**
 * Returns a function that subscribes. After a reconnect it asks for what was missed meanwhile. `onGap` is called with the request
 * when events are missing, and fetches the state anew.
 */
export function resuming(connection, onEvent, onGap) {
  const wanted = new Map(); // One request for each event.
  const offset = (position) => Number(position.split(":")[1]);
  const moved = (event, position) => {
    const w = wanted.get(event);
    if (w && position) w.since = w.seen = position;
  };
  const ask = async (w) => {
    w.seen = null;
    const { position, gap } = await connection.invoke("Subscribe", { ...w.request, since: w.since });
    // A new event may have come before the answer.
    if (!w.seen || offset(w.seen) < offset(position)) w.since = position;
    if (gap) await onGap(w.request, gap);
  };
  connection.on("OnEvent", (event) => {
    moved(event.e, event.r);
    onEvent(event);
  });
  connection.on("OnPosition", moved);
  // In a cluster, events can also be lost while the connection stands.
  connection.on("OnGap", (event, gap) => {
    const w = wanted.get(event);
    if (w) onGap(w.request, gap);
  });
  // With long polling a call is a request of its own, which can fail while the connection stands: it is sent again. A connection that
  // is lost again asks again after its next reconnect.
  const askAgain = async (w) => {
    const id = connection.connectionId;
    while (connection.state === "Connected" && connection.connectionId === id) {
      try {
        return await ask(w);
      } catch (error) {
        if (!error.statusCode) throw error;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }
  };
  connection.onreconnected(() => Promise.allSettled([...wanted.values()].map(askAgain)));
  return (request) => {
    const w = { request, since: null, seen: null };
    wanted.set(request.e, w);
    return ask(w);
  };
}
