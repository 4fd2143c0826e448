// The lines of the documents on restarts: a client that is there again when the server is.

/** Connects, subscribes, and does both again whenever the connection was lost. */
export async function staySubscribed(signalR, { url, token, requests, onEvent }) {
  const connection = new signalR.HubConnectionBuilder()
    .withUrl(url, { accessTokenFactory: () => token })
    .withAutomaticReconnect({
      // Without limit, and at most half a minute apart; left alone, the client gives up after four attempts.
      nextRetryDelayInMilliseconds: ({ previousRetryCount }) => Math.min(500 * 2 ** previousRetryCount, 30_000),
    })
    .build();
  connection.on("OnEvent", onEvent);

  const subscribe = () => Promise.all(requests.map((request) => connection.invoke("Subscribe", request)));
  // For the server a client that comes back is a new one: subscriptions ended with the old connection.
  connection.onreconnected(subscribe);
  await connection.start();
  await subscribe();
  return connection;
}
