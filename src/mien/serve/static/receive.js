// Files that are dropped, pasted or chosen anywhere on a page, handed to whoever the page is.

let taker = null;

export function receive(take) {
  taker = take;
  const input = document.getElementById("files");
  input?.addEventListener("change", () => {
    give([...input.files]);
    input.value = "";
  });
}

function give(files) {
  if (taker && files.length) taker(files);
}

function over(yes) {
  document.getElementById("drop")?.classList.toggle("over", yes);
}

// Dropped beside the place for it, a photo would else replace the page.
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  over(true);
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) over(false);
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  over(false);
  give([...event.dataTransfer.files]);
});
document.addEventListener("paste", (event) => {
  const files = [...event.clipboardData.files];
  if (files.length) event.preventDefault();
  give(files);
});
