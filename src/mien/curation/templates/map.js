"use strict";
// The map: points coloured by label, rings around those in doubt, and the photo under the pointer.

const HUES = [210, 25, 140, 320, 50, 265, 175, 0, 95, 290, 195, 75];
const NEAR = 9;
const MARGIN = 16;

const canvas = byId("map");
const dark = matchMedia("(prefers-color-scheme: dark)");
const photoOf = (point) => (typeof point[4] === "number" ? data.photos[point[4]] : { path: point[4] });
let hues = new Map();

/** The labels with the most points, each with a hue; the rest are grey. */
function palette() {
  const counts = new Map();
  for (const [, , label] of data.points) counts.set(label, (counts.get(label) ?? 0) + 1);
  const most = [...counts].filter(([label]) => label >= 0).sort((a, b) => b[1] - a[1]).slice(0, HUES.length);
  return new Map(most.map(([label], i) => [label, HUES[i]]));
}

const colour = (hue) => (hue === undefined ? (dark.matches ? "#5b6670" : "#b9bcbf") : `hsl(${hue} 65% ${dark.matches ? 65 : 42}%)`);

function positions() {
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  const right = Math.max(1, ...data.points.map((point) => point[0]));
  const bottom = Math.max(1, ...data.points.map((point) => point[1]));
  const scale = Math.min((width - 2 * MARGIN) / right, (height - 2 * MARGIN) / bottom);
  const left = (width - right * scale) / 2;
  const top = (height - bottom * scale) / 2;
  return data.points.map(([x, y]) => [left + x * scale, top + y * scale]);
}

let spots = [];

function draw() {
  spots = positions();
  const ratio = devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = canvas.clientHeight * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const only = byId("shade").value === "" ? null : Number(byId("shade").value);
  const radius = data.points.length > 3000 ? 1.8 : 3;
  const order = data.points.map((_, i) => i).sort((i, j) => data.points[i][3] - data.points[j][3]); // doubts on top
  for (const i of order) {
    const label = data.points[i][2];
    pen.globalAlpha = only === null || only === label ? 0.85 : 0.12;
    pen.fillStyle = colour(only === label && !hues.has(label) ? HUES[0] : hues.get(label));
    pen.beginPath();
    pen.arc(...spots[i], radius, 0, 7);
    pen.fill();
  }
  pen.globalAlpha = 1;
  pen.lineWidth = 1.6;
  pen.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--drop");
  data.points.forEach(([, , label, suspect], i) => {
    if (!suspect || (only !== null && only !== label)) return;
    pen.beginPath();
    pen.arc(...spots[i], radius + 3, 0, 7);
    pen.stroke();
  });
}

/** The point under the pointer; those in doubt are preferred. */
function nearest(event) {
  const { left, top } = canvas.getBoundingClientRect();
  const away = (i) => Math.hypot(spots[i][0] - event.clientX + left, spots[i][1] - event.clientY + top);
  let best = -1;
  let least = NEAR;
  data.points.forEach((point, i) => {
    const distance = away(i) - (point[3] ? 3 : 0);
    if (distance < least) [best, least] = [i, distance];
  });
  return best;
}

function onHover(event) {
  const i = nearest(event);
  const box = byId("hover");
  box.hidden = i < 0;
  if (i < 0) return;
  const [, , label, suspect] = data.points[i];
  const photo = photoOf(data.points[i]);
  box.replaceChildren();
  if (photo.jpeg) box.append(create("img", { src: `data:image/jpeg;base64,${photo.jpeg}`, alt: "" }));
  box.append(create("b", { textContent: printable(data.labels[label] ?? "no label") }), create("br"), create("bdi", { textContent: printable(photo.path) }));
  if (suspect) box.append(create("br"), "label in doubt");
  const right = spots[i][0] > canvas.clientWidth / 2;
  box.style.left = right ? "auto" : `${spots[i][0] + 12}px`;
  box.style.right = right ? `${canvas.clientWidth - spots[i][0] + 12}px` : "auto";
  box.style.top = `${Math.max(0, Math.min(spots[i][1] - 20, canvas.clientHeight - box.offsetHeight))}px`;
}

function onClick(event) {
  const i = nearest(event);
  if (i < 0 || !data.points[i][3]) return;
  const index = data.findings.findIndex((finding) => finding.photo === data.points[i][4] && ["wrong-person", "label-suspect"].includes(finding.kind));
  if (index < 0) return;
  byId("left").checked = false;
  showKind(data.findings[index].kind);
  choose(index);
}

function legend() {
  byId("shade").append(create("option", { value: "", textContent: "all" }),
    ...data.labels.map((label, i) => create("option", { value: i, textContent: printable(label) })));
  for (const [label, hue] of hues) {
    const dot = create("i");
    dot.style.background = colour(hue);
    byId("legend").append(create("span", {}, dot, create("bdi", { textContent: printable(data.labels[label]) })));
  }
  if (data.labels.length > hues.size) byId("legend").append(create("span", { textContent: `and ${data.labels.length - hues.size} more in grey` }));
}

function redraw() {
  byId("legend").replaceChildren();
  byId("shade").options.length = 0;
  legend();
  draw();
}

if (canvas && data.points.length) {
  hues = palette();
  legend();
  draw();
  byId("shade").addEventListener("change", draw);
  canvas.addEventListener("pointermove", onHover);
  canvas.addEventListener("pointerleave", () => { byId("hover").hidden = true; });
  canvas.addEventListener("click", onClick);
  addEventListener("resize", draw);
  dark.addEventListener("change", redraw);
}
