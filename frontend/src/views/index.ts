/** Draws any view: its frame (title, sentence for those who do not see it, the numbers as table and file), then itself. */

import * as bars from "./bars";
import { forget, h, people, unique } from "./common";
import * as field from "./field";
import * as graph from "./graph";
import * as heatmap from "./heatmap";
import * as images from "./images";
import * as lines from "./lines";
import * as points from "./points";
import * as surface from "./surface";
import * as table from "./table";
import * as text from "./text";
import * as tokens from "./tokens";
import type { Data, Host, View } from "./types";

export type { Host, View } from "./types";

interface Module {
  draw(element: HTMLElement, view: never, host: Host): void;
  data(view: never): Data | null;
}

const KINDS: Record<string, Module> = {
  bars,
  field,
  graph,
  heatmap,
  images,
  lines,
  points,
  surface,
  table,
  text,
  tokens,
};

interface Frame {
  title: HTMLElement;
  body: HTMLElement;
  summary: HTMLElement;
  details: HTMLDetailsElement;
  view: View;
  host: Host;
  width: number;
}

const frames = new WeakMap<Element, Frame>();

const sizes =
  typeof ResizeObserver === "function"
    ? new ResizeObserver((entries) => {
        for (const entry of entries) {
          const frame = frames.get(entry.target);
          const width = Math.floor(entry.contentRect.width);
          if (!frame || width === 0 || Math.abs(width - frame.width) < 2) continue;
          frame.width = width;
          // After this frame of the screen: drawing changes heights, which must not be observed in the same round.
          requestAnimationFrame(() => inside(frame));
        }
      })
    : null;

/** Draws `view` into `element`; drawn again, it changes in place. */
export function draw(element: HTMLElement, view: View, host: Host): void {
  let frame = frames.get(element);
  if (!frame) {
    frame = build(element, view, host);
    frames.set(element, frame);
    frames.set(frame.body, frame);
    sizes?.observe(frame.body);
  }
  if (frame.view.kind !== view.kind) forget(frame.body);
  frame.view = view;
  frame.host = host;
  element.className = `view view-${view.kind}${view.wide ? " wide" : ""}${view.narrow ? " narrow" : ""}`;
  write(frame.title, view.title ?? "");
  frame.title.hidden = !view.title;
  write(frame.summary, view.summary ?? "");
  frame.summary.hidden = !view.summary;
  frame.details.hidden = view.kind === "text";
  element.setAttribute("aria-label", view.title || view.summary || view.kind);
  inside(frame);
  if (frame.details.open) fillData(frame);
}

/** Draws a list of views as children of `element`, keeping what stays. */
export function drawAll(element: HTMLElement, views: View[], host: Host): void {
  while (element.children.length > views.length) element.lastChild!.remove();
  views.forEach((view, i) => {
    let child = element.children[i] as HTMLElement | undefined;
    if (!child) {
      child = h("div", { role: "group" });
      element.append(child);
    }
    draw(child, view, host);
  });
}

function inside(frame: Frame): void {
  const module = KINDS[frame.view.kind];
  if (!module) {
    frame.body.textContent = `This page does not know how to draw "${String((frame.view as { kind: string }).kind)}": reload it.`;
    return;
  }
  frame.width = Math.floor(frame.body.clientWidth);
  module.draw(frame.body, frame.view as never, frame.host);
}

function build(element: HTMLElement, view: View, host: Host): Frame {
  const title = h("div", { class: "view-title", id: unique("view") });
  const body = h("div", { class: "view-body" });
  const summary = h("p", { class: "unseen" });
  const details = h("details", { class: "view-data" }, h("summary", {}, "Data"));
  element.replaceChildren(title, summary, body, details);
  const frame: Frame = { title, body, summary, details, view, host, width: 0 };
  details.addEventListener("toggle", () => {
    if (details.open) fillData(frame);
  });
  return frame;
}

const ROWS = 100;

function fillData(frame: Frame): void {
  const { view, details } = frame;
  const data = KINDS[view.kind]?.data(view as never);
  if (!data) return;
  const shown = data.rows.slice(0, ROWS);
  const cell = (value: string | number | null): HTMLElement => {
    const text = typeof value === "number" ? people(value, 5) : (value ?? "");
    return h(
      "td",
      { class: typeof value === "number" ? "number" : "" },
      text.length > 200 ? `${text.slice(0, 200)}…` : text,
    );
  };
  const body = h(
    "div",
    { class: "data-body" },
    view.summary ? h("p", {}, view.summary) : null,
    h(
      "div",
      { class: "scroll", tabIndex: 0, role: "region", "aria-label": `Data: ${view.title || view.kind}` },
      h(
        "table",
        {},
        h("thead", {}, h("tr", {}, ...data.columns.map((name) => h(name ? "th" : "td", {}, name)))),
        h("tbody", {}, ...shown.map((row) => h("tr", {}, ...row.map(cell)))),
      ),
    ),
    h(
      "p",
      {},
      data.rows.length > ROWS ? `The first ${ROWS} of ${people(data.rows.length)} rows. ` : null,
      h(
        "button",
        { type: "button", class: "quiet", onclick: () => download(`${slug(view.title || view.kind)}.csv`, csv(data)) },
        "Download CSV",
      ),
    ),
  );
  details.querySelector(".data-body")?.remove();
  details.append(body);
}

/** The data as a file of comma-separated values; words with commas or quotes are quoted, formulas of spreadsheets too. */
export function csv(data: Data): string {
  const field = (value: string | number | null): string => {
    if (value === null) return "";
    if (typeof value === "number") return String(value);
    const safe = /^[=+@\t\r]|^-[^\d.]/.test(value) ? `'${value}` : value;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [data.columns, ...data.rows].map((row) => row.map(field).join(",")).join("\r\n") + "\r\n";
}

function download(name: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  const link = h("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

function slug(title: string): string {
  return title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 60) || "data"; // prettier-ignore
}

/** Writes only what changed, so that a screen reader is not told the same again. */
function write(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
