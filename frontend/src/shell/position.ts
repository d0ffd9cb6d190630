/** Remembers how far one has read, so that the course opens there again; and marks the section in the table of contents. */

import { address } from "../net";

const EVERY = 5000; // ms between two notes
const PAUSE = 60_000; // ms without a sign of life, after which time does not count as reading

export interface Place {
  position: number; // 0 to 1
  section: string; // the heading's id
}

/** Where the reader is: the share of the text above the middle of the window, and the last heading above it. */
export function place(tops: { id: string; top: number }[], start: number, end: number, y: number, height: number): Place {
  const line = y + height * 0.35;
  const last = y + height >= end - 2;
  const span = Math.max(1, end - start - height);
  const position = last ? 1 : Math.min(1, Math.max(0, (y - start) / span));
  let section = "";
  for (const heading of tops) if (heading.top <= line) section = heading.id;
  return { position: Math.round(position * 1000) / 1000, section };
}

export class Reading {
  private since = 0; // seconds not told yet
  private alive = Date.now();
  private counted = Date.now();
  private told = "";
  private lastTold = 0;

  constructor(
    readonly stem: string,
    private readonly post: (body: string) => void,
    private readonly now: () => number = Date.now,
  ) {
    this.alive = this.counted = now();
  }

  /** The reader moved, typed or scrolled. */
  touch(): void {
    this.count();
    this.alive = this.now();
  }

  count(visible = true): void {
    const now = this.now();
    if (visible) this.since += Math.max(0, Math.min(now, this.alive + PAUSE) - this.counted) / 1000;
    this.counted = now;
  }

  /** Tells the server, at most every few seconds; `force` when the page is left. */
  tell(at: Place, force = false): void {
    const now = this.now();
    const key = `${at.position}|${at.section}`;
    if (!force && now - this.lastTold < EVERY) return;
    if (key === this.told && this.since < (force ? 1 : 10)) return;
    this.told = key;
    this.lastTold = now;
    const seconds = Math.min(3600, Math.round(this.since * 10) / 10);
    this.since = 0;
    this.post(JSON.stringify({ stem: this.stem, position: at.position, seconds, section: at.section || undefined }));
  }
}

/** Follows the reader through a lesson. */
export function wire(article: HTMLElement, toc: HTMLElement | null, remember: boolean): void {
  const headings = [...article.querySelectorAll<HTMLElement>(".lesson h2[id], .lesson h3[id]")].filter((heading) => !heading.closest(".panel"));
  const links = new Map([...(toc?.querySelectorAll("a") ?? [])].map((link) => [decodeURIComponent(link.hash.slice(1)), link]));
  const stem = article.dataset.stem ?? "";
  const post = (body: string): void => {
    void fetch(address("api/progress"), {
      method: "POST", body, keepalive: true, credentials: "same-origin", headers: { "content-type": "application/json" },
    }).catch(() => {}); // the server is gone: reading goes on
  }; // prettier-ignore
  const reading = remember && stem ? new Reading(stem, post) : null;

  const here = (): Place => {
    const box = article.getBoundingClientRect();
    const tops = headings.map((heading) => ({ id: heading.id, top: heading.getBoundingClientRect().top + scrollY }));
    return place(tops, box.top + scrollY - 100, box.bottom + scrollY, scrollY, innerHeight);
  };
  let asked = 0;
  let current = "";
  const update = (): void => {
    asked = 0;
    const at = here();
    if (at.section !== current) {
      links.get(current)?.removeAttribute("aria-current");
      const candidates = headings.filter((heading) => links.has(heading.id)).map((heading) => heading.id);
      const upto = headings.findIndex((heading) => heading.id === at.section);
      const known = headings.slice(0, upto + 1).reverse().find((heading) => candidates.includes(heading.id));
      for (const link of links.values()) link.removeAttribute("aria-current");
      if (known) links.get(known.id)?.setAttribute("aria-current", "location");
      current = at.section;
    }
    reading?.touch();
    reading?.tell(at);
  };
  const soon = (): void => {
    if (!asked) asked = requestAnimationFrame(update);
  };
  addEventListener("scroll", soon, { passive: true });
  addEventListener("resize", soon, { passive: true });
  soon();
  if (!reading) return;
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => reading.touch(), { passive: true });
  setInterval(() => {
    reading.count(!document.hidden);
    if (!document.hidden) reading.tell(here());
  }, EVERY);
  const leave = (): void => {
    reading.count(document.visibilityState !== "hidden" || true);
    reading.tell(here(), true);
  };
  addEventListener("pagehide", leave);
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : reading.touch()));
  offer(article, headings);
}

/** "You were at ...": goes there when asked, and never by itself. */
function offer(article: HTMLElement, headings: HTMLElement[]): void {
  const bar = article.querySelector<HTMLElement>(".continue-here");
  if (!bar || location.hash || scrollY > 200) return;
  const position = Number(bar.dataset.position ?? 0);
  const heading = headings.find((one) => one.id === bar.dataset.section);
  if (!(position > 0.04 && position < 0.97)) return;
  const link = bar.querySelector("a")!;
  const span = bar.querySelector("span")!;
  span.textContent = heading ? `You were at “${(heading.firstChild?.textContent ?? heading.textContent ?? "").trim()}”.` : `You had read ${Math.round(position * 100)} % of this page.`;
  if (heading) link.href = `#${heading.id}`;
  link.addEventListener("click", (event) => {
    bar.hidden = true;
    if (heading) return;
    event.preventDefault();
    const box = article.getBoundingClientRect();
    scrollTo({ top: box.top + scrollY + position * (box.height - innerHeight) });
  });
  bar.hidden = false;
}
