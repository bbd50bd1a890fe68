// One picture -> what the service tells of it, in one form whichever way it was asked.

import { ask } from "./api.js";

// bundle: a name, or "" for the built-in traits. With a bundle the place of the faces is asked for, too.
export async function see(picture, { bundle }, signal) {
  const began = performance.now();
  const post = (path) => ask(path, { method: "POST", body: picture, signal });
  const looked = (await post("/v1/look")).results;
  const told = bundle ? (await post(`/v1/classify/${encodeURIComponent(bundle)}?top=10`)).results : [];
  const ms = performance.now() - began;
  return { seen: together(looked[0], told, bundle), answers: [...looked, ...told], ms };
}

function together(looked, told, bundle) {
  const faces = (looked.faces ?? []).map((face) => ({ ...face }));
  if (bundle) for (const face of faces) face.traits = {};
  for (const { face, label, top } of told.filter((each) => each.face)) {
    const scores = Object.fromEntries(top.map((each) => [each.label, each.score]));
    nearest(faces, face).traits = { [bundle]: { label, score: top[0]?.score, scores } };
  }
  return { ...looked, faces };
}

// The face whose box is nearest: the bundle's detector may have drawn it a little differently.
function nearest(faces, { box }) {
  const away = (face) => face.box.reduce((sum, side, i) => sum + Math.abs(side - box[i]), 0);
  return faces.reduce((best, face) => (away(face) < away(best) ? face : best), faces[0] ?? {});
}
