// The page of bundles: what each tells apart, its card, and its report, which opens by itself.

import { ask, lend } from "./api.js";
import { el, only } from "./dom.js";
import { marked } from "./markdown.js";
import { day, label, say, trait } from "./words.js";

const byId = (id) => document.getElementById(id);

export function start() {
  document.addEventListener("mien:key", list);
  list();
}

async function list() {
  const place = byId("bundles");
  if (!place) return;
  try {
    const { bundles } = await ask("/v1/bundles");
    only(place, ...bundles.map(entry));
    if (!bundles.length) only(place, el("p", { class: "hint" }, say("bundles.none")));
  } catch (problem) {
    only(place, el("p", { class: "problem" }, problem.message));
  }
}

function entry(bundle) {
  const { name, labels, report, card } = bundle;
  const title = el("h2", { id: `bundle-${name}` }, bundle.trait ? trait(name) : name);
  const tools = el("div", { class: "tools" }, report ? link(name) : null);
  const ways = [bundle.trait ? say("bundles.trait") : bundle.recipe, bundle.embedder, bundle.created && day(bundle.created)];
  const told = el("ul", { class: "labels" }, ...labels.map((each) => el("li", {}, bundle.trait ? label(each) : each)));
  const kind = el("p", { class: "facts" }, ways.filter(Boolean).join(" · "));
  const bar = el("header", { class: "bar" }, title, tools);
  return el("article", { class: "card bundle", "aria-labelledby": title.id }, bar, kind, told, card ? details(name) : null);
}

function link(name) {
  const href = `/v1/bundles/${encodeURIComponent(name)}/report`;
  const text = `${say("bundles.report")} ${say("bundles.opens")}`;
  return el("a", { href, target: "_blank", rel: "noopener", class: "button", "aria-label": text, click: () => lend(href) }, say("bundles.report"));
}

// Read only when somebody wants to.
function details(name) {
  const text = el("div", { class: "text" });
  const open = async () => {
    if (text.childElementCount) return;
    try {
      only(text, ...marked(await ask(`/v1/bundles/${encodeURIComponent(name)}/card`, { as: "text" })));
    } catch (problem) {
      only(text, el("p", { class: "problem" }, problem.message));
    }
  };
  return el("details", { toggle: open }, el("summary", {}, say("bundles.card")), text);
}
