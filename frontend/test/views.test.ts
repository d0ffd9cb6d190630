// @vitest-environment jsdom
import { beforeEach, describe, expect, it } from "vitest";

import {
  domain,
  decades,
  fixed,
  letters,
  nice,
  people,
  shade,
  spread,
  textColor,
  tickFormat,
  ticks,
} from "../src/views/common";
import { csv, draw, drawAll, type View } from "../src/views/index";

const silent = { set: () => {} };

function drawn(
  view: View,
  host = silent as { set(c: string, v: unknown): void; get?(c: string): unknown },
): HTMLElement {
  const element = document.createElement("div");
  document.body.append(element);
  draw(element, view, host);
  return element;
}

HTMLCanvasElement.prototype.getContext = (() => null) as never; // jsdom draws nothing

beforeEach(() => document.body.replaceChildren());

describe("numbers for people", () => {
  it.each([
    [0, "0"], [1437, "1,437"], [1_234_567, "1.23 M"], [-0.03125, "−0.0313"], [3.2e-5, "3.2 × 10⁻⁵"], [1e-5, "10⁻⁵"], [0.1, "0.1"], [999.96, "1,000"], [NaN, "–"], [null, "–"], ["mat", "mat"],
  ])("%s is %s", (value, text) => expect(people(value)).toBe(text)); // prettier-ignore

  it("writes digits behind the point, with a real minus and no minus zero", () => {
    expect([fixed(-1.005, 2), fixed(-0.001, 2), fixed(1234.5, 1), fixed(null, 2)]).toEqual([
      "−1.00",
      "0.00",
      "1,234.5",
      "",
    ]);
  });

  it("writes ticks alike", () => {
    expect([0, 0.5, 1].map(tickFormat(0, 1))).toEqual(["0", "0.5", "1"]);
    expect([1000.5, 1001].map(tickFormat(1000, 1001))).toEqual(
      ["1,001", "1,001"].map((_, i) => people([1000.5, 1001][i], 6)),
    );
  });
});

describe("scales", () => {
  it("ends are round, and what the view says stands", () => {
    expect(nice([0.13, 4.7])).toEqual([0, 5]);
    expect(domain({ low: -1, high: 1 }, [0, 9])).toEqual([-1, 1]);
    expect(domain({}, null)).toEqual([0, 1]);
  });
  it("ticks are round, and zero stays while an axis glides to it", () => {
    expect(ticks([0, 1], 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(ticks([-2.55, 2.55], 4)).toEqual([-2, -1, 0, 1, 2]);
    expect(ticks([0.001, 10], 4)[0]).toBe(0);
    expect(ticks([1, 1], 4)).toEqual([]);
  });
  it("a lone value has room, and a loss near zero begins at zero", () => {
    expect(domain({}, [25, 25])[0]).toBe(0);
    expect(domain({}, [3, 10])[0]).toBe(0);
    expect(domain({}, [8, 10])[0]).toBeGreaterThan(5);
  });
  it("a logarithmic axis never holds zero", () => {
    expect(domain({ log: true, low: 0 }, [0.01, 10])[0]).toBeGreaterThan(0);
    expect(decades([1e-5, 1], 9)).toEqual([1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1]);
    expect(decades([1e-5, 1], 3).length).toBeLessThanOrEqual(4);
    expect(decades([1, 8], 5)).toEqual([1, 2, 5]);
  });
  it("a diverging scale is near white at its middle and as far to both sides", () => {
    const scale = shade("diverging", -1, 3);
    expect([scale.low, scale.high]).toEqual([-3, 3]);
    expect(Math.min(...scale.at(0))).toBeGreaterThan(240);
    expect(scale.at(-3)[2]).toBeGreaterThan(scale.at(-3)[0]); // blue below
    expect(scale.at(3)[0]).toBeGreaterThan(scale.at(3)[2]); // vermilion above
    expect(Math.min(...shade("diverging", 0, 10, 4).at(4))).toBeGreaterThan(240);
  });
  it("letters can be read on every color", () => {
    expect([letters([253, 231, 37]), letters([68, 1, 84])]).toEqual(["#000", "#fff"]);
  });
  it("labels keep apart and stay inside", () => {
    const placed = spread([50, 51, 52, 99], 14, 0, 100);
    const sorted = [...placed].sort((a, b) => a - b);
    for (let i = 1; i < sorted.length; i += 1) expect(sorted[i]! - sorted[i - 1]!).toBeGreaterThanOrEqual(14 - 1e-9);
    expect(Math.max(...placed)).toBeLessThanOrEqual(100);
  });
  it("a word of a color is a variable, whatever else comes is the accent", () => {
    expect(textColor("query")).toContain("var(--query)");
    expect(textColor("red;background:url(x)")).toContain("var(--accent)");
  });
});

describe("the frame", () => {
  const lines: View = {
    kind: "lines",
    title: "Loss",
    summary: "It falls.",
    series: [{ name: "train", x: [0, 1, 2], y: [3, null, 1], low: [2, null, 0], high: [4, null, 2] }],
    x: { label: "step" },
    y: { label: "loss" },
  };

  it("has title, summary, and the numbers when they are asked for", () => {
    const element = drawn(lines);
    expect(element.getAttribute("aria-label")).toBe("Loss");
    expect(element.querySelector(".unseen")!.textContent).toBe("It falls.");
    expect(element.querySelector("table")).toBeNull();
    const details = element.querySelector("details")!;
    details.open = true;
    details.dispatchEvent(new Event("toggle"));
    expect([...element.querySelectorAll("th")].map((cell) => cell.textContent)).toEqual([
      "line",
      "step",
      "loss",
      "low",
      "high",
    ]);
    expect(element.querySelectorAll("tbody tr")).toHaveLength(3);
    draw(element, { ...lines, series: [{ name: "train", x: [0], y: [7] }] }, silent);
    expect(element.querySelectorAll("tbody tr")).toHaveLength(1);
  });

  it("keeps its elements when it is drawn again, and starts anew with another kind", () => {
    const element = drawn(lines);
    const plot = element.querySelector(".plot");
    draw(element, lines, silent);
    expect(element.querySelector(".plot")).toBe(plot);
    draw(element, { kind: "text", text: "done" }, silent);
    expect(element.querySelector(".plot")).toBeNull();
    expect(element.textContent).toContain("done");
  });

  it("draws lists, and drops what is gone", () => {
    const element = document.createElement("div");
    drawAll(element, [lines, { kind: "text", text: "a" }], silent);
    const first = element.firstElementChild;
    drawAll(element, [lines], silent);
    expect(element.children).toHaveLength(1);
    expect(element.firstElementChild).toBe(first);
  });

  it("says so when it does not know a kind", () => {
    expect(drawn({ kind: "hologram" } as unknown as View).textContent).toContain("hologram");
  });

  it("quotes what needs quotes, and no cell is a formula", () => {
    expect(
      csv({
        columns: ["a,b", "c"],
        rows: [
          ['say "x"', -1.5],
          ["=1+1", null],
        ],
      }),
    ).toBe('"a,b",c\r\n"say ""x""",-1.5\r\n\'=1+1,\r\n');
  });
});

describe("kinds", () => {
  it("lines: the name stands at the end, validation is dashed, marks are labeled", () => {
    const element = drawn({
      kind: "lines",
      series: [
        { name: "training", x: [0, 1], y: [1, 2] },
        { name: "held out", x: [0, 1], y: [2, 3], color: "validation" },
      ],
      marks: [{ x: 1, y: 2, label: "best" }],
    });
    expect([...element.querySelectorAll(".line-name")].map((name) => name.textContent)).toEqual([
      "trainingtraining",
      "held outheld out",
    ]); // with its <title>
    expect(element.querySelectorAll("[stroke-dasharray]")).toHaveLength(1);
    expect(element.querySelector(".mark-name")!.textContent).toBe("best");
  });

  it("lines: the arrow keys read the values", () => {
    const element = drawn({
      kind: "lines",
      series: [{ name: "training", x: [0, 5], y: [1, 2] }],
      x: { label: "step" },
    });
    const plot = element.querySelector(".plot")!;
    plot.dispatchEvent(new KeyboardEvent("keydown", { key: "End" }));
    expect(element.querySelector(".tip")!.textContent).toContain("step 5");
    expect(element.querySelector(".tip")!.textContent).toContain("training 2");
    plot.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
    expect(element.querySelector<HTMLElement>(".tip")!.hidden).toBe(true);
  });

  it("bars: begin at zero, and can be chosen", () => {
    const chosen: unknown[] = [];
    const view: View = {
      kind: "bars",
      labels: ["mat", "dog"],
      values: [0.8, 0.9],
      select: "token",
      reference: 0.85,
      reference_label: "chance",
    };
    const element = drawn(view, { set: (name, value) => chosen.push([name, value]), get: () => 0 });
    const buttons = element.querySelectorAll<HTMLButtonElement>(".view-hits button");
    expect([...buttons].map((button) => button.getAttribute("aria-pressed"))).toEqual(["true", "false"]);
    buttons[1]!.click();
    expect(chosen).toEqual([["token", 1]]);
    expect(element.querySelector(".reference-name")!.textContent).toBe("chance");
    expect(
      [...element.querySelectorAll("[aria-label='y-axis tick label'] text")].map((tick) => tick.textContent),
    ).toContain("0");
    expect([...buttons].filter((button) => button.tabIndex === 0)).toHaveLength(1);
  });

  it("heat maps: frames, numbers, empty cells, and a row to choose with the keys", () => {
    const chosen: unknown[] = [];
    const element = drawn(
      { kind: "heatmap", values: [[1, null], [0.25, 0.75]], rows: ["the", "cat"], columns: ["the", "cat"], digits: 2, highlight: [[1, 0]], select: "row" },
      { set: (name, value) => chosen.push([name, value]) },
    ); // prettier-ignore
    expect([...element.querySelectorAll(".cell-number")].map((cell) => cell.textContent)).toEqual([
      "1.00",
      "0.25",
      "0.75",
    ]);
    expect(element.querySelectorAll(".cell-frame")).toHaveLength(1);
    const cells = element.querySelector(".cells")!;
    for (const key of ["ArrowDown", "ArrowDown", "ArrowRight", "Enter"])
      cells.dispatchEvent(new KeyboardEvent("keydown", { key }));
    expect(element.querySelector(".tip")!.textContent).toContain("cat → cat");
    expect(chosen).toEqual([["row", 1]]);
  });

  it("pictures: buttons only where they can be chosen", () => {
    const items = [{ pixels: [[0, 1], [1, 0]], label: "7", note: "97 %", box: [0, 0, 1, 1] as [number, number, number, number] }, { pixels: [[[1, 0, 0]]] }]; // prettier-ignore
    const element = drawn({ kind: "images", items, select: "digit", selected: 1 });
    expect(
      [...element.querySelectorAll("button.picture")].map((button) => button.getAttribute("aria-pressed")),
    ).toEqual(["false", "true"]);
    expect(element.querySelector<HTMLElement>(".picture-box")!.style.width).toBe("50%");
    draw(element, { kind: "images", items }, silent);
    expect(element.querySelectorAll("button.picture")).toHaveLength(0);
    expect(element.querySelectorAll("[role=listitem]")).toHaveLength(2);
  });

  it("tokens: arcs, alone when pointed at, and chosen by a click", () => {
    const chosen: unknown[] = [];
    const element = drawn(
      {
        kind: "tokens",
        tokens: [{ text: "the" }, { text: "\n" }, { text: "cat", note: "a noun" }],
        links: [
          { source: 2, target: 0, weight: 0.8 },
          { source: 1, target: 0, weight: 0.3 },
        ],
        select: "token",
        selected: 0,
      },
      { set: (name, value) => chosen.push([name, value]) },
    );
    const pieces = element.querySelectorAll<HTMLButtonElement>("button.piece");
    expect([...pieces].map((piece) => piece.textContent)).toEqual(["the", "⏎", "cat"]);
    pieces[2]!.focus();
    expect([...element.querySelectorAll(".arcs path")].map((path) => path.classList.contains("on"))).toEqual([
      true,
      false,
    ]);
    expect(element.querySelector(".view-note")!.textContent).toContain("a noun");
    pieces[2]!.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true }));
    expect(document.activeElement).toBe(pieces[1]);
    pieces[1]!.click();
    expect(chosen).toEqual([["token", 1]]);
  });

  it("points: the keys go from one to the nearest, Enter chooses its number in its cloud", () => {
    const chosen: unknown[] = [];
    const element = drawn(
      {
        kind: "points",
        clouds: [
          { name: "a", x: [0, null], y: [0, 1] },
          { name: "b", x: [5, 9], y: [0, 0], labels: ["king", "queen"] },
        ],
        select: "word",
      },
      { set: (name, value) => chosen.push([name, value]) },
    );
    const plot = element.querySelector(".plot")!;
    for (const key of ["Home", "ArrowRight", "ArrowRight"]) plot.dispatchEvent(new KeyboardEvent("keydown", { key }));
    expect(element.querySelector(".tip")!.textContent).toContain("queen");
    plot.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
    expect(chosen).toEqual([["word", 1]]);
    expect(element.querySelectorAll("circle.point-cursor")).toHaveLength(1);
  });

  it("fields: contours, points and arrows lie above, and the first row is at the bottom", () => {
    const element = drawn({
      kind: "field", values: [[-1, -1], [1, 1]], x: { low: 0, high: 1, label: "w" }, y: { low: 0, high: 1, label: "b" }, contours: [0],
      clouds: [{ name: "A", x: [0.5], y: [0.5] }], arrows: [{ x: 0, y: 0, dx: 0.5, dy: 0.5 }], label: "loss",
    }); // prettier-ignore
    expect(element.querySelectorAll(".arrow")).toHaveLength(1);
    expect(element.querySelector("[aria-label=contour] path")).not.toBeNull();
    const plane = element.querySelector(".plane")!;
    for (let i = 0; i < 10; i += 1) plane.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown" }));
    expect(element.querySelector(".tip")!.textContent).toContain("loss: −1");
  });

  it("graphs: left to right, values and gradients apart, nodes kept when they change", () => {
    const view: View = {
      kind: "graph",
      nodes: [
        { id: "x", label: "x", value: "2", kind: "input" },
        { id: "y", label: "y", value: "4", gradient: "1", state: "active" },
      ],
      edges: [{ source: "x", target: "y", label: "·2", state: "forward" }],
      select: "node",
    };
    const element = drawn(view);
    const [x, y] = [...element.querySelectorAll<HTMLElement>(".node")];
    expect(parseFloat(x!.style.left)).toBeLessThan(parseFloat(y!.style.left));
    expect(y!.className).toContain("is-active");
    expect(y!.getAttribute("aria-label")).toBe("y, value 4, gradient 1, active");
    expect(element.querySelector(".edge-group")!.getAttribute("class")).toContain("forward");
    const left = y!.style.left;
    draw(element, { ...view, nodes: view.nodes.map((node) => ({ ...node, value: "5" })) }, silent);
    expect(element.querySelectorAll(".node")[1]).toBe(y);
    expect(y!.style.left).toBe(left);
    expect(y!.querySelector(".node-value")!.textContent).toBe("5");
  });

  it("tables and text", () => {
    const table = drawn({
      kind: "table",
      columns: ["name", "loss"],
      rows: [
        ["SGD", 0.31],
        ["Adam", 3e-5],
      ],
      numbers: [1],
      highlight: [1],
    });
    expect(table.querySelector("tr.highlight")!.textContent).toBe("Adam3 × 10⁻⁵");
    expect(table.querySelectorAll("td.number")).toHaveLength(2);
    const text = drawn({ kind: "text", text: "<b>", prompt: "Once ", code: true, tone: "warning" });
    expect(text.querySelector("pre")!.textContent).toBe("Once <b>");
    expect(text.querySelector(".tone-warning")).not.toBeNull();
  });

  it("nothing breaks when there is nothing", () => {
    const views: View[] = [
      { kind: "lines", series: [] }, { kind: "lines", series: [{ name: "a", x: [], y: [] }], x: { log: true }, y: { log: true } },
      { kind: "bars", labels: [], values: [] }, { kind: "bars", labels: ["a"], values: [null], y: { log: true } }, { kind: "heatmap", values: [] }, { kind: "heatmap", values: [[null]] },
      { kind: "images", items: [] }, { kind: "images", items: [{ pixels: [] }] }, { kind: "tokens", tokens: [] }, { kind: "tokens", tokens: [{ text: "" }], links: [{ source: 0, target: 9, weight: 1 }] },
      { kind: "points", clouds: [] }, { kind: "points", clouds: [{ name: "", x: [1], y: [1] }] }, { kind: "field", values: [], x: {}, y: {} }, { kind: "field", values: [[1]], x: { low: 0, high: 0 }, y: {}, contours: [0] },
      { kind: "graph", nodes: [], edges: [] }, { kind: "graph", nodes: [{ id: "a", label: "a" }], edges: [{ source: "a", target: "gone" }] }, { kind: "table", columns: [], rows: [] }, { kind: "text", text: "" },
      { kind: "surface", values: [], x: {}, y: {} },
    ]; // prettier-ignore
    for (const view of views) expect(() => drawn(view), JSON.stringify(view)).not.toThrow();
  });
});
