/** What all views share: elements, colors, numbers for people, motion, and choosing with mouse, finger and keys. */

import type { Axis, Num, ScaleName } from "./types";

type Child = Node | string | null | undefined;
type Properties = Record<string, unknown>;

/** An HTML element. Keys with a dash and `role` become attributes, `on…` listeners, the rest properties. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value as EventListener);
    else if (key.includes("-") || key === "role" || key === "for") element.setAttribute(key, String(value));
    else if (key === "class") element.className = String(value);
    else (element as unknown as Properties)[key] = value;
  }
  element.append(...children.filter((child): child is Node | string => child !== null && child !== undefined));
  return element;
}

/** An SVG element with its attributes. */
export function s<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Record<string, string | number | undefined> = {},
  ...children: Child[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  if (tag === "text") element.setAttribute("text-anchor", "start"); // not what the plot around it says
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined) element.setAttribute(key, String(value));
  }
  element.append(...children.filter((child): child is Node | string => child !== null && child !== undefined));
  return element;
}

let counter = 0;
/** An id that no other element of the page has. */
export function unique(prefix: string): string {
  counter += 1;
  return `${prefix}-${counter}`;
}

// What a view remembers between two drawings, by the element that it is drawn in.
const memories = new WeakMap<HTMLElement, unknown>();

/** What a view remembers on its element; `make` builds it at the first drawing. */
export function memory<T extends object>(element: HTMLElement, make: () => T): T {
  let found = memories.get(element) as T | undefined;
  if (!found) {
    found = make();
    memories.set(element, found);
  }
  return found;
}

/** The view's element starts anew, because another kind of view is drawn there. */
export function forget(element: HTMLElement): void {
  memories.delete(element);
  element.replaceChildren();
}

/** How wide a view may draw. jsdom and hidden elements have no width. */
export function widthOf(element: HTMLElement): number {
  const least = element.closest(".narrow") ? 120 : 240; // two narrow ones stand side by side on a telephone
  return Math.max(least, Math.floor(element.clientWidth || 640));
}

const WORDS = new Set([
  "query", "key", "value", "data", "model", "train", "validation", "forward", "backward", "accent", "gray", "ink",
]); // prettier-ignore

/** A color's word as the style sheet's variable, so that light, dark and print need no new drawing. */
export function color(word: string | undefined): string {
  if (word && /^[1-8]$/.test(word)) return `var(--c${word})`;
  return word && WORDS.has(word) ? `var(--${word})` : "var(--accent)";
}

/** The same color, dark enough (or light enough) for letters. */
export function textColor(word: string | undefined): string {
  if (word === "gray" || word === "data") return "var(--ink-soft, var(--ink))";
  return `color-mix(in oklab, ${color(word)} 58%, var(--ink))`;
}

export function reduced(): boolean {
  return typeof matchMedia !== "function" || matchMedia("(prefers-reduced-motion: reduce)").matches;
}

// ---------------------------------------------------------------------------------------------------- numbers

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

function power(exponent: number): string {
  const digits = [...String(Math.abs(exponent))].map((digit) => SUPERSCRIPTS[Number(digit)]).join("");
  return `10${exponent < 0 ? "⁻" : ""}${digits}`;
}

/** A number for people: 1,437 · 0.0312 · 1.2 M · 3.2 × 10⁻⁵, with a real minus sign. */
export function people(value: unknown, significant = 3): string {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const sign = value < 0 ? "−" : "";
  if (size === 0) return "0";
  if (size >= 1e12 || size < 1e-4) {
    const exponent = Math.floor(Math.log10(size) + 1e-12);
    const mantissa = trim((size / 10 ** exponent).toPrecision(significant));
    return mantissa === "1" ? sign + power(exponent) : `${sign}${mantissa} × ${power(exponent)}`;
  }
  if (size >= 1e9) return `${sign}${trim((size / 1e9).toPrecision(significant))} G`;
  if (size >= 1e6) return `${sign}${trim((size / 1e6).toPrecision(significant))} M`;
  if (size >= 1000 || Number.isInteger(value)) return sign + Math.round(size).toLocaleString("en-US");
  return sign + trim(size.toPrecision(significant));
}

/** A number with so many digits behind the point. */
export function fixed(value: Num, digits: number): string {
  if (value === null || !Number.isFinite(value)) return "";
  const written = Math.abs(value).toFixed(digits);
  const isZero = Number(written) === 0;
  const [whole, rest] = written.split(".");
  const grouped = Number(whole).toLocaleString("en-US") + (rest ? `.${rest}` : "");
  return (value < 0 && !isZero ? "−" : "") + grouped;
}

function trim(written: string): string {
  if (written.includes("e")) return Number(written).toLocaleString("en-US"); // 999.96 in three digits
  return written.includes(".") ? written.replace(/\.?0+$/, "") : written;
}

/** How the ticks of an axis are written: all alike, and no longer than they need. */
export function tickFormat(low: number, high: number, log = false): (value: number) => string {
  if (log) return (value) => people(value, 2);
  const span = Math.abs(high - low) || 1;
  const greatest = Math.max(Math.abs(low), Math.abs(high));
  if (greatest >= 1e6 || greatest < 1e-3) return (value) => people(value, 3);
  return (value) =>
    Math.abs(value) < span * 1e-9 ? "0" : people(value, Math.max(3, Math.ceil(Math.log10(greatest / span)) + 3));
}

// ---------------------------------------------------------------------------------------------------- scales

/** Round places on an axis, about `count` of them; what lies a hair outside an end (while an axis glides) is on it. */
export function ticks([low, high]: [number, number], count: number): number[] {
  const raw = (high - low) / Math.max(1, count);
  if (!(raw > 0) || !Number.isFinite(raw)) return [];
  const power = Math.floor(Math.log10(raw));
  const factor = [7.07, 3.16, 1.41].findIndex((limit) => raw / 10 ** power >= limit);
  const step = Number(`${[10, 5, 2, 1].at(factor)}e${power}`);
  const first = Math.ceil(low / step - 0.02);
  const last = Math.floor(high / step + 0.02);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Where a logarithmic axis has its ticks: at powers of ten, with 2 and 5 between where these are few. */
export function decades([low, high]: [number, number], most: number): number[] {
  const [first, last] = [Math.floor(Math.log10(low) - 1e-9), Math.ceil(Math.log10(high) + 1e-9)];
  const step = Math.max(1, Math.ceil((last - first + 1) / Math.max(2, most)));
  const within = (value: number): boolean => value >= low * 0.999 && value <= high * 1.001;
  const powers: number[] = [];
  for (let exponent = Math.ceil(first / step) * step; exponent <= last; exponent += step)
    powers.push(Number(`1e${exponent}`));
  const found = powers.filter(within);
  return found.length > 2 || step > 1 ? found : powers.flatMap((power) => [power / 5, power / 2, power]).filter(within);
}

/** Least and greatest of what is there; null where nothing is. */
export function extent(...lists: (readonly Num[] | null | undefined)[]): [number, number] | null {
  let low = Infinity;
  let high = -Infinity;
  for (const list of lists) {
    for (const value of list ?? []) {
      if (value === null || !Number.isFinite(value)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return low <= high ? [low, high] : null;
}

/** A domain with round ends, and room where all values are one. */
export function nice([low, high]: [number, number], count = 5): [number, number] {
  if (low === high) {
    const room = Math.abs(low) * 0.1 || 1;
    [low, high] = [low - room, high + room];
  }
  const raw = (high - low) / count;
  const magnitude = 10 ** Math.floor(Math.log10(raw));
  const step = magnitude * ([1, 2, 2.5, 5, 10].find((factor) => factor * magnitude >= raw * 0.999) ?? 10);
  return [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
}

/** The ends of an axis: what the view says, else what the data needs. */
export function domain(axis: Axis | undefined, found: [number, number] | null, rounded = true): [number, number] {
  const log = axis?.log ?? false;
  let [low, high] = found ?? (log ? [1, 10] : [0, 1]);
  low = axis?.low ?? low;
  high = axis?.high ?? high;
  if (log) {
    if (!(low > 0)) low = high > 0 ? high / 1000 : 1;
    if (!(high > low)) high = low * 10;
    return [low, high];
  }
  if (!(high > low)) {
    // One value: a first step, or a line that is level. The axis begins at zero if it can.
    if (low >= 0 && axis?.low == null && axis?.high == null)
      return rounded ? [0, nice([0, low * 1.2 || 1])[1]] : [low, low + 1];
    const room = Math.abs(low) * 0.1 || 0.5;
    return [axis?.low ?? low - room, axis?.high ?? Math.max(low, high) + room];
  }
  // Near zero an axis begins at zero: the picture is honest, and stays still while a loss falls.
  if (rounded && axis?.low == null && low > 0 && low < 0.45 * high) low = 0;
  const round = rounded ? nice([low, high]) : [low, high];
  return [axis?.low ?? round[0]!, axis?.high ?? round[1]!];
}

// ---------------------------------------------------------------------------------------------------- motion

/** Numbers that glide to where they are wanted: an axis never jumps, unless the reader asked for less motion. */
export class Motion {
  private now: number[] = [];
  private goal: number[] = [];
  private paint: (now: number[]) => void = () => {};
  private running = 0;
  private last = 0;
  private reach: number[] = []; // how far each had to go

  /** Paints at once, and again until `goal` is reached; `jump` goes there directly. */
  to(goal: number[], paint: (now: number[]) => void, jump = false): void {
    this.paint = paint;
    const far = goal.length !== this.now.length || goal.some((value) => !Number.isFinite(value));
    this.goal = goal;
    this.reach = goal.map((value, i) => Math.abs(value - (this.now[i] ?? value)));
    if (jump || far || reduced() || typeof requestAnimationFrame !== "function" || document.hidden) {
      this.now = goal.slice();
      paint(this.now);
      return;
    }
    paint(this.now);
    if (!this.running && !this.arrived()) {
      this.last = performance.now();
      this.running = requestAnimationFrame(this.tick);
    }
  }

  /** Stops where it is. */
  stop(): void {
    if (this.running) cancelAnimationFrame(this.running);
    this.running = 0;
  }

  private arrived(): boolean {
    return this.goal.every((value, i) => Math.abs(value - this.now[i]!) <= 0.004 * this.reach[i]!);
  }

  private tick = (time: number): void => {
    const share = 1 - Math.exp(-Math.max(1, time - this.last) / 70);
    this.last = time;
    this.now = this.now.map((value, i) => value + (this.goal[i]! - value) * share);
    if (this.arrived()) {
      this.now = this.goal.slice();
      this.running = 0;
    } else {
      this.running = requestAnimationFrame(this.tick);
    }
    this.paint(this.now);
  };
}

// ---------------------------------------------------------------------------------------------------- colors of numbers

export type Rgb = [number, number, number];

const VIRIDIS = ["440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725"].map(hex);
const BLUE_TO_VERMILION = ["00568c", "3a8fc6", "9cc8e6", "f7f7f5", "f5c19c", "e68a45", "c24f00"].map(hex);
const GRAY = ["000000", "ffffff"].map(hex);
const INK = ["fbfaf6", "16171a"].map(hex);

function hex(written: string): Rgb {
  return [0, 2, 4].map((at) => parseInt(written.slice(at, at + 2), 16)) as Rgb;
}

function between(stops: Rgb[], share: number): Rgb {
  const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const below = Math.min(Math.floor(at), stops.length - 2);
  const part = at - below;
  const [a, b] = [stops[below]!, stops[below + 1]!];
  return [0, 1, 2].map((i) => Math.round(a[i]! + (b[i]! - a[i]!) * part)) as Rgb;
}

export interface Shade {
  low: number;
  high: number;
  at(value: number): Rgb;
  share(value: number): number;
}

/** A scale from numbers to colors. A diverging one is white at `middle` and as strong to both sides; `pale` leaves room for points upon it. */
export function shade(name: ScaleName | undefined, low: number, high: number, middle = 0, pale = 0): Shade {
  const stops = name === "diverging" ? BLUE_TO_VERMILION : name === "gray" ? GRAY : name === "ink" ? INK : VIRIDIS;
  if (name === "diverging") {
    const reach = Math.max(Math.abs(high - middle), Math.abs(low - middle)) || 1;
    [low, high] = [middle - reach, middle + reach];
  }
  const span = high - low || 1;
  const share = (value: number): number => (value - low) / span;
  const lighter = (part: number): number => Math.round(part + (255 - part) * pale);
  return { low, high, share, at: (value) => between(stops, share(value)).map(lighter) as Rgb };
}

export function css([red, green, blue]: Rgb): string {
  return `rgb(${red} ${green} ${blue})`;
}

/** Black or white, whichever is easier to read on a color. */
export function letters([red, green, blue]: Rgb): string {
  const linear = (part: number): number =>
    part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4;
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue) > 0.179 ? "#000" : "#fff";
}

/** Paints numbers (or red, green, blue from 0 to 1) into a canvas, a pixel each; the style sheet magnifies them. */
export function pixels(canvas: HTMLCanvasElement, rows: (Num | number[])[][], scale: Shade): void {
  const height = rows.length;
  const width = rows[0]?.length ?? 0;
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = width && height ? canvas.getContext("2d") : null;
  if (!context) return; // jsdom
  const image = context.createImageData(width, height);
  const table = Array.from({ length: 256 }, (_, i) => scale.at(scale.low + ((scale.high - scale.low) * i) / 255));
  let at = 0;
  for (const row of rows) {
    for (let column = 0; column < width; column += 1, at += 4) {
      const value = row[column];
      if (Array.isArray(value)) {
        for (let i = 0; i < 3; i += 1) image.data[at + i] = Math.round(255 * (value[i] ?? 0));
      } else if (value === null || value === undefined) {
        continue; // an empty cell: the hatching behind shows
      } else {
        const rgb = table[Math.min(255, Math.max(0, Math.round(255 * scale.share(value))))]!;
        image.data[at] = rgb[0];
        image.data[at + 1] = rgb[1];
        image.data[at + 2] = rgb[2];
      }
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}

/** The scale beside a picture whose colors are numbers: a strip with its ends written on it. */
export function strip(scale: Shade, name: ScaleName | undefined, label = "", middle?: number): HTMLElement {
  const colors = Array.from({ length: 13 }, (_, i) => css(scale.at(scale.low + ((scale.high - scale.low) * i) / 12)));
  const bar = h("span", { class: "strip-bar" });
  bar.style.background = `linear-gradient(to right, ${colors.join(", ")})`;
  return h(
    "div",
    { class: "strip", "aria-hidden": "true" },
    label ? h("span", { class: "strip-label" }, label) : null,
    h("span", {}, people(scale.low)),
    bar,
    h("span", {}, people(scale.high)),
    name === "diverging" && middle ? h("span", { class: "strip-label" }, `white: ${people(middle)}`) : null,
  );
}

// ---------------------------------------------------------------------------------------------------- placing labels

/** Heights at which labels do not touch, as near as can be to where they belong. */
export function spread(wanted: number[], gap: number, low: number, high: number): number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a]! - wanted[b]!);
  const placed = order.map((i) => Math.max(wanted[i]!, low));
  for (let k = 1; k < placed.length; k += 1) placed[k] = Math.max(placed[k]!, placed[k - 1]! + gap);
  let limit = high;
  for (let k = placed.length - 1; k >= 0; k -= 1, limit -= gap) {
    placed[k] = limit = Math.min(placed[k]!, limit);
  }
  const result = wanted.slice();
  order.forEach((i, k) => (result[i] = placed[k]!));
  return result;
}

/** About how wide a line of the interface's type is, in pixels. */
export function textWidth(text: string, size = 12): number {
  return (
    [...text].reduce(
      (sum, letter) => sum + (/[ijl.,:;'|!I ]/.test(letter) ? 0.3 : /[mwMW@]/.test(letter) ? 0.88 : 0.58),
      0,
    ) * size
  );
}

// ---------------------------------------------------------------------------------------------------- choosing

/** One tab stop for many items; arrows, Home and End move within, as in a list of radio buttons. */
export function roving(container: HTMLElement, selector: string): void {
  container.addEventListener("keydown", (event) => {
    const items = [...container.querySelectorAll<HTMLElement>(selector)];
    const at = items.indexOf(event.target as HTMLElement);
    if (at < 0) return;
    const moves: Record<string, number> = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1 };
    const to = event.key === "Home" ? 0 : event.key === "End" ? items.length - 1 : moves[event.key];
    if (to === undefined) return;
    event.preventDefault();
    items[Math.min(Math.max(to, 0), items.length - 1)]!.focus();
  });
  container.addEventListener("focusin", (event) => {
    const items = [...container.querySelectorAll<HTMLElement>(selector)];
    if (!items.includes(event.target as HTMLElement)) return;
    for (const item of items) item.tabIndex = item === event.target ? 0 : -1;
  });
}

/** Leaves one of the items in the order of the tab key: the chosen one, else that which had it, else the first. */
export function tabStop(items: HTMLElement[], chosen: number | null | undefined): void {
  const keep = items.findIndex((item) => item.tabIndex === 0 && item === document.activeElement);
  const stop = keep >= 0 ? keep : (chosen ?? -1) >= 0 && (chosen ?? -1) < items.length ? chosen! : 0;
  items.forEach((item, i) => (item.tabIndex = i === stop ? 0 : -1));
}

/** The words beside the pointer: what is here. It is part of the view, so it is read out where the keys move it. */
export class Tip {
  readonly element = h("div", { class: "tip", role: "status", hidden: true });

  show(x: number, y: number, within: HTMLElement, ...lines: (string | Node)[]): void {
    this.element.replaceChildren(...lines.map((line) => h("div", {}, line)));
    this.element.hidden = false;
    const room = within.clientWidth;
    const width = this.element.offsetWidth;
    const left = x + 12 + width > room ? Math.max(0, x - width - 12) : x + 12;
    this.element.style.transform = `translate(${Math.round(left)}px, ${Math.round(Math.max(0, y - this.element.offsetHeight - 8))}px)`;
  }

  hide(): void {
    this.element.hidden = true;
  }
}

/** The key of a plot with several kinds of points: a word in its color each. */
export function key(names: { name: string; color?: string; shape?: string }[]): HTMLElement | null {
  const named = names.filter((item) => item.name);
  if (named.length < 1) return null;
  const list = h("div", { class: "key" });
  for (const item of named) {
    const dot = h("span", { class: `key-dot ${item.shape ?? ""}` });
    dot.style.background = color(item.color);
    list.append(h("span", {}, dot, item.name));
  }
  return list;
}
