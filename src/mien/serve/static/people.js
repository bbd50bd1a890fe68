// The page of people: the photos of whoever is enrolled are collected here; the service renders everything else.

import { receive } from "./receive.js";
import { complete, say } from "./requests.js";

const MOST_PHOTOS = 16;
const MOST_BYTES = 15_000_000;
const byId = (id) => document.getElementById(id);
let chosen = [];

export function start() {
  choose([]);
  receive((files) => choose([...chosen, ...files]));
  byId("enroll").addEventListener("submit", enroll);
}

function choose(files) {
  for (const image of byId("thumbs").querySelectorAll("img")) URL.revokeObjectURL(image.src);
  chosen = files;
  const field = new DataTransfer();
  for (const file of files) field.items.add(file);
  byId("files").files = field.files;
  const count = say(`chosen-${Math.min(2, files.length)}`, { n: files.length });
  byId("chosen").textContent = count;
  byId("thumbs").replaceChildren(...files.map(thumb));
}

function thumb(file) {
  const shown = document.createElement("span");
  const image = Object.assign(new Image(), { src: URL.createObjectURL(file), alt: file.name });
  const button = Object.assign(document.createElement("button"), { type: "button", className: "quiet icon", textContent: "×" });
  button.ariaLabel = button.title = say("remove", { name: file.name });
  button.addEventListener("click", () => {
    choose(chosen.filter((other) => other !== file));
    byId("files").focus();
  });
  shown.className = "thumb";
  shown.append(image, button);
  return shown;
}

async function enroll(event) {
  event.preventDefault();
  const [form, button] = [event.target, event.submitter];
  if (!complete(form)) return;
  const fields = new FormData(form);
  fields.delete("photo");
  byId("enrolled").textContent = say("enrolling");
  button.disabled = true;
  let swap; // the first outcome takes the place of what is there, others follow it
  for (const files of shares(chosen)) {
    const body = new FormData();
    for (const [name, value] of fields) body.append(name, value);
    for (const file of files) body.append("photo", file, file.name);
    await htmx.ajax("POST", "/parts/people", { source: form, target: "#enrolled", swap, body });
    swap = "beforeend";
  }
  button.disabled = false;
  if (!byId("enrolled")?.querySelector(".good")) return;
  form.reset();
  choose([]);
}

// As few requests as carry all files, none of them larger than the service accepts.
function shares(files) {
  const all = [];
  let room = 0;
  for (const file of files) {
    if (file.size > room || all.at(-1).length === MOST_PHOTOS) {
      all.push([]);
      room = MOST_BYTES;
    }
    all.at(-1).push(file);
    room -= file.size;
  }
  return all;
}
