// Calls the admin API, with the token of this browser tab.

const BASE = "/admin/api/v1/";
const STORED = "signalhub.admin.token";

/** An answer that is no success, or no answer. `title` and `detail` are for people, `status` is 0 if there was no answer. */
export class ApiError extends Error {
  constructor(status, code, title, detail) {
    super(detail || title);
    Object.assign(this, { status, code, title, detail });
  }
}

export const token = {
  get: () => sessionStorage.getItem(STORED),
  set: (value) => sessionStorage.setItem(STORED, value),
  forget: () => sessionStorage.removeItem(STORED),
};

/** What a problem means to the person in front of the page; other problems are shown as the server words them. */
function inWords(status, problem, given) {
  const detail = problem?.detail;
  if (status === 401 && given) return ["The token was not accepted", "Sign in with the value of admin.token of this server."];
  if (status === 401) return ["This needs the admin token", "Sign in with the value of admin.token of this server."];
  if (status === 403) return ["The server does not allow this", detail ?? "No admin.token is configured."];
  if (status === 421) return ["The server does not answer for this host name", detail ?? "Add the name to admin.hosts."];
  if (status === 429) return ["Too many requests", detail ?? "Wait a moment and try again."];
  if (status === 503) return ["The server is not available", detail];
  return [problem?.title ?? `The server answered ${status}`, detail];
}

async function request(method, path, { query = {}, body, signal, accept = "application/json" } = {}) {
  const given = token.get();
  const parameters = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== undefined && value !== "" && value !== false));
  const url = BASE + path + (parameters.size > 0 ? `?${parameters}` : "");
  const headers = { Accept: accept };
  if (given) headers.Authorization = `Bearer ${given}`;
  if (method !== "GET") headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(url, {
      method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store", credentials: "omit", redirect: "error",
    });
  } catch (error) {
    if (signal?.aborted && signal.reason?.name !== "TimeoutError") throw error;
    throw new ApiError(0, "no_answer", "The server does not answer", "It may have stopped, or the network between it and this page is interrupted.");
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => undefined);
  throw new ApiError(response.status, problem?.code, ...inWords(response.status, problem, Boolean(given)));
}

async function read(response) {
  const text = await response.text();
  return text ? JSON.parse(text) : undefined;
}

export const get = async (path, options) => read(await request("GET", path, options));
export const post = async (path, body, options) => read(await request("POST", path, { ...options, body }));
export const remove = async (path, options) => read(await request("DELETE", path, options));

/**
 * Reads an event stream until it ends or is aborted; `onEvent` gets the type and the data of each event. EventSource cannot send
 * the token, so this reads the response itself.
 */
export async function stream(path, { query, signal, onOpen, onEvent }) {
  const response = await request("GET", path, { query, signal, accept: "text/event-stream" });
  onOpen();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      let [type, data] = ["message", []];
      for (const line of block.split("\n")) {
        if (line.startsWith("event:")) type = line.slice(6).trim();
        else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
      }
      if (data.length > 0) onEvent(type, data.join("\n"));
    }
  }
}
