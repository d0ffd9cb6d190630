// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { mount, RunPanel } from "../src/panels/run";
import { append, beside, curves, duration, flagsOf, follow, type History } from "../src/panels/runapi";
import { fill, spark } from "../src/panels/runs";

type Answer = [number, unknown];
let answers: Record<string, Answer | (() => Answer)>;
let asked: [string, unknown][];

class Socket {
  static all: Socket[] = [];
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  closed = false;
  constructor(readonly url: string) {
    Socket.all.push(this);
  }
  close(): void {
    this.closed = true;
  }
  say(message: unknown): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

function panel(data = "", about: unknown = { result: { metric: "accuracy", mean: 0.9861, spread: 0.0028, seconds: [18, 20], expected: "accuracy ≥ 0.97", values: { 0: 1, 1: 1, 2: 1 }, data: "digits" } }): HTMLElement {
  document.body.innerHTML = `<section data-panel="run" data-recipe="lenet" ${data}><h3>Train</h3><script type="application/json">${JSON.stringify(about)}</script></section>`;
  return document.querySelector("section")!;
}

const settle = (): Promise<void> => new Promise((go) => setTimeout(go, 130));
const button = (element: HTMLElement, text: string): HTMLButtonElement => [...element.querySelectorAll("button")].find((one) => one.textContent!.includes(text))!;

beforeEach(() => {
  asked = [];
  Socket.all = [];
  delete document.documentElement.dataset.static;
  answers = { "/api/runs?recipe=lenet&limit=30": [200, { runs: [], starting: [] }] };
  vi.stubGlobal("WebSocket", Socket);
  vi.stubGlobal("fetch", async (path: string, options: { body?: string } = {}) => {
    asked.push([path, typeof options.body === "string" ? JSON.parse(options.body) : options.body]);
    const found = answers[path];
    const [status, body] = typeof found === "function" ? found() : (found ?? [404, { error: `nothing at ${path}` }]);
    return { ok: status < 400, status, json: async () => body };
  });
});
afterEach(() => vi.unstubAllGlobals());

describe("before a run", () => {
  it("says on the button what will happen, and beside it what was measured", async () => {
    const element = panel();
    answers["/api/runs?recipe=lenet&limit=30"] = [200, { runs: [{ run: "lenet/a", recipe: "lenet", status: "finished", trained_on: 1437, metric: "accuracy", value: 0.98, overrides: {} }], starting: [] }];
    await mount(element);
    expect(element.querySelector("button")!.textContent).toBe("Train: about 19 s, 1,437 digits");
    expect(element.textContent).toContain("accuracy 98.6 ± 0.3 % over 3 seeds");
    expect(element.querySelector(".run-last")!.textContent).toContain("lenet/a, finished, accuracy 0.98");
  });

  it("reads the flags of the page and sends them as they are", async () => {
    expect(flagsOf("--data mnist --smoke --steps=3 --learning-rate 0.1")).toEqual({ data: "mnist", smoke: true, steps: 3, "learning-rate": 0.1 });
    const element = panel('data-flags="--data mnist"');
    await mount(element);
    answers["/api/runs"] = [201, { start: "1", run: "lenet/b", state: "running" }];
    button(element, "Train").click();
    await settle();
    expect(asked.at(-1)).toEqual(["/api/runs", { recipe: "lenet", flags: { data: "mnist" }, again: false }]);
    expect(Socket.all[0]!.url).toContain("/api/runs/lenet/b/live");
  });

  it("tells why a training does not begin, and offers the one in the way", async () => {
    const element = panel();
    await mount(element);
    answers["/api/runs"] = [409, { error: "lenet is being trained already", run: "lenet/x" }];
    button(element, "Train").click();
    await settle();
    expect(element.querySelector(".error")!.textContent).toContain("being trained already");
    button(element, "Watch that one").click();
    expect(Socket.all[0]!.url).toContain("lenet/x");
  });

  it("finds a run that is going on when the page opens", async () => {
    answers["/api/runs?recipe=lenet&limit=30"] = [200, { runs: [{ run: "lenet/old", status: "finished" }, { run: "lenet/now", status: "running" }], starting: [] }];
    await mount(panel());
    expect(Socket.all.map((one) => one.url)).toEqual([expect.stringContaining("lenet/now")]);
  });
});

describe("while it goes", () => {
  it("shows curves, time left, examples, and at the end the result beside what is expected", async () => {
    const element = panel();
    const shown = new RunPanel(element, { recipe: "lenet" });
    shown.watch("lenet/a");
    const socket = Socket.all[0]!;
    const expected = { metric: "accuracy", mean: 0.986, spread: 0.003, expected: "accuracy ≥ 0.97", values: [1, 2, 3], same_settings: true };
    socket.say({ run: "lenet/a", status: "running", step: 10, steps: 100, left: 65, history: { loss: { x: [1, 10], y: [2.3, 1] }, "valid.accuracy": { x: [10], y: [0.5] } }, expected, uses: {}, record: { overrides: {} } });
    socket.say({ rows: [{ step: 20, loss: 0.5, "valid.accuracy": 0.7 }], step: 20, steps: 100, left: 33 });
    await settle();
    expect(element.querySelector(".run-time")!.textContent).toBe("Step 20 of 100, 33 s left");
    expect(element.querySelectorAll(".run-curves .view")).toHaveLength(2);
    expect(button(element, "Stop").hidden).toBe(false);
    socket.say({ examples: { step: 20, views: [{ kind: "text", title: "What it writes", text: "def x" }] } });
    socket.say({ status: "finished", metrics: { accuracy: 0.985 }, expected, doctor: [], step: 100 });
    await settle();
    expect(element.querySelector(".run-examples")!.textContent).toContain("def x");
    expect(element.querySelector(".run-result tr.highlight")!.textContent).toBe("accuracy0.9850.986 ± 0.003accuracy ≥ 0.97");
    expect(element.querySelector(".run-result")!.textContent).toContain("As expected");
    expect(button(element, "Stop").hidden).toBe(true);
  });

  it("stops once, and goes on", async () => {
    const element = panel();
    const shown = new RunPanel(element, { recipe: "lenet" });
    shown.watch("lenet/a");
    Socket.all[0]!.say({ status: "running", history: {}, step: 1, steps: 9 });
    answers["/api/runs/lenet/a/stop"] = [202, { stopping: true }];
    button(element, "Stop").click();
    button(element, "Stop").click();
    await settle();
    expect(asked.filter(([path]) => path.endsWith("/stop"))).toHaveLength(1);
    Socket.all[0]!.say({ status: "stopped" });
    await settle();
    expect(button(element, "Go on").hidden).toBe(false);
  });

  it("tells the doctor's advice when the loss is no number any more", async () => {
    const element = panel();
    new RunPanel(element, { recipe: "lenet" }).watch("lenet/a");
    Socket.all[0]!.say({ status: "diverged", history: { loss: { x: [1, 2], y: [2, null] } }, doctor: [{ name: "diverged", evidence: "It is NaN.", advice: "Lower the learning rate." }] });
    await settle();
    expect(element.querySelector(".run-doctor")!.textContent).toContain("Lower the learning rate.");
  });

  it("comes back when the server was away, and does not after the end", () => {
    vi.useFakeTimers();
    const away: boolean[] = [];
    const leave = follow("lenet/a", () => {}, (gone) => away.push(gone));
    Socket.all[0]!.onclose!();
    vi.advanceTimersByTime(600);
    expect(Socket.all).toHaveLength(2);
    Socket.all[1]!.say({ status: "finished" });
    Socket.all[1]!.onclose!();
    vi.advanceTimersByTime(60_000);
    expect(Socket.all).toHaveLength(2);
    expect(away).toEqual([true, false]);
    leave();
    vi.useRealTimers();
  });
});

describe("without a server", () => {
  it("plays the recording and gives the command", async () => {
    document.documentElement.dataset.static = "";
    const messages = [{ status: "running", history: {}, step: 0, steps: 9 }, { rows: [{ step: 1, loss: 2 }, { step: 9, loss: 1 }] }, { status: "finished", metrics: { accuracy: 0.98 }, step: 9 }];
    answers["rec.json"] = [200, { messages }];
    const element = panel('data-recording="rec.json"', { command: "learnable train lenet" });
    await mount(element);
    await settle();
    expect(element.querySelector(".run-last code")!.textContent).toBe("learnable train lenet");
    expect(element.querySelector(".run-result")!.textContent).toContain("0.98");
    expect(asked.map(([path]) => path)).toEqual(["rec.json"]);
    expect(button(element, "Train")?.hidden ?? true).toBe(true);
  });
});

describe("curves", () => {
  it("train is solid, validation dashed, players have their names", () => {
    const [loss, accuracy] = curves({ loss: { x: [1], y: [2] }, "valid.loss": { x: [1], y: [3] }, "valid.accuracy": { x: [1], y: [0.5] } }, "accuracy");
    expect(loss!.series.map((one) => [one.name, one.dashed])).toEqual([["train", false], ["validation", true]]);
    expect(accuracy!.title).toBe("Accuracy");
    const [players] = curves({ "generator.loss": { x: [1], y: [2] }, "discriminator.loss": { x: [1], y: [2] } });
    expect(players!.series.map((one) => one.name)).toEqual(["generator", "discriminator"]);
  });

  it("appends each step once and keeps a long history short", () => {
    const history: History = {};
    for (let step = 1; step <= 5000; step += 1) append(history, [{ step, loss: 1 / step }]);
    append(history, [{ step: 5000, loss: 9 }]);
    expect(history.loss!.x.length).toBeLessThanOrEqual(1000);
    expect([history.loss!.x[0], history.loss!.x.at(-1), history.loss!.y.at(-1)]).toEqual([1, 5000, 1 / 5000]);
  });

  it("two runs and their difference, where both have measured", () => {
    const [both, difference] = beside([{ loss: { x: [1, 2, 3], y: [3, 2, 1] } }, { loss: { x: [1, 3], y: [4, 0] } }], ["a", "b"], "accuracy");
    expect(both!.series).toHaveLength(2);
    expect([difference!.series[0]!.x, difference!.series[0]!.y]).toEqual([[1, 3], [1, -1]]);
  });

  it("says seconds as people do", () => {
    expect([0.02, 3.21, 19.4, 59.6, 150, 3600, 3900, null].map(duration)).toEqual(["0.1 s", "3.2 s", "19 s", "1 min", "2 min 30 s", "1 h 0 min", "1 h 5 min", "–"]);
  });
});

describe("the list", () => {
  it("shows each run, a damaged one as such, and what is starting", () => {
    const list = document.createElement("div");
    fill(list, [{ run: "lenet/a", recipe: "lenet", when: "a", status: "finished", metric: "accuracy", value: 0.98, spark: [3, 2, null, 1], curve: "loss", overrides: { batch_size: 8 } }, { run: "lenet/b", recipe: "lenet", when: "b", status: "damaged", error: "torn" }], 2, [{ start: "1", run: null, recipe: "gpt", state: "starting", said: "12 %" }]);
    expect(list.textContent).toContain("gpt is starting … 12 %");
    const rows = [...list.querySelectorAll("tbody tr")].map((row) => row.textContent!);
    expect(rows[0]).toContain("accuracy 0.98--batch-size 8");
    expect(rows[1]).toContain("damaged");
    expect(list.querySelector("svg")!.getAttribute("aria-label")).toBe("loss from 3 to 1");
    fill(list, [], 0, []);
    expect(list.textContent).toContain("learnable train lenet");
  });

  it("draws gaps where there is no number", () => {
    expect(spark([1, null, 2], "loss").querySelector("path")!.getAttribute("d")!.match(/M/g)).toHaveLength(2);
    expect(spark([], "").getAttribute("aria-label")).toBe("no curve");
  });
});
