"use strict";
// The map: points coloured by label, rings around those in doubt, and what lies under the pointer.

const HUES = [210, 25, 140, 320, 50, 265, 175, 0, 95, 290, 195, 75];
const NEAR = 9;
const MARGIN = 16;

const canvas = at("map");
const dark = matchMedia("(prefers-color-scheme: dark)");
const own = (point) => (typeof point[4] === "number" ? data.photos[point[4]] : { path: point[4] });
let coloured = new Map();

/** The labels with most points, each with a colour; the rest are grey. */
function palette() {
  const counts = new Map();
  for (const [, , label] of data.points) counts.set(label, (counts.get(label) ?? 0) + 1);
  const most = [...counts].filter(([label]) => label >= 0).sort((a, b) => b[1] - a[1]).slice(0, HUES.length);
  return new Map(most.map(([label], i) => [label, HUES[i]]));
}

const ink = (hue) => (hue === undefined ? (dark.matches ? "#5b6670" : "#b9bcbf") : `hsl(${hue} 65% ${dark.matches ? 65 : 42}%)`);

function places() {
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

function paint() {
  spots = places();
  const ratio = devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = canvas.clientHeight * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const only = at("shade").value === "" ? null : Number(at("shade").value);
  const radius = data.points.length > 3000 ? 1.8 : 3;
  const order = data.points.map((_, i) => i).sort((i, j) => data.points[i][3] - data.points[j][3]); // doubts on top
  for (const i of order) {
    const label = data.points[i][2];
    pen.globalAlpha = only === null || only === label ? 0.85 : 0.12;
    pen.fillStyle = ink(only === label && !coloured.has(label) ? HUES[0] : coloured.get(label));
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

/** The point under the pointer, those in doubt before others. */
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

function hover(event) {
  const i = nearest(event);
  const box = at("hover");
  box.hidden = i < 0;
  if (i < 0) return;
  const [, , label, suspect] = data.points[i];
  const photo = own(data.points[i]);
  box.replaceChildren();
  if (photo.jpeg) box.append(made("img", { src: `data:image/jpeg;base64,${photo.jpeg}`, alt: "" }));
  box.append(made("b", { textContent: plain(data.labels[label] ?? "no label") }), made("br"), made("bdi", { textContent: plain(photo.path) }));
  if (suspect) box.append(made("br"), "its label is in doubt");
  const right = spots[i][0] > canvas.clientWidth / 2;
  box.style.left = right ? "auto" : `${spots[i][0] + 12}px`;
  box.style.right = right ? `${canvas.clientWidth - spots[i][0] + 12}px` : "auto";
  box.style.top = `${Math.max(0, Math.min(spots[i][1] - 20, canvas.clientHeight - box.offsetHeight))}px`;
}

function clicked(event) {
  const i = nearest(event);
  if (i < 0 || !data.points[i][3]) return;
  const found = data.findings.findIndex((finding) => finding.photo === data.points[i][4] && ["wrong-person", "label-suspect"].includes(finding.kind));
  if (found < 0) return;
  at("left").checked = false;
  openKind(data.findings[found].kind);
  choose(found);
}

function legend() {
  at("shade").append(made("option", { value: "", textContent: "all" }),
    ...data.labels.map((label, i) => made("option", { value: i, textContent: plain(label) })));
  for (const [label, hue] of coloured) {
    const dot = made("i");
    dot.style.background = ink(hue);
    at("legend").append(made("span", {}, dot, made("bdi", { textContent: plain(data.labels[label]) })));
  }
  if (data.labels.length > coloured.size) at("legend").append(made("span", { textContent: `and ${data.labels.length - coloured.size} more in grey` }));
}

function repaint() {
  at("legend").replaceChildren();
  at("shade").options.length = 0;
  legend();
  paint();
}

if (canvas && data.points.length) {
  coloured = palette();
  legend();
  paint();
  at("shade").addEventListener("change", paint);
  canvas.addEventListener("pointermove", hover);
  canvas.addEventListener("pointerleave", () => { at("hover").hidden = true; });
  canvas.addEventListener("click", clicked);
  addEventListener("resize", paint);
  dark.addEventListener("change", repaint);
}
