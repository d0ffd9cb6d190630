// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { json, line, NetError } from "../src/net";
import { isTaken } from "../src/shell/keys";
import { mount } from "../src/shell/panels";
import { place, Reading } from "../src/shell/position";
import * as symbols from "../src/shell/symbols";
import { html, set } from "../src/shell/tex";
import { apply, next, stored, wire } from "../src/shell/theme";

beforeEach(() => {
  document.body.replaceChildren();
  localStorage.clear();
  globalThis.matchMedia ??= ((query: string) => ({ matches: false, media: query, addEventListener() {} })) as unknown as typeof matchMedia;
  globalThis.CSS ??= { escape: (text: string) => text.replace(/["\\]/g, "\\$&") } as typeof CSS;
});
afterEach(() => vi.restoreAllMocks());

function body(markup: string): HTMLElement {
  document.body.innerHTML = markup;
  return document.body;
}

describe("formulas", () => {
  it("tie a symbol to the code's identifier, underscores included", () => {
    const set = html("\\sym{query}{Q}\\sym{kernel_size}{k}^2", false);
    expect(set).toContain('data-symbol="query"');
    expect(set).toContain('data-symbol="kernel_size"');
    expect(set).toContain("<math");
  });

  it("trust nothing but that tie", () => {
    for (const tex of ["\\href{javascript:alert(1)}{x}", "\\htmlClass{bar}{x}", "\\htmlStyle{position:fixed}{x}", "\\htmlData{panel=lab}{x}", "\\htmlData{symbol=a b}{x}", "\\includegraphics{x.png}"]) {
      expect(() => html(tex, false)).toThrow("is not used here");
    }
  });

  it("say in place what is wrong with them", () => {
    const element = body('<span class="math inline">\\frac{1}{</span>').firstElementChild as HTMLElement;
    set(element);
    expect(element.classList.contains("broken")).toBe(true);
    expect(element.textContent).toContain("\\frac{1}{");
    expect(element.textContent).toContain("KaTeX");
  });

  it("are set once", () => {
    const element = body('<div class="math block">x^2</div>').firstElementChild as HTMLElement;
    set(element);
    const before = element.innerHTML;
    set(element);
    expect(element.innerHTML).toBe(before);
    expect(element.querySelector(".katex-display")).not.toBeNull();
  });
});

describe("symbols", () => {
  const page = (): HTMLElement => {
    const root = body(
      '<p id="formula"><span data-symbol="query">Q</span><span data-symbol="key">K</span></p>' +
        '<table class="symbols"><tr data-symbol="query"><td>Q</td><td>what each looks for</td><td><code data-symbol="query">query</code></td><td>(tokens, width)</td></tr></table>' +
        '<pre><span class="n" data-symbol="query">query</span></pre>',
    );
    symbols.wire(root);
    return root;
  };
  const lit = (root: HTMLElement): string[] => [...root.querySelectorAll(".lit")].map((one) => one.tagName);

  it("light up together when one is pointed at, and go out", () => {
    const root = page();
    root.querySelector("#formula span")!.dispatchEvent(new Event("pointerover", { bubbles: true }));
    expect(lit(root)).toEqual(["SPAN", "TR", "CODE", "SPAN"]);
    root.querySelector("#formula")!.dispatchEvent(new Event("pointerover", { bubbles: true }));
    expect(lit(root)).toEqual([]);
  });

  it("answer the keyboard", () => {
    const root = page();
    const code = root.querySelector<HTMLElement>("code")!;
    expect(code.tabIndex).toBe(0);
    code.focus();
    expect(lit(root)).toHaveLength(4);
    code.blur();
    expect(lit(root)).toEqual([]);
  });

  it("stay when tapped, until tapped again", () => {
    const root = page();
    const symbol = root.querySelector<HTMLElement>("#formula span")!;
    symbol.click();
    root.dispatchEvent(new Event("pointerleave"));
    expect(lit(root)).toHaveLength(4);
    symbol.click();
    root.dispatchEvent(new Event("pointerleave"));
    expect(lit(root)).toEqual([]);
  });

  it("say what they are", () => expect(symbols.meaning(page(), "query")).toBe("what each looks for · (tokens, width)"));
});

describe("colors", () => {
  it("go round, and are the only thing that is kept", () => {
    const button = body('<button class="colors"><span></span></button>').querySelector("button")!;
    apply(stored());
    wire(button);
    const seen: string[] = [];
    document.addEventListener("themechange", () => seen.push(document.documentElement.dataset.theme!));
    for (let i = 0; i < 3; i += 1) button.click();
    expect(seen).toEqual(["light", "dark", "auto"]);
    expect(Object.keys(localStorage)).toEqual(["theme"]);
    expect(button.getAttribute("aria-label")).toBe("Colors: auto. Change to light");
  });

  it("are the system's where something else was kept", () => {
    localStorage.setItem("theme", "pink");
    expect(stored()).toBe("auto");
    expect(next("dark")).toBe("auto");
  });
});

describe("the place in a page", () => {
  const tops = [{ id: "a", top: 500 }, { id: "b", top: 1500 }, { id: "c", top: 2600 }];

  it("is the share that was read and the last heading above the eye", () => {
    expect(place(tops, 100, 3100, 0, 1000)).toEqual({ position: 0, section: "" });
    expect(place(tops, 100, 3100, 1200, 1000)).toEqual({ position: 0.55, section: "b" });
    expect(place(tops, 100, 3100, 2100, 1000)).toEqual({ position: 1, section: "b" });
    expect(place(tops, 100, 600, 0, 1000).position).toBe(1);
  });

  it("is told at most every five seconds, with the seconds that were read", () => {
    const told: unknown[] = [];
    let now = 0;
    const reading = new Reading("lenet", (text) => told.push(JSON.parse(text)), () => now);
    now = 6000;
    reading.touch();
    reading.tell({ position: 0.1, section: "a" });
    now = 8000;
    reading.touch();
    reading.tell({ position: 0.2, section: "a" });
    now = 11_500;
    reading.touch();
    reading.tell({ position: 0.3, section: "" });
    expect(told).toEqual([
      { stem: "lenet", position: 0.1, seconds: 6, section: "a" },
      { stem: "lenet", position: 0.3, seconds: 5.5 },
    ]);
  });

  it("does not count the night over an open page", () => {
    const told: { seconds: number }[] = [];
    let now = 0;
    const reading = new Reading("lenet", (text) => told.push(JSON.parse(text) as { seconds: number }), () => now);
    now = 8 * 3600_000;
    reading.touch();
    reading.tell({ position: 0.1, section: "" }, true);
    expect(told[0]!.seconds).toBe(60);
  });
});

describe("keys", () => {
  const press = (target: Element, key: string, more: KeyboardEventInit = {}): boolean => {
    let taken = false;
    const hear = (event: Event): void => void (taken = isTaken(event as KeyboardEvent));
    addEventListener("keydown", hear, { once: true });
    target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, ...more }));
    return taken;
  };

  it("belong to who types, and arrows to what moves by them", () => {
    body('<input><main tabindex="-1"><p id="text">x</p><section class="panel"><p id="lab" tabindex="0">y</p></section></main>');
    expect(press(document.querySelector("input")!, "/")).toBe(true);
    expect(press(document.querySelector("#text")!, "ArrowRight")).toBe(false);
    expect(press(document.querySelector("#lab")!, "ArrowRight")).toBe(true);
    expect(press(document.querySelector("#lab")!, "]")).toBe(false);
    expect(press(document.querySelector("#text")!, "]", { ctrlKey: true })).toBe(true);
  });
});

describe("panels", () => {
  it("that fail say so in their place, once", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const panel = body('<section data-panel="lab"><h3>Draw</h3></section>').firstElementChild as HTMLElement;
    const broken = { lab: () => Promise.resolve({ mount: () => { throw new Error("no canvas here."); } }) }; // prettier-ignore
    await mount(panel, broken);
    await mount(panel, broken);
    expect(panel.querySelectorAll("[role=alert]")).toHaveLength(1);
    expect(panel.querySelector(".error")!.textContent).toContain("no canvas here.");
    expect(panel.querySelector("h3")).not.toBeNull();
    expect(panel.dataset.mounted).toBe("failed");
  });

  it("of an unknown kind are named", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const panel = body('<section data-panel="nonsense"></section>').firstElementChild as HTMLElement;
    await mount(panel, {});
    expect(panel.textContent).toContain("nonsense");
  });
});

describe("the net", () => {
  it("turns the server's words into the error's", async () => {
    vi.stubGlobal("fetch", () => Promise.resolve(new Response('{"error": "expected 1 to 4, came 5"}', { status: 422 })));
    await expect(json("api/cards/lenet/a", { rating: 5 })).rejects.toThrow("expected 1 to 4, came 5");
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("failed")));
    await expect(json("api/today")).rejects.toThrow(NetError);
    vi.unstubAllGlobals();
  });

  it("asks no server on a static site", async () => {
    document.documentElement.dataset.static = "";
    await expect(json("api/today")).rejects.toThrow("pip install learnable");
    delete document.documentElement.dataset.static;
  });

  it("keeps messages until the socket is open, and opens a lost one again", () => {
    vi.useFakeTimers();
    const made: FakeSocket[] = [];
    class FakeSocket extends EventTarget {
      readyState = 0;
      sent: string[] = [];
      constructor(readonly url: URL) {
        super();
        made.push(this);
      }
      send(text: string): void {
        this.sent.push(text);
      }
      close(): void {
        this.readyState = 3;
      }
    }
    vi.stubGlobal("WebSocket", FakeSocket);
    const heard: unknown[] = [];
    const lost: boolean[] = [];
    const wire = line("labs/lenet/draw", { message: (message) => heard.push(message), lost: (again) => lost.push(again) });
    wire.send({ n: 1 });
    made[0]!.readyState = 1;
    made[0]!.dispatchEvent(new Event("open"));
    expect(made[0]!.sent).toEqual(['{"n":1}']);
    expect(String(made[0]!.url)).toMatch(/^ws:.*\/labs\/lenet\/draw$/);
    made[0]!.dispatchEvent(new MessageEvent("message", { data: '{"n":1}' }));
    made[0]!.dispatchEvent(new MessageEvent("message", { data: "not json" }));
    expect(heard).toEqual([{ n: 1 }]);
    made[0]!.dispatchEvent(new CloseEvent("close", { code: 1006 }));
    expect(lost).toEqual([true]);
    vi.advanceTimersByTime(600);
    expect(made).toHaveLength(2);
    wire.close();
    made[1]!.dispatchEvent(new CloseEvent("close", { code: 1000 }));
    vi.advanceTimersByTime(60_000);
    expect(made).toHaveLength(2);
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });
});
