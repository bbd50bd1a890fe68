// The page of corrections: what was told, what is right, and the export to train on.

import { ask } from "./api.js";
import { el, only, save } from "./dom.js";
import { counted, label, moment, say, trait } from "./words.js";

const byId = (id) => document.getElementById(id);

export function start() {
  document.addEventListener("mien:key", list);
  list();
}

async function list() {
  if (!byId("corrections")) return;
  try {
    show((await ask("/v1/corrections")).corrections);
  } catch (problem) {
    only(byId("count"), say("corrections.title"));
    complain(problem);
  }
}

function complain(problem) {
  only(byId("corrections"), el("p", { class: "problem" }, problem.message));
}

function show(corrections) {
  const some = corrections.length > 0;
  only(byId("count"), some ? counted("corrections.count", corrections.length) : say("corrections.title"));
  only(byId("corrections"), some ? table(corrections) : el("p", { class: "hint" }, say("corrections.none")));
  const about = [...new Set(corrections.map((each) => each.about))];
  const button = (what) =>
    el("button", { type: "button", click: () => download(what) }, say("corrections.export", { what: trait(what) }));
  only(byId("exports"), ...about.map(button));
}

function table(corrections) {
  const heads = ["what", "said", "right", "when"].map((key) => el("th", { scope: "col" }, say(`corrections.${key}`)));
  const head = el("tr", {}, ...heads, el("td", {}));
  return el("table", {}, el("thead", {}, head), el("tbody", {}, ...corrections.map(row)));
}

function row({ id, about, was, label: right, created }) {
  const cell = (key, text) => el("td", { "data-head": say(`corrections.${key}`) }, text);
  const cells = [cell("what", trait(about)), cell("said", label(was)), cell("right", label(right)), cell("when", moment(created))];
  const text = say("corrections.remove", { label: label(right) });
  const button = el("button", { type: "button", class: "quiet icon", "aria-label": text, title: text, click: () => remove(id) }, "×");
  return el("tr", {}, ...cells, el("td", {}, button));
}

async function remove(id) {
  try {
    await ask(`/v1/corrections/${id}`, { method: "DELETE" });
    await list();
    byId("count").focus();
  } catch (problem) {
    complain(problem);
  }
}

async function download(about) {
  try {
    const file = await ask(`/v1/corrections/export?about=${encodeURIComponent(about)}`, { as: "blob" });
    save(`corrections-${about}.parquet`, "application/vnd.apache.parquet", file);
  } catch (problem) {
    complain(problem);
  }
}
