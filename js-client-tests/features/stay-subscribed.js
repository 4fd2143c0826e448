// The example of the documents for restarts: a client that reconnects when the server is back.

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
  // To the server a client that reconnects is a new one: subscriptions ended with the old connection.
  connection.onreconnected(subscribe);
  await connection.start();
  await subscribe();
  return connection;
}
