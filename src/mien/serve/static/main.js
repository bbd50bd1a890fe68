// Starts whichever page is shown, and again whenever htmx has put another in its place.

import "./requests.js";
import { leave, start as look } from "./look.js";
import { start as people } from "./people.js";
import { receive } from "./receive.js";

const pages = { look, people };
let shown = null;

function start() {
  const main = document.getElementById("content");
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
