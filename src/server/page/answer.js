// One answer as it comes: asks, reads the stream, keeps its message and its figures up to date.

import { streamEvents } from "./api.js";

function requestBody(chat, model, settings) {
  // Questions that got no word of an answer are shown, but the model is not told of them.
  const empty = (m) => m?.role === "assistant" && m.content === "";
  const messages = chat.messages.filter((m, i, all) => !empty(m) && !empty(all[i + 1]))
    .map(({ role, content }) => ({ role, content }));
  if (settings.system) messages.unshift({ role: "system", content: settings.system });
  const body = { model, messages, stream: true, stream_options: { include_usage: true } };
  for (const name of ["temperature", "top_p", "max_tokens"]) {
    if (typeof settings[name] === "number") body[name] = settings[name];
  }
  return body;
}

const rateText = (rate) => `${rate.toFixed(rate < 10 ? 2 : 1)} tokens/s`;

export class Answer {
  // `changed(answer)` is called after each event.
  constructor(chat, model, settings, changed) {
    this.chat = chat;
    this.body = requestBody(chat, model, settings);
    this.changed = changed;
    this.control = new AbortController();
    this.message = { role: "assistant", content: "" };
    this.begin = performance.now();
    this.first = 0;
    this.pieces = 0;
    chat.messages.push(this.message);
  }

  stop() {
    this.control.abort();
  }

  // Pieces are mostly one token each: the server tells the true number at the end.
  liveRate() {
    const seconds = (performance.now() - this.first) / 1000;
    return this.pieces > 1 && seconds > 0 ? rateText((this.pieces - 1) / seconds) : "";
  }

  take(event) {
    const choice = event.choices?.[0];
    if (choice?.delta?.content) {
      if (this.pieces++ === 0) this.first = performance.now();
      this.message.content += choice.delta.content;
    }
    if (choice?.finish_reason === "length") this.message.cut = true;
    if (event.timings) this.timings = event.timings;
    if (event.usage) this.tokens = event.usage.completion_tokens;
    this.changed(this);
  }

  figures() {
    const parts = [];
    if (this.tokens !== undefined) {
      parts.push(`${this.tokens} ${this.tokens === 1 ? "token" : "tokens"}`);
    }
    const rate = this.timings?.predicted_per_second;
    if (rate > 0) parts.push(rateText(rate));
    else if (this.liveRate() && this.tokens === undefined) parts.push(this.liveRate());
    if (this.first) parts.push(`first after ${((this.first - this.begin) / 1000).toFixed(2)} s`);
    return parts.join(" · ");
  }

  // Throws nothing: what went wrong is in the message, and its status is returned (0: none).
  async run() {
    let status = 0;
    try {
      for await (const event of streamEvents("v1/chat/completions", this.body,
                                             this.control.signal)) {
        this.take(event);
      }
    } catch (error) {
      if (this.control.signal.aborted) {
        this.message.stopped = true;
      } else {
        this.message.error = error.message || "Something went wrong.";
        status = error.status ?? 0;
      }
    }
    this.message.figures = this.figures();
    return status;
  }
}
