/** A figure of a lesson: views from stored numbers. Nothing in it can be turned, so nothing in it is a button. */

import { h } from "../views/common";
import { drawAll, type Host, type View } from "../views/index";

export function mount(element: HTMLElement): void {
  const script = element.querySelector<HTMLScriptElement>(':scope > script[type="application/json"]');
  if (!script) return;
  const about = JSON.parse(script.textContent ?? "{}") as { views?: View[]; caption?: string; summary?: string };
  let place = element.querySelector<HTMLElement>(":scope > .drawn");
  if (!place) {
    place = h("div", { class: "drawn" });
    script.after(place);
  }
  place.replaceChildren();
  place.classList.add("views");
  const views = (about.views ?? []).map((view) => ("select" in view ? { ...view, select: "" } : view));
  const host: Host = { set: () => {} };
  drawAll(place, views, host);
  if (about.caption && !element.querySelector("figcaption")) element.append(h("figcaption", {}, about.caption));
  element.dataset.ready = "";
}
