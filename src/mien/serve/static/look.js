// The page for looking: photos are sent two at a time, and stay in this tab only.

import { Camera } from "./camera.js";
import { receive } from "./receive.js";
import { say } from "./requests.js";

const AT_ONCE = 2;
const LARGEST = 2; // times its own size, at which a picture is shown at most
const photos = new Map(); // card -> its file and the address of its picture, also while another page is shown
const waiting = new Set();
const byId = (id) => document.getElementById(id);
let bundle = "";
let working = 0;
let camera = null;

export function start() {
  receive(add);
  camera = new Camera(() => bundle, add);
  byId("results").append(...photos.keys());
  byId("clear").addEventListener("click", () => {
    [...photos.keys()].forEach(remove);
    byId("files").focus();
  });
  byId("all-json").addEventListener("click", saveAll);
  byId("ask").addEventListener("change", () => ask(byId("ask").value));
  byId("ask").addEventListener("htmx:after:swap", ({ target }) => {
    target.value = bundle;
    if (!target.value) target.value = bundle = ""; // it is gone
  });
  refresh();
}

// Cards that htmx does not see go keep their listeners.
export function leave() {
  camera?.stop();
  for (const card of photos.keys()) card.remove();
}

document.addEventListener("mien:key", () => byId("results") && ask(bundle));

function ask(name) {
  bundle = name;
  for (const card of photos.keys()) waiting.add(card);
  work();
}

function add(files) {
  for (const file of files) {
    const card = byId("photo-card").content.firstElementChild.cloneNode(true);
    const image = card.querySelector("img");
    const name = file.name || say("pasted");
    photos.set(card, { file, name, url: URL.createObjectURL(file) });
    card.setAttribute("aria-label", name);
    card.querySelector("h3").textContent = name;
    const close = card.querySelector(".remove");
    close.ariaLabel = close.title = say("remove", { name });
    close.addEventListener("click", () => remove(card));
    image.addEventListener("load", () => frame(card, image.naturalWidth, image.naturalHeight));
    image.addEventListener("error", () => undrawable(card));
    Object.assign(image, { src: photos.get(card).url, alt: name });
    waiting.add(card);
    byId("results").append(card);
    htmx.process(card);
  }
  byId("files").value = "";
  refresh();
  work();
}

async function work() {
  const [card] = waiting;
  if (!card || working >= AT_ONCE) return;
  waiting.delete(card);
  working += 1;
  work();
  card.ariaBusy = "true";
  card.querySelector(".facts").textContent = say("looking");
  const start = performance.now();
  const body = new FormData();
  body.append("photo", photos.get(card).file, photos.get(card).name);
  body.append("bundle", bundle);
  await htmx.ajax("POST", "/parts/look", { source: card, target: card.querySelector(".panel"), body });
  card.ariaBusy = null;
  finish(card, performance.now() - start);
  working -= 1;
  work();
}

function finish(card, ms) {
  const drawing = card.querySelector(".overlay svg");
  const took = card.querySelector(".took");
  if (!took) return void card.querySelector(".facts").replaceChildren();
  took.textContent = took.dataset.pattern.replace("{}", Math.round(ms).toLocaleString(document.documentElement.lang));
  card.querySelector("img").alt = drawing.dataset.alt;
  frame(card, drawing.dataset.width, drawing.dataset.height);
  for (const image of card.querySelectorAll(".thumbnail image")) image.setAttribute("href", photos.get(card)?.url);
}

// A picture fills its place, up to twice its own size, and is no higher than the window.
export function frame(card, width, height) {
  const { style } = card.querySelector(".picture");
  style.setProperty("--aspect", width / height);
  style.setProperty("--widest", `${LARGEST * width}px`);
}

function undrawable(card) {
  const picture = card.querySelector(".picture");
  picture.classList.add("undrawable");
  picture.querySelector("img").hidden = true;
  picture.querySelector(".hint").hidden = false;
}

function remove(card) {
  URL.revokeObjectURL(photos.get(card).url);
  photos.delete(card);
  waiting.delete(card);
  card.remove();
  refresh();
}

function refresh() {
  byId("results-bar").hidden = photos.size === 0;
  byId("drop").classList.toggle("small", photos.size > 0);
}

function saveAll() {
  const links = [...document.querySelectorAll("#results .json a")];
  const lines = links.map((link) => decodeURIComponent(link.href.slice(link.href.indexOf(",") + 1)));
  const url = URL.createObjectURL(new Blob(lines, { type: "application/jsonl" }));
  Object.assign(document.createElement("a"), { href: url, download: "faces.jsonl" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

// A face is chosen by its thumbnail or by its box, and shown beside the picture.
export function choose(card, face) {
  for (const part of card.querySelectorAll("[data-face]")) part.classList.toggle("chosen", part.dataset.face === face);
  const radio = card.querySelector(`.chip input[value="${face}"]`);
  if (radio) radio.checked = true;
  return Boolean(radio);
}

document.addEventListener("change", ({ target }) => {
  if (target.matches(".chip input")) choose(target.closest(".card"), target.value);
});
document.addEventListener("click", ({ target }) => {
  const box = target.closest(".overlay [data-face]");
  if (box) choose(box.closest(".card"), box.dataset.face);
});

// A correction is sent with its photo, of which the service stores the face.
document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
  const photo = photos.get(ctx.sourceElement.closest(".photo"));
  if (photo && ctx.sourceElement.matches("form.correct")) ctx.request.body.append("photo", photo.file, "photo");
});
