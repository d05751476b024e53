// The service's routes, in one place. Addresses are relative: the page may lie below a path of a proxy.
const ROOT = "api/v1/";

export class ApiError extends Error {
  constructor(status, { error, code, ...more }) {
    super(error || `HTTP ${status}`);
    Object.assign(this, { status, code, more });
  }
}

async function checked(answer) {
  if (answer.ok) return answer;
  let said = {};
  try { said = await answer.json(); } catch { /* a proxy's own page */ }
  const error = new ApiError(answer.status, { ...said, wait: Number(answer.headers.get("Retry-After")) });
  if (answer.status === 401 && ["login", "setup"].includes(error.code)) dispatchEvent(new Event("logged-out"));
  throw error;
}

async function ask(path, options = {}) {
  try {
    return await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { code: "unreachable" });
  }
}

export async function getJson(path, signal) {
  return (await checked(await ask(path, { signal }))).json();
}

function query(values) {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(values || {})) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") found.append(name, one);
    }
  }
  return found.size ? `?${found}` : "";
}

export function get(path, values, signal) {
  return getJson(ROOT + path + query(values), signal);
}

/** A path of names that may hold any character. */
export const at = (...names) => names.map(encodeURIComponent).join("/");

export const picture = (path, values) => ROOT + path + query(values);

/** An address that the service gave, from its own root: made relative, as all others. */
export const own = (path) => (path ? path.replace(/^\/+/, "") : null);

async function send(method, path, body) {
  const form = body instanceof FormData || body instanceof Blob; // the browser says of which kind
  const answer = await checked(await ask(ROOT + path, {
    method,
    headers: form || body === undefined ? {} : { "Content-Type": "application/json" },
    body: form || body === undefined ? body : JSON.stringify(body),
  }));
  return answer.status === 204 ? null : answer.json();
}

export const post = (path, body) => send("POST", path, body);
export const patch = (path, body) => send("PATCH", path, body);
export const remove = (path) => send("DELETE", path);

/** What the service tells, on one connection for all who follow. */
class Told {
  #source = null;
  #followers = new Set();

  follow(handlers) {
    this.#followers.add(handlers);
    if (!this.#source) this.#open();
    return () => {
      this.#followers.delete(handlers);
      setTimeout(() => this.#followers.size || this.#close(), 2_000); // the next page may follow too
    };
  }

  #open() {
    this.#source = new EventSource(`${ROOT}events`);
    for (const name of ["event", "camera", "cameras", "stats"]) {
      this.#source.addEventListener(name, ({ data }) => {
        for (const handlers of this.#followers) handlers[name]?.(JSON.parse(data));
      });
    }
  }

  #close() {
    this.#source?.close();
    this.#source = null;
  }
}

const told = new Told();

/** Follow events until the returned function is called: {name: function(value)}. */
export const follow = (handlers) => told.follow(handlers);

/** A file that the service makes, for the browser to save. */
export function save(path, values) {
  const link = document.createElement("a");
  link.href = ROOT + path + query(values);
  link.download = "";
  link.click();
}

export function liveAddress() {
  const found = new URL(`${ROOT}live`, document.baseURI);
  found.protocol = found.protocol.replace("http", "ws");
  return found.href;
}
