// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { mount } from "../src/panels/exercise";
import { inline } from "../src/panels/exercise/words";

vi.mock("../src/shell/math", () => ({ typeset: async () => {} }));

type Call = { method: string; path: string; body: Record<string, unknown> };
let calls: Call[] = [];
let answers: Record<string, [number, unknown]> = {};
let sockets: FakeSocket[] = [];

class FakeSocket extends EventTarget {
  readyState = 1;
  constructor(readonly url: URL) {
    super();
    sockets.push(this);
  }
  send(): void {}
  close(): void {}
  tell(value: unknown): void {
    this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(value) }));
  }
}

const stub = "def attend(query):\n    raise NotImplementedError\n";
const about = {
  parts: [
    { name: "attend", title: "Attention", task_html: "<p>Write it.</p>", hints_count: 2 },
    { name: "mask", title: "The mask", task_html: "<p>And this.</p>", hints_count: 0 },
  ],
};
const check = (name: string, passed: boolean, exercise = "attend", line = 0) => ({ name, passed, exercise, line, message: passed ? "" : "for 1: expected 2, came 3" });

function panel(): HTMLElement {
  document.body.innerHTML = `<section class="panel" data-panel="exercise" data-stem="demo"><h3>Do it</h3>
    <script type="application/json">${JSON.stringify(about)}</script></section>`;
  const element = document.querySelector<HTMLElement>(".panel")!;
  mount(element);
  return element;
}
const settle = (): Promise<void> => new Promise((resume) => setTimeout(resume, 20));
const button = (words: string): HTMLButtonElement =>
  [...document.querySelectorAll("button")].find((one) => one.textContent?.startsWith(words))!;
const text = (): string => [...document.querySelectorAll(".editor .cm-line")].map((line) => line.textContent).join("\n");

beforeEach(() => {
  calls = [];
  sockets = [];
  answers = {
    "GET api/exercises/demo": [200, { text: stub, hash: "h0", file: "exercises/demo.py", parts: [{ name: "attend", passed: false, hints: [] }, { name: "mask", passed: false, hints: [] }] }],
    "PUT api/exercises/demo": [200, { hash: "h1" }],
  };
  vi.stubGlobal("WebSocket", FakeSocket);
  Range.prototype.getClientRects = () => [] as unknown as DOMRectList;
  vi.stubGlobal("fetch", async (path: string, how: RequestInit) => {
    const call = { method: how.method ?? "GET", path: path.replace(/^\//, ""), body: JSON.parse(String(how.body ?? "{}")) as Record<string, unknown> };
    calls.push(call);
    const [status, value] = answers[`${call.method} ${call.path}`] ?? [404, { error: `nothing at ${call.path}` }];
    return { ok: status < 400, status, statusText: "", json: async () => value };
  });
});
afterEach(() => {
  delete document.documentElement.dataset["static"];
  vi.unstubAllGlobals();
});

describe("the exercise", () => {
  it("opens the first failing check, folds the passed ones, and marks the line", async () => {
    const element = panel();
    await settle();
    expect(text()).toBe(stub);
    expect(element.dataset["ready"]).toBe("");
    answers["POST api/exercises/demo/check"] = [200, { passed: false, seconds: 0.1, checks: [check("one", true), check("two", false, "attend", 2), check("three", false)] }];
    button("Check").click();
    await settle();
    expect(calls.at(-1)!.body).toEqual({ name: "attend" });
    const shown = [...document.querySelectorAll<HTMLDetailsElement>("details.check")];
    expect(shown.map((one) => [one.querySelector("summary")!.textContent, one.open])).toEqual([["two", true], ["three", false], ["1 check passed", false]]);
    expect(document.querySelector(".message")!.textContent).toBe("for 1: expected 2, came 3");
    expect(document.querySelector(".status")!.textContent).toContain("2 checks of 3 failed");
    expect(document.querySelector(".cm-lintRange-error")?.textContent).toBe("raise NotImplementedError");
  });

  it("ticks a part that is right and leads on to the next", async () => {
    panel();
    await settle();
    answers["POST api/exercises/demo/check"] = [200, { passed: false, checks: [check("one", true), check("m", false, "mask")] }];
    button("Check all").click();
    await settle();
    expect(calls.at(-1)!.body).toEqual({});
    expect(document.querySelector(".tab")!.textContent).toBe("attend (passed)");
    expect(document.querySelector('[aria-selected="true"]')!.textContent).toBe("mask");
  });

  it("gives hints one by one, and the solution only when asked twice", async () => {
    panel();
    await settle();
    answers["POST api/exercises/demo/hint"] = [200, { name: "attend", number: 1, text: "What about `d`?" }];
    button("Hint 1 of 2").click();
    await settle();
    expect(document.querySelector(".hints li")!.textContent).toBe("What about d?");
    expect(button("Hint 2 of 2")).toBeTruthy();
    answers["POST api/exercises/demo/solution"] = [200, { text: "def attend(query):\n    return query\n", why: "So." }];
    button("Solution").click();
    expect(calls.some((call) => call.path.endsWith("solution"))).toBe(false);
    button("Yes").click();
    await settle();
    expect(document.querySelector<HTMLElement>(".solution")!.hidden).toBe(false);
    expect(document.querySelector(".solution .cm-content")!.textContent).toContain("return query");
  });

  it("takes over what another editor saved, and its verdict", async () => {
    panel();
    await settle();
    sockets[0]!.tell({ text: "def attend(query):\n    return 1\n", hash: "h9" });
    expect(text()).toContain("return 1");
    sockets[0]!.tell({ passed: false, checks: [check("one", false)] });
    expect(document.querySelector("details.check summary")!.textContent).toBe("one");
  });

  it("keeps both versions where both sides changed", async () => {
    panel();
    await settle();
    answers["PUT api/exercises/demo"] = [409, { error: "changed elsewhere", text: "# theirs\n", hash: "h7" }];
    const view = (document.querySelector(".editor .cm-content") as unknown as { cmTile?: { view: unknown }; cmView?: { view: unknown } });
    const editor = ((view.cmTile ?? view.cmView) as { view: { dispatch(change: unknown): void } }).view;
    editor.dispatch({ changes: { from: 0, insert: "# mine\n" } });
    button("Check").click();
    await settle();
    expect(document.querySelector(".conflict")!.textContent).toContain("Nothing is overwritten");
    expect(text()).toContain("# mine");
    expect(calls.some((call) => call.path.endsWith("check"))).toBe(false);
    answers["PUT api/exercises/demo"] = [200, { hash: "h8" }];
    button("Keep mine").click();
    await settle();
    expect(calls.at(-1)).toMatchObject({ method: "PUT", body: { seen: "h7" } });
    expect(document.querySelector(".conflict")).toBeNull();
  });

  it("says what the server said", async () => {
    panel();
    await settle();
    button("Check").click();
    await settle();
    expect(document.querySelector(".error")!.textContent).toBe("nothing at api/exercises/demo/check");
  });

  it("on a static page shows the tasks and how to do them", () => {
    document.documentElement.dataset["static"] = "";
    const element = panel();
    expect(element.textContent).toContain("learnable check demo --watch");
    expect(element.querySelectorAll(".task").length).toBe(2);
    expect(calls).toEqual([]);
  });
});

it("reads code and formulas in a hint, and no HTML", () => {
  const place = document.createElement("p");
  place.append(...inline("Divide by $\\sqrt{d}$ in `f(x)`, *not* <b>there</b>."));
  expect(place.querySelector(".math")!.textContent).toBe("\\sqrt{d}");
  expect(place.querySelector("code")!.textContent).toBe("f(x)");
  expect(place.querySelector("b")).toBeNull();
});
