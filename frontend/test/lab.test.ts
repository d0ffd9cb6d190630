// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { make } from "../src/controls/index";
import { copy, empty, stroke } from "../src/controls/drawing";
import { scaleOf } from "../src/controls/slider";
import type { DrawingSpec, SliderSpec, Spec } from "../src/controls/types";
import { Live, momentOf, mount, type Recording } from "../src/panels/lab";
import { mount as mountFigure } from "../src/panels/figure";
import { decode, encode } from "../src/panels/state";

const rate: SliderSpec = { kind: "slider", name: "rate", label: "Rate", low: 1e-4, high: 10, default: 0.1, log: true };
const depth: SliderSpec = {
  kind: "slider",
  name: "depth",
  label: "Depth",
  low: 1,
  high: 12,
  default: 3,
  step: 1,
  unit: "layers",
};
const pad: DrawingSpec = { kind: "drawing", name: "digit", label: "Draw", size: 8, default: [] };
const specs: Spec[] = [
  rate, depth, { kind: "choice", name: "act", label: "Activation", options: ["relu", "tanh"], default: "relu" },
  { kind: "switch", name: "skip", label: "Skip", default: false }, { kind: "text", name: "words", label: "Words", default: "a", examples: ["b & c"] }, pad,
]; // prettier-ignore

class FakeSocket {
  static OPEN = 1;
  static all: FakeSocket[] = [];
  readyState = 0;
  sent: Record<string, unknown>[] = [];
  onopen?: () => void;
  onmessage?: (event: { data: string }) => void;
  onclose?: (event: { code: number; reason: string }) => void;
  constructor(readonly url: string) {
    FakeSocket.all.push(this);
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
  close(): void {
    this.readyState = 3;
  }
  open(): void {
    this.readyState = 1;
    this.onopen!();
  }
  hear(message: unknown): void {
    this.onmessage!({ data: JSON.stringify(message) });
  }
  fall(code = 1006): void {
    this.readyState = 3;
    this.onclose!({ code, reason: "" });
  }
}

const socket = (): FakeSocket => FakeSocket.all.at(-1)!;

HTMLCanvasElement.prototype.getContext = (() => null) as never; // jsdom draws nothing

beforeEach(() => {
  FakeSocket.all = [];
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.useFakeTimers();
  document.body.replaceChildren();
  document.documentElement.removeAttribute("data-static");
  history.replaceState(null, "", "/");
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function panel(controls: Spec[], plays = false): HTMLElement {
  const element = document.createElement("section");
  element.id = "lab-draw";
  Object.assign(element.dataset, { stem: "lenet", name: "draw" });
  element.innerHTML = `<h3>How?</h3><script type="application/json">${JSON.stringify({ title: "How?", controls, plays, rows: 100 })}</script>`;
  document.body.append(element);
  mount(element);
  return element;
}

function slide(element: HTMLElement, to: number, at = 0): void {
  const input = element.querySelectorAll<HTMLInputElement>("input[type=range]")[at]!;
  input.value = String(to);
  input.dispatchEvent(new Event("input"));
}

const text = (words: string): object => ({ kind: "text", text: words, summary: words });

describe("controls", () => {
  it("a logarithmic slider moves by factors and reaches both ends exactly", () => {
    const scale = scaleOf(rate);
    expect([scale.value(0), scale.value(scale.places)]).toEqual([1e-4, 10]);
    expect(scale.value(scale.places / 5) / scale.value(0)).toBeCloseTo(10, 0);
    expect(scale.value(scale.place(0.1))).toBe(0.1);
  });
  it("a slider never leaves its ends, whatever its step", () => {
    const scale = scaleOf({ ...depth, low: 0, high: 1, step: 0.3 });
    expect(Array.from({ length: scale.places + 1 }, (_, i) => scale.value(i))).toEqual([0, 0.3, 0.6, 0.9, 1]);
  });
  it("a recorded slider stands at recorded values only", () => {
    const control = make(depth, { changed: () => {}, recorded: [1, 3, 6] });
    control.set(5);
    expect(control.get()).toBe(6);
    expect(control.element.querySelector("output")!.textContent).toBe("6\u00a0layers");
  });
  it("what was not recorded is disabled and says so", () => {
    for (const spec of specs) {
      const control = make(spec, { changed: () => {}, recorded: [] });
      expect(
        [...control.element.querySelectorAll<HTMLInputElement>("input, select, button")].every(
          (input) => input.disabled,
        ),
      ).toBe(true);
      expect(control.element.textContent).toContain("Not recorded");
    }
  });
  it("every input has a label", () => {
    for (const spec of specs) {
      const { element } = make(spec, { changed: () => {} });
      document.body.append(element);
      for (const input of element.querySelectorAll<HTMLInputElement>("input:not([type=radio])"))
        expect(input.labels!.length).toBe(1);
    }
  });
  it("a brush has a soft edge, stays in the grid, and is erased again", () => {
    const grid = empty(28);
    stroke(grid, [14, 14], [14, 14]);
    expect(grid[14]![14]).toBe(1);
    expect(grid.flat().some((value) => value > 0 && value < 1)).toBe(true);
    stroke(grid, [-5, -5], [40, 40]);
    expect(grid.flat().every((value) => value >= 0 && value <= 1 && Number.isFinite(value))).toBe(true);
    stroke(grid, [-5, -5], [40, 40], true);
    expect(grid[20]![20]).toBe(0);
  });
  it("a pad draws with the keys, tells at most twenty times a second, and rows of two digits", () => {
    const told: number[][][] = [];
    const { element } = make(pad, { changed: (value) => told.push(value as number[][]) });
    const area = element.querySelector(".pad")!;
    for (const key of [" ", "ArrowRight", " ", "ArrowRight", " "])
      area.dispatchEvent(new KeyboardEvent("keydown", { key }));
    vi.advanceTimersByTime(200);
    expect(told).toHaveLength(1);
    expect(told[0]!.length).toBe(8);
    expect(Math.max(...told[0]!.flat())).toBeGreaterThan(0.5);
    expect(told[0]!.flat().every((value) => Math.round(value * 100) / 100 === value)).toBe(true);
    area.dispatchEvent(new KeyboardEvent("keydown", { key: "Delete" }));
    vi.advanceTimersByTime(60);
    expect(told).toHaveLength(2);
  });
});

describe("the state in the address", () => {
  it("comes back as it was", () => {
    const digit = empty(8);
    digit[2]![3] = 0.57;
    digit[7]![7] = 1;
    const values = { rate: 0.5, depth: 7, act: "tanh", skip: true, words: "ä & b=c #1", digit };
    expect(decode(`#${encode("lab-draw", specs, values)}`, "lab-draw", specs)).toEqual(values);
  });
  it("says only what differs, and is not about another lab", () => {
    expect(encode("lab-draw", specs, { rate: 0.1, depth: 4 })).toBe("lab-draw=depth=4");
    expect(decode("#lab-drawing=depth=4", "lab-draw", specs)).toBeNull();
  });
  it("passes over what no control can take", () => {
    expect(decode("#lab-draw=depth=1e9&act=evil&skip=maybe&digit=%%%&nobody=1&rate=", "lab-draw", specs)).toEqual({
      depth: 12,
    });
  });
});

describe("the socket", () => {
  it("asks for one thing at a time, and the newest value waits", () => {
    const element = panel([depth]);
    expect(socket().url).toBe("ws://localhost:3000/labs/lenet/draw");
    socket().open();
    expect(socket().sent).toEqual([{ set: { depth: 3 }, n: 1 }]);
    for (const place of [4, 5, 6]) slide(element, place);
    expect(socket().sent).toHaveLength(1);
    socket().hear({ views: [text("one")], n: 1 });
    expect(socket().sent.at(-1)).toEqual({ set: { depth: 7 }, n: 2 });
    vi.advanceTimersByTime(20);
    expect([element.dataset.ready, element.dataset.n]).toEqual(["", "1"]);
    expect(element.textContent).toContain("one");
  });
  it("shows progress, then the picture", () => {
    const element = panel([depth]);
    socket().open();
    socket().hear({ progress: { fraction: 0.5, text: "training" } });
    expect(element.querySelector<HTMLElement>(".lab-progress")!.hidden).toBe(false);
    expect(element.textContent).toContain("training, 50 %");
    socket().hear({ views: [text("one")], n: 1 });
    vi.advanceTimersByTime(20);
    expect(element.querySelector<HTMLElement>(".lab-progress")!.hidden).toBe(true);
  });
  it("an error is shown, the next value is sent all the same, and a new picture ends it", () => {
    const element = panel([depth]);
    socket().open();
    socket().hear({ error: "ValueError: no", trace: "lab.py, line 3", n: 1 });
    expect(element.querySelector("[role=alert]")!.textContent).toContain("ValueError: no.");
    slide(element, 9);
    expect(socket().sent.at(-1)).toEqual({ set: { depth: 10 }, n: 2 });
    socket().hear({ views: [text("fine")], n: 2 });
    expect(element.dataset.error).toBeUndefined();
  });
  it("start again ends the process and sets everything", () => {
    const element = panel([depth]);
    socket().open();
    socket().hear({ error: "no answer for 20 s" });
    [...element.querySelectorAll("button")].find((button) => button.textContent === "Start again")!.click();
    expect(socket().sent.slice(-2)).toEqual([{ do: "stop" }, { set: { depth: 3 }, n: 2 }]);
    expect(element.contains(document.activeElement)).toBe(true);
  });
  it("comes back after the server was away, with the values as they are then", () => {
    const element = panel([depth]);
    socket().open();
    socket().fall();
    slide(element, 0);
    expect(element.textContent).toContain("Connecting again");
    vi.advanceTimersByTime(1000);
    expect(FakeSocket.all).toHaveLength(2);
    socket().open();
    expect(socket().sent).toEqual([{ set: { depth: 1 }, n: 2 }]);
    expect(element.dataset.away).toBeUndefined();
  });
  it("does not try again where there is no such lab", () => {
    panel([depth]);
    socket().open();
    socket().fall(4404);
    vi.advanceTimersByTime(60_000);
    expect(FakeSocket.all).toHaveLength(1);
  });
  it("plays, pauses, steps", () => {
    const element = panel([rate], true);
    socket().open();
    const [play, step] = [...element.querySelectorAll<HTMLButtonElement>(".lab-play button")];
    play!.click();
    socket().hear({ state: "playing" });
    expect(play!.textContent).toBe("Pause");
    element
      .querySelector("input")!
      .dispatchEvent(new KeyboardEvent("keydown", { key: " ", bubbles: true, cancelable: true }));
    socket().hear({ state: "paused" });
    step!.click();
    expect(
      socket()
        .sent.filter((message) => "do" in message)
        .map((message) => message.do),
    ).toEqual(["play", "pause", "step"]);
    socket().hear({ views: [text("x")], frame: 12 });
    vi.advanceTimersByTime(20);
    expect(element.dataset.frame).toBe("12");
    socket().hear({ state: "ended" });
    expect([play!.textContent, step!.disabled]).toEqual(["Play again", true]);
  });
  it("a click in a picture turns the control", () => {
    const element = panel([depth]);
    socket().open();
    socket().hear({ views: [{ kind: "bars", labels: ["a", "b"], values: [1, 2], select: "depth" }], n: 1 });
    vi.advanceTimersByTime(20);
    element.querySelectorAll<HTMLButtonElement>(".view-hits button")[1]!.click();
    expect(socket().sent.at(-1)).toEqual({ set: { depth: 1 }, n: 2 });
    vi.advanceTimersByTime(500);
    expect(location.hash).toBe("#lab-draw=depth=1");
  });
  it("opens as the address says", () => {
    history.replaceState(null, "", "#lab-draw=depth=8");
    panel([depth]);
    socket().open();
    expect(socket().sent).toEqual([{ set: { depth: 8 }, n: 1 }]);
  });
  it("nothing is sent after it was stopped", () => {
    const live = new Live("ws://localhost/x", () => ({ a: 1 }), {
      views() {},
      progress() {},
      turnedTo() {},
      error() {},
      away() {},
    });
    live.start();
    const first = socket();
    live.stop();
    first.readyState = 1;
    first.onopen!();
    expect(first.sent).toEqual([]);
  });
});

describe("without a server", () => {
  const grid: Recording = {
    kind: "grid", controls: { depth: [1, 3, 6], skip: [false, true] }, fixed: { rate: 0.1 },
    views: Array.from({ length: 6 }, (_, i) => text(`moment ${i}`)) as never, moments: [[0], [1], [2], [3], [4], [5]],
  }; // prettier-ignore

  it("finds the moment: the last control changes fastest, numbers snap", () => {
    expect(momentOf(grid, { depth: 3, skip: true })).toBe(3);
    expect(momentOf(grid, { depth: 5, skip: false })).toBe(4);
  });

  async function still(recording: Recording, controls: Spec[], plays = false): Promise<HTMLElement> {
    document.documentElement.setAttribute("data-static", "");
    document.documentElement.setAttribute("data-recording", "r.json");
    vi.stubGlobal("fetch", async () => ({ ok: true, json: async () => recording }));
    const element = panel(controls, plays);
    await vi.advanceTimersByTimeAsync(40);
    document.documentElement.removeAttribute("data-recording");
    return element;
  }

  it("shows the recorded pictures, and opens no socket", async () => {
    const element = await still(grid, [depth, specs[3]!, rate]);
    expect(element.textContent).toContain("moment 2");
    slide(element, 2);
    await vi.advanceTimersByTimeAsync(20);
    expect(element.textContent).toContain("moment 4");
    expect(FakeSocket.all).toEqual([]);
    expect(element.querySelector<HTMLInputElement>("input[name=rate]")!.disabled).toBe(true);
  });

  it("plays its frames to the end", async () => {
    const frames: Recording = { ...grid, kind: "frames", controls: {}, moments: [[0], [1], [2]] };
    const element = await still(frames, [depth], true);
    element.querySelector<HTMLButtonElement>(".lab-play button")!.click();
    await vi.advanceTimersByTimeAsync(400);
    expect([element.dataset.frame, element.dataset.state]).toEqual(["2", "ended"]);
  });

  it("says how to get the live one when nothing was recorded", () => {
    document.documentElement.setAttribute("data-static", "");
    expect(panel([depth]).textContent).toContain("learnable open");
  });
});

describe("a figure", () => {
  it("draws its views before the caption, and nothing in it is a button", () => {
    const element = document.createElement("figure");
    element.innerHTML = `<script type="application/json">${JSON.stringify({ views: [{ kind: "bars", labels: ["a"], values: [1], select: "x" }] })}</script><div class="drawn"></div><figcaption>It is one.</figcaption>`;
    mountFigure(element);
    expect(element.querySelector(".drawn .view-bars")).not.toBeNull();
    expect(element.querySelectorAll(".view-hits button")).toHaveLength(0);
    expect(element.dataset.ready).toBe("");
  });
});

it("a drawing of the wrong size becomes one of the right size", () => {
  expect(copy([[2, -1, 0.555]], 2)).toEqual([[1, 0], [0, 0]]); // prettier-ignore
});
