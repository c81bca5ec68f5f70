// The table of requests that the server is answering, while its dialog is open.

import { getJson } from "./api.js";

const $ = (id) => document.getElementById(id);
const PERIOD_MS = 1000;

const count = (value) => value.toLocaleString("en");

function age(ms) {
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  const s = Math.round(ms / 1000);
  return s < 120 ? `${s} s` : `${Math.floor(s / 60)} min`;
}

function figure(name, text, part) {
  const group = document.createElement("div");
  const term = document.createElement("dt"), value = document.createElement("dd");
  term.textContent = name;
  value.textContent = text;
  group.append(term, value);
  if (part !== undefined) {
    const meter = document.createElement("progress");
    meter.max = 1;
    meter.value = part;
    meter.setAttribute("aria-label", name);
    group.append(meter);
  }
  return group;
}

function row(request) {
  const out = document.createElement("tr");
  const state = request.compile_position > 0 ? `${request.state}, ${request.compile_position} before`
                                             : request.state;
  const fields = [request.id, request.endpoint, state, age(request.age_ms),
                  count(request.prompt_tokens), count(request.output_tokens)];
  fields.forEach((text, i) => {
    const cell = document.createElement("td");
    cell.textContent = text;
    if (i >= 3) cell.className = "number";
    if (i === 2) cell.className = `state-${text === "running" ? "running" : "waiting"}`;
    out.append(cell);
  });
  return out;
}

function show(answer) {
  const figures = [];
  if (answer.queue) {
    figures.push(figure("Running", count(answer.sequences.running)));
    figures.push(figure("In the queue", count(answer.queue.requests)));
    for (const pages of answer.kv_pages) {
      const name = answer.kv_pages.length > 1 ? `KV pages, ${pages.group}` : "KV pages";
      figures.push(figure(name, `${count(pages.used)} of ${count(pages.total)} in use, ` +
                                `${count(pages.cached)} cached`,
                          pages.total ? pages.used / pages.total : 0));
    }
  } else {
    figures.push(figure("Server", answer.status));
  }
  $("live-figures").replaceChildren(...figures);
  $("live-rows").replaceChildren(...answer.requests.map(row));
  const hidden = answer.count - answer.requests.length;
  $("live-none").hidden = answer.count > 0 && hidden === 0;
  $("live-none").textContent = hidden > 0 ? `and ${count(hidden)} more`
                                          : "No request is being answered.";
}

// `failed` is told of the first error and may help (a key).
export function openLive(failed) {
  const dialog = $("live");
  if (dialog.open) return;
  const control = new AbortController();
  let timer = 0;
  const look = async () => {
    try {
      show(await getJson("requests", control.signal));
      $("live-error").hidden = true;
    } catch (error) {
      if (control.signal.aborted) return;
      $("live-error").textContent = error.message;
      $("live-error").hidden = false;
      if (error.status === 401) {
        dialog.close();
        failed(error);
        return;
      }
    }
    if (!control.signal.aborted) timer = setTimeout(look, PERIOD_MS);
  };
  dialog.addEventListener("close", () => {
    control.abort();
    clearTimeout(timer);
  }, { once: true });
  dialog.showModal();
  look();
}
