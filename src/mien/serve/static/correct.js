// The form under a trait: all its labels with their bars, one of which is right, or a word of one's own.

import { ask } from "./api.js";
import { bar, el, only } from "./dom.js";
import { label, percent, say } from "./words.js";

// What is kept beside the face, in the language of the log and not of the reader.
const AGREED = "ticked on the web page: this person agrees that the face is kept to train on";
let forms = 0;

export function correct(told, face, photo) {
  const name = `right-${(forms += 1)}`;
  const option = ([text, share]) =>
    el(
      "label",
      { class: "option" },
      el("input", { type: "radio", name, value: text }),
      el("span", {}, label(text)),
      el("span", { class: "percent" }, percent(share)),
      bar(share, "thin"),
    );
  const own = el("input", { type: "text", maxlength: 200, autocomplete: "off", id: `${name}-own`, input: () => unpick(form) });
  const agreed = el("input", { type: "checkbox" });
  const status = el("p", { class: "hint", role: "status", "aria-live": "polite" });
  const form = el(
    "form",
    { class: "correct" },
    el("fieldset", {}, el("legend", {}, say("correct.right")), ...told.scores.map(option)),
    el("label", { for: own.id }, say(told.scores.length ? "correct.other" : "correct.name")),
    own,
    el("label", { class: "check" }, agreed, say("correct.agreed")),
    el("p", { class: "hint" }, say("correct.kept")),
    el("button", {}, say("correct.save")),
    status,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const right = own.value.trim() || form.querySelector("input:checked")?.value;
    const lacking = right ? (agreed.checked ? "" : say("correct.agree")) : say("correct.pick");
    only(status, lacking);
    if (lacking) return (right ? agreed : own).focus();
    try {
      await send(photo, face, told, right);
      only(status, say("correct.noted", { label: label(right) }));
    } catch (problem) {
      only(status, problem.message);
    }
  });
  return form;
}

function unpick(form) {
  for (const input of form.querySelectorAll("input:checked")) input.checked = false;
}

function send(photo, face, told, right) {
  const form = new FormData();
  const fields = { about: told.what, label: right, was: told.label, box: face.box.join(","), consent: AGREED };
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append("photo", photo, "photo");
  return ask("/v1/corrections", { method: "POST", body: form });
}
