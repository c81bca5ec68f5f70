// Conversations and parameters, in this browser alone.

const CHAT = "ingot.chat.";
const SETTINGS = "ingot.settings";
const memory = new Map(); // where the browser has no storage

function read(name) {
  try {
    return JSON.parse(localStorage.getItem(name) ?? memory.get(name) ?? "null");
  } catch {
    return null;
  }
}

// False: there is no room.
function write(name, value) {
  const text = JSON.stringify(value);
  try {
    localStorage.setItem(name, text);
    return true;
  } catch {
    memory.set(name, text);
    return false;
  }
}

const isChat = (chat) =>
  chat !== null && typeof chat === "object" && typeof chat.id === "string" &&
  Array.isArray(chat.messages) &&
  chat.messages.every((m) => typeof m?.content === "string" && typeof m.role === "string");

// The one used last comes first.
export function chats() {
  const names = new Set(memory.keys());
  try {
    for (let i = 0; i < localStorage.length; ++i) names.add(localStorage.key(i));
  } catch {
    // Memory alone.
  }
  return [...names].filter((name) => name.startsWith(CHAT)).map(read).filter(isChat)
    .sort((a, b) => b.updated - a.updated);
}

export function newChat() {
  const id = Array.from(crypto.getRandomValues(new Uint32Array(3)), (n) => n.toString(36)).join("");
  return { id, title: "", updated: Date.now(), messages: [] };
}

export const saveChat = (chat) => write(CHAT + chat.id, chat);

export function deleteChat(chat) {
  memory.delete(CHAT + chat.id);
  try {
    localStorage.removeItem(CHAT + chat.id);
  } catch {
    // Memory alone.
  }
}

export const settings = () => read(SETTINGS) ?? {};
export const saveSettings = (value) => write(SETTINGS, value);

export function theme() {
  return document.documentElement.dataset.theme ?? "system";
}

export function setTheme(value) {
  if (value === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = value;
  try {
    localStorage.setItem("ingot.theme", value);
  } catch {
    // For this page alone.
  }
}
