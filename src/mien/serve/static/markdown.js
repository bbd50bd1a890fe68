// The Markdown of cards -> elements: headings, lists, tables, paragraphs, code and emphasis; whatever else is text.
// A card may be a stranger's: it becomes text nodes and links to the web, and never HTML.

import { el } from "./dom.js";

const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]+)\]\((https?:[^)\s]+)\)/g;
const HEADING = /^(#{1,6}) +(.*)$/;
const ITEM = /^[-*] +(.*)$/;

export function marked(text) {
  const made = [];
  const lines = text.replace(/\r/g, "").split("\n");
  while (lines.length) {
    const heading = HEADING.exec(lines[0]);
    if (!lines[0].trim()) lines.shift();
    else if (heading) made.push(el(`h${Math.min(6, heading[1].length + 2)}`, {}, ...inline(lines.shift() && heading[2])));
    else if (ITEM.test(lines[0])) made.push(el("ul", {}, ...items(lines).map((each) => el("li", {}, ...inline(each)))));
    else if (lines[0].startsWith("|")) made.push(table(take(lines, (line) => line.startsWith("|"))));
    else made.push(el("p", {}, ...inline(take(lines, plain).join(" "))));
  }
  return made;
}

// -> the lines of a block, taken from the front; the first one belongs to it in any case.
function take(lines, belongs) {
  const found = [lines.shift()];
  while (lines.length && belongs(lines[0])) found.push(lines.shift());
  return found;
}

const plain = (line) => line.trim() !== "" && !HEADING.test(line) && !ITEM.test(line) && !line.startsWith("|");

// An item goes on in lines that are indented.
function items(lines) {
  const found = [];
  for (const line of take(lines, (each) => ITEM.test(each) || /^ +\S/.test(each))) {
    if (ITEM.test(line)) found.push(ITEM.exec(line)[1]);
    else found.push(`${found.pop()} ${line.trim()}`);
  }
  return found;
}

function table(lines) {
  const rows = lines.map((line) => line.replace(/^\||\|\s*$/g, "").split("|").map((cell) => cell.trim()));
  const ruled = rows[1]?.every((cell) => /^:?-+:?$/.test(cell));
  const cells = (row, kind, scope) => el("tr", {}, ...row.map((cell) => el(kind, { scope }, ...inline(cell))));
  const head = ruled ? el("thead", {}, cells(rows[0], "th", "col")) : null;
  return el("div", { class: "wide", tabindex: 0 }, el("table", {}, head, el("tbody", {}, ...rows.slice(ruled ? 2 : 0).map((row) => cells(row, "td")))));
}

function inline(text) {
  const made = [];
  let from = 0;
  for (const found of text.matchAll(INLINE)) {
    made.push(text.slice(from, found.index));
    if (found[1]) made.push(el("code", {}, found[1]));
    else if (found[2]) made.push(el("strong", {}, found[2]));
    else made.push(el("a", { href: found[4], rel: "noopener noreferrer nofollow", target: "_blank" }, found[3]));
    from = found.index + found[0].length;
  }
  return [...made, text.slice(from)].filter((each) => each !== "");
}
