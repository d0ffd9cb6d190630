/** Lines over an axis: the name stands at a line's end, its spread is a band, what is held out is dashed. */

import * as Plot from "@observablehq/plot";

import {
  color,
  decades,
  domain,
  extent,
  h,
  memory,
  Motion,
  people,
  s,
  spread,
  ticks,
  textColor,
  textWidth,
  tickFormat,
  Tip,
  widthOf,
} from "./common";
import type { Data, Host, LinesView, Series } from "./types";

interface Point {
  x: number;
  y: number | null;
  low?: number | null;
  high?: number | null;
}

interface State {
  motion: Motion;
  plot: HTMLElement;
  tip: Tip;
  at: number | null; // the place that pointer or keys look at, in the list of all x
  show: () => void;
}

/** The points that can be drawn: a logarithmic axis knows no zero. */
function pointsOf(series: Series, logX: boolean, logY: boolean): Point[] {
  const usable = (value: number | null | undefined, log: boolean): value is number =>
    value !== null && value !== undefined && Number.isFinite(value) && (!log || value > 0);
  return series.x.flatMap((x, i) => {
    if (!usable(x, logX)) return [];
    const [y, low, high] = [series.y[i], series.low?.[i], series.high?.[i]];
    return [
      { x, y: usable(y, logY) ? y : null, low: usable(low, logY) ? low : null, high: usable(high, logY) ? high : null },
    ];
  });
}

export function draw(element: HTMLElement, view: LinesView, _host: Host): void {
  const state = memory<State>(element, () => {
    const tip = new Tip();
    const plot = h("div", { class: "plot", tabIndex: 0, role: "group", "aria-roledescription": "plot" });
    element.append(plot, tip.element);
    const made: State = { motion: new Motion(), plot, tip, at: null, show: () => {} };
    listen(made);
    return made;
  });
  state.plot.setAttribute("aria-label", `${view.title || "Plot"}. Left and right arrow read the values.`);

  const width = widthOf(element);
  const [logX, logY] = [view.x?.log ?? false, view.y?.log ?? false];
  const lines = view.series.map((series) => ({ ...series, points: pointsOf(series, logX, logY) }));
  const xs = extent(
    ...lines.map((line) => line.points.map((point) => point.x)),
    view.marks?.map((mark) => mark.x),
  );
  const ys = extent(
    ...lines.flatMap((line) => [
      line.points.map((p) => p.y),
      line.points.map((p) => p.low ?? null),
      line.points.map((p) => p.high ?? null),
    ]),
    view.marks?.map((mark) => mark.y),
  );
  const x = domain(view.x, xs, false);
  const y = domain(view.y, ys);
  const into = (value: number, log: boolean): number => (log ? Math.log(value) : value);
  const out = (value: number, log: boolean): number => (log ? Math.exp(value) : value);
  const goal = [...x.map((value) => into(value, logX)), ...y.map((value) => into(value, logY))];
  state.motion.to(goal, (now) => {
    const at = now.map((value, i) => out(value, i < 2 ? logX : logY)) as [number, number, number, number];
    paint(state, view, lines, width, [at[0], at[1]], [at[2], at[3]]);
  });
}

type Line = Series & { points: Point[] };

function paint(
  state: State,
  view: LinesView,
  lines: Line[],
  width: number,
  x: [number, number],
  y: [number, number],
): void {
  const narrow = width < 460;
  const named = lines.filter((line) => line.name && line.points.some((point) => point.y !== null));
  const longest = Math.max(0, ...named.map((line) => textWidth(line.name)));
  const height = Math.round(Math.min(380, Math.max(190, width * (narrow ? 0.72 : 0.5))));
  const right = Math.min(longest + 16, width * 0.32);
  const written = new Map(named.map((line) => [line, wrapped(line.name, right - 6)]));
  const rows = Math.max(1, ...[...written.values()].map((parts) => parts.length));
  const atEnds = named.length * 13 * rows <= height - 40;
  const [logX, logY] = [view.x?.log ?? false, view.y?.log ?? false];
  const writeX = tickFormat(x[0], x[1], logX);
  const writeY = tickFormat(y[0], y[1], logY);
  const most = Math.max(3, Math.round(height / 75));
  // Steps and epochs are counted: there is nothing between 5 and 6.
  const whole = lines.every((line) => line.points.every((point) => Number.isInteger(point.x)));
  const yTicks = logY ? decades(y, Math.round(height / 36)) : ticks(y, most);
  const left = 12 + Math.max(...yTicks.map((value) => textWidth(writeY(value), 12)), 14);
  const marks: Plot.Markish[] = [
    Plot.gridY({ ticks: yTicks, stroke: "var(--rule)", strokeOpacity: 1 }),
    y[0] < 0 && y[1] > 0 ? Plot.ruleY([0], { stroke: "var(--gray)", strokeOpacity: 0.7 }) : null,
    ...lines.map((line) =>
      line.low && line.high
        ? Plot.areaY(line.points, {
            x: "x",
            y1: "low",
            y2: "high",
            fill: color(line.color),
            fillOpacity: 0.16,
            clip: true,
          })
        : null,
    ),
    ...lines.map((line) =>
      Plot.lineY(line.points, {
        x: "x",
        y: "y",
        stroke: color(line.color),
        strokeWidth: 2,
        strokeDasharray: line.dashed || line.color === "validation" ? "5 4" : undefined,
        strokeLinecap: "round",
        clip: true,
      }),
    ),
    ...lines.map((line) =>
      line.points.length === 1 ? Plot.dot(line.points, { x: "x", y: "y", fill: color(line.color), r: 3.5 }) : null,
    ),
  ];
  const svg = Plot.plot({
    width,
    height,
    marginLeft: left,
    marginRight: atEnds ? right + 6 : 16,
    marginTop: 26,
    marginBottom: view.x?.label ? 38 : 26,
    x: {
      type: logX ? "log" : "linear",
      domain: x,
      label: null,
      ticks: logX
        ? decades(x, Math.max(2, Math.round((width - left - right) / 80)))
        : ticks(x, Math.max(2, Math.round((width - left - right) / 95))).filter(
            (tick) => !whole || Number.isInteger(tick),
          ),
      tickFormat: writeX,
      tickSize: 4,
    },
    y: { type: logY ? "log" : "linear", domain: y, label: null, ticks: yTicks, tickFormat: writeY, tickSize: 0 },
    marks,
  }) as SVGSVGElement & Plot.Plot;
  svg.setAttribute("aria-hidden", "true");
  const scaleX = svg.scale("x")!;
  const scaleY = svg.scale("y")!;
  axisNames(svg, view.x?.label, view.y?.label, width - (atEnds ? right + 6 : 16), height);

  if (atEnds && named.length > 0) {
    const ends = named.map((line) => line.points.findLast((point) => point.y !== null)!);
    const wanted = ends.map((end) => Math.min(height - 30, Math.max(24, scaleY.apply(end.y))));
    const placed = spread(wanted, 1 + 13 * rows, 20, height - 28);
    named.forEach((line, i) => {
      const from = Math.min(scaleX.apply(ends[i]!.x), width - right - 6);
      const to = width - right;
      const moved = Math.abs(placed[i]! - wanted[i]!) > 5 || to - from > 14;
      if (moved && line.points.length > 1) {
        svg.append(
          s("path", {
            d: `M${from + 2},${wanted[i]}L${to - 3},${placed[i]}`,
            class: "leader",
            style: `stroke:${color(line.color)}`,
          }),
        );
      }
      const parts = written.get(line)!;
      const y = placed[i]! - (parts.length - 1) * 6.5;
      svg.append(
        s(
          "text",
          { x: to, y, dy: "0.35em", class: "line-name", style: `fill:${textColor(line.color)}` },
          s("title", {}, line.name),
          ...parts.map((part, k) => s("tspan", { x: to, dy: k ? 13 : undefined }, part)),
        ),
      );
    });
  }
  for (const mark of view.marks ?? []) {
    const [px, py] = [scaleX.apply(mark.x), scaleY.apply(mark.y)];
    if (!Number.isFinite(px) || !Number.isFinite(py)) continue;
    const end = px > width * 0.6;
    const below = py < 44;
    svg.append(
      s("circle", { cx: px, cy: py, r: 4.5, class: "mark" }),
      s(
        "text",
        { x: px + (end ? -8 : 8), y: py + (below ? 18 : -9), "text-anchor": end ? "end" : "start", class: "mark-name" },
        mark.label,
      ),
    );
  }
  const cursor = s("g", { class: "cursor" });
  svg.append(cursor);
  const old = state.plot.querySelector("svg");
  if (old) old.replaceWith(svg);
  else state.plot.prepend(svg);
  if (!atEnds && named.length > 0) crowded(state.plot, named);
  else state.plot.querySelector(".key")?.remove();

  // Reading values: pointer or arrow keys choose an x, all lines answer.
  const all = [...new Set(lines.flatMap((line) => line.points.map((point) => point.x)))].sort((a, b) => a - b);
  state.show = () => {
    cursor.replaceChildren();
    if (state.at === null || all.length === 0) return state.tip.hide();
    state.at = Math.min(Math.max(state.at, 0), all.length - 1);
    const value = all[state.at]!;
    const px = scaleX.apply(value);
    cursor.append(s("line", { x1: px, x2: px, y1: 20, y2: height - 26 }));
    const said: (string | Node)[] = [h("span", { class: "tip-head" }, `${view.x?.label || "x"} ${people(value, 4)}`)];
    const rows = lines
      .map((line) => ({ line, point: line.points.find((point) => point.x === value) }))
      .filter((row) => row.point && row.point.y !== null)
      .sort((a, b) => b.point!.y! - a.point!.y!);
    for (const { line, point } of rows) {
      cursor.append(s("circle", { cx: px, cy: scaleY.apply(point!.y), r: 3.5, style: `fill:${color(line.color)}` }));
      const range =
        typeof point!.low === "number" && typeof point!.high === "number"
          ? ` (${people(point!.low)} to ${people(point!.high)})`
          : "";
      const name = h("span", {}, line.name);
      name.style.color = textColor(line.color);
      said.push(h("span", {}, name, ` ${people(point!.y, 4)}${range}`));
    }
    state.tip.show(px, 40, state.plot, ...said);
  };
  state.plot.dataset.count = String(all.length);
  svg.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch" && event.buttons === 0) return;
    const scaled =
      ((event.clientX - svg.getBoundingClientRect().left) * width) / (svg.getBoundingClientRect().width || width);
    const value = scaleX.invert!(scaled) as number;
    state.at = nearest(all, value);
    state.show();
  });
  state.show();
}

function nearest(sorted: number[], value: number): number | null {
  let best: number | null = null;
  sorted.forEach((candidate, i) => {
    if (best === null || Math.abs(candidate - value) < Math.abs(sorted[best]! - value)) best = i;
  });
  return best;
}

/** A name in at most two lines; what is longer still ends in dots. */
function wrapped(name: string, room: number): string[] {
  if (textWidth(name) * 1.06 <= room) return [name];
  const words = name.split(" ");
  let first = words.shift()!;
  while (words.length && textWidth(`${first} ${words[0]}`) * 1.06 <= room) first += ` ${words.shift()}`;
  return [clipped(first, room), ...(words.length ? [clipped(words.join(" "), room)] : [])];
}

function clipped(name: string, room: number): string {
  let short = name;
  while (short.length > 3 && textWidth(`${short}…`) > room) short = short.slice(0, -1);
  return short === name ? name : `${short.trimEnd()}…`;
}

function crowded(plot: HTMLElement, lines: Line[]): void {
  plot.querySelector(".key")?.remove();
  const list = h("div", { class: "key" });
  for (const line of lines) {
    const dot = h("span", { class: "key-line" });
    dot.style.background = color(line.color);
    list.append(h("span", {}, dot, line.name));
  }
  plot.prepend(list);
}

/** What the axes count: upwards at the top left, to the right at the bottom right. */
export function axisNames(
  svg: SVGElement,
  x: string | undefined,
  y: string | undefined,
  right: number,
  height: number,
): void {
  if (y) svg.append(s("text", { x: 2, y: 12, class: "axis-name" }, `↑ ${y}`));
  if (x) svg.append(s("text", { x: right, y: height - 5, "text-anchor": "end", class: "axis-name" }, `${x} →`));
}

function listen(state: State): void {
  state.plot.addEventListener("pointerleave", () => {
    if (document.activeElement === state.plot) return;
    state.at = null;
    state.show();
  });
  state.plot.addEventListener("blur", () => {
    state.at = null;
    state.show();
  });
  state.plot.addEventListener("keydown", (event) => {
    const last = Number(state.plot.dataset.count ?? 0) - 1;
    const at = state.at;
    const page = Math.max(1, Math.round(last / 10));
    const moves: Record<string, number> = {
      ArrowRight: at === null ? 0 : at + 1,
      ArrowLeft: at === null ? last : at - 1,
      PageUp: (at ?? 0) + page,
      PageDown: (at ?? last) - page,
      Home: 0,
      End: last,
    };
    if (event.key === "Escape") state.at = null;
    else if (moves[event.key] !== undefined) state.at = moves[event.key]!;
    else return;
    event.preventDefault();
    state.show();
  });
}

export function data(view: LinesView): Data {
  const spreads = view.series.some((series) => series.low && series.high);
  return {
    columns: ["line", view.x?.label || "x", view.y?.label || "y", ...(spreads ? ["low", "high"] : [])],
    rows: view.series.flatMap((series) =>
      series.x.map((x, i) => [
        series.name,
        x,
        series.y[i] ?? null,
        ...(spreads ? [series.low?.[i] ?? null, series.high?.[i] ?? null] : []),
      ]),
    ),
  };
}
