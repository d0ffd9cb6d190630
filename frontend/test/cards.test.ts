// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ending, later, mount, type Card, type Summary } from "../src/panels/cards";

vi.mock("../src/shell/math", () => ({ typeset: async () => {} }));

function card(id: string, stem = "lenet"): Card {
  return { stem, title: "LeNet", id, front: `<p>${id}?</p>`, back: `<p>${id}!</p>`, reviews: 0, intervals: ["10 min", "15 min", "2 days", "8 days"] };
}

let sent: { address: string; body: unknown }[] = [];
let answers: Record<string, [number, unknown]> = {};
let summaries: Summary[] = [];

function panel(stem = "lenet", about: object = { count: 2 }): HTMLElement {
  document.body.innerHTML = `<input><section class="panel" data-panel="cards"${stem ? ` data-stem="${stem}"` : ""}>
    <h3>Remember</h3><script type="application/json">${JSON.stringify(about)}</script></section>`;
  const element = document.querySelector<HTMLElement>(".panel")!;
  mount(element);
  return element;
}

const settle = (): Promise<void> => new Promise((resume) => setTimeout(resume, 5));
const press = (key: string, at: Element = document.querySelector(".cards")!): boolean =>
  at.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const text = (kind: string): string => document.querySelector(kind)?.textContent ?? "";

beforeEach(() => {
  sent = [];
  answers = {};
  summaries = [{ cards: [card("one"), card("two")], next: null, new_left: 10, new_a_day: 10 }];
  document.documentElement.removeAttribute("data-static");
  vi.stubGlobal("fetch", async (address: string, options?: { body: string | null }) => {
    sent.push({ address, body: options?.body ? JSON.parse(options.body) : undefined });
    let [status, value] = answers[address] ?? [200, {}];
    if (!answers[address]) {
      if (!options?.body) value = summaries.length > 1 ? summaries.shift() : summaries[0];
      else if (/\/lenet\/\w+$/.test(address)) value = { card: { ...card(address.split("/").pop()!), reviews: 1 }, in: "10 min" };
    }
    return { ok: status < 400, status, json: async () => value };
  });
});

afterEach(() => vi.unstubAllGlobals());

describe("cards", () => {
  it("shows the front, then the back with four answers and their intervals", async () => {
    panel();
    await settle();
    expect(text(".cards-where")).toBe("1 of 2");
    expect(text(".cards-front")).toBe("one?");
    expect(document.querySelector(".cards-back")).toBeNull();
    document.querySelector<HTMLButtonElement>(".cards-show")!.click();
    expect(text(".cards-back")).toBe("one!");
    expect([...document.querySelectorAll(".cards-rating")].map((one) => one.textContent)).toEqual(
      ["Again10 min1", "Hard15 min2", "Good2 days3", "Easy8 days4"],
    ); // prettier-ignore
  });

  it("is done by keys alone, and says when the next one comes", async () => {
    const tomorrow = new Date(Date.now() + 86400000).toISOString();
    panel();
    await settle();
    summaries = [{ cards: [], next: tomorrow, new_left: 8, new_a_day: 10 }];
    for (const key of [" ", "3", " ", "4"]) {
      press(key);
      await settle();
    }
    expect(sent.map((one) => [one.address, one.body])).toEqual([
      ["/api/cards?stem=lenet", undefined],
      ["/api/cards/lenet", {}],
      ["/api/cards/lenet/one", { rating: 3, seen: 0 }],
      ["/api/cards/lenet/two", { rating: 4, seen: 0 }],
      ["/api/cards?stem=lenet", undefined],
    ]);
    expect(text(".cards-end")).toBe("Done for now. The next card is asked tomorrow.");
  });

  it("asks once more at the end what was not known", async () => {
    panel();
    await settle();
    for (const key of [" ", "1", " ", "3"]) {
      press(key);
      await settle();
    }
    expect(text(".cards-where")).toBe("2 of 2");
    expect(text(".cards-front")).toBe("one?");
    press(" ");
    press("3");
    await settle();
    expect(sent.at(-2)).toEqual({ address: "/api/cards/lenet/one", body: { rating: 3, seen: 1 } });
  });

  it("does not answer before the back was seen, nor twice", async () => {
    panel();
    await settle();
    press("3");
    await settle();
    expect(sent.length).toBe(1);
    press(" ");
    press("3");
    press("3");
    await settle();
    expect(sent.filter((one) => one.address.endsWith("/one")).length).toBe(1);
  });

  it("leaves keys alone in fields, and on a lesson's page elsewhere", async () => {
    panel();
    await settle();
    expect(press(" ", document.body)).toBe(true);
    expect(document.querySelector(".cards-back")).toBeNull();
    panel("");
    await settle();
    expect(press(" ", document.querySelector("input")!)).toBe(true);
    expect(document.querySelector(".cards-back")).toBeNull();
    expect(press(" ", document.body)).toBe(false);
    expect(text(".cards-back")).toBe("one!");
    expect(document.querySelector<HTMLAnchorElement>(".cards-where a")!.getAttribute("href")).toBe("/topics/lenet");
  });

  it("passes over a card that was answered in another tab", async () => {
    answers["/api/cards/lenet/one"] = [409, { error: "answered meanwhile" }];
    panel();
    await settle();
    press(" ");
    press("3");
    await settle();
    expect(text(".cards-where")).toBe("1 of 1");
    expect(text(".cards-front")).toBe("two?");
  });

  it("says what is wrong, keeps the card, and tries again", async () => {
    answers["/api/cards/lenet/one"] = [503, { error: "the disk is full" }];
    panel();
    await settle();
    press(" ");
    press("3");
    await settle();
    expect(text("[role=alert]")).toContain("the disk is full");
    expect(text(".cards-back")).toBe("one!");
    delete answers["/api/cards/lenet/one"];
    document.querySelector<HTMLButtonElement>(".cards-again")!.click();
    await settle();
    expect(text(".cards-front")).toBe("two?");
  });

  it("turns cards on a static page and asks no server", async () => {
    document.documentElement.setAttribute("data-static", "");
    panel("lenet", { count: 2, cards: [card("one"), card("two")] });
    await settle();
    for (const key of [" ", " ", " ", " "]) press(key);
    expect(sent).toEqual([]);
    expect(text(".cards-end")).toContain("learnable review");
    document.querySelector<HTMLButtonElement>(".cards-again")!.click();
    await settle();
    expect(text(".cards-front")).toBe("one?");
  });
});

describe("when", () => {
  const now = new Date(2026, 10, 21, 22, 0).getTime();
  const at = (...parts: [number, number, number, number, number]): string => new Date(...parts).toISOString();

  it("is said by nights", () => {
    expect(later(at(2026, 10, 21, 22, 10), now)).toBe("in 10 min");
    expect(later(at(2026, 10, 21, 23, 30), now)).toBe("later today");
    expect(later(at(2026, 10, 22, 1, 30), now)).toBe("tomorrow");
    expect(later(at(2026, 10, 24, 1, 30), now)).toBe("in 3 days, on Tuesday, November 24");
  });

  it("says where cards come from", () => {
    const none: Summary = { cards: [], next: null, new_left: 10, new_a_day: 10 };
    expect(ending(none, false, false, false, now)).toContain("at most 10 new ones a day");
    expect(ending({ ...none, cards: [card("one")] }, true, false, false, now)).toBe("1 more card is waiting.");
  });
});
