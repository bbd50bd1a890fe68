// What was told of a picture's faces, beside it: which face, its traits and name as bars, and the form to correct one.

import { correct } from "./correct.js";
import { bar, el, only } from "./dom.js";
import { cut } from "./draw.js";
import { label, number, percent, say, trait } from "./words.js";

const BLURRED = 50;
const CHIP = 48;
let panels = 0;

export class Faces {
  // picture: what the faces are cut out of; choose: told which face was chosen; known: whether anybody is enrolled;
  // fix: the photo to correct, or nothing.
  constructor(panel, name, { picture = null, choose, known, fix = null }) {
    Object.assign(this, { panel, name, picture, choose, known, fix, group: `faces-${(panels += 1)}` });
    this.body = el("div", { class: "told" });
  }

  show(seen, chosen) {
    this.seen = seen;
    only(this.panel, seen.faces.length > 1 ? this.chips(chosen) : null, this.body);
    this.face(chosen);
  }

  chips(chosen) {
    const one = (face, i) => {
      const input = el("input", { type: "radio", name: this.group, value: i, change: () => this.choose(i) });
      input.checked = i === chosen;
      const text = say("photo.face", { n: number(i + 1) });
      const shown = this.picture ? cut(this.picture, face, CHIP * 2) : el("span", { class: "blank" });
      shown.setAttribute("aria-hidden", "true");
      return el("label", { class: "chip", title: text }, input, shown, el("span", { class: "number" }, number(i + 1)), el("span", { class: "unseen" }, text));
    };
    const legend = el("legend", { class: "unseen" }, say("photo.choose-face", { name: this.name }));
    return el("fieldset", { class: "chips" }, legend, ...this.seen.faces.map(one));
  }

  face(i) {
    const input = this.panel.querySelector(`.chips input[value="${i}"]`);
    if (input) input.checked = true;
    const face = this.seen.faces[i];
    if (!face) return only(this.body);
    const rows = [this.person(face), ...told(face)].filter(Boolean).map((each) => this.row(face, each));
    const hint = rows.length ? "face.open" : "face.none";
    only(this.body, ...rows, rows.length && !this.fix ? null : el("p", { class: "hint" }, say(hint)), quality(face));
  }

  // Who it is; "unknown" only where there is anybody to be like.
  person({ person }) {
    if (!person && !this.known()) return null;
    const far = person && say("face.near", { distance: number(person.distance, 2) });
    return { what: "person", label: person?.name ?? "unknown", score: person ? 1 - person.distance : 0, shown: far ?? "", scores: [] };
  }

  row(face, each) {
    const sure = each.label === each.scores[0]?.[0];
    const shown = each.shown ?? (sure ? percent(each.score) : "");
    const called = each.what === "person" && each.label !== "unknown" ? each.label : label(each.label);
    const head = [
      el("span", { class: "what" }, trait(each.what)),
      el("span", { class: "answer", "data-label": each.label }, called),
      el("span", { class: "percent" }, shown),
      bar(each.score ?? 0, each.what === "person" ? "person" : sure ? "" : "unsure"),
    ];
    if (!this.fix) return el("div", { class: "row", "data-what": each.what }, ...head);
    const text = say("correct.open", { what: trait(each.what), label: called, percent: shown });
    const summary = el("summary", { class: "row", "aria-label": text }, ...head);
    const all = el("details", { class: "trait", "data-what": each.what }, summary);
    all.addEventListener("toggle", () => all.open && all.append(correct(each, face, this.fix)), { once: true });
    return all;
  }
}

// A face's answers, of whatever kind -> [{what, label, score, scores: [[label, share], ...] best first}].
function told(face) {
  return Object.entries(face.traits ?? {}).map(([what, { label: name, score, scores }]) => ({
    what,
    label: name,
    score,
    scores: Object.entries(scores).sort((a, b) => b[1] - a[1]),
  }));
}

function quality({ quality: measured }) {
  if (!measured) return null;
  const sharp = say(measured.sharpness < BLURRED ? "face.blurred" : "face.sharp");
  return el("p", { class: "hint quality" }, say("face.quality", { side: number(measured.side), sharp }));
}
