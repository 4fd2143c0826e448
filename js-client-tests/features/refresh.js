// The example of the documents for tokens: a client that replaces its token without a new connection.

/** Connects a client whose token can be replaced; `settings` are further ones of the connection. */
export function refreshable(signalR, { url, fetchToken, protocol, settings }) {
  let token;

  /** Sends the newest token with each POST and each poll; the client library keeps the first one. */
  class CurrentToken extends signalR.DefaultHttpClient {
    send(request) {
      // A ticket stays as it is: it stands for the newest token.
      const hasTicket = request.headers?.Authorization?.startsWith("Bearer sht_");
      const newest = hasTicket ? {} : { Authorization: `Bearer ${token}` };
      return super.send({ ...request, headers: { ...request.headers, ...newest } });
    }
  }

  const builder = new signalR.HubConnectionBuilder().withUrl(url, {
    accessTokenFactory: () => token,
    httpClient: new CurrentToken(signalR.NullLogger.instance),
    ...settings,
  });
  if (protocol) builder.withHubProtocol(protocol);
  const connection = builder.configureLogging(signalR.LogLevel.None).build();

  return {
    connection,
    async start() {
      token = await fetchToken();
      await connection.start();
    },
    /** To be called some minutes before the token expires. */
    async refresh() {
      const next = await fetchToken();
      const { expires, ended } = await connection.invoke("Refresh", next);
      token = next;
      return { expires: new Date(expires), ended };
    },
  };
}
