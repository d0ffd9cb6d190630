/** A pad to draw on with finger, mouse or keys: a small grid of numbers from 0 (paper) to 1 (ink), shown large. */

import { h, pixels, s, shade } from "../views/common";
import { fixedHere, shell } from "./common";
import type { Control, DrawingSpec, Options, Rows } from "./types";

const PERIOD = 50; // milliseconds between two pictures that are sent
const RADIUS = 1.45; // of the brush, in cells of a grid of 28

export function empty(size: number): Rows {
  return Array.from({ length: size }, () => new Array<number>(size).fill(0));
}

/** Lays ink (or takes it away) along a line; the brush's edge is soft. */
export function stroke(grid: Rows, from: [number, number], to: [number, number], erase = false): void {
  const size = grid.length;
  const radius = Math.max(0.75, (RADIUS * size) / 28) * (erase ? 1.4 : 1);
  const [ax, ay] = from;
  const [dx, dy] = [to[0] - ax, to[1] - ay];
  const length = dx * dx + dy * dy;
  const [left, right] = [Math.min(ax, to[0]) - radius - 1, Math.max(ax, to[0]) + radius + 1];
  const [top, bottom] = [Math.min(ay, to[1]) - radius - 1, Math.max(ay, to[1]) + radius + 1];
  for (let row = Math.max(0, Math.floor(top)); row <= Math.min(size - 1, Math.ceil(bottom)); row += 1) {
    for (let column = Math.max(0, Math.floor(left)); column <= Math.min(size - 1, Math.ceil(right)); column += 1) {
      const [px, py] = [column + 0.5, row + 0.5];
      const along = length ? Math.min(1, Math.max(0, ((px - ax) * dx + (py - ay) * dy) / length)) : 0;
      const away = Math.hypot(px - ax - along * dx, py - ay - along * dy);
      const ink = Math.min(1, Math.max(0, radius + 0.5 - away));
      const old = grid[row]![column]!;
      grid[row]![column] = Math.round(100 * (erase ? Math.min(old, 1 - ink) : Math.max(old, ink))) / 100;
    }
  }
}

export function drawing(spec: DrawingSpec, options: Options): Control {
  const { element, describe } = shell("drawing", spec.label, spec.help, true);
  const { size } = spec;
  const ink = shade("ink", 0, 1);
  const canvas = h("canvas", { class: "pixels", "aria-hidden": "true" });
  const cursor = s("svg", { class: "pad-cursor", viewBox: `0 0 ${size} ${size}`, "aria-hidden": "true" });
  const pad = h("div", {
    class: "pad",
    tabIndex: 0,
    role: "application",
    "aria-roledescription": "drawing pad",
    "aria-label": `${spec.label}. Arrow keys move, space draws, Delete erases.`,
  }, canvas, cursor); // prettier-ignore
  const said = h("p", { class: "unseen", role: "status" });
  const eraser = h("button", { type: "button", class: "button small", "aria-pressed": "false" }, "Erase");
  const clear = h("button", { type: "button", class: "button small" }, "Clear");
  element.append(pad, h("div", { class: "pad-tools" }, eraser, clear), said);

  let grid = copy(spec.default, size);
  let erasing = false;
  let last: [number, number] | null = null;
  let at: [number, number] | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let sent = 0;

  const show = (): void => pixels(canvas, grid, ink);
  /** Tells at most every twentieth of a second, and always the last state. */
  const tell = (): void => {
    show();
    if (timer !== undefined) return;
    timer = setTimeout(
      () => {
        timer = undefined;
        sent = Date.now();
        options.changed(copy(grid, size));
      },
      Math.max(0, PERIOD - (Date.now() - sent)),
    );
  };
  const set = (to: unknown): void => {
    grid = copy(to as Rows, size);
    show();
  };
  const load = (rows: Rows): void => {
    grid = copy(rows, size);
    tell();
  };

  const cell = (event: PointerEvent): [number, number] => {
    const box = pad.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * size, ((event.clientY - box.top) / box.height) * size];
  };
  const live = (): boolean => !pad.hasAttribute("aria-disabled");
  pad.addEventListener("pointerdown", (event) => {
    if (!live() || event.button > 0) return;
    pad.setPointerCapture?.(event.pointerId);
    last = cell(event);
    stroke(grid, last, last, erasing);
    tell();
  });
  pad.addEventListener("pointermove", (event) => {
    if (!last) return;
    for (const one of event.getCoalescedEvents?.() ?? [event]) {
      const here = cell(one);
      stroke(grid, last, here, erasing);
      last = here;
    }
    tell();
  });
  for (const type of ["pointerup", "pointercancel", "lostpointercapture"])
    pad.addEventListener(type, () => (last = null));

  const mark = (): void => {
    cursor.replaceChildren(...(at ? [s("rect", { x: at[0] - 0.5, y: at[1] - 0.5, width: 2, height: 2 })] : []));
  };
  pad.addEventListener("keydown", (event) => {
    if (!live()) return;
    const moves: Record<string, [number, number]> = {
      ArrowRight: [1, 0],
      ArrowLeft: [-1, 0],
      ArrowDown: [0, 1],
      ArrowUp: [0, -1],
    };
    const move = moves[event.key];
    const here = at ?? [Math.floor(size / 2), Math.floor(size / 2)];
    const point = (where: [number, number]): [number, number] => [where[0] + 0.5, where[1] + 0.5];
    if (move) {
      const next: [number, number] = [
        Math.min(size - 1, Math.max(0, here[0] + move[0])),
        Math.min(size - 1, Math.max(0, here[1] + move[1])),
      ];
      // With shift the pen stays down while it moves.
      if (event.shiftKey) {
        stroke(grid, point(here), point(next), erasing);
        tell();
      }
      at = next;
      said.textContent = `column ${next[0] + 1}, row ${next[1] + 1}`;
    } else if (event.key === " " || event.key === "Enter" || event.key === "Delete" || event.key === "Backspace") {
      at = here;
      stroke(grid, point(here), point(here), erasing || event.key === "Delete" || event.key === "Backspace");
      tell();
    } else return;
    event.preventDefault();
    event.stopPropagation();
    mark();
  });
  pad.addEventListener("focus", () => {
    if (!pad.matches(":focus-visible")) return;
    at ??= [Math.floor(size / 2), Math.floor(size / 2)];
    mark();
  });
  pad.addEventListener("blur", () => {
    at = null;
    mark();
  });
  eraser.addEventListener("click", () => {
    erasing = !erasing;
    eraser.setAttribute("aria-pressed", String(erasing));
  });
  clear.addEventListener("click", () => load(empty(size)));

  const recorded = options.recorded as Rows[] | undefined;
  const same = (a: Rows, b: Rows): boolean => JSON.stringify(copy(a, size)) === JSON.stringify(copy(b, size));
  const examples = recorded
    ? recorded.map((rows, i) => ({
        label: spec.examples?.find((example) => same(example.pixels, rows))?.label ?? `drawing ${i + 1}`,
        pixels: rows,
      }))
    : (spec.examples ?? []);
  if (examples.length) {
    const list = h("div", { class: "thumbnails", role: "group", "aria-label": `Examples: ${spec.label}` });
    for (const example of examples) {
      const small = h("canvas", { class: "pixels", "aria-hidden": "true" });
      pixels(small, copy(example.pixels, size), ink);
      list.append(
        h(
          "button",
          { type: "button", title: example.label, "aria-label": example.label, onclick: () => load(example.pixels) },
          small,
        ),
      );
    }
    element.append(list);
  }
  describe(pad);
  if (recorded) {
    pad.setAttribute("aria-disabled", "true");
    pad.classList.add("still");
    eraser.disabled = clear.disabled = true;
    if (recorded.length < 2) fixedHere(element);
  }
  show();
  return { element, get: () => copy(grid, size), set };
}

/** The rows as a grid of the right size; what is missing is paper. */
export function copy(rows: Rows | null | undefined, size: number): Rows {
  const grid = empty(size);
  if (!Array.isArray(rows)) return grid;
  for (let i = 0; i < size; i += 1) {
    for (let j = 0; j < size; j += 1) {
      const value = rows[i]?.[j];
      if (typeof value === "number" && value > 0) grid[i]![j] = Math.min(1, Math.round(value * 100) / 100);
    }
  }
  return grid;
}
