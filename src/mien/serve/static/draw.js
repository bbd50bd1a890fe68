// Boxes and landmarks over a picture, on a canvas that follows its size; knows nothing of what was told of a face.

const HALO = "rgba(0, 0, 0, 0.65)";
const PLAIN = "#ffffff";
const CHOSEN = "#ffd23f";

export class Overlay {
  constructor(canvas, { mirrored = false } = {}) {
    this.canvas = canvas;
    this.mirrored = mirrored;
    this.seen = null;
    this.chosen = 0;
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  show(seen, chosen) {
    this.seen = seen;
    this.chosen = chosen;
    this.draw();
  }

  // Which face lies under a point of the page: the smallest of those whose box holds it.
  at(x, y) {
    const place = this.canvas.getBoundingClientRect();
    const scale = this.seen.width / place.width;
    const [px, py] = [(x - place.left) * scale, (y - place.top) * scale];
    const under = this.seen.faces
      .map(({ box: [x1, y1, x2, y2] }, i) => ({ i, area: (x2 - x1) * (y2 - y1), holds: px >= x1 && px <= x2 && py >= y1 && py <= y2 }))
      .filter((face) => face.holds);
    return under.sort((a, b) => a.area - b.area)[0]?.i;
  }

  draw() {
    const { canvas, seen } = this;
    const dense = window.devicePixelRatio || 1;
    canvas.width = Math.round(canvas.clientWidth * dense);
    canvas.height = Math.round(canvas.clientHeight * dense);
    if (!seen?.faces || !canvas.width) return;
    const pen = canvas.getContext("2d");
    const scale = canvas.width / seen.width;
    const across = (x) => (this.mirrored ? seen.width - x : x) * scale;
    const order = seen.faces.map((_, i) => i).filter((i) => i !== this.chosen);
    for (const i of [...order, this.chosen]) {
      const face = seen.faces[i];
      if (face) this.face(pen, face, i, { scale, across, dense });
    }
  }

  face(pen, { box, landmarks }, i, { scale, across, dense }) {
    const colour = i === this.chosen ? CHOSEN : PLAIN;
    const thick = (i === this.chosen ? 2.5 : 1.75) * dense;
    const [xa, xb] = [across(box[0]), across(box[2])];
    const [left, top, wide, high] = [Math.min(xa, xb), box[1] * scale, Math.abs(xb - xa), (box[3] - box[1]) * scale];
    pen.beginPath();
    pen.roundRect(left, top, wide, high, Math.min(10 * dense, wide / 6));
    stroke(pen, colour, thick);
    for (const [x, y] of landmarks ?? []) {
      pen.beginPath();
      pen.arc(across(x), y * scale, Math.max(1.5 * dense, Math.min(3 * dense, wide / 40)), 0, 2 * Math.PI);
      pen.fillStyle = colour;
      stroke(pen, HALO, 1.5 * dense, true);
    }
    if (this.seen.faces.length > 1) number(pen, i + 1, left, top, colour, dense);
  }
}

function stroke(pen, colour, thick, filled = false) {
  if (!filled) {
    pen.strokeStyle = HALO;
    pen.lineWidth = thick * 2;
    pen.stroke();
  }
  pen.strokeStyle = colour;
  pen.lineWidth = thick;
  pen.stroke();
  if (filled) pen.fill();
}

function number(pen, n, left, top, colour, dense) {
  const size = 12 * dense;
  pen.font = `600 ${size}px system-ui, sans-serif`;
  const wide = pen.measureText(n).width + size;
  const y = Math.max(0, top - size * 1.6);
  pen.beginPath();
  pen.roundRect(left, y, wide, size * 1.5, size * 0.4);
  pen.fillStyle = colour;
  pen.fill();
  pen.fillStyle = "#1a1a1a";
  pen.textBaseline = "middle";
  pen.fillText(n, left + size / 2, y + size * 0.8);
}

// A face cut out of a picture as a small square canvas, with some room around it.
export function cut(picture, { box: [x1, y1, x2, y2] }, side, room = 0.25) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  const half = (Math.max(x2 - x1, y2 - y1) / 2) * (1 + room);
  const [x, y] = [(x1 + x2) / 2 - half, (y1 + y2) / 2 - half];
  canvas.getContext("2d").drawImage(picture, x, y, 2 * half, 2 * half, 0, 0, side, side);
  return canvas;
}
