// Why a client gets an event, or does not: a form and the steps of the answer.

import { post } from "./api.js";
import { el, fill, name, showError } from "./dom.js";
import { visible } from "./format.js";

/** What the outcome of a step is called. */
const OUTCOMES = { pass: "passes", fail: "fails", skip: "not reached" };

/** A form that explains what a client gets; `subject` has its connection or its user. */
export function explainForm(subject, { event = "portos.resources.changed", resource = "" } = {}) {
  const error = el("div", { className: "error", role: "alert", hidden: true });
  const answer = el("div", { role: "status" });
  const field = (title, fieldName, value, placeholder) =>
    el("label", {}, title, el("input", { name: fieldName, value, placeholder, autocomplete: "off", spellcheck: false, required: fieldName === "event" }));
  const action = el("select", { name: "action" }, ...["", "created", "updated", "deleted"].map((value) => el("option", { value }, value || "any")));
  const form = el("form", { className: "stack" },
    el("div", { className: "pair" }, field("Event", "event", event), field("Resource", "resource", resource, "none")),
    el("div", { className: "pair" }, el("label", {}, "Action", action), field("Organisation of the event", "organisation", "", "none")),
    el("button", { type: "submit", className: "primary" }, "Would it be delivered?"));
  form.addEventListener("submit", async (submitted) => {
    submitted.preventDefault();
    const filled = Object.entries(Object.fromEntries(new FormData(form))).filter(([, value]) => value !== "");
    try {
      const explained = await post("explain", { ...Object.fromEntries(filled), ...subject });
      showError(error);
      fill(answer, steps(explained));
    } catch (problem) {
      fill(answer);
      showError(error, problem);
    }
  });
  return el("div", {}, el("h3", {}, "Explain"), form, error, answer);
}

/** The answer of the server: whether the event is delivered, and the steps that decide it. */
export function steps({ delivered, steps, missing = [] }) {
  const items = steps.map(({ step, node, outcome, detail }) => {
    const text = `${OUTCOMES[outcome] ?? visible(outcome)}${node ? ` at node ${visible(node)}` : ""}${detail ? `: ${visible(detail)}` : ""}`;
    return el("li", { "data-outcome": outcome }, name(step), el("span", {}, text));
  });
  return el("div", {}, el("p", {}, el("strong", {}, delivered ? "It would be delivered." : "It would not be delivered.")), el("ol", { className: "steps" }, ...items),
    missing.length > 0 && el("p", {}, `Nodes that did not answer: ${missing.map(visible).join(", ")}.`));
}
