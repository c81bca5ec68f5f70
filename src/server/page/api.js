// The server's API: keys, errors in words, event streams.

const KEY = "ingot.key";

export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

let memoryKey = ""; // where the browser has no storage

export function apiKey() {
  try {
    return sessionStorage.getItem(KEY) ?? memoryKey;
  } catch {
    return memoryKey;
  }
}

export function setApiKey(key) {
  memoryKey = key;
  try {
    if (key) sessionStorage.setItem(KEY, key);
    else sessionStorage.removeItem(KEY);
  } catch {
    // Kept in memory, then.
  }
}

function inWords(status, message, retryAfter) {
  const wait = retryAfter ? ` Try again in ${retryAfter} s.` : "";
  if (status === 401) {
    return apiKey() ? "The server does not take this API key." : "The server asks for an API key.";
  }
  if (status === 429) return `The server is busy: its queue is full.${wait}`;
  const said = message ? message[0].toUpperCase() + message.slice(1) : `The server answered ${status}`;
  return `${said.replace(/\.$/, "")}.${status === 503 ? wait : ""}`;
}

async function failure(response) {
  let message = "";
  try {
    message = (await response.json()).error.message;
  } catch {
    // Not one of this server's own errors.
  }
  return new ApiError(inWords(response.status, String(message ?? ""),
                              response.headers.get("Retry-After")), response.status);
}

async function send(path, body, signal) {
  const headers = {};
  if (apiKey()) headers.Authorization = `Bearer ${apiKey()}`;
  if (body) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(new URL(path, document.baseURI), {
      method: body ? "POST" : "GET", headers, signal, body: body && JSON.stringify(body),
      cache: "no-store", credentials: "omit", redirect: "error",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server cannot be reached.", 0);
  }
  if (!response.ok) throw await failure(response);
  return response;
}

export async function getJson(path, signal) {
  return (await send(path, null, signal)).json();
}

// The JSON of each event, until [DONE]. Ending it early, or the signal, cancels the request.
export async function* streamEvents(path, body, signal) {
  const response = await send(path, body, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  try {
    while (true) {
      let part;
      try {
        part = await reader.read();
      } catch (error) {
        if (error.name === "AbortError" || signal.aborted) throw error;
        throw new ApiError("The connection ended in the middle of the answer.", 0);
      }
      if (part.done) throw new ApiError("The connection ended in the middle of the answer.", 0);
      const lines = (pending + part.value).split("\n");
      pending = lines.pop();
      for (const line of lines) {
        if (!line.startsWith("data:")) continue;
        const data = line.slice(5).trim();
        if (data === "[DONE]") return;
        const event = JSON.parse(data);
        if (event.error) throw new ApiError(inWords(500, event.error.message), 500);
        yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
