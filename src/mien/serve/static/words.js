// What the page says, in the language that it was sent in.

const words = JSON.parse(document.getElementById("words").textContent);
export const language = document.documentElement.lang;

export function say(key, values = {}) {
  return words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

export function counted(key, n, values = {}) {
  const form = [`${key}-${n}`, `${key}-n`].find((each) => each in words);
  return say(form, { ...values, n: number(n) });
}

// A label or the name of a trait as the reader would say it; those of a bundle of one's own are left as they are.
export const label = (name) => words[`label.${name}`] ?? name;
export const trait = (name) => words[`trait.${name}`] ?? name;
export const reason = (rejected) => words[`reason.${rejected.reason}`] ?? rejected.detail ?? rejected.reason;

// What the service refused, by the name that its problem has for programs.
export const refused = (type, status) =>
  words[`problem.${String(type).replace("urn:mien:problem:", "")}`] ?? say("problem.other", { status });

export const number = (value, digits = 0) =>
  new Intl.NumberFormat(language, { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(value);
export const percent = (share) => new Intl.NumberFormat(language, { style: "percent" }).format(share);
export const day = (text) => new Intl.DateTimeFormat(language, { dateStyle: "medium" }).format(new Date(text));
export const moment = (text) =>
  new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(text));
