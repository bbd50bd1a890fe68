"use strict";
// The review: the current finding, the verdicts, and their table. Text from the data is only ever inserted as text.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

/** A name on one line, with control characters and those that reverse text escaped. */
const printable = (text) => String(text ?? "").replace(/(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
  (c) => `\\u${c.codePointAt(0).toString(16).padStart(4, "0")}`);

function create(name, fields = {}, ...inside) {
  const element = document.createElement(name);
  Object.assign(element, fields);
  element.append(...inside);
  return element;
}

function createSvg(name, fields, text = "") {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(fields)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
}

/** A photo's picture, with boxes over it: [box, class, text]. */
function picture(photo, boxes = []) {
  const frame = create("span", { className: "picture" });
  if (!photo.jpeg) {
    frame.append(photo.size ? "no picture" : "cannot be read");
    return frame;
  }
  frame.append(create("img", { src: `data:image/jpeg;base64,${photo.jpeg}`, alt: "", loading: "lazy", decoding: "async" }));
  if (boxes.length && photo.size) {
    const over = createSvg("svg", { viewBox: `0 0 ${photo.size[0]} ${photo.size[1]}`, "aria-hidden": "true" });
    const unit = Math.max(...photo.size) / 12;
    for (const [[x1, y1, x2, y2], kind, text] of boxes) {
      over.append(createSvg("rect", { x: x1, y: y1, width: x2 - x1, height: y2 - y1, class: kind }));
      const place = { x: x1 + unit / 4, y: y1 + unit, "font-size": unit, "stroke-width": unit / 8 };
      if (text) over.append(createSvg("text", place, text));
    }
    frame.append(over);
  }
  return frame;
}

// The verdicts, stored where the browser allows it (a page opened as a file may not be allowed to).

const storageKey = `mien check ${data.name} ${data.id}`;
const verdicts = data.findings.map(() => null);
const undoStack = [];
let isStored = false;
let unsaved = false;

function loadVerdicts() {
  try {
    const known = JSON.parse(localStorage.getItem(storageKey) ?? "{}");
    for (const [i, verdict] of Object.entries(known)) if (i in verdicts) verdicts[i] = verdict;
    localStorage.setItem(storageKey, JSON.stringify(known));
    isStored = true;
  } catch {
    isStored = false;
  }
}

function storeVerdicts() {
  try {
    localStorage.setItem(storageKey, JSON.stringify(Object.fromEntries(verdicts.map((v, i) => [i, v]).filter(([, v]) => v))));
  } catch {
    isStored = false;
  }
}

const DONE = { keep: "kept", drop: "dropped", move: "moved to", face: "face chosen", turn: "turned" };
const TURNS = { 90: "90° clockwise", 180: "180°", 270: "90° counter-clockwise" };
const proposedVerdict = (finding) => ({ verdict: finding.verdict, to: finding.to, box: finding.box });

function describe(verdict) {
  const what = { move: printable(verdict.to), turn: TURNS[verdict.to] }[verdict.verdict];
  return what ? `${DONE[verdict.verdict]} ${what}` : DONE[verdict.verdict];
}

function proposal(finding) {
  if (finding.verdict === "drop") return "Drop, as proposed";
  if (finding.verdict === "move") return `Move to ${printable(finding.to)}, as proposed`;
  if (finding.verdict === "face") return `Face ${faceNumber(finding)}, as proposed`;
  if (finding.verdict === "turn") return `Turn ${TURNS[finding.to]}, as proposed`;
  return "Keep, as proposed";
}

const faceNumber = (finding) => (finding.faces ?? []).findIndex((box) => String(box) === String(finding.box));

// The findings that are listed, and the current one.

let current = -1;
const TILES = 1000;
const TILES_PER_KIND = 200;
let listed = [];
const tiles = new Map();

function isListed(i) {
  const kind = byId("filter").value;
  return (!kind || data.findings[i].kind === kind) && !(byId("left").checked && verdicts[i]);
}

function showList() {
  listed = data.findings.map((_, i) => i).filter(isListed);
  build();
  choose(listed.includes(current) ? current : listed[0] ?? -1, false);
}

function build() {
  tiles.clear();
  const groups = Map.groupBy ? Map.groupBy(listed, (i) => data.findings[i].kind) : groupByKind(listed);
  byId("wall").replaceChildren(...[...groups].flatMap(([kind, some]) => [
    create("h3", {}, data.kinds[kind][0], create("span", { textContent: `${some.length}: ${data.kinds[kind][1]}` })),
    ...wall(some, byId("filter").value ? TILES : TILES_PER_KIND),
  ]));
}

/** The first of some photos, and a button to show more: a browser is slow with ten thousand at once. */
function wall(some, most) {
  const shown = create("div", { className: "wall" }, ...some.slice(0, most).map(tile));
  const rest = some.slice(most);
  if (!rest.length) return [shown];
  const more = create("button", { type: "button", className: "link more", textContent: `Show more (${rest.length} left)` });
  more.addEventListener("click", () => {
    more.replaceWith(...wall(rest, TILES));
    tiles.get(current)?.setAttribute("aria-current", "true");
  });
  return [shown, more];
}

function groupByKind(some) {
  const groups = new Map();
  for (const i of some) groups.set(data.findings[i].kind, [...(groups.get(data.findings[i].kind) ?? []), i]);
  return groups;
}

function tile(i) {
  const finding = data.findings[i];
  const photo = data.photos[finding.photo];
  const button = create("button", { type: "button", className: "tile", tabIndex: -1, title: printable(photo.path) },
    picture(photo), create("span", { className: "name", textContent: printable(photo.path.split("/").pop()) }));
  button.addEventListener("click", () => {
    choose(i, false);
    scrollToStage();
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
    const text = { keep: "✓ keep", drop: "✕ drop", face: "◎ face", turn: "↻ turn" }[verdict.verdict] ?? `→ ${printable(verdict.to)}`;
    button.firstChild.append(create("span", { className: `mark ${verdict.verdict}`, textContent: text }));
  }
  const title = data.kinds[data.findings[i].kind][0];
  const path = printable(data.photos[data.findings[i].photo].path);
  button.setAttribute("aria-label", `${title}: ${path}${verdict ? `, ${describe(verdict)}` : ""}`);
}

function choose(i, scroll = true) {
  const before = tiles.get(current);
  if (before) {
    before.removeAttribute("aria-current");
    before.tabIndex = -1;
  }
  current = i;
  byId("stage").hidden = i < 0;
  byId("nothing").hidden = i >= 0;
  const button = tiles.get(i);
  if (button) {
    button.setAttribute("aria-current", "true");
    button.tabIndex = 0;
    if (scroll && document.activeElement?.classList.contains("tile")) button.focus();
  }
  if (i >= 0) show(data.findings[i]);
  showProgress();
}

/** Scrolls the current photo back into view. */
function scrollToStage() {
  const { top, bottom } = byId("stage").getBoundingClientRect();
  if (top < 0 || bottom > innerHeight) byId("review").scrollIntoView();
}

function show(finding) {
  const photo = data.photos[finding.photo];
  const verdict = verdicts[current];
  byId("kind").textContent = data.kinds[finding.kind][0];
  const sure = `${Math.round(finding.confidence * 100)}\u00a0% sure`;
  byId("place").textContent = `${listed.indexOf(current) + 1} of ${listed.length} shown · ${sure}`;
  byId("path").replaceChildren(create("bdi", { textContent: printable(photo.path) }));
  byId("detail").textContent = printable(finding.detail);
  byId("decided").textContent = verdict ? `Verdict: ${describe(verdict)}` : "";
  byId("decided").className = `decided ${verdict?.verdict ?? ""}`;
  byId("proposal").textContent = proposal(finding);
  byId("pictures").replaceChildren(
    figure(photo, "This photo", labelText(finding.label), boxes(finding, verdict), "subject"),
    ...(finding.verdict === "turn" ? [figure(photo, "Turned", TURNS[finding.to], [], `by-${finding.to}`)] : []),
    ...finding.examples.map(([place, caption]) => {
      const other = data.photos[place];
      return figure(other, caption || "Compared with", caption ? "" : labelText(other.label, other.split), [], "");
    }),
  );
}

const labelText = (label, split) => [label ?? "no label", ...(split ? [split] : [])].map(printable).join(" · ");

function boxes(finding, verdict) {
  const chosen = verdict?.verdict === "face" ? verdict.box : finding.box;
  if (finding.faces?.length) {
    return finding.faces.map((box, i) => [box, String(box) === String(chosen) ? "" : "other", String(i)]);
  }
  return chosen ? [[chosen, "", ""]] : [];
}

function figure(photo, title, label, over, kind) {
  const caption = create("figcaption", {}, create("b", { textContent: printable(title) }));
  for (const text of kind === "subject" ? [label] : [label, printable(photo.path)]) {
    if (text) caption.append(create("bdi", { textContent: text }));
  }
  return create("figure", { className: kind }, picture(photo, over), caption);
}

function go(step) {
  const place = listed.indexOf(current) + step;
  if (place >= 0 && place < listed.length) choose(listed[place]);
}

// Deciding, and undoing.

function decide(some, verdict) {
  undoStack.push(some.map((i) => [i, verdicts[i]]));
  for (const i of some) {
    verdicts[i] = verdict ?? proposedVerdict(data.findings[i]);
    mark(i);
  }
  unsaved = true;
  storeVerdicts();
  const left = (i) => !verdicts[i];
  const from = listed.indexOf(current);
  const next = listed.slice(from + 1).find(left) ?? listed.find(left);
  if (next === undefined) choose(current, false);
  else choose(next);
}

function undo() {
  const last = undoStack.pop();
  if (!last) return;
  for (const [i, before] of last) {
    verdicts[i] = before;
    mark(i);
  }
  unsaved = true;
  storeVerdicts();
  if (!listed.includes(last[0][0])) showList();
  choose(last[0][0]);
}

function chooseFace(number) {
  const finding = data.findings[current];
  const box = finding?.faces?.[number];
  if (box) decide([current], { verdict: "face", to: null, box });
}

function move() {
  byId("to").value = "";
  byId("mover").returnValue = "";
  byId("mover").showModal();
}

function finishMove() {
  const to = byId("to").value.trim().normalize("NFC");
  if (byId("mover").returnValue === "move" && to) decide([current], { verdict: "move", to, box: null });
}

const undecided = () => listed.filter((i) => !verdicts[i]);

function showProgress() {
  const done = verdicts.filter(Boolean).length;
  byId("share").value = done;
  byId("progress").textContent = `${done} of ${verdicts.length} reviewed`;
  byId("undo").disabled = !undoStack.length;
  byId("before").disabled = listed.indexOf(current) <= 0;
  byId("after").disabled = listed.indexOf(current) >= listed.length - 1;
  const left = undecided().length;
  byId("all").hidden = !byId("filter").value || !left;
  byId("all").textContent = `Accept all ${left} left of this kind`;
}

// The table of verdicts that `mien clean` reads.

/** A cell that no spreadsheet takes for a formula, quoted where needed. */
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
  const link = create("a", { href: URL.createObjectURL(new Blob(["\ufeff", table()], { type: "text/csv" })) });
  link.download = "verdicts.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  unsaved = false;
}

// Keys and buttons.

const ACTIONS = {
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
  "?": () => byId("keys").showModal(),
};
const NEEDS_FINDING = new Set(["y", "k", "d", "m"]);

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target instanceof Element && event.target.closest("input:not([type=checkbox]), select, textarea")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (/^[0-9]$/.test(key) && current >= 0) chooseFace(Number(key));
  if (!Object.hasOwn(ACTIONS, key) || (NEEDS_FINDING.has(key) && current < 0)) return;
  event.preventDefault();
  ACTIONS[key]();
  if (current >= 0) scrollToStage();
}

function fillSelects() {
  const counts = new Map();
  for (const { kind } of data.findings) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  byId("filter").append(create("option", { value: "", textContent: `all kinds (${data.findings.length})` }),
    ...[...counts].map(([kind, n]) => create("option", { value: kind, textContent: `${data.kinds[kind][0]} (${n})` })));
  byId("labels").append(...data.labels.map((label) => create("option", { value: label })));
}

function showKind(kind) {
  if (![...byId("filter").options].some((option) => option.value === kind)) return;
  byId("filter").value = kind;
  showList();
  byId("review").scrollIntoView();
}

function start() {
  loadVerdicts();
  fillSelects();
  const buttons = { accept: "y", keep: "k", drop: "d", move: "m", undo: "u", before: "b", after: "j", help: "?", save: "s" };
  for (const [id, key] of Object.entries(buttons)) byId(id).addEventListener("click", () => ACTIONS[key]());
  byId("all").addEventListener("click", () => decide(undecided()));
  byId("filter").addEventListener("change", showList);
  byId("left").addEventListener("change", showList);
  byId("stay").addEventListener("click", () => byId("mover").close());
  byId("mover").addEventListener("close", finishMove);
  document.addEventListener("keydown", onKey);
  for (const button of document.querySelectorAll("[data-kind]")) {
    button.addEventListener("click", () => showKind(button.dataset.kind));
  }
  addEventListener("beforeunload", (event) => {
    if (unsaved && !isStored) event.preventDefault();
  });
  showList();
}

if (byId("review")) start();
