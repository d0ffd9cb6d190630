/** Words as they are; what the reader gave stands gray before what the model said. */

import { h, memory } from "./common";
import type { Data, Host, TextView } from "./types";

export function draw(element: HTMLElement, view: TextView, _host: Host): void {
  const box = memory(element, () => {
    const made = h("div");
    element.append(made);
    return { made };
  }).made;
  box.className = `words${view.code ? " code" : ""}${view.tone ? ` tone-${view.tone}` : ""}`;
  const body = h(
    view.code ? "pre" : "p",
    {},
    view.prompt ? h("span", { class: "prompt" }, view.prompt) : null,
    view.text,
  );
  if (view.code) {
    body.tabIndex = 0; // long lines scroll, and keys must reach them
    body.setAttribute("role", "region");
    body.setAttribute("aria-label", view.title || "Text");
  }
  box.replaceChildren(body);
}

export function data(view: TextView): Data | null {
  void view;
  return null; // the text is its own twin
}
