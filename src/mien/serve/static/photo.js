// The card of one photo: the picture with its faces, and what was told of them.

import { el, only, save } from "./dom.js";
import { Overlay } from "./draw.js";
import { Faces } from "./faces.js";
import { counted, number, reason, say } from "./words.js";

const LARGEST = 2;

// A picture fills its place, but is shown at no more than twice its size, and no higher than the window.
export function framed(picture, { width, height }) {
  picture.style.setProperty("--aspect", String(width / height));
  picture.style.setProperty("--widest", `${LARGEST * width}px`);
}

export class Photo {
  constructor(file, name, { forget, known }) {
    Object.assign(this, { file, name, known, chosen: 0, url: URL.createObjectURL(file) });
    this.facts = el("p", { class: "facts" }, say("photo.waiting"));
    this.image = el("img", { src: this.url, alt: name });
    this.canvas = el("canvas", { "aria-hidden": "true", click: (event) => this.pick(event) });
    this.picture = el("div", { class: "picture" }, this.image, this.canvas);
    this.panel = el("div", { class: "panel" });
    this.json = el("button", { type: "button", class: "quiet", hidden: true, click: () => this.download() }, say("photo.json"));
    const text = say("photo.remove", { name });
    const remove = el("button", { type: "button", class: "quiet icon", "aria-label": text, title: text, click: () => forget(this) }, "×");
    const bar = el("header", { class: "bar" }, el("h3", {}, name), this.facts, el("div", { class: "tools" }, this.json, remove));
    this.card = el("article", { class: "photo card", "aria-label": name }, bar, el("div", { class: "seen" }, this.picture, this.panel));
    this.overlay = new Overlay(this.canvas);
    this.image.addEventListener("error", () => this.undrawable());
    const { image } = this;
    image.addEventListener("load", () => framed(this.picture, { width: image.naturalWidth, height: image.naturalHeight }));
  }

  looking() {
    only(this.facts, say("photo.looking"));
    this.card.setAttribute("aria-busy", "true");
  }

  // -> what happened, in a sentence for those who cannot see it.
  async show({ seen, answers, ms }) {
    this.card.removeAttribute("aria-busy");
    this.card.classList.remove("failed");
    this.answers = answers;
    this.json.hidden = false;
    if (seen.rejected) return this.failed(reason(seen.rejected));
    await this.image.decode().catch(() => null);
    const faces = counted("photo.faces", seen.faces.length);
    const took = el("span", { title: say("photo.time") }, say("photo.took", { ms: number(ms) }));
    only(this.facts, `${number(seen.width)} × ${number(seen.height)} · ${faces} · `, took);
    this.image.alt = say("photo.picture", { name: this.name, faces });
    const drawn = this.image.naturalWidth ? this.image : null;
    framed(this.picture, seen);
    this.faces = new Faces(this.panel, this.name, { picture: drawn, choose: (i) => this.choose(i), known: this.known, fix: this.file });
    this.seen = seen;
    this.faces.show(seen, this.chosen);
    this.overlay.show(seen, this.chosen);
    return say("photo.seen", { name: this.name, faces, ms: number(ms) });
  }

  failed(why) {
    this.card.classList.add("failed");
    this.card.removeAttribute("aria-busy");
    only(this.facts);
    only(this.panel, el("p", { class: "problem" }, why));
    return say("photo.failed", { name: this.name, why });
  }

  choose(i) {
    this.chosen = i;
    this.overlay.show(this.seen, i);
    this.faces.face(i);
  }

  pick(event) {
    const i = this.seen ? this.overlay.at(event.clientX, event.clientY) : undefined;
    if (i !== undefined) this.choose(i);
  }

  undrawable() {
    this.image.hidden = true;
    this.picture.classList.add("undrawable");
    this.picture.append(el("p", { class: "hint" }, say("photo.undrawable")));
  }

  download() {
    save(`${this.name.replace(/\.\w+$/, "")}.json`, "application/json", this.lines());
  }

  // As the program prints it with --json: one object a line.
  lines() {
    return this.answers.map((answer) => `${JSON.stringify({ ...answer, image: this.name })}\n`).join("");
  }

  close() {
    URL.revokeObjectURL(this.url);
    this.card.remove();
  }
}
