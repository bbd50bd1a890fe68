"use strict";
// The review: which finding is looked at, what was decided, and the table of verdicts. Texts of strangers are only ever
// put in as text.

const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

/** One line that shows what a name holds, with letters that turn text around spelt out. */
const plain = (text) => String(text ?? "").replace(/(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
  (c) => `\\u${c.codePointAt(0).toString(16).padStart(4, "0")}`);

function made(name, fields = {}, ...inside) {
  const element = document.createElement(name);
  Object.assign(element, fields);
  element.append(...inside);
  return element;
}

function drawn(name, fields, text = "") {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(fields)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
}

/** A photo's picture, with boxes over it: [box, class, text]. */
function picture(photo, boxes = []) {
  const frame = made("span", { className: "picture" });
  if (!photo.jpeg) {
    frame.append(photo.size ? "no picture here" : "not readable");
    return frame;
  }
  frame.append(made("img", { src: `data:image/jpeg;base64,${photo.jpeg}`, alt: "", loading: "lazy", decoding: "async" }));
  if (boxes.length && photo.size) {
    const over = drawn("svg", { viewBox: `0 0 ${photo.size[0]} ${photo.size[1]}`, "aria-hidden": "true" });
    const unit = Math.max(...photo.size) / 12;
    for (const [[x1, y1, x2, y2], kind, text] of boxes) {
      over.append(drawn("rect", { x: x1, y: y1, width: x2 - x1, height: y2 - y1, class: kind }));
      const place = { x: x1 + unit / 4, y: y1 + unit, "font-size": unit, "stroke-width": unit / 8 };
      if (text) over.append(drawn("text", place, text));
    }
    frame.append(over);
  }
  return frame;
}

// What was decided, remembered where the browser allows it (a page from a disk may be denied that).

const memory = `mien check ${data.name} ${data.id}`;
const verdicts = data.findings.map(() => null);
const past = [];
let kept = false;
let unsaved = false;

function recall() {
  try {
    const known = JSON.parse(localStorage.getItem(memory) ?? "{}");
    for (const [i, verdict] of Object.entries(known)) if (i in verdicts) verdicts[i] = verdict;
    localStorage.setItem(memory, JSON.stringify(known));
    kept = true;
  } catch {
    kept = false;
  }
}

function remember() {
  try {
    localStorage.setItem(memory, JSON.stringify(Object.fromEntries(verdicts.map((v, i) => [i, v]).filter(([, v]) => v))));
  } catch {
    kept = false;
  }
}

const WORDS = { keep: "kept", drop: "dropped", move: "moved to", face: "the face is chosen" };
const asked = (finding) => ({ verdict: finding.verdict, to: finding.to, box: finding.box });

function worded(verdict) {
  return verdict.verdict === "move" ? `${WORDS.move} ${plain(verdict.to)}` : WORDS[verdict.verdict];
}

function proposal(finding) {
  if (finding.verdict === "drop") return "Drop, as proposed";
  if (finding.verdict === "move") return `Move to ${plain(finding.to)}, as proposed`;
  if (finding.verdict === "face") return `Face ${numberOf(finding)} is meant, as proposed`;
  return "Keep, as proposed";
}

const numberOf = (finding) => (finding.faces ?? []).findIndex((box) => String(box) === String(finding.box));

// Which findings are shown, and which of them is looked at.

let current = -1;
const FEW = 1000;
const FEWER = 200;
let listed = [];
const tiles = new Map();

function matches(i) {
  const kind = at("filter").value;
  return (!kind || data.findings[i].kind === kind) && !(at("left").checked && verdicts[i]);
}

function list() {
  listed = data.findings.map((_, i) => i).filter(matches);
  build();
  choose(listed.includes(current) ? current : listed[0] ?? -1, false);
}

function build() {
  tiles.clear();
  const groups = Map.groupBy ? Map.groupBy(listed, (i) => data.findings[i].kind) : grouped(listed);
  at("wall").replaceChildren(...[...groups].flatMap(([kind, some]) => [
    made("h3", {}, data.kinds[kind][0], made("span", { textContent: `${some.length}: ${data.kinds[kind][1]}` })),
    ...wall(some, at("filter").value ? FEW : FEWER),
  ]));
}

/** The first of some photos, and a button that shows more of them: a browser is slow with ten thousand at once. */
function wall(some, most) {
  const shown = made("div", { className: "wall" }, ...some.slice(0, most).map(tile));
  const rest = some.slice(most);
  if (!rest.length) return [shown];
  const more = made("button", { type: "button", className: "link more", textContent: `Show more of the other ${rest.length}` });
  more.addEventListener("click", () => {
    more.replaceWith(...wall(rest, FEW));
    tiles.get(current)?.setAttribute("aria-current", "true");
  });
  return [shown, more];
}

function grouped(some) {
  const groups = new Map();
  for (const i of some) groups.set(data.findings[i].kind, [...(groups.get(data.findings[i].kind) ?? []), i]);
  return groups;
}

function tile(i) {
  const finding = data.findings[i];
  const photo = data.photos[finding.photo];
  const button = made("button", { type: "button", className: "tile", tabIndex: -1, title: plain(photo.path) },
    picture(photo), made("span", { className: "name", textContent: plain(photo.path.split("/").pop()) }));
  button.addEventListener("click", () => {
    choose(i, false);
    inView();
  });
  tiles.set(i, button);
  mark(i);
  return button;
}

function mark(i) {
  const button = tiles.get(i);
  if (!button) return;
  const verdict = verdicts[i];
  button.classList.toggle("done", Boolean(verdict));
  button.querySelector(".mark")?.remove();
  if (verdict) {
    const text = { keep: "✓ keep", drop: "✕ drop", face: "◎ face" }[verdict.verdict] ?? `→ ${plain(verdict.to)}`;
    button.firstChild.append(made("span", { className: `mark ${verdict.verdict}`, textContent: text }));
  }
  const title = data.kinds[data.findings[i].kind][0];
  const path = plain(data.photos[data.findings[i].photo].path);
  button.setAttribute("aria-label", `${title}: ${path}${verdict ? `, ${worded(verdict)}` : ""}`);
}

function choose(i, scroll = true) {
  const before = tiles.get(current);
  if (before) {
    before.removeAttribute("aria-current");
    before.tabIndex = -1;
  }
  current = i;
  at("stage").hidden = i < 0;
  at("nothing").hidden = i >= 0;
  const button = tiles.get(i);
  if (button) {
    button.setAttribute("aria-current", "true");
    button.tabIndex = 0;
    if (scroll && document.activeElement?.classList.contains("tile")) button.focus();
  }
  if (i >= 0) show(data.findings[i]);
  tally();
}

/** Bring the photo that is looked at back into the window. */
function inView() {
  const { top, bottom } = at("stage").getBoundingClientRect();
  if (top < 0 || bottom > innerHeight) at("review").scrollIntoView();
}

function show(finding) {
  const photo = data.photos[finding.photo];
  const verdict = verdicts[current];
  at("kind").textContent = data.kinds[finding.kind][0];
  const sure = `${Math.round(finding.sure * 100)}\u00a0% sure`;
  at("place").textContent = `${listed.indexOf(current) + 1} of ${listed.length} shown · ${sure}`;
  at("path").replaceChildren(made("bdi", { textContent: plain(photo.path) }));
  at("detail").textContent = plain(finding.detail);
  at("decided").textContent = verdict ? `Verdict: ${worded(verdict)}` : "";
  at("decided").className = `decided ${verdict?.verdict ?? ""}`;
  at("proposal").textContent = proposal(finding);
  at("pictures").replaceChildren(
    figure(photo, "This photo", labelled(finding.label), boxes(finding, verdict), "subject"),
    ...finding.beside.map(([place, caption]) => {
      const other = data.photos[place];
      return figure(other, caption || "Compared with", caption ? "" : labelled(other.label, other.split), [], "");
    }),
  );
}

const labelled = (label, split) => [label ?? "no label", ...(split ? [split] : [])].map(plain).join(" · ");

function boxes(finding, verdict) {
  const chosen = verdict?.verdict === "face" ? verdict.box : finding.box;
  if (finding.faces?.length) {
    return finding.faces.map((box, i) => [box, String(box) === String(chosen) ? "" : "other", String(i)]);
  }
  return chosen ? [[chosen, "", ""]] : [];
}

function figure(photo, title, label, over, kind) {
  const caption = made("figcaption", {}, made("b", { textContent: plain(title) }));
  for (const text of kind === "subject" ? [label] : [label, plain(photo.path)]) {
    if (text) caption.append(made("bdi", { textContent: text }));
  }
  return made("figure", { className: kind }, picture(photo, over), caption);
}

function go(step) {
  const place = listed.indexOf(current) + step;
  if (place >= 0 && place < listed.length) choose(listed[place]);
}

// Deciding, and taking it back.

function decide(some, verdict) {
  past.push(some.map((i) => [i, verdicts[i]]));
  for (const i of some) {
    verdicts[i] = verdict ?? asked(data.findings[i]);
    mark(i);
  }
  unsaved = true;
  remember();
  const left = (i) => !verdicts[i];
  const from = listed.indexOf(current);
  const next = listed.slice(from + 1).find(left) ?? listed.find(left);
  if (next === undefined) choose(current, false);
  else choose(next);
}

function undo() {
  const last = past.pop();
  if (!last) return;
  for (const [i, before] of last) {
    verdicts[i] = before;
    mark(i);
  }
  unsaved = true;
  remember();
  if (!listed.includes(last[0][0])) list();
  choose(last[0][0]);
}

function faced(number) {
  const finding = data.findings[current];
  const box = finding?.faces?.[number];
  if (box) decide([current], { verdict: "face", to: null, box });
}

function move() {
  at("to").value = "";
  at("mover").returnValue = "";
  at("mover").showModal();
}

function moved() {
  const to = at("to").value.trim().normalize("NFC");
  if (at("mover").returnValue === "move" && to) decide([current], { verdict: "move", to, box: null });
}

const undecided = () => listed.filter((i) => !verdicts[i]);

function tally() {
  const done = verdicts.filter(Boolean).length;
  at("share").value = done;
  at("progress").textContent = `${done} of ${verdicts.length} reviewed`;
  at("undo").disabled = !past.length;
  at("before").disabled = listed.indexOf(current) <= 0;
  at("after").disabled = listed.indexOf(current) >= listed.length - 1;
  const left = undecided().length;
  at("all").hidden = !at("filter").value || !left;
  at("all").textContent = `Accept all ${left} left of this kind`;
}

// The table of verdicts, as `mien clean` reads it.

/** A cell that no spreadsheet computes, in quotes where it needs them. */
function cell(value) {
  const text = /^'*[=+\-@]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function table() {
  const rows = data.findings.map((finding, i) => {
    const verdict = verdicts[i] ?? { verdict: "", to: null, box: null };
    const box = (verdict.box ?? []).map((value) => value.toFixed(1)).join(" ");
    return [data.photos[finding.photo].path, finding.label ?? "", verdict.verdict, verdict.to ?? "", box, finding.kind];
  });
  return [data.columns, ...rows].map((row) => `${row.map(cell).join(",")}\n`).join("");
}

function save() {
  const link = made("a", { href: URL.createObjectURL(new Blob(["\ufeff", table()], { type: "text/csv" })) });
  link.download = "verdicts.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  unsaved = false;
}

// Keys and buttons.

const ACTS = {
  y: () => decide([current]),
  k: () => decide([current], { verdict: "keep", to: null, box: null }),
  d: () => decide([current], { verdict: "drop", to: null, box: null }),
  m: move,
  u: undo,
  s: save,
  j: () => go(1),
  b: () => go(-1),
  ArrowRight: () => go(1),
  ArrowLeft: () => go(-1),
  "?": () => at("keys").showModal(),
};
const NEEDS_ONE = new Set(["y", "k", "d", "m"]);

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target instanceof Element && event.target.closest("input:not([type=checkbox]), select, textarea")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (/^[0-9]$/.test(key) && current >= 0) faced(Number(key));
  if (!Object.hasOwn(ACTS, key) || (NEEDS_ONE.has(key) && current < 0)) return;
  event.preventDefault();
  ACTS[key]();
  if (current >= 0) inView();
}

function options() {
  const counts = new Map();
  for (const { kind } of data.findings) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  at("filter").append(made("option", { value: "", textContent: `all kinds (${data.findings.length})` }),
    ...[...counts].map(([kind, n]) => made("option", { value: kind, textContent: `${data.kinds[kind][0]} (${n})` })));
  at("labels").append(...data.labels.map((label) => made("option", { value: label })));
}

function openKind(kind) {
  if (![...at("filter").options].some((option) => option.value === kind)) return;
  at("filter").value = kind;
  list();
  at("review").scrollIntoView();
}

function start() {
  recall();
  options();
  const buttons = { accept: "y", keep: "k", drop: "d", move: "m", undo: "u", before: "b", after: "j", help: "?", save: "s" };
  for (const [id, key] of Object.entries(buttons)) at(id).addEventListener("click", () => ACTS[key]());
  at("all").addEventListener("click", () => decide(undecided()));
  at("filter").addEventListener("change", list);
  at("left").addEventListener("change", list);
  at("stay").addEventListener("click", () => at("mover").close());
  at("mover").addEventListener("close", moved);
  document.addEventListener("keydown", pressed);
  for (const button of document.querySelectorAll("[data-kind]")) {
    button.addEventListener("click", () => openKind(button.dataset.kind));
  }
  addEventListener("beforeunload", (event) => {
    if (unsaved && !kept) event.preventDefault();
  });
  list();
}

if (at("review")) start();
