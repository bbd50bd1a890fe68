// Starts whichever page is shown, and again whenever htmx has put another in its place.

import { start as corrections } from "./corrections.js";
import { listen } from "./api.js";
import { start as bundles } from "./bundles.js";
import { leave, start as look } from "./look.js";
import { start as people } from "./people.js";

const pages = { look, people, corrections, bundles };
let shown = null;

function start() {
  const main = document.getElementById("content");
  if (main === shown) return;
  const first = shown === null;
  shown = main;
  leave();
  listen();
  pages[main.dataset.page](main);
  if (first) return;
  window.scrollTo(0, 0);
  main.focus({ preventScroll: true });
}

document.addEventListener("htmx:after:swap", start);
window.addEventListener("pagehide", leave);
start();
