// Makes elements. Everything that is shown is set as text, never as HTML.

import { visible } from "./format.js";

/** Finds an element by its id. */
export const $ = (id) => document.getElementById(id);

/**
 * Makes an element. Properties that start with "on" are listeners, those with a hyphen and "role" are attributes, others are
 * properties. Texts among the children become text nodes.
 */
export function el(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key.includes("-") || key === "role" || key === "for") element.setAttribute(key, value === true ? "" : value);
    else element[key] = value;
  }
  element.append(...children.filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

/** A name that others chose: control characters are shown as escapes, and its direction does not affect what is beside it. */
export function name(text, whenEmpty = "–") {
  const shown = text === null || text === undefined || text === "" ? whenEmpty : visible(text);
  return el("bdi", { className: "name", title: shown }, shown);
}

/** Sets the text of an element, and only if it changes, so that screen readers announce changes alone. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Replaces the children of an element. */
export function fill(element, ...children) {
  element.replaceChildren(...children.filter((child) => child !== undefined && child !== null && child !== false));
}

/** A box that says why there is nothing to show. */
export function empty(title, detail) {
  return el("div", { className: "empty" }, el("strong", {}, title), detail && el("p", {}, detail));
}

/** Shows an error in a box that screen readers announce; no error hides it. */
export function showError(box, error) {
  box.hidden = !error;
  if (error) fill(box, el("strong", {}, error.title), error.detail && error.detail !== error.title ? el("p", {}, visible(error.detail)) : null);
}
