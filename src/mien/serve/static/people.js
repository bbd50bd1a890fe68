// The page of people: enrolling somebody with photos, the list, and forgetting with a receipt.

import { ask } from "./api.js";
import { el, only, save } from "./dom.js";
import { receive } from "./receive.js";
import { counted, day, moment, number, reason, say } from "./words.js";

const MOST_PHOTOS = 16;
const MOST_BYTES = 15_000_000;
const byId = (id) => document.getElementById(id);
let chosen = [];

export function start() {
  chosen = [];
  receive((files) => choose([...chosen, ...files]));
  byId("enrol").addEventListener("submit", enrol);
  document.addEventListener("mien:key", list);
  list();
}

function choose(files) {
  const strip = byId("thumbs");
  for (const image of strip.querySelectorAll("img")) URL.revokeObjectURL(image.src);
  chosen = files;
  only(byId("chosen"), counted("people.chosen", files.length));
  only(strip, ...files.map(thumb));
}

function thumb(file) {
  const text = say("photo.remove", { name: file.name });
  const drop = () => {
    choose(chosen.filter((each) => each !== file));
    byId("files").focus();
  };
  const button = el("button", { type: "button", class: "quiet icon", "aria-label": text, title: text, click: drop }, "×");
  return el("span", { class: "thumb" }, el("img", { src: URL.createObjectURL(file), alt: file.name }), button);
}

// -> the first thing that is missing, as its field and a sentence.
function missing() {
  const fields = [
    ["person-name", byId("person-name").value.trim(), "people.need-name"],
    ["files", chosen.length, "people.need-photos"],
    ["consent", byId("consent").value.trim(), "people.need-consent"],
    ["agreed", byId("agreed").checked, "people.need-agreed"],
  ];
  for (const [id, there] of fields) byId(id).setAttribute("aria-invalid", String(!there));
  return fields.find(([, there]) => !there);
}

async function enrol(event) {
  event.preventDefault();
  const lacking = missing();
  if (lacking) {
    only(byId("enrolled"), el("p", { class: "problem" }, say(lacking[2])));
    return byId(lacking[0]).focus();
  }
  const said = { name: byId("person-name").value.trim(), consent: byId("consent").value.trim(), largest: byId("largest").checked };
  only(byId("enrolled"), el("p", {}, say("people.working")));
  const button = event.submitter;
  button.disabled = true;
  try {
    const done = await send(said, chosen);
    only(byId("enrolled"), ...outcome(done));
    if (done.enrolled) {
      event.target.reset();
      choose([]);
    }
    list();
  } catch (problem) {
    only(byId("enrolled"), el("p", { class: "problem" }, problem.message), unused(problem.rejected));
  } finally {
    button.disabled = false;
  }
}

async function send(said, files) {
  const all = { enrolled: 0, rejected: [] };
  for (const some of shares(files)) {
    const form = new FormData();
    for (const [key, value] of Object.entries(said)) form.append(key, value);
    for (const file of some) form.append("photo", file, file.name);
    const done = await ask("/v1/people", { method: "POST", body: form });
    Object.assign(all, done, { enrolled: all.enrolled + done.enrolled, rejected: [...all.rejected, ...done.rejected] });
  }
  return all;
}

// As few requests as carry all files, none of them larger than the server takes.
function shares(files) {
  const made = [];
  let room = 0;
  for (const file of files) {
    if (file.size > room || made.at(-1).length === MOST_PHOTOS) {
      made.push([]);
      room = MOST_BYTES;
    }
    made.at(-1).push(file);
    room -= file.size;
  }
  return made;
}

function outcome({ person, photos, enrolled, rejected, close }) {
  return [
    el("p", { class: enrolled ? "good" : "problem" }, counted("people.done", enrolled, { name: person, all: number(photos) })),
    unused(rejected),
    warning(close),
  ];
}

function unused(rejected) {
  const refused = (rejected ?? []).map((each) => el("li", {}, `${each.image}: ${reason(each)}`));
  return refused.length ? el("ul", { class: "problem" }, ...refused) : null;
}

function warning(close) {
  if (!close?.length) return null;
  return el("p", { class: "problem" }, say("people.close", { names: close.map((other) => other.name).join(", ") }));
}

async function list() {
  const place = byId("people");
  if (!place) return;
  try {
    const { people } = await ask("/v1/people");
    only(place, people.length ? el("ul", { class: "people" }, ...people.map(entry)) : el("p", { class: "hint" }, say("people.none")));
  } catch (problem) {
    only(place, el("p", { class: "problem" }, problem.message));
  }
}

function entry(person) {
  const facts = [counted("people.photos", person.photos), say("people.since", { date: day(person.created) }), person.consent ?? say("people.no-consent")];
  const text = say("people.forget-who", { name: person.name });
  return el(
    "li",
    { "data-id": person.id },
    el("div", {}, el("h3", {}, person.name), el("p", { class: "facts" }, facts.join(" · ")), warning(person.close)),
    el("button", { type: "button", class: "danger", "aria-label": text, click: () => forget(person) }, say("people.forget")),
  );
}

async function forget(person) {
  const sure = byId("sure");
  only(byId("sure-title"), say("people.sure", { name: person.name }));
  sure.returnValue = "keep";
  sure.showModal();
  await new Promise((resolve) => sure.addEventListener("close", resolve, { once: true }));
  if (sure.returnValue !== "forget") return;
  const place = byId("receipt");
  place.hidden = false;
  only(byId("enrolled"));
  try {
    only(place, ...receipt(await ask(`/v1/people/${person.id}`, { method: "DELETE" })));
  } catch (problem) {
    only(place, el("p", { class: "problem" }, problem.message));
  }
  place.focus();
  list();
}

function receipt(gone) {
  const fact = (key, ...value) => [el("dt", {}, say(key)), el("dd", {}, ...value)];
  const sums = gone.sha256.map((sum) => el("code", {}, sum));
  return [
    el("h3", {}, say("receipt.title", { name: gone.person })),
    el(
      "dl",
      {},
      ...fact("receipt.when", moment(gone.forgotten)),
      ...fact("receipt.photos", number(gone.photos)),
      ...fact("receipt.vectors", number(gone.vectors)),
      ...fact("receipt.cache", number(gone.cache_entries)),
      el("dt", {}, say("receipt.sums")),
      el("dd", { class: "long" }, ...sums),
    ),
    gone.erased ? null : el("p", { class: "problem" }, say("receipt.later")),
    el(
      "button",
      { type: "button", class: "quiet", click: () => save("receipt.json", "application/json", JSON.stringify(gone, null, 2)) },
      say("receipt.json"),
    ),
  ];
}
