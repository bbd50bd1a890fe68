// Elements out of a name, attributes and children. Text is always text: nothing here reads HTML.

export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

export function only(parent, ...children) {
  parent.replaceChildren(...children.filter((child) => child != null));
}

export function save(name, type, content) {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

// A bar of a share between 0 and 1; the figure stands beside it as text, so readers of the screen pass it over.
export function bar(share, kind = "") {
  const filled = el("i");
  filled.style.inlineSize = `${(100 * Math.min(1, Math.max(0, share))).toFixed(1)}%`;
  return el("span", { class: `share ${kind}`, "aria-hidden": "true" }, filled);
}
