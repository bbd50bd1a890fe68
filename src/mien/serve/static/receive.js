// Files that are dropped, pasted or chosen anywhere on a page, handed to that page.

let take = () => {};

export function receive(taker) {
  take = taker;
}

document.addEventListener("change", ({ target }) => {
  if (target.id === "files" && target.files.length) take([...target.files]);
});

const highlight = (on) => document.getElementById("drop")?.classList.toggle("over", on);

// Dropped beside its place, a photo would otherwise replace the page.
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  highlight(true);
});
document.addEventListener("dragleave", (event) => event.relatedTarget || highlight(false));
for (const [kind, source] of [["drop", "dataTransfer"], ["paste", "clipboardData"]]) {
  document.addEventListener(kind, (event) => {
    const files = [...event[source].files];
    if (kind === "drop" || files.length) event.preventDefault();
    highlight(false);
    if (files.length) take(files);
  });
}
