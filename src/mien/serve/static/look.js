// The page for looking: photos as they come, a few at a time, and what to ask about them.

import { ask } from "./api.js";
import { see } from "./asking.js";
import { Camera } from "./camera.js";
import { el, only, save } from "./dom.js";
import { Photo } from "./photo.js";
import { receive } from "./receive.js";
import { say } from "./words.js";

const AT_ONCE = 2;
const photos = []; // kept while other pages are looked at, since the server keeps none
const waiting = [];
const wish = { bundle: "" };
let enrolled = 0;
let counting = Promise.resolve(); // until it is known whether anybody is enrolled
let working = 0;
let camera = null;

const byId = (id) => document.getElementById(id);

export function start() {
  receive(take);
  camera = new Camera({ wish, tell, take, known });
  byId("results").append(...photos.map((photo) => photo.card));
  byId("all-json").addEventListener("click", () =>
    save("faces.jsonl", "application/jsonl", photos.filter((each) => each.answers).map((each) => each.lines()).join("")),
  );
  byId("clear").addEventListener("click", () => {
    photos.slice().forEach(forget);
    byId("files").focus();
  });
  byId("ask").addEventListener("change", (event) => again({ bundle: event.target.value }));
  document.addEventListener("mien:key", keyed);
  refresh();
  bundles();
  counting = people();
}

export function leave() {
  camera?.stop();
  camera = null;
  document.removeEventListener("mien:key", keyed);
}

function keyed() {
  bundles();
  counting = people();
  again({});
}

const known = () => enrolled > 0;

async function people() {
  const answer = await ask("/v1/people").catch(() => null);
  const before = enrolled;
  enrolled = answer?.people.length ?? 0;
  if (enrolled !== before && photos.some((photo) => photo.answers)) again({});
}

async function bundles() {
  const select = byId("ask");
  const answer = await ask("/v1/bundles").catch(() => null);
  const own = (answer?.bundles ?? []).filter((each) => !each.trait).map((each) => each.name);
  const choices = own.map((name) => el("option", { value: name }, say("look.bundle", { name })));
  select.replaceChildren(select.options[0], ...choices);
  select.value = own.includes(wish.bundle) ? wish.bundle : "";
  wish.bundle = select.value;
}

function take(files) {
  for (const file of files) {
    const photo = new Photo(file, file.name || say("photo.pasted"), { forget, known });
    photos.push(photo);
    waiting.push(photo);
    byId("results")?.append(photo.card);
  }
  refresh();
  work();
}

function again(change) {
  Object.assign(wish, change);
  waiting.splice(0, waiting.length, ...photos);
  work();
}

async function work() {
  if (working >= AT_ONCE || !waiting.length) return;
  const photo = waiting.shift();
  working += 1;
  work();
  photo.looking();
  await counting;
  try {
    tell(await photo.show(await see(photo.file, wish)));
  } catch (problem) {
    if (!(problem instanceof Error)) throw problem;
    tell(photo.failed(problem.message));
  }
  working -= 1;
  work();
}

function forget(photo) {
  photos.splice(photos.indexOf(photo), 1);
  if (waiting.includes(photo)) waiting.splice(waiting.indexOf(photo), 1);
  photo.close();
  refresh();
}

function refresh() {
  const bar = byId("results-bar");
  if (!bar) return;
  bar.hidden = photos.length === 0;
  byId("drop").classList.toggle("small", photos.length > 0);
}

function tell(sentence) {
  const status = byId("status");
  if (status) only(status, sentence);
}
