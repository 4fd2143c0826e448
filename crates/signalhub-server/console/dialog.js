// The dialog of the page: one at a time, closed by Escape, by its button, or when what it is about is done.

import { $, el, fill } from "./dom.js";

const dialog = $("dialog");
let afterwards;

/** Opens the dialog with a title and content; `onclose` is called once when it closes. The focus returns by itself. */
export function openDialog(title, content, onclose) {
  const close = el("button", { type: "button", onclick: closeDialog }, "Close");
  const heading = el("h2", { id: "dialog-title", tabIndex: -1 }, title);
  fill(dialog, el("div", { className: "inner" }, el("div", { className: "title" }, heading, close), ...content));
  afterwards = onclose;
  if (!dialog.open) dialog.showModal();
  heading.focus();
}

export function closeDialog() {
  dialog.close();
}

dialog.addEventListener("close", () => {
  fill(dialog);
  afterwards?.();
  afterwards = undefined;
});
