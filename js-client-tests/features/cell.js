// One place of the matrix: a runtime, a transport, a protocol, and the connections that a feature opens there.

/** Adds a protocol to the connection builder by its name; pages and Node find MessagePack in the same place. */
export function speaking(signalR, protocol, builder) {
  return protocol === "messagepack" ? builder.withHubProtocol(new signalR.protocols.msgpack.MessagePackHubProtocol()) : builder;
}

/** Opens connections over one transport in one protocol, and stops all of them together. */
export class Cell {
  #opened = [];

  /** `place` says where: `url` of the server, the name of the `transport` (without one the client chooses) and of the `protocol`. */
  constructor(signalR, place) {
    this.signalR = signalR;
    this.url = place.url;
    this.transport = place.transport;
    this.protocol = place.protocol ?? "json";
  }

  /** A connection that has not started; `user` is named by the token, `options` are those of `withUrl`. */
  build({ path = "/conformance", user, options, configure = (builder) => builder } = {}) {
    const { HttpTransportType, HubConnectionBuilder, LogLevel } = this.signalR;
    const builder = new HubConnectionBuilder()
      .withUrl(this.url + path, {
        transport: this.transport && HttpTransportType[this.transport],
        accessTokenFactory: user && (() => user),
        ...options,
      })
      .configureLogging(LogLevel.None);
    const connection = configure(speaking(this.signalR, this.protocol, builder)).build();
    this.#opened.push(connection);
    return connection;
  }

  /** The form of a server's type in the protocol of the cell. */
  in({ json, messagepack }) {
    return this.protocol === "messagepack" ? messagepack : json;
  }

  /** A connection that has started. */
  async connect(settings) {
    const connection = this.build(settings);
    await connection.start();
    return connection;
  }

  /** Stops every connection. */
  async end() {
    await Promise.all(this.#opened.splice(0).map((connection) => connection.stop()));
  }
}

/** Completes with everything that a stream sent: its items, and the text of its error or null. */
export function drained(stream) {
  return new Promise((resolve) => {
    const items = [];
    stream.subscribe({
      next: (item) => items.push(item),
      error: (error) => resolve({ items, error: error.message }),
      complete: () => resolve({ items, error: null }),
    });
  });
}

/** Completes with the error that a connection closes with, or null for none. */
export function closed(connection) {
  return new Promise((resolve) => connection.onclose((error) => resolve(error?.message ?? null)));
}

/** Records the arguments of each call of one client method; `until` completes after this number of calls. */
export function hearing(connection, method) {
  const calls = [];
  let arrived = () => {};
  connection.on(method, (...values) => {
    calls.push(values.length === 1 ? values[0] : values);
    arrived();
  });
  const until = async (count) => {
    while (calls.length < count) await new Promise((resolve) => (arrived = resolve));
    return calls;
  };
  return { calls, until };
}
