// Asking the service, and its refusals as sentences; the one place that knows the key.

import { say } from "./words.js";

const KEPT = "mien-key";

export class Problem extends Error {
  constructor(message, status, wait = 0) {
    super(message);
    Object.assign(this, { status, wait });
  }
}

export async function ask(path, { method = "GET", body, signal, as = "json" } = {}) {
  const headers = {};
  const key = sessionStorage.getItem(KEPT);
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body instanceof Blob) headers["Content-Type"] = body.type || "application/octet-stream";
  let answer;
  try {
    answer = await fetch(path, { method, body, headers, signal, cache: "no-store", credentials: "omit" });
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    throw new Problem(say("problem.network"), 0);
  }
  if (!answer.ok) throw await refusal(answer);
  if (answer.status === 204) return null;
  return as === "blob" ? answer.blob() : answer.json();
}

async function refusal(answer) {
  const { status } = answer;
  if (status === 401) demand();
  const wait = Number(answer.headers.get("Retry-After")) || 1;
  const problem = await answer.json().catch(() => ({}));
  const ours = [401, 403, 404, 413, 429, 503].includes(status) ? say(`problem.${status}`) : null;
  return new Problem(ours ?? problem.detail ?? problem.title ?? say("problem.other", { status }), status, wait);
}

// The form for the key stays out of sight until the server asks for one.
function demand() {
  sessionStorage.removeItem(KEPT);
  document.getElementById("key").hidden = false;
  document.getElementById("key-text").focus();
}

export function listen() {
  const form = document.getElementById("key");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const field = document.getElementById("key-text");
    sessionStorage.setItem(KEPT, field.value.trim());
    field.value = "";
    form.hidden = true;
    document.dispatchEvent(new Event("mien:key"));
  });
}
