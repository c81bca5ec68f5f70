// The chat page: conversations on the left, the one that is open, its composer.

import { Answer } from "./answer.js";
import { apiKey, getJson, setApiKey } from "./api.js";
import { openLive } from "./live.js";
import { renderMarkdown } from "./markdown.js";
import * as store from "./store.js";

const $ = (id) => document.getElementById(id);
const SAVE_MS = 2000; // how often an answer that is coming is saved

let chat = store.newChat(); // the one that is open
let answer = null; // the one that is coming, of whichever conversation
let deleted = null;

function make(name, className, text) {
  const out = document.createElement(name);
  if (className) out.className = className;
  if (text !== undefined) out.textContent = text;
  return out;
}

function button(text, className, act) {
  const out = make("button", className, text);
  out.type = "button";
  out.addEventListener("click", act);
  return out;
}

// For the ears too.
function say(text) {
  $("status").textContent = text;
  $("hint").hidden = text !== "";
  $("undo").hidden = true;
}

function banner(text) {
  $("banner").textContent = text;
  $("banner").hidden = text === "";
}

// ---- messages

// Draws a message's node anew; reused while its answer comes.
function fill(node, message) {
  const coming = answer !== null && answer.message === message;
  const body = make("div", "body");
  if (message.role === "user") body.textContent = message.content;
  else body.append(renderMarkdown(message.content));
  const parts = [make("span", "unseen", message.role === "user" ? "You:" : "Model:"), body];
  if (coming && message.content === "") body.append(make("span", "dots", "…"));
  node.classList.toggle("coming", coming);
  if (message.role === "assistant" && !coming) {
    if (message.error) parts.push(make("p", "error", message.error));
    const foot = make("div", "figures");
    const said = [message.figures, message.stopped && "stopped", message.cut && "cut at the limit"];
    foot.append(make("span", "", said.filter(Boolean).join(" · ")));
    if (message.content) {
      const copy = button("Copy", "quiet", () => {});
      copy.dataset.copy = "message";
      foot.append(copy);
    }
    if (message === chat.messages.at(-1)) foot.append(button("Retry", "quiet", retry));
    parts.push(foot);
  }
  node.replaceChildren(...parts);
}

function messageNode(message) {
  const out = make("article", `message ${message.role === "user" ? "user" : "model"}`);
  fill(out, message);
  return out;
}

const scroller = $("scroller");
const atEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
const toEnd = () => { scroller.scrollTop = scroller.scrollHeight; };

function showMessages() {
  $("messages").replaceChildren(...chat.messages.map(messageNode));
  $("welcome").hidden = chat.messages.length > 0;
  document.title = chat.title ? `${chat.title} – Ingot` : "Ingot";
  toEnd();
}

// ---- conversations

function historyItem(one) {
  const item = make("li", one.id === chat.id ? "open" : "");
  const open = button(one.title || "Untitled", "title", () => openChat(one.id));
  if (one.id === chat.id) open.setAttribute("aria-current", "page");
  const remove = button("×", "quiet icon", () => removeChat(one));
  remove.setAttribute("aria-label", `Delete: ${one.title || "Untitled"}`);
  item.append(open, remove);
  return item;
}

function showHistory() {
  $("history").replaceChildren(...store.chats().map(historyItem));
}

function save(one) {
  const room = store.saveChat(one);
  if (!room) say("This browser has no room for the conversation: delete old ones to keep it.");
  return room;
}

function openChat(id) {
  if (chat.id !== id) {
    const one = answer?.chat.id === id ? answer.chat : store.chats().find((c) => c.id === id);
    if (!one) return;
    chat = one;
  }
  showMessages();
  showHistory();
  sidebar(false);
  $("input").focus();
}

function startChat() {
  chat = store.newChat();
  say("");
  showMessages();
  showHistory();
  sidebar(false);
  $("input").focus();
}

function removeChat(one) {
  if (answer?.chat.id === one.id) {
    answer.discarded = true;
    answer.stop();
  }
  deleted = one;
  store.deleteChat(one);
  if (chat.id === one.id) startChat();
  else showHistory();
  say("Conversation deleted.");
  $("undo").hidden = false;
  sidebar(false);
  $("undo").focus();
}

$("undo").addEventListener("click", () => {
  const one = deleted;
  deleted = null;
  if (!one) return;
  store.saveChat(one);
  say("");
  openChat(one.id);
});

// ---- answers

function busy(now) {
  $("send").hidden = now;
  $("stop").hidden = !now;
  $("input").setAttribute("aria-busy", String(now));
  if (!now) $("rate").textContent = "";
  mayEnter();
}

// Redraws with at most a fifth of the time, however long the text has become.
function drawer(node, one) {
  let due = 0, planned = false;
  const draw = () => {
    planned = false;
    if (answer !== one || chat !== one.chat) return;
    const begin = performance.now();
    const follow = atEnd();
    fill(node(), one.message);
    if (follow) toEnd();
    $("rate").textContent = one.liveRate();
    due = performance.now() + 4 * (performance.now() - begin);
  };
  return () => {
    if (planned) return;
    planned = true;
    setTimeout(() => requestAnimationFrame(draw), Math.max(0, due - performance.now()));
  };
}

async function ask() {
  const one = new Answer(chat, $("model").value, store.settings(), () => {
    draw();
    if (performance.now() - saved < SAVE_MS || one.discarded) return;
    saved = performance.now();
    store.saveChat(one.chat);
  });
  const draw = drawer(() => $("messages").lastElementChild, one);
  let saved = performance.now();
  answer = one;
  busy(true);
  say("The model is answering.");
  showMessages();
  const status = await one.run();
  answer = null;
  busy(false);
  one.chat.updated = Date.now();
  if (!one.discarded) {
    const { error, stopped } = one.message;
    say(error ?? (stopped ? "Stopped." : "The answer is complete."));
    save(one.chat);
  }
  showHistory();
  if (chat === one.chat) {
    const follow = atEnd();
    fill($("messages").lastElementChild, one.message);
    if (follow) toEnd();
  }
  if (status === 401) askForKey();
  else if (!document.querySelector("dialog[open]") && document.activeElement === document.body) {
    $("input").focus();
  }
}

function submit() {
  const text = $("input").value.trim();
  if (!text || answer || !$("model").value) return;
  $("input").value = "";
  grow();
  if (!chat.title) chat.title = text.replace(/\s+/g, " ").slice(0, 60);
  chat.messages.push({ role: "user", content: text });
  chat.updated = Date.now();
  save(chat);
  showHistory();
  ask();
}

function retry() {
  if (answer || chat.messages.at(-1)?.role !== "assistant") return;
  chat.messages.pop();
  ask();
  $("input").focus();
}

function stop() {
  if (!answer) return;
  answer.stop();
  $("input").focus();
}

// ---- composer

function grow() {
  const input = $("input");
  input.style.height = "auto";
  input.style.height = `${Math.min(input.scrollHeight, window.innerHeight * 0.4)}px`;
}

function mayEnter() {
  $("send").disabled = !$("model").value || !$("input").value.trim() || answer !== null;
}

$("input").addEventListener("input", () => {
  grow();
  mayEnter();
});
$("input").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  submit();
});
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
$("stop").addEventListener("click", stop);
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
  if (document.body.classList.contains("listing")) {
    sidebar(false);
    $("open-sidebar").focus();
  } else {
    stop();
  }
});
window.addEventListener("pagehide", () => {
  if (answer && !answer.discarded) store.saveChat(answer.chat);
});
window.addEventListener("storage", showHistory); // another tab wrote
window.addEventListener("resize", grow);

$("messages").addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (!copy) return;
  const index = [...$("messages").children].indexOf(copy.closest(".message"));
  const text = copy.dataset.copy === "code"
    ? copy.closest(".code").querySelector("pre").textContent : chat.messages[index].content;
  try {
    await navigator.clipboard.writeText(text);
    copy.textContent = "Copied";
  } catch {
    copy.textContent = "Cannot copy";
  }
  setTimeout(() => { copy.textContent = "Copy"; }, 1500);
});

// ---- models and keys

// Asks again while the model loads.
async function loadModels() {
  try {
    const { data } = await getJson("v1/models");
    $("model").replaceChildren(...data.map(({ id }) => new Option(id, id)));
    const wish = store.settings().model;
    if (data.some(({ id }) => id === wish)) $("model").value = wish;
    $("model").disabled = data.length < 2;
    banner("");
    mayEnter();
  } catch (error) {
    if (error.status === 401) {
      banner(error.message);
      askForKey();
      return;
    }
    banner(error.message);
    setTimeout(loadModels, 2000);
  }
}

$("model").addEventListener("change", () => {
  store.saveSettings({ ...store.settings(), model: $("model").value });
});

function askForKey() {
  if ($("key-dialog").open) return;
  $("key-why").textContent = apiKey() ? "The server does not take the key that was given."
                                      : "This server answers callers that show a key.";
  $("key").value = "";
  $("key-dialog").showModal();
  $("key").focus();
}
$("key-form").addEventListener("submit", () => {
  setApiKey($("key").value.trim());
  $("input").focus();
  loadModels();
});
$("key-cancel").addEventListener("click", () => $("key-dialog").close());
$("open-key").addEventListener("click", () => {
  $("settings").close();
  askForKey();
});

// ---- parameters

const NUMBERS = { temperature: "temperature", "top-p": "top_p", "max-tokens": "max_tokens" };

function showSettings() {
  const now = store.settings();
  $("system").value = now.system ?? "";
  for (const [id, name] of Object.entries(NUMBERS)) $(id).value = now[name] ?? "";
}

function readSettings() {
  const now = store.settings();
  now.system = $("system").value.trim();
  for (const [id, name] of Object.entries(NUMBERS)) {
    const field = $(id);
    if (field.value === "") delete now[name];
    else if (field.checkValidity()) now[name] = field.valueAsNumber;
  }
  store.saveSettings(now);
}

$("open-settings").addEventListener("click", () => {
  showSettings();
  $("settings").showModal();
});
$("settings").addEventListener("change", readSettings);
$("settings").addEventListener("close", () => {
  readSettings();
  $("input").focus();
});
$("reset").addEventListener("click", () => {
  store.saveSettings({ model: store.settings().model });
  showSettings();
});

// ---- the rest

// On narrow windows the list lies over the page.
function sidebar(open) {
  document.body.classList.toggle("listing", open);
  $("shade").hidden = !open;
  $("open-sidebar").setAttribute("aria-expanded", String(open));
}
$("open-sidebar").addEventListener("click", () => {
  sidebar(true);
  $("close-sidebar").focus();
});
$("close-sidebar").addEventListener("click", () => {
  sidebar(false);
  $("open-sidebar").focus();
});
$("shade").addEventListener("click", () => sidebar(false));
$("new-chat").addEventListener("click", startChat);
$("open-live").addEventListener("click", () => {
  sidebar(false);
  openLive(askForKey);
});

const THEMES = ["system", "light", "dark"];
const showTheme = () => { $("theme").textContent = `Theme: ${store.theme()}`; };
$("theme").addEventListener("click", () => {
  store.setTheme(THEMES[(THEMES.indexOf(store.theme()) + 1) % THEMES.length]);
  showTheme();
});

showTheme();
const latest = store.chats()[0];
if (latest) chat = latest;
showMessages();
showHistory();
grow();
loadModels();
