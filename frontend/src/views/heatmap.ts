/** A matrix of colors. The cells are pixels of a canvas, so a thousand of them cost nothing; words lie above in SVG. */

import {
  css,
  extent,
  fixed,
  h,
  letters,
  memory,
  people,
  pixels,
  roving,
  s,
  shade,
  strip,
  tabStop,
  textWidth,
  Tip,
  widthOf,
} from "./common";
import type { Data, HeatmapView, Host, Num } from "./types";

interface State {
  canvas: HTMLCanvasElement;
  cells: HTMLElement;
  over: SVGSVGElement;
  rows: HTMLElement;
  legend: HTMLElement;
  tip: Tip;
  at: [number, number] | null;
  view: HeatmapView;
  host: Host;
  size: [number, number];
}

export function draw(element: HTMLElement, view: HeatmapView, host: Host): void {
  const state = memory<State>(element, () => make(element, view, host));
  state.view = view;
  state.host = host;
  const rows = view.values.length;
  const columns = Math.max(1, ...view.values.map((row) => row.length));
  const found = extent(...view.values) ?? [0, 1];
  const scale = shade(view.scale, view.low ?? found[0], view.high ?? found[1]);
  const width = widthOf(element);
  const longest = Math.max(0, ...(view.rows ?? []).map((label) => textWidth(label)));
  const left = Math.min(longest ? longest + 10 : 4, width * 0.34) + (view.row_label ? 18 : 0);
  const needed =
    view.digits === null || view.digits === undefined
      ? 0
      : Math.max(...view.values.flat().map((value) => textWidth(fixed(value ?? null, view.digits!), 11))) + 6;
  const room = width - left - 4;
  const cell = Math.max(1, Math.min(Math.max(44, needed), room / columns, Math.max(340, rows) / rows));
  const wide = cell >= 3 ? Math.floor(cell) : cell;
  const tall = needed && rows > 1 ? Math.min(wide, 34) : wide;
  const [w, t] = [wide * columns, tall * rows];
  const labels = view.columns ?? [];
  const widest = Math.max(0, ...labels.map((label) => textWidth(label)));
  const slanted = widest + 6 > wide;
  const every = slanted ? Math.max(1, Math.ceil(14 / wide)) : 1;
  const top = labels.length ? (slanted ? Math.min(widest, 90) + 8 : 20) : 4;
  const bottom = view.column_label ? 22 : 4;
  state.size = [w, t];

  pixels(state.canvas, view.values, scale);
  state.cells.style.cssText = `margin:${top}px 0 ${bottom}px ${left}px;width:${w}px;height:${t}px`;
  state.cells.setAttribute(
    "aria-label",
    `${view.title || "Matrix"}, ${rows} rows, ${columns} columns. Arrows read the cells.`,
  );

  state.over.setAttribute("viewBox", `${-left} ${-top} ${left + w + 4} ${top + t + bottom}`);
  state.over.style.cssText = `left:0;top:0;width:${left + w + 4}px;height:${top + t + bottom}px`;
  state.over.replaceChildren();
  const put = (...nodes: Node[]): void => state.over.append(...nodes);
  put(s("rect", { x: -0.5, y: -0.5, width: w + 1, height: t + 1, class: "frame" }));
  labels.forEach((label, i) => {
    if (i % every) return;
    const x = (i + 0.5) * wide;
    put(
      slanted
        ? s("text", { transform: `translate(${x + 4},-5) rotate(-90)`, class: "cell-name" }, short(label, 90))
        : s("text", { x, y: -6, "text-anchor": "middle", class: "cell-name" }, label),
    );
  });
  const rowEvery = Math.max(1, Math.ceil(13 / tall));
  (view.rows ?? []).forEach((label, i) => {
    if (i % rowEvery) return;
    put(
      s(
        "text",
        { x: -6, y: (i + 0.5) * tall, dy: "0.35em", "text-anchor": "end", class: "cell-name" },
        short(label, left - (view.row_label ? 28 : 8)),
      ),
    );
  });
  if (view.row_label)
    put(
      s(
        "text",
        { transform: `translate(${-left + 11},${t / 2}) rotate(-90)`, "text-anchor": "middle", class: "axis-name" },
        `← ${view.row_label}`,
      ),
    );
  if (view.column_label)
    put(s("text", { x: w, y: t + 16, "text-anchor": "end", class: "axis-name" }, `${view.column_label} →`));
  if (needed && wide >= needed - 5 && tall >= 12) {
    view.values.forEach((row, i) =>
      row.forEach((value, j) => {
        if (value === null) return;
        put(
          s(
            "text",
            {
              x: (j + 0.5) * wide,
              y: (i + 0.5) * tall,
              dy: "0.35em",
              "text-anchor": "middle",
              class: "cell-number",
              fill: letters(scale.at(value)),
            },
            fixed(value, view.digits!),
          ),
        );
      }),
    );
  }
  for (const [i, j] of view.highlight ?? []) {
    put(
      s("rect", { x: j * wide, y: i * tall, width: wide, height: tall, class: "cell-frame-back" }),
      s("rect", { x: j * wide, y: i * tall, width: wide, height: tall, class: "cell-frame" }),
    );
  }
  const legend = strip(scale, view.scale);
  legend.style.marginLeft = `${Math.min(left, 40)}px`;
  state.legend.replaceWith(legend);
  state.legend = legend;
  chooseRows(state, view, host, left, top, w, tall);
  readOut(state);
}

function make(element: HTMLElement, view: HeatmapView, host: Host): State {
  const canvas = h("canvas", { class: "pixels", "aria-hidden": "true" });
  const cells = h("div", { class: "cells", tabIndex: 0, role: "group", "aria-roledescription": "matrix" }, canvas);
  const over = s("svg", { class: "over", "aria-hidden": "true" });
  const rows = h("div", { class: "view-hits", role: "group" });
  const legend = h("div");
  const tip = new Tip();
  element.append(h("div", { class: "matrix" }, cells, over, rows, tip.element), legend);
  roving(rows, "button");
  const state: State = { canvas, cells, over, rows, legend, tip, at: null, view, host, size: [1, 1] };
  const point = (event: PointerEvent | MouseEvent): [number, number] => {
    const box = cells.getBoundingClientRect();
    const [n, m] = [state.view.values.length, state.view.values[0]?.length ?? 1];
    const at = (share: number, count: number): number => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
    return [at((event.clientY - box.top) / box.height, n), at((event.clientX - box.left) / box.width, m)];
  };
  cells.addEventListener("pointermove", (event) => {
    state.at = point(event);
    readOut(state);
  });
  const leave = (): void => {
    state.at = null;
    readOut(state);
  };
  cells.addEventListener("pointerleave", leave);
  cells.addEventListener("blur", leave);
  cells.addEventListener("click", (event) => {
    if (state.view.select) state.host.set(state.view.select, point(event)[0]);
  });
  cells.addEventListener("keydown", (event) => {
    const moves: Record<string, [number, number]> = {
      ArrowDown: [1, 0],
      ArrowUp: [-1, 0],
      ArrowRight: [0, 1],
      ArrowLeft: [0, -1],
    };
    const move = moves[event.key];
    if ((event.key === "Enter" || event.key === " ") && state.view.select && state.at)
      state.host.set(state.view.select, state.at[0]);
    else if (event.key === "Escape") state.at = null;
    else if (move) {
      const [n, m] = [state.view.values.length, state.view.values[0]?.length ?? 1];
      const from = state.at ?? [-Math.max(0, move[0]), -Math.max(0, move[1])];
      state.at = [Math.min(n - 1, Math.max(0, from[0] + move[0])), Math.min(m - 1, Math.max(0, from[1] + move[1]))];
    } else return;
    event.preventDefault();
    readOut(state);
  });
  return state;
}

function readOut(state: State): void {
  const { view, at } = state;
  state.over.querySelector(".cell-cursor")?.remove();
  if (!at || view.values[at[0]] === undefined) return state.tip.hide();
  const [i, j] = at;
  const value: Num = view.values[i]![j] ?? null;
  const [w, t] = [state.size[0] / (view.values[0]?.length || 1), state.size[1] / view.values.length];
  state.over.append(s("rect", { x: j * w, y: i * t, width: w, height: t, class: "cell-cursor" }));
  const name = (names: string[] | undefined, k: number, label: string | undefined, word: string): string =>
    names?.[k] !== undefined ? names[k]! : `${label || word} ${k}`;
  const where = `${name(view.rows, i, view.row_label, "row")} → ${name(view.columns, j, view.column_label, "column")}`;
  const box = state.cells;
  state.tip.show(
    box.offsetLeft + (j + 1) * w,
    box.offsetTop + i * t,
    state.cells.parentElement!,
    where,
    value === null ? "nothing here" : people(value, 4),
  );
}

function chooseRows(
  state: State,
  view: HeatmapView,
  host: Host,
  left: number,
  top: number,
  width: number,
  tall: number,
): void {
  state.rows.hidden = !view.select;
  if (!view.select) return state.rows.replaceChildren();
  const chosen = host.get?.(view.select);
  state.rows.setAttribute("aria-label", `${view.title || "Matrix"}: choose a row`);
  while (state.rows.children.length > view.values.length) state.rows.lastChild!.remove();
  while (state.rows.children.length < view.values.length)
    state.rows.append(h("button", { type: "button", class: "hit row" }));
  const buttons = [...state.rows.children] as HTMLButtonElement[];
  buttons.forEach((button, i) => {
    button.style.cssText = `left:0;top:${top + i * tall}px;width:${left + width}px;height:${tall}px`;
    button.setAttribute("aria-label", view.rows?.[i] ?? `row ${i}`);
    button.setAttribute("aria-pressed", String(chosen === i));
    button.onclick = () => host.set(view.select!, i);
  });
  tabStop(buttons, typeof chosen === "number" ? chosen : 0);
}

function short(label: string, room: number): string {
  let cut = label;
  while (cut.length > 1 && textWidth(cut) > room) cut = cut.slice(0, -1);
  return cut === label ? label : `${cut}…`;
}

/** The color behind a number, for a legend elsewhere. */
export function background(view: HeatmapView, value: number): string {
  const found = extent(...view.values) ?? [0, 1];
  return css(shade(view.scale, view.low ?? found[0], view.high ?? found[1]).at(value));
}

export function data(view: HeatmapView): Data {
  const columns = Math.max(0, ...view.values.map((row) => row.length));
  return {
    columns: [view.row_label || "row", ...Array.from({ length: columns }, (_, j) => view.columns?.[j] ?? String(j))],
    rows: view.values.map((row, i) => [view.rows?.[i] ?? i, ...row]),
  };
}
