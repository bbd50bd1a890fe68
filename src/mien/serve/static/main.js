// Starts whichever page is shown, and again whenever htmx has put another in its place.

import "./requests.js";
import { leave, start as look } from "./look.js";
import { start as people } from "./people.js";
import { receive } from "./receive.js";

const byId = (id) => document.getElementById(id);

// The page that explains asks again when a photo is given, and when another answer is to be explained.
function explain() {
  const ask = () => byId("files").files.length && byId("explain").requestSubmit();
  receive(([file]) => {
    const field = new DataTransfer();
    field.items.add(file);
    byId("files").files = field.files;
    ask();
  });
  byId("ask").addEventListener("change", ask);
}

const pages = { look, people, explain };
let shown = null;

function start() {
  const main = byId("content");
  if (main === shown) return;
  const first = shown === null;
  shown = main;
  receive(() => {});
  pages[main.dataset.page]?.();
  if (first) return;
  window.scrollTo(0, 0);
  main.focus({ preventScroll: true });
}

document.addEventListener("htmx:before:swap", ({ detail: { ctx } }) => ctx.target === document.body && leave());
document.addEventListener("htmx:after:swap", start);
window.addEventListener("pagehide", leave);
start();
