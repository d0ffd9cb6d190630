/** Bars from an honest zero. Long names lie on their side; a bar that can be chosen is a button. */

import * as Plot from "@observablehq/plot";

import {
  color,
  decades,
  domain,
  extent,
  fixed,
  h,
  memory,
  Motion,
  roving,
  s,
  tabStop,
  textWidth,
  tickFormat,
  ticks,
  unique,
  widthOf,
} from "./common";
import { axisNames } from "./lines";
import type { BarsView, Data, Host, Num } from "./types";

interface State {
  motion: Motion;
  plot: HTMLElement;
  buttons: HTMLElement;
  clip: string;
}

export function draw(element: HTMLElement, view: BarsView, host: Host): void {
  const state = memory<State>(element, () => {
    const plot = h("div", { class: "plot", "aria-hidden": "true" });
    const buttons = h("div", { class: "view-hits", role: "group" });
    element.append(plot, buttons);
    roving(buttons, "button");
    return { motion: new Motion(), plot, buttons, clip: unique("bars") };
  });
  const width = widthOf(element);
  const log = view.y?.log ?? false;
  const found = extent(view.values, view.low, view.high, [view.reference ?? null], log ? [] : [0]);
  const ends = domain(view.y, found);
  const goal = [...ends.map((value) => (log ? Math.log10(value) : value)), ...view.values.map((value) => value ?? 0)];
  state.motion.to(goal, (now) => {
    const [low, high] = [now[0]!, now[1]!].map((value) => (log ? 10 ** value : value)) as [number, number];
    const values = view.values.map((value, i) => (value === null ? null : now[i + 2]!));
    paint(state, view, host, width, [low, high], values);
  });
}

function paint(state: State, view: BarsView, host: Host, width: number, ends: [number, number], values: Num[]): void {
  const count = Math.max(1, view.labels.length);
  const digits = view.digits ?? 2;
  const written = view.values.map((value) => fixed(value, digits));
  const log = view.y?.log ?? false;
  const longest = Math.max(...view.labels.map((label) => textWidth(label)), 0);
  const widest = Math.max(...written.map((value) => textWidth(value, 11.5)), 0);
  const numeric = view.labels.every((label) => /^[\d.,−-]+$/.test(label));
  const band = (width - 50) / count;
  const many = count > 60; // a histogram: too many bars for a name each
  const sideways = !many && longest + 6 > band && !(numeric && count > 12);
  const base = log ? ends[0] : Math.min(Math.max(0, ends[0]), ends[1]);
  const emphasized = new Set(view.highlight ?? []);
  const chosen = view.select ? host.get?.(view.select) : undefined;
  const rows = view.labels.map((label, i) => ({
    i: String(i),
    label,
    value: values[i],
    low: view.low?.[i] ?? null,
    high: view.high?.[i] ?? null,
    strong: emphasized.size === 0 || emphasized.has(i),
  }));
  const fill = color(view.color);
  const bar = {
    fill: (row: (typeof rows)[number]) => (row.strong ? fill : `color-mix(in oklab, ${fill} 42%, var(--paper))`),
  };
  const write = tickFormat(ends[0], ends[1], log);
  const names = (i: string): string => view.labels[Number(i)] ?? "";
  const shown = rows.filter((row) => row.value !== null && row.value !== undefined);
  const whiskers = rows.filter((row) => row.low !== null && row.high !== null);
  const clipTo = Math.min(140, width * 0.36);
  const height = sideways
    ? 40 + count * 24 + (view.y?.label ? 16 : 0)
    : Math.round(Math.min(320, Math.max(180, width * 0.45)));
  const right = sideways ? widest + 14 : 12;
  const most = sideways
    ? Math.max(2, Math.round((width - right - Math.min(longest, clipTo)) / 90))
    : Math.max(3, Math.round(height / 75));
  const places = log ? decades(ends, most) : ticks(ends, most);
  const left = sideways
    ? Math.min(longest, clipTo) + 12
    : 12 + Math.max(...places.map((value) => textWidth(write(value))), 14);
  const atLeast = (count * (Math.max(longest, 14) + 8)) / (width - left - right);
  const every = [1, 2, 5, 10, 20, 25, 50, 100, 200, 500].find((step) => step >= atLeast) ?? Math.ceil(atLeast);
  const room = sideways || band > widest + 2;
  const category = {
    type: "band" as const,
    domain: rows.map((row) => row.i),
    label: null,
    padding: count > 30 ? 0.12 : 0.24,
    tickSize: 0,
    tickFormat: names,
    ticks: sideways ? undefined : rows.filter((_, i) => i % every === 0).map((row) => row.i),
  };
  const measure = {
    type: log ? ("log" as const) : ("linear" as const),
    domain: ends,
    label: null,
    ticks: places,
    tickFormat: write,
    tickSize: 0,
  };
  const grid = { stroke: "var(--rule)", strokeOpacity: 1, ticks: measure.ticks };
  const quiet = { stroke: "var(--gray)", strokeOpacity: 0.8 };
  const marks: Plot.Markish[] = sideways
    ? [
        Plot.gridX(grid),
        Plot.barX(shown, { y: "i", x1: () => base, x2: "value", ...bar, clip: true }),
        Plot.ruleY(whiskers, { y: "i", x1: "low", x2: "high", stroke: "var(--ink)", strokeWidth: 1.5, clip: true }),
        Plot.ruleX([base], quiet),
      ]
    : [
        Plot.gridY(grid),
        Plot.barY(shown, { x: "i", y1: () => base, y2: "value", ...bar, clip: true }),
        Plot.ruleX(whiskers, { x: "i", y1: "low", y2: "high", stroke: "var(--ink)", strokeWidth: 1.5, clip: true }),
        Plot.ruleY([base], quiet),
      ];
  const svg = Plot.plot({
    width,
    height,
    marginLeft: left,
    marginRight: right,
    marginTop: sideways ? (view.reference_label ? 22 : 8) : 26,
    marginBottom: sideways ? (view.y?.label ? 40 : 24) : 26,
    x: sideways ? measure : category,
    y: sideways ? category : measure,
    marks,
  }) as SVGSVGElement & Plot.Plot;
  const scaleX = svg.scale("x")!;
  const scaleY = svg.scale("y")!;
  if (sideways) {
    axisNames(svg, view.y?.label, undefined, width - right, height);
    for (const text of svg.querySelectorAll<SVGTextElement>("g[aria-label^='y-axis tick label'] text"))
      shorten(text, clipTo);
  } else {
    axisNames(svg, undefined, view.y?.label, width, height);
  }
  const categories = sideways ? scaleY : scaleX;
  const measures = sideways ? scaleX : scaleY;
  const thick = categories.bandwidth ?? 10;
  if (room && !many) {
    shown.forEach((row) => {
      const i = Number(row.i);
      const at = categories.apply(row.i) + thick / 2;
      const over =
        row.high !== null && (row.value as number) >= base
          ? Math.max(row.high, row.value as number)
          : (row.value as number);
      const tip = measures.apply(Math.min(Math.max(over, ends[0]), ends[1]));
      const down = (row.value as number) < base;
      svg.append(
        sideways
          ? s(
              "text",
              { x: down ? measures.apply(base) + 5 : tip + 5, y: at, dy: "0.35em", class: "bar-value" },
              written[i]!,
            )
          : s(
              "text",
              { x: at, y: down ? tip + 13 : tip - 5, "text-anchor": "middle", class: "bar-value" },
              written[i]!,
            ),
      );
    });
  }
  if (view.reference !== null && view.reference !== undefined) {
    const at = measures.apply(view.reference);
    const d = sideways
      ? `M${at},${view.reference_label ? 18 : 6}V${height - (view.y?.label ? 40 : 24)}`
      : `M${left},${at}H${width - right}`;
    svg.append(s("path", { d, class: "reference" }));
    if (view.reference_label) {
      const end = sideways && at > width * 0.6;
      svg.append(
        sideways
          ? s(
              "text",
              {
                x: at,
                y: 12,
                "text-anchor": end ? "end" : at < width * 0.3 ? "start" : "middle",
                class: "reference-name",
              },
              view.reference_label,
            )
          : s(
              "text",
              { x: width - right, y: at - 5, "text-anchor": "end", class: "reference-name" },
              view.reference_label,
            ),
      );
    }
  }
  state.plot.replaceChildren(svg);
  choose(state, view, host, chosen, (i) => {
    const at = categories.apply(String(i)) as number;
    return sideways ? [0, at - 1, width, thick + 2] : [at - 3, 14, thick + 6, height - 14];
  }, width, height); // prettier-ignore
}

function choose(
  state: State,
  view: BarsView,
  host: Host,
  chosen: unknown,
  place: (i: number) => [number, number, number, number],
  width: number,
  height: number,
): void {
  if (!view.select) {
    state.buttons.replaceChildren();
    state.buttons.hidden = true;
    return;
  }
  state.buttons.hidden = false;
  state.buttons.setAttribute("aria-label", `${view.title || "Bars"}: choose one`);
  while (state.buttons.children.length > view.labels.length) state.buttons.lastChild!.remove();
  while (state.buttons.children.length < view.labels.length)
    state.buttons.append(h("button", { type: "button", class: "hit" }));
  const buttons = [...state.buttons.children] as HTMLButtonElement[];
  buttons.forEach((button, i) => {
    const [x, y, w, t] = place(i);
    button.style.cssText = `left:${(100 * x) / width}%;top:${(100 * y) / height}%;width:${(100 * w) / width}%;height:${(100 * t) / height}%`;
    button.setAttribute("aria-label", `${view.labels[i]}: ${fixed(view.values[i] ?? null, view.digits ?? 2)}`);
    button.setAttribute("aria-pressed", String(chosen === i));
    button.onclick = () => host.set(view.select!, i);
  });
  tabStop(buttons, typeof chosen === "number" ? chosen : 0);
}

function shorten(text: SVGTextElement, room: number): void {
  const full = text.textContent ?? "";
  if (textWidth(full) <= room) return;
  let short = full;
  while (short.length > 2 && textWidth(`${short}…`) > room) short = short.slice(0, -1);
  text.textContent = `${short}…`;
  text.append(s("title", {}, full));
}

export function data(view: BarsView): Data {
  const whiskers = Boolean(view.low && view.high);
  return {
    columns: ["name", view.y?.label || "value", ...(whiskers ? ["low", "high"] : [])],
    rows: view.labels.map((label, i) => [
      label,
      view.values[i] ?? null,
      ...(whiskers ? [view.low?.[i] ?? null, view.high?.[i] ?? null] : []),
    ]),
  };
}
