// Asking the service, and its refusals as sentences; the one place that knows the key.

import { refused, say } from "./words.js";

const KEPT = "mien-key";

export class Problem extends Error {
  constructor(message, status, wait = 0, rejected = []) {
    super(message);
    Object.assign(this, { status, wait, rejected });
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
  return answer[as]();
}

async function refusal(answer) {
  const { status } = answer;
  if (status === 401) demand();
  const wait = Number(answer.headers.get("Retry-After")) || 1;
  const { type, rejected } = await answer.json().catch(() => ({}));
  return new Problem(refused(type, status), status, wait, rejected);
}

// A page of the service itself that the browser asks for cannot carry a header, and so a cookie does, for a moment and
// for that path alone.
export function lend(path) {
  const key = sessionStorage.getItem(KEPT);
  if (!/^\w[\w-]*$/.test(key ?? "")) return;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${KEPT}=${key}; Path=${path}; Max-Age=20; SameSite=Strict${secure}`;
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
