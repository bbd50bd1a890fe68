// What every request of htmx shares: the key, the reader's language, forms that are incomplete, failures, questions
// before something is removed, and times of day in the reader's own zone.

const KEY = "mien-key";
const texts = JSON.parse(document.getElementById("texts").textContent);
const byId = (id) => document.getElementById(id);
const savedKey = () => sessionStorage.getItem(KEY);

export const say = (key, values = {}) => texts[`script.${key}`].replace(/\{(\w+)\}/g, (_, name) => values[name]);

function problem(text) {
  const line = document.createElement("p");
  Object.assign(line, { className: "problem", role: "alert", textContent: text });
  return line;
}

// Whether a form has all that it needs; if not, the first missing field says so and gets the focus.
export function complete(form) {
  const own = form.elements.own; // the right label may be chosen or written
  if (own) own.required = !form.querySelector("[name=label]:checked");
  const fields = [...form.querySelectorAll("[data-need]")];
  for (const field of fields) field.setAttribute("aria-invalid", String(!field.validity.valid));
  const missing = fields.find((field) => !field.validity.valid);
  if (!missing) return true;
  form.querySelector(".outcome").replaceChildren(problem(missing.dataset.need));
  missing.focus();
  return false;
}

document.addEventListener("htmx:config:request", (event) => {
  const { request, sourceElement, body } = event.detail.ctx;
  if (sourceElement.matches("form.correct") && !complete(sourceElement)) return event.preventDefault();
  if (body) request.body = body;
  request.headers["Accept-Language"] = document.documentElement.lang;
  if (savedKey()) request.headers.Authorization = `Bearer ${savedKey()}`;
});

document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
  if (ctx.response.status !== 401) return;
  sessionStorage.removeItem(KEY);
  byId("key").hidden = false;
  byId("key-text").focus();
});

document.addEventListener("htmx:error", ({ detail: { ctx } }) => ctx?.target?.replaceChildren(problem(say("network"))));

document.addEventListener("submit", (event) => {
  if (event.target.id !== "key") return;
  event.preventDefault();
  sessionStorage.setItem(KEY, byId("key-text").value.trim());
  byId("key-text").value = "";
  event.target.hidden = true;
  document.dispatchEvent(new Event("mien:key"));
});

// A link that the browser follows by itself carries no header; a cookie does, for twenty seconds and that path alone.
document.addEventListener("click", ({ target }) => {
  const link = target.closest("a[data-lend]");
  if (!link || !/^\w[\w-]*$/.test(savedKey() ?? "")) return;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${KEY}=${savedKey()}; Path=${link.pathname}; Max-Age=20; SameSite=Strict${secure}`;
});

document.addEventListener("htmx:confirm", (event) => {
  event.preventDefault();
  const { ctx, issueRequest, dropRequest } = event.detail;
  const dialog = byId("sure");
  byId("sure-title").textContent = ctx.confirm;
  dialog.returnValue = "keep";
  dialog.addEventListener("close", () => (dialog.returnValue === "forget" ? issueRequest() : dropRequest()), { once: true });
  dialog.showModal();
});

document.addEventListener("htmx:after:swap", () => {
  for (const time of document.querySelectorAll("time[datetime]:not(.local)")) {
    const style = { dateStyle: "medium", ...("time" in time.dataset && { timeStyle: "short" }) };
    const text = new Intl.DateTimeFormat(document.documentElement.lang, style).format(new Date(time.dateTime));
    time.textContent = (time.dataset.pattern ?? "{}").replace("{}", text);
    time.classList.add("local");
  }
});
