/** A function of the plane as colors: a canvas at the screen's own pixels, and points, arrows and contours above it. */

import * as Plot from "@observablehq/plot";

import { color, extent, h, key, memory, people, s, shade, strip, tickFormat, Tip, widthOf, type Shade } from "./common";
import { axisNames } from "./lines";
import { dots, inside, labels, placesOf } from "./points";
import type { Data, FieldView, Host, Num } from "./types";

interface State {
  canvas: HTMLCanvasElement;
  box: HTMLElement;
  over: HTMLElement;
  top: HTMLElement;
  legend: HTMLElement;
  tip: Tip;
  at: [number, number] | null; // a place of the plane, in shares of the frame
  view: FieldView;
  inner: [number, number, number, number];
}

const [LEFT, RIGHT, TOP] = [40, 12, 24];

export function draw(element: HTMLElement, view: FieldView, _host: Host): void {
  const state = memory<State>(element, () => make(element, view));
  state.view = view;
  const width = widthOf(element);
  const bottom = view.x.label ? 38 : 26;
  const [x, y] = [ends(view.x.low, view.x.high), ends(view.y.low, view.y.high)];
  const inner = width - LEFT - RIGHT;
  const shape = (y[1] - y[0]) / (x[1] - x[0]);
  const tall = Math.round(Math.min(Math.max(shape > 0.4 && shape < 2 ? inner * shape : inner * 0.62, 160), 440));
  // A square plane on a wide screen stays square, in the middle of nothing else: the frame gets narrower.
  const wide = shape > 0.4 && shape < 2 ? Math.min(inner, Math.round(tall / shape)) : inner;
  const height = tall + TOP + bottom;
  const total = wide + LEFT + RIGHT;
  const found = extent(...view.values) ?? [0, 1];
  const scale = shade(
    view.scale ?? "diverging",
    view.low ?? found[0],
    view.high ?? found[1],
    view.middle ?? 0,
    view.clouds?.length ? 0.32 : 0,
  );
  state.inner = [LEFT, TOP, wide, tall];

  state.box.style.cssText = `width:${total}px;height:${height}px`;
  state.canvas.style.cssText = `left:${LEFT}px;top:${TOP}px;width:${wide}px;height:${tall}px`;
  smooth(state.canvas, view.values, scale, wide, tall);

  const places = placesOf(view.clouds ?? []);
  const svg = Plot.plot({
    width: total,
    height,
    marginLeft: LEFT,
    marginRight: RIGHT,
    marginTop: TOP,
    marginBottom: bottom,
    x: { domain: x, label: null, ticks: Math.max(2, Math.round(wide / 90)), tickFormat: tickFormat(...x), tickSize: 4 },
    y: { domain: y, label: null, ticks: Math.max(2, Math.round(tall / 70)), tickFormat: tickFormat(...y), tickSize: 4 },
    marks: [
      ...contours(view, x, y),
      ...dots(
        view.clouds ?? [],
        places.filter((place) => inside(place, x, y)),
        "#fff",
      ),
    ],
  }) as SVGSVGElement & Plot.Plot;
  svg.setAttribute("aria-hidden", "true");
  const [scaleX, scaleY] = [svg.scale("x"), svg.scale("y")];
  if (scaleX && scaleY) {
    axisNames(svg, view.x.label, view.y.label, total - RIGHT, height);
    svg.append(
      ...(view.arrows ?? []).map((arrow) =>
        arrowOf(
          [scaleX.apply(arrow.x), scaleY.apply(arrow.y)],
          [scaleX.apply(arrow.x + arrow.dx), scaleY.apply(arrow.y + arrow.dy)],
          color(arrow.color),
        ),
      ),
    );
    labels(svg, view.clouds ?? [], places, (place) => [scaleX.apply(place.x), scaleY.apply(place.y)], total, height);
  }
  state.over.replaceChildren(svg);
  const named = (view.clouds ?? []).length > 1 ? key(view.clouds!) : null;
  state.top.replaceChildren(...(named ? [named] : []));
  const legend = strip(scale, view.scale ?? "diverging", view.label, view.middle ?? 0);
  state.legend.replaceWith(legend);
  state.legend = legend;
  state.box.setAttribute("aria-label", `${view.title || view.label || "Field"}. Arrows read the values.`);
  readOut(state);
}

function ends(low: Num | undefined, high: Num | undefined): [number, number] {
  return [low ?? 0, high !== null && high !== undefined && high > (low ?? 0) ? high : (low ?? 0) + 1];
}

/** Values between the grid's points, one for each pixel of the screen (at most 600 by 600). */
function smooth(canvas: HTMLCanvasElement, values: Num[][], scale: Shade, width: number, height: number): void {
  const ratio = Math.min(globalThis.devicePixelRatio || 1, 600 / Math.max(width, height));
  const [w, t] = [Math.max(2, Math.round(width * ratio)), Math.max(2, Math.round(height * ratio))];
  const [rows, columns] = [values.length, values[0]?.length ?? 0];
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== t) canvas.height = t;
  const context = rows && columns ? canvas.getContext("2d") : null;
  if (!context) return;
  const image = context.createImageData(w, t);
  const out = new Uint32Array(image.data.buffer);
  const table = new Uint32Array(512);
  for (let i = 0; i < 512; i += 1) {
    const [red, green, blue] = scale.at(scale.low + ((scale.high - scale.low) * i) / 511);
    table[i] = (255 << 24) | (blue << 16) | (green << 8) | red;
  }
  const slope = 511 / (scale.high - scale.low || 1);
  for (let py = 0; py < t; py += 1) {
    const v = (1 - (py + 0.5) / t) * (rows - 1); // the first row lies at the bottom
    const r = Math.max(0, Math.min(Math.floor(v), rows - 2));
    const below = values[r]!;
    const above = values[Math.min(r + 1, rows - 1)]!;
    const fv = v - r;
    for (let px = 0; px < w; px += 1) {
      const u = ((px + 0.5) / w) * (columns - 1);
      const c = Math.max(0, Math.min(Math.floor(u), columns - 2));
      const d = Math.min(c + 1, columns - 1);
      const fu = u - c;
      const [p, q, m, n] = [below[c], below[d], above[c], above[d]];
      if (p == null || q == null || m == null || n == null) continue;
      const value = (p + (q - p) * fu) * (1 - fv) + (m + (n - m) * fu) * fv;
      const at = (value - scale.low) * slope;
      out[py * w + px] = table[at <= 0 ? 0 : at >= 511 ? 511 : Math.round(at)]!;
    }
  }
  context.putImageData(image, 0, 0);
}

function contours(view: FieldView, x: [number, number], y: [number, number]): Plot.Markish[] {
  const [rows, columns] = [view.values.length, view.values[0]?.length ?? 0];
  if (!view.contours?.length || rows < 2 || columns < 2) return [];
  // Plot takes values as standing in the middle of cells; ours stand on the ends, so the frame is half a cell wider.
  const [halfX, halfY] = [(x[1] - x[0]) / (columns - 1) / 2, (y[1] - y[0]) / (rows - 1) / 2];
  return [
    Plot.contour(
      view.values.flat().map((value) => value ?? NaN),
      {
        width: columns,
        height: rows,
        x1: x[0] - halfX,
        x2: x[1] + halfX,
        y1: y[0] - halfY,
        y2: y[1] + halfY,
        thresholds: view.contours,
        stroke: "#16171a",
        strokeOpacity: view.contours.length === 1 ? 0.9 : 0.45,
        strokeWidth: view.contours.length === 1 ? 1.75 : 0.8,
        clip: true,
      } as Plot.ContourOptions,
    ),
  ];
}

export function arrowOf([x1, y1]: [number, number], [x2, y2]: [number, number], stroke: string): SVGElement {
  const length = Math.hypot(x2 - x1, y2 - y1);
  const group = s("g", { class: "arrow", style: `stroke:${stroke};fill:${stroke}` });
  if (!(length > 0.8)) return group;
  const head = Math.min(7, length * 0.55);
  const [ux, uy] = [(x2 - x1) / length, (y2 - y1) / length];
  const [bx, by] = [x2 - ux * head, y2 - uy * head];
  group.append(
    s("path", { d: `M${x1},${y1}L${bx},${by}`, class: "arrow-back" }),
    s("path", { d: `M${x1},${y1}L${bx},${by}` }),
    s("path", {
      d: `M${x2},${y2}L${bx - uy * head * 0.45},${by + ux * head * 0.45}L${bx + uy * head * 0.45},${by - ux * head * 0.45}Z`,
    }),
  );
  return group;
}

function make(element: HTMLElement, view: FieldView): State {
  const canvas = h("canvas", { "aria-hidden": "true" });
  const over = h("div", { class: "over" });
  const tip = new Tip();
  const box = h(
    "div",
    { class: "plane", tabIndex: 0, role: "group", "aria-roledescription": "plot" },
    canvas,
    over,
    tip.element,
  );
  const top = h("div");
  const legend = h("div");
  element.append(top, box, legend);
  const state: State = { canvas, box, over, top, legend, tip, at: null, view, inner: [0, 0, 1, 1] };
  box.addEventListener("pointermove", (event) => {
    const frame = canvas.getBoundingClientRect();
    const at: [number, number] = [
      (event.clientX - frame.left) / frame.width,
      (event.clientY - frame.top) / frame.height,
    ];
    state.at = at.every((share) => share >= 0 && share <= 1) ? at : null;
    readOut(state);
  });
  const leave = (): void => {
    state.at = null;
    readOut(state);
  };
  box.addEventListener("pointerleave", leave);
  box.addEventListener("blur", leave);
  box.addEventListener("keydown", (event) => {
    const moves: Record<string, [number, number]> = {
      ArrowRight: [1, 0],
      ArrowLeft: [-1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    };
    const move = moves[event.key];
    if (event.key === "Escape") state.at = null;
    else if (move) {
      const from = state.at ?? [0.5, 0.5];
      state.at = [
        Math.min(1, Math.max(0, from[0] + move[0] * 0.05)),
        Math.min(1, Math.max(0, from[1] + move[1] * 0.05)),
      ];
    } else return;
    event.preventDefault();
    readOut(state);
  });
  return state;
}

function readOut(state: State): void {
  const svg = state.over.querySelector("svg");
  svg?.querySelector(".field-cursor")?.remove();
  if (!state.at || !svg) return state.tip.hide();
  const { view } = state;
  const [left, top, wide, tall] = state.inner;
  const [rows, columns] = [view.values.length, view.values[0]?.length ?? 1];
  const value =
    view.values[Math.round((1 - state.at[1]) * (rows - 1))]?.[Math.round(state.at[0] * (columns - 1))] ?? null;
  const [x, y] = [ends(view.x.low, view.x.high), ends(view.y.low, view.y.high)];
  const [px, py] = [left + state.at[0] * wide, top + state.at[1] * tall];
  svg.append(s("circle", { cx: px, cy: py, r: 5, class: "field-cursor" }));
  const where = `${view.x.label || "x"} ${people(x[0] + state.at[0] * (x[1] - x[0]))} · ${view.y.label || "y"} ${people(y[1] - state.at[1] * (y[1] - y[0]))}`;
  state.tip.show(px, py, state.box, `${view.label ? `${view.label}: ` : ""}${people(value)}`, where);
}

export function data(view: FieldView): Data {
  const [rows, columns] = [view.values.length, view.values[0]?.length ?? 0];
  const [x, y] = [ends(view.x.low, view.x.high), ends(view.y.low, view.y.high)];
  const at = ([low, high]: [number, number], i: number, count: number): number =>
    Number((low + ((high - low) * i) / Math.max(1, count - 1)).toPrecision(7));
  return {
    columns: [
      `${view.y.label || "y"} \\ ${view.x.label || "x"}`,
      ...Array.from({ length: columns }, (_, j) => String(at(x, j, columns))),
    ],
    rows: view.values.map((row, i) => [at(y, i, rows), ...row]),
  };
}
