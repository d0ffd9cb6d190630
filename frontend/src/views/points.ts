/** Clouds of points in the plane. Choosing one works by click, touch, and the arrow keys. */

import * as Plot from "@observablehq/plot";

import {
  color,
  decades,
  domain,
  extent,
  h,
  key,
  memory,
  Motion,
  people,
  s,
  textWidth,
  ticks,
  tickFormat,
  Tip,
  widthOf,
} from "./common";
import { axisNames } from "./lines";
import type { Axis, Cloud, Data, Host, PointsView } from "./types";

interface Place {
  x: number;
  y: number;
  cloud: number;
  i: number;
}

interface State {
  motion: Motion;
  plot: HTMLElement;
  tip: Tip;
  names: HTMLElement;
  at: number | null;
  list: Place[];
  pixel: (place: Place) => [number, number];
  view: PointsView;
  host: Host;
  cursor: SVGElement | null;
}

/** The points that an axis can hold. */
export function placesOf(clouds: Cloud[], logX = false, logY = false): Place[] {
  return clouds.flatMap((cloud, k) =>
    cloud.x.flatMap((x, i) => {
      const y = cloud.y[i];
      const fits =
        typeof x === "number" &&
        typeof y === "number" &&
        Number.isFinite(x) &&
        Number.isFinite(y) &&
        (!logX || x > 0) &&
        (!logY || y > 0);
      return fits ? [{ x, y, cloud: k, i }] : [];
    }),
  );
}

export function draw(element: HTMLElement, view: PointsView, host: Host): void {
  const state = memory<State>(element, () => {
    const names = h("div");
    const plot = h("div", { class: "plot", tabIndex: 0, role: "group", "aria-roledescription": "plot" });
    const tip = new Tip();
    element.append(names, plot, tip.element);
    const made: State = {
      motion: new Motion(),
      plot,
      tip,
      names,
      at: null,
      list: [],
      pixel: () => [0, 0],
      view,
      host,
      cursor: null,
    };
    listen(made);
    return made;
  });
  state.view = view;
  state.host = host;
  state.plot.setAttribute(
    "aria-label",
    `${view.title || "Points"}. Arrows go from point to point${view.select ? ", Enter chooses" : ""}.`,
  );
  state.plot.classList.toggle("selectable", Boolean(view.select));
  state.list = placesOf(view.clouds, view.x?.log, view.y?.log);
  const names = (view.clouds.length > 1 ? key(view.clouds) : null) ?? h("div");
  state.names.replaceWith(names);
  state.names = names;

  const width = widthOf(element);
  let x = padded(view.x, domain(view.x, extent(state.list.map((place) => place.x)), !view.equal));
  let y = padded(view.y, domain(view.y, extent(state.list.map((place) => place.y)), !view.equal));
  const equal = (view.equal ?? true) && !view.x?.log && !view.y?.log;
  const [left, right, top, bottom] = [40, 12, 24, view.x?.label ? 38 : 26];
  let height = Math.round(Math.min(width * 0.72, 440));
  if (equal) {
    const inner = width - left - right;
    height = Math.round(
      Math.min(Math.max(((y[1] - y[0]) / (x[1] - x[0])) * inner + top + bottom, 200), Math.min(480, width * 1.05)),
    );
    // What does not fill the frame gets more of the plane, so that one unit stays one unit.
    const unit = Math.max((x[1] - x[0]) / inner, (y[1] - y[0]) / (height - top - bottom));
    x = widened(x, unit * inner);
    y = widened(y, unit * (height - top - bottom));
  }
  const logs = [view.x?.log ?? false, view.y?.log ?? false] as const;
  const goal = [...x, ...y].map((value, i) => (logs[i < 2 ? 0 : 1] ? Math.log(value) : value));
  state.motion.to(goal, (now) => {
    const ends = now.map((value, i) => (logs[i < 2 ? 0 : 1] ? Math.exp(value) : value)) as [
      number,
      number,
      number,
      number,
    ];
    paint(state, width, height, [ends[0], ends[1]], [ends[2], ends[3]], [left, right, top, bottom]);
  });
}

function padded(axis: Axis | undefined, [low, high]: [number, number]): [number, number] {
  if (axis?.log) return [low, high];
  const room = (high - low) * 0.05;
  return [axis?.low ?? low - room, axis?.high ?? high + room];
}

function widened([low, high]: [number, number], span: number): [number, number] {
  const room = (span - (high - low)) / 2;
  return [low - room, high + room];
}

function paint(
  state: State,
  width: number,
  height: number,
  x: [number, number],
  y: [number, number],
  margins: [number, number, number, number],
): void {
  const { view } = state;
  const [logX, logY] = [view.x?.log ?? false, view.y?.log ?? false];
  const yTicks = logY ? decades(y, Math.round(height / 50)) : ticks(y, Math.max(3, Math.round(height / 70)));
  const xTicks = logX ? decades(x, Math.round(width / 80)) : ticks(x, Math.max(2, Math.round(width / 100)));
  const svg = Plot.plot({
    width,
    height,
    marginLeft: margins[0],
    marginRight: margins[1],
    marginTop: margins[2],
    marginBottom: margins[3],
    x: {
      type: logX ? "log" : "linear",
      domain: x,
      label: null,
      ticks: xTicks,
      tickFormat: tickFormat(x[0], x[1], logX),
      tickSize: 0,
    },
    y: {
      type: logY ? "log" : "linear",
      domain: y,
      label: null,
      ticks: yTicks,
      tickFormat: tickFormat(y[0], y[1], logY),
      tickSize: 0,
    },
    marks: [
      Plot.gridY({ ticks: yTicks, stroke: "var(--rule)", strokeOpacity: 1 }),
      Plot.gridX({ ticks: xTicks, stroke: "var(--rule)", strokeOpacity: 1 }),
      ...dots(
        view.clouds,
        state.list.filter((place) => inside(place, x, y)),
      ),
    ],
  }) as SVGSVGElement & Plot.Plot;
  svg.setAttribute("aria-hidden", "true");
  axisNames(svg, view.x?.label, view.y?.label, width - margins[1], height);
  const [scaleX, scaleY] = [svg.scale("x")!, svg.scale("y")!];
  state.pixel = (place) => [scaleX.apply(place.x), scaleY.apply(place.y)];
  labels(svg, view.clouds, state.list, state.pixel, width, height);
  const chosen = view.select ? state.host.get?.(view.select) : undefined;
  if (typeof chosen === "number") {
    const place = state.list.find((item) => item.i === chosen);
    if (place && view.clouds.length === 1) {
      const [px, py] = state.pixel(place);
      svg.append(s("circle", { cx: px, cy: py, r: (view.clouds[0]!.size ?? 3) + 4, class: "chosen" }));
    }
  }
  state.cursor = s("circle", { r: 0, class: "point-cursor" });
  svg.append(state.cursor);
  state.plot.replaceChildren(svg);
  readOut(state);
}

/** Whether a place lies in the frame; one on its edge does, and is drawn whole. */
export function inside(place: Place, x: [number, number], y: [number, number]): boolean {
  const [roomX, roomY] = [(x[1] - x[0]) * 0.003, (y[1] - y[0]) * 0.003];
  return place.x >= x[0] - roomX && place.x <= x[1] + roomX && place.y >= y[0] - roomY && place.y <= y[1] + roomY;
}

/** Dots by cloud, the later above; many are half transparent, so that density shows. */
export function dots(clouds: Cloud[], list: Place[], edge = "var(--paper)"): Plot.Markish[] {
  const opacity = list.length > 1500 ? 0.45 : list.length > 300 ? 0.7 : 0.92;
  return clouds.map((cloud, k) =>
    Plot.dot(
      list.filter((place) => place.cloud === k),
      {
        x: "x",
        y: "y",
        r: cloud.size ?? 3,
        fill: color(cloud.color ?? "data"),
        fillOpacity: opacity,
        stroke: list.length > 800 ? undefined : edge,
        strokeWidth: edge === "#fff" ? 1.25 : 0.75,
      },
    ),
  );
}

/** Names of points where there is room; the others answer when pointed at. */
export function labels(
  svg: SVGElement,
  clouds: Cloud[],
  list: Place[],
  pixel: (place: Place) => [number, number],
  width: number,
  height: number,
): void {
  const taken: [number, number, number, number][] = [];
  for (const place of list) {
    const cloud = clouds[place.cloud]!;
    const label = cloud.labels?.[place.i];
    if (!label) continue;
    const [px, py] = pixel(place);
    const wide = textWidth(label, 11.5);
    const end = px + wide + 10 > width;
    const box: [number, number, number, number] = [end ? px - wide - 8 : px + 6, py - 8, wide + 4, 15];
    if (
      py < 8 ||
      py > height - 20 ||
      px < 0 ||
      taken.some(([l, t, w, b]) => box[0] < l + w && l < box[0] + box[2] && box[1] < t + b && t < box[1] + box[3])
    )
      continue;
    taken.push(box);
    svg.append(
      s(
        "text",
        { x: end ? px - 7 : px + 7, y: py, dy: "0.35em", "text-anchor": end ? "end" : "start", class: "point-name" },
        label,
      ),
    );
  }
}

function readOut(state: State): void {
  const place = state.at === null ? undefined : state.list[state.at];
  if (!place || !state.cursor) {
    state.cursor?.setAttribute("r", "0");
    return state.tip.hide();
  }
  const cloud = state.view.clouds[place.cloud]!;
  const [px, py] = state.pixel(place);
  state.cursor.setAttribute("cx", String(px));
  state.cursor.setAttribute("cy", String(py));
  state.cursor.setAttribute("r", String((cloud.size ?? 3) + 4));
  const name = cloud.labels?.[place.i] ?? (cloud.name ? `${cloud.name} ${place.i}` : String(place.i));
  const axis = (word: string | undefined, letter: string, value: number): string =>
    `${word || letter} ${people(value)}`;
  const box = state.plot;
  state.tip.show(
    px,
    py + box.offsetTop,
    box,
    name,
    `${axis(state.view.x?.label, "x", place.x)} · ${axis(state.view.y?.label, "y", place.y)}`,
  );
}

function listen(state: State): void {
  const find = (event: PointerEvent | MouseEvent): number | null => {
    const svg = state.plot.querySelector("svg");
    if (!svg) return null;
    const box = svg.getBoundingClientRect();
    const [mx, my] = [event.clientX - box.left, event.clientY - box.top];
    let best: number | null = null;
    let near = 22 ** 2;
    state.list.forEach((place, k) => {
      const [px, py] = state.pixel(place);
      const away = (px - mx) ** 2 + (py - my) ** 2;
      if (away < near) [near, best] = [away, k];
    });
    return best;
  };
  const choose = (): void => {
    const place = state.at === null ? undefined : state.list[state.at];
    if (place && state.view.select) state.host.set(state.view.select, place.i);
  };
  state.plot.addEventListener("pointermove", (event) => {
    state.at = find(event);
    readOut(state);
  });
  state.plot.addEventListener("click", (event) => {
    state.at = find(event);
    readOut(state);
    choose();
  });
  const leave = (): void => {
    state.at = null;
    readOut(state);
  };
  state.plot.addEventListener("pointerleave", leave);
  state.plot.addEventListener("blur", leave);
  state.plot.addEventListener("keydown", (event) => {
    const last = state.list.length - 1;
    if (event.key === "Escape") state.at = null;
    else if (event.key === "Home") state.at = 0;
    else if (event.key === "End") state.at = last;
    else if ((event.key === "Enter" || event.key === " ") && state.view.select) choose();
    else if (event.key.startsWith("Arrow")) state.at = state.at === null ? 0 : (step(state, event.key) ?? state.at);
    else return;
    event.preventDefault();
    readOut(state);
  });
}

/** The nearest point in an arrow's direction. */
function step(state: State, arrow: string): number | null {
  const from = state.pixel(state.list[state.at!]!);
  const [dx, dy] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[arrow] ?? [0, 0];
  let best: number | null = null;
  let least = Infinity;
  state.list.forEach((place, k) => {
    const [px, py] = state.pixel(place);
    const [ax, ay] = [px - from[0], py - from[1]];
    const along = ax * dx! + ay * dy!;
    if (k === state.at || along <= 0.01) return;
    const cost = along + 2.5 * Math.abs(ax * dy! - ay * dx!);
    if (cost < least) [least, best] = [cost, k];
  });
  return best;
}

export function data(view: PointsView): Data {
  const named = view.clouds.some((cloud) => cloud.labels?.length);
  return {
    columns: ["set", ...(named ? ["name"] : []), view.x?.label || "x", view.y?.label || "y"],
    rows: view.clouds.flatMap((cloud) =>
      cloud.x.map((x, i) => [cloud.name, ...(named ? [cloud.labels?.[i] ?? ""] : []), x, cloud.y[i] ?? null]),
    ),
  };
}
