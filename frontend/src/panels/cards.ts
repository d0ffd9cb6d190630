/**
 * Flash cards: the front, "show", the back, and how well one knew it. On a lesson's page the lesson's cards, elsewhere
 * all that are due. The schedule is the server's; a static page has none: there cards are turned, and that is all.
 */

import { NetError, address, isStatic, json } from "../net";
import { typeset } from "../shell/math";

export interface Card {
  stem: string;
  title: string;
  id: string;
  front: string; // HTML that the server made
  back: string;
  reviews: number;
  intervals: string[];
}

export interface Summary {
  cards: Card[];
  next: string | null;
  new_left: number;
  new_a_day: number;
}

interface Rated {
  card: Card;
  in: string;
}

const NAMES = ["Again", "Hard", "Good", "Easy"];

export function mount(element: HTMLElement): void {
  const script = element.querySelector<HTMLScriptElement>(':scope > script[type="application/json"]');
  const about = JSON.parse(script?.textContent || "{}") as { cards?: Card[] };
  void new Panel(element, element.dataset.stem ?? "", isStatic(), about.cards ?? null).begin();
}

class Panel {
  private readonly box = make("div", "cards");
  private queue: Card[] = [];
  private known = 0;
  private count = 0;
  private shown = false;
  private busy = false;
  private entered = false;

  constructor(
    private readonly element: HTMLElement,
    private readonly stem: string,
    private readonly fixed: boolean,
    private readonly given: Card[] | null,
  ) {
    element.querySelector(":scope > .cards")?.remove();
    element.append(this.box);
    // On a page of its own the keys work everywhere; within a lesson only where the reader is at the cards.
    const listens: HTMLElement | Document = stem ? this.box : document;
    listens.addEventListener("keydown", (event) => this.key(event as KeyboardEvent));
  }

  async begin(): Promise<void> {
    try {
      const summary = this.fixed ? await this.recorded() : await this.due();
      this.queue = [...summary.cards];
      this.known = 0;
      this.count = this.queue.length;
      if (this.queue.length) this.draw(false);
      else this.end(summary, false);
    } catch (error) {
      this.fail(error, () => void this.begin());
    }
    this.element.dataset.ready = "";
  }

  private due(): Promise<Summary> {
    return json<Summary>(`api/cards${this.stem ? `?stem=${encodeURIComponent(this.stem)}` : ""}`);
  }

  /** A static page has its cards in the panel, or in a file beside it. */
  private async recorded(): Promise<Summary> {
    const file = this.element.dataset.recording;
    const cards = this.given ?? (file ? ((await (await fetch(file)).json()) as { cards: Card[] }).cards : []);
    return { cards, next: null, new_left: 0, new_a_day: 0 };
  }

  private draw(focus: boolean): void {
    const card = this.queue[0];
    if (!card) return;
    this.shown = false;
    const where = make("p", "cards-where", `${Math.min(this.known + 1, this.count)} of ${this.count}`);
    if (!this.stem && card.title) {
      const link = make("a", "", card.title);
      link.href = address(`topics/${card.stem}${isStatic() ? ".html" : ""}`);
      where.append(" · ", link);
    }
    const front = make("div", "cards-front prose");
    front.innerHTML = card.front;
    front.tabIndex = -1;
    const show = button("primary cards-show", "Show", "space", () => void this.show());
    this.box.replaceChildren(this.bar(), where, front, show);
    void typeset(front);
    if (focus) front.focus({ preventScroll: true });
  }

  private bar(): HTMLElement {
    const bar = make("progress", "progress cards-bar");
    bar.max = Math.max(this.count, 1);
    bar.value = this.known;
    bar.setAttribute("aria-label", `${this.known} of ${this.count} cards known`);
    return bar;
  }

  private async show(): Promise<void> {
    const card = this.queue[0];
    if (!card || this.shown) return;
    this.shown = true;
    const back = make("div", "cards-back prose");
    back.innerHTML = card.back;
    back.tabIndex = -1;
    this.box.querySelector(".cards-show")?.replaceWith(back, this.fixed ? this.turned() : this.ratings(card));
    void typeset(back);
    back.focus({ preventScroll: true });
    if (this.stem && !this.fixed && !this.entered) {
      this.entered = true;
      await json(`api/cards/${encodeURIComponent(this.stem)}`, {}).catch(() => (this.entered = false));
    }
  }

  private ratings(card: Card): HTMLElement {
    const group = make("div", "cards-rate");
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", "How well did you know it? Below: when it is asked again");
    NAMES.forEach((name, at) => {
      const one = button("cards-rating", name, String(at + 1), () => void this.rate(at + 1));
      one.dataset.rating = String(at + 1);
      one.querySelector("kbd")?.before(make("span", "cards-interval", card.intervals[at] ?? ""));
      group.append(one);
    });
    return group;
  }

  private turned(): HTMLElement {
    const row = make("div", "cards-rate");
    row.append(button("cards-next", "Next", "space", () => this.turn()));
    return row;
  }

  private turn(): void {
    this.queue.shift();
    this.known += 1;
    if (this.queue.length) this.draw(true);
    else this.end({ cards: [], next: null, new_left: 0, new_a_day: 0 }, true);
  }

  private async rate(rating: number): Promise<void> {
    const card = this.queue[0];
    if (!card || !this.shown || this.busy) return;
    this.busy = true;
    try {
      const path = `api/cards/${encodeURIComponent(card.stem)}/${encodeURIComponent(card.id)}`;
      const rated = await json<Rated>(path, { rating, seen: card.reviews });
      this.queue.shift();
      if (rating === 1) this.queue.push(rated.card); // once more, before one leaves
      else this.known += 1;
    } catch (error) {
      if (!(error instanceof NetError) || error.status !== 409) {
        this.busy = false;
        this.fail(error, () => void this.rate(rating), true);
        return;
      }
      this.queue.shift(); // answered in another tab meanwhile: it goes on from there
      this.count -= 1;
    }
    this.busy = false;
    if (this.queue.length) this.draw(true);
    else await this.finish();
  }

  private async finish(): Promise<void> {
    try {
      this.end(await this.due(), true);
    } catch (error) {
      this.fail(error, () => void this.finish());
    }
  }

  private end(summary: Summary, worked: boolean): void {
    const said = make("p", "cards-end", ending(summary, worked, this.stem !== "", this.fixed, Date.now()));
    said.setAttribute("role", "status");
    said.tabIndex = -1;
    this.box.replaceChildren(...(worked ? [this.bar()] : []), said);
    if (this.fixed && this.count) this.box.append(button("cards-again", "From the beginning", "", () => void this.begin()));
    if (!this.fixed && worked && summary.cards.length) {
      this.box.append(button("cards-again", "Go on", "", () => void this.begin()));
    }
    if (worked) said.focus({ preventScroll: true });
  }

  private fail(error: unknown, again: () => void, keep = false): void {
    this.box.querySelector(".cards-error")?.remove();
    const said = make("p", "error cards-error", error instanceof Error ? error.message : String(error));
    said.setAttribute("role", "alert");
    said.append(" ", button("cards-again", "Try again", "", again));
    if (keep) this.box.append(said);
    else this.box.replaceChildren(said);
  }

  private key(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !this.queue.length) return;
    const target = event.target instanceof Element ? event.target : null;
    if (target?.closest("input, textarea, select, [contenteditable]")) return;
    if (event.key === " " && !target?.closest("button, a, summary")) {
      if (this.shown && !this.fixed) return;
      event.preventDefault();
      if (this.shown) this.turn();
      else void this.show();
    } else if (this.shown && !this.fixed && ["1", "2", "3", "4"].includes(event.key)) {
      event.preventDefault();
      void this.rate(Number(event.key));
    }
  }
}

/** What is said when no card is left. */
export function ending(summary: Summary, worked: boolean, lesson: boolean, fixed: boolean, now: number): string {
  if (fixed) {
    return worked
      ? "That was the last one. A schedule is kept where the course runs on your own machine: learnable review"
      : "Cards are asked where the course runs on your own machine: learnable review";
  }
  const more = summary.cards.length;
  if (worked && more) return `${more} more ${more === 1 ? "card is" : "cards are"} waiting.`;
  const begun = worked ? "Done for now." : "Nothing is due now.";
  if (summary.next) return `${begun} The next card is asked ${later(summary.next, now)}.`;
  if (lesson) return begun;
  return `${begun} Cards come from the lessons that you have finished, at most ${summary.new_a_day} new ones a day.`;
}

/** When, as people say it: in ten minutes, tomorrow, on a date. */
export function later(moment: string, now: number): string {
  const at = new Date(moment);
  const minutes = Math.max(1, Math.round((at.getTime() - now) / 60000));
  if (minutes < 60) return `in ${minutes} min`;
  const night = (date: Date): number => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
  const days = Math.round((night(at) - night(new Date(now))) / 86400000);
  if (days <= 0) return "later today";
  if (days === 1) return "tomorrow";
  const date = new Intl.DateTimeFormat("en", { weekday: "long", day: "numeric", month: "long" }).format(at);
  return `in ${days} days, on ${date}`;
}

function button(kind: string, text: string, key: string, act: () => void): HTMLButtonElement {
  const made = make("button", `button ${kind}`);
  made.type = "button";
  made.append(make("span", "", text));
  if (key) {
    made.append(make("kbd", "", key));
    made.setAttribute("aria-keyshortcuts", key === "space" ? "Space" : key);
  }
  made.addEventListener("click", act);
  return made;
}

function make<K extends keyof HTMLElementTagNameMap>(name: K, kind: string, text = ""): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  if (text) made.textContent = text;
  return made;
}
