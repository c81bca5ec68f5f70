// Text that a model wrote, as nodes. All of it ends up in text nodes; no markup of it is ever
// parsed as HTML. The only attribute made from it is the address of a link, http(s) or mailto.

const MOST_DEPTH = 8; // of lists and quotes in each other, and of emphasis

function element(name, text, className) {
  const out = document.createElement(name);
  if (text !== undefined) out.textContent = text;
  if (className) out.className = className;
  return out;
}

function safeLink(address) {
  if (!/^(https?:\/\/|mailto:)/i.test(address)) return null;
  try {
    return new URL(address).href;
  } catch {
    return null;
  }
}

// Emphasis, code and links of one paragraph. Linear: what was once found missing behind a place is
// not looked for again.
function inline(text, parent, depth = 0) {
  const missing = new Set();
  const find = (what, from) => {
    if (missing.has(what)) return -1;
    const at = text.indexOf(what, from);
    if (at < 0) missing.add(what);
    return at;
  };
  let plain = "";
  const flush = () => {
    if (plain) parent.append(plain);
    plain = "";
  };
  const wordBefore = (at) => at > 0 && /[\p{L}\p{N}_]/u.test(text[at - 1]);
  const wordAt = (at) => at < text.length && /[\p{L}\p{N}_]/u.test(text[at]);

  function code(at) {
    let run = 1;
    while (text[at + run] === "`") ++run;
    const end = find("`".repeat(run), at + run);
    if (end < 0) return run === 1 ? 0 : -run;
    flush();
    let body = text.slice(at + run, end);
    if (body.length > 2 && body.startsWith(" ") && body.endsWith(" ")) body = body.slice(1, -1);
    parent.append(element("code", body));
    return end + run - at;
  }

  function emphasis(at, mark, name) {
    const begin = at + mark.length;
    if (depth >= MOST_DEPTH || begin >= text.length || /\s/.test(text[begin])) return 0;
    if (mark[0] === "_" && wordBefore(at)) return 0;
    let end = find(mark, begin + 1);
    while (end >= 0) {
      const closes = !/\s/.test(text[end - 1]) && !(mark[0] === "_" && wordAt(end + mark.length));
      const longer = mark.length === 1 && (text[end + 1] === mark || text[end - 1] === mark);
      if (closes && !longer) break;
      end = find(mark, end + (longer ? 2 : 1));
    }
    if (end < 0) return 0;
    // "**a*b***" belongs together at its outermost mark.
    if (mark.length === 2 && text[end + 2] === mark[0]) ++end;
    flush();
    const out = element(name);
    inline(text.slice(begin, end), out, depth + 1);
    parent.append(out);
    return end + mark.length - at;
  }

  function link(at) {
    const close = find("](", at + 1);
    if (close < 0 || close - at > 1000) return 0;
    const end = find(")", close + 2);
    if (end < 0 || end - close > 2000) return 0;
    const href = safeLink(text.slice(close + 2, end).trim());
    if (href === null) return 0;
    flush();
    const out = element("a", text.slice(at + 1, close));
    out.href = href;
    out.title = href;
    out.target = "_blank";
    out.rel = "noopener noreferrer nofollow";
    parent.append(out);
    return end + 1 - at;
  }

  for (let at = 0; at < text.length; ) {
    const c = text[at];
    let used = 0;
    if (c === "\\" && /[\\`*_{}[\]()#+\-.!~|>]/.test(text[at + 1] ?? "")) {
      plain += text[at + 1];
      at += 2;
      continue;
    }
    if (c === "`") {
      used = code(at);
    } else if (c === "*" || c === "_") {
      used = text[at + 1] === c ? emphasis(at, c + c, "strong") : emphasis(at, c, "em");
      if (used === 0 && text[at + 1] === c) used = -2;
    } else if (c === "~" && text[at + 1] === "~") {
      used = emphasis(at, "~~", "del");
    } else if (c === "[") {
      used = link(at);
    }
    if (used > 0) {
      at += used;
    } else {
      const step = Math.max(1, -used);
      plain += text.slice(at, at + step);
      at += step;
    }
  }
  flush();
}

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^`\s]*)[^`]*$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*)$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])(\s+|$)(.*)$/;
const QUOTE = /^ {0,3}> ?(.*)$/;
const TABLE_RULE = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

const startsBlock = (line) =>
  FENCE.test(line) || HEADING.test(line) || RULE.test(line) || ITEM.test(line) || QUOTE.test(line);

function codeBlock(body, language) {
  const out = element("div", undefined, "code");
  const bar = element("div", undefined, "bar");
  bar.append(element("span", language || "code"));
  const copy = element("button", "Copy", "quiet");
  copy.type = "button";
  copy.dataset.copy = "code";
  bar.append(copy);
  const pre = element("pre");
  pre.tabIndex = 0;
  pre.append(element("code", body));
  out.append(bar, pre);
  return out;
}

function fenced(lines, at, parent) {
  const [, fence, language] = FENCE.exec(lines[at]);
  let end = at + 1;
  const closes = (line) => {
    const text = line.trim();
    return text.length >= fence.length && text === fence[0].repeat(text.length);
  };
  while (end < lines.length && !closes(lines[end])) ++end;
  parent.append(codeBlock(lines.slice(at + 1, end).join("\n"), language));
  return end + 1;
}

function quote(lines, at, parent, depth) {
  const inner = [];
  for (; at < lines.length; ++at) {
    const match = QUOTE.exec(lines[at]);
    if (!match) break;
    inner.push(match[1]);
  }
  const out = element("blockquote");
  blocks(inner, out, depth + 1);
  parent.append(out);
  return at;
}

function list(lines, at, parent, depth) {
  const [, indent, mark] = ITEM.exec(lines[at]);
  const ordered = /\d/.test(mark);
  const out = element(ordered ? "ol" : "ul");
  if (ordered) out.start = parseInt(mark, 10);
  while (at < lines.length) {
    const match = ITEM.exec(lines[at]);
    if (!match || match[1].length > indent.length + 1 || match[1].length + 1 < indent.length ||
        /\d/.test(match[2]) !== ordered) break;
    const inner = [match[4]];
    const column = match[1].length + 2;
    for (++at; at < lines.length; ++at) {
      const line = lines[at];
      const blank = line.trim() === "";
      const deep = line.length - line.trimStart().length;
      if (blank) {
        const next = lines[at + 1] ?? "";
        if (next.trim() === "" || next.length - next.trimStart().length < column) break;
        inner.push("");
      } else if (deep >= column) {
        inner.push(line.slice(Math.min(deep, column)));
      } else if (startsBlock(line) || inner.at(-1) === "") {
        break;
      } else {
        inner.push(line.trimStart());
      }
    }
    const item = element("li");
    blocks(inner, item, depth + 1);
    // A one-paragraph item needs no paragraph.
    const first = item.firstElementChild;
    if (first && first.tagName === "P") first.replaceWith(...first.childNodes);
    out.append(item);
    let next = at;
    while (next < lines.length && lines[next].trim() === "") ++next;
    if (next > at && next < lines.length && ITEM.test(lines[next])) at = next;
  }
  parent.append(out);
  return at;
}

const cells = (line) =>
  line.trim().replace(/^\|/, "").replace(/\|$/, "").split("|").map((cell) => cell.trim());

function table(lines, at, parent) {
  const out = element("table");
  const rowOf = (line, name) => {
    const row = element("tr");
    for (const text of cells(line)) {
      const cell = element(name);
      inline(text, cell);
      row.append(cell);
    }
    return row;
  };
  const head = element("thead"), body = element("tbody");
  head.append(rowOf(lines[at], "th"));
  for (at += 2; at < lines.length && lines[at].includes("|"); ++at) {
    body.append(rowOf(lines[at], "td"));
  }
  out.append(head, body);
  const scroll = element("div", undefined, "scroll");
  scroll.append(out);
  parent.append(scroll);
  return at;
}

function paragraph(lines, at, parent) {
  const begin = at++;
  while (at < lines.length && lines[at].trim() !== "" && !startsBlock(lines[at])) ++at;
  const out = element("p");
  inline(lines.slice(begin, at).join("\n"), out);
  parent.append(out);
  return at;
}

function blocks(lines, parent, depth) {
  for (let at = 0; at < lines.length; ) {
    const line = lines[at];
    const heading = HEADING.exec(line);
    if (line.trim() === "") {
      ++at;
    } else if (FENCE.test(line)) {
      at = fenced(lines, at, parent);
    } else if (heading) {
      // The page itself has the first two levels.
      const out = element(`h${Math.min(6, heading[1].length + 2)}`);
      inline(heading[2].replace(/\s+#+\s*$/, ""), out);
      parent.append(out);
      ++at;
    } else if (RULE.test(line)) {
      parent.append(element("hr"));
      ++at;
    } else if (QUOTE.test(line) && depth < MOST_DEPTH) {
      at = quote(lines, at, parent, depth);
    } else if (ITEM.test(line) && depth < MOST_DEPTH) {
      at = list(lines, at, parent, depth);
    } else if (line.includes("|") && TABLE_RULE.test(lines[at + 1] ?? "") &&
               lines[at + 1].includes("|")) {
      at = table(lines, at, parent);
    } else {
      at = paragraph(lines, at, parent);
    }
  }
}

export function renderMarkdown(text) {
  const out = document.createDocumentFragment();
  blocks(text.replace(/\r\n?/g, "\n").split("\n"), out, 0);
  return out;
}
