/** The search dialog: `/` or Ctrl-K, type, arrows, Enter. Its index and its library come when it is first opened. */

import { address } from "../net";
import type { Entry, Finder, Hit } from "./find";

const KINDS: Record<string, string> = { topic: "topic", section: "in", code: "code in", card: "card of", resource: "to read on" };

let finder: Promise<{ finder: Finder; tools: typeof import("./find") }> | null = null;

function load(): typeof finder {
  finder ??= Promise.all([
    import("./find"),
    fetch(address("search.json"), { credentials: "same-origin" }).then((response) => {
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      return response.json() as Promise<Entry[]>;
    }),
  ]).then(([tools, entries]) => ({ finder: new tools.Finder(entries), tools }));
  finder.catch(() => (finder = null)); // the next opening tries again
  return finder;
}

export class Search {
  private readonly dialog = document.createElement("dialog");
  private readonly input = document.createElement("input");
  private readonly list = document.createElement("ul");
  private readonly foot = document.createElement("p");
  private hits: Hit[] = [];
  private chosen = 0;

  constructor() {
    this.dialog.className = "dialog search";
    this.dialog.setAttribute("aria-label", "Search the course");
    Object.assign(this.input, { type: "search", placeholder: "Search topics, text and code", autocomplete: "off", spellcheck: false });
    for (const [name, value] of Object.entries({
      role: "combobox", "aria-expanded": "true", "aria-controls": "hits", "aria-autocomplete": "list", "aria-label": "Search topics, text and code",
    })) this.input.setAttribute(name, value); // prettier-ignore
    const box = document.createElement("div");
    box.className = "search-box";
    box.append(this.input);
    this.list.id = "hits";
    this.list.className = "hits";
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", "Found");
    this.list.hidden = true;
    this.foot.className = "search-foot";
    this.foot.setAttribute("role", "status");
    this.dialog.append(box, this.list, this.foot);
    document.body.append(this.dialog);
    this.input.addEventListener("input", () => void this.look());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("click", (event) => {
      const item = (event.target as Element).closest<HTMLElement>("[role=option]");
      if (item) this.go(Number(item.dataset.at), event.ctrlKey || event.metaKey);
    });
    this.list.addEventListener("pointermove", (event) => {
      const item = (event.target as Element).closest<HTMLElement>("[role=option]");
      if (item && Number(item.dataset.at) !== this.chosen) this.choose(Number(item.dataset.at), false);
    });
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
  }

  open(): void {
    if (this.dialog.open) return;
    this.dialog.showModal();
    this.input.select();
    this.say("");
    void this.look();
  }

  private say(words: string): void {
    this.foot.textContent = words || "Arrows choose, Enter opens, Escape closes.";
  }

  private async look(): Promise<void> {
    const asked = this.input.value;
    let loaded;
    try {
      loaded = await load();
    } catch (error) {
      this.say(`The search could not be loaded: ${error instanceof Error ? error.message : String(error)}. Close it and try again.`);
      return;
    }
    if (!loaded || asked !== this.input.value) return;
    this.hits = loaded.finder.find(asked);
    this.chosen = 0;
    this.list.replaceChildren(...this.hits.map((hit, at) => this.item(hit, at, loaded.tools)));
    this.list.hidden = this.hits.length === 0;
    this.choose(0, false);
    this.say(!asked.trim() ? "" : this.hits.length ? "" : `Nothing has “${asked.trim().slice(0, 60)}”. Try fewer or other words.`);
  }

  private item(hit: Hit, at: number, tools: typeof import("./find")): HTMLElement {
    const item = document.createElement("li");
    item.id = `hit-${at}`;
    item.dataset.at = String(at);
    item.setAttribute("role", "option");
    const title = document.createElement("span");
    title.className = "hit-title";
    const main = hit.kind === "topic" || !hit.heading ? hit.title : hit.heading;
    title.append(...tools.marked(main, hit.terms));
    const where = document.createElement("span");
    where.className = "hit-where";
    const planned = hit.text.startsWith("planned. ") ? ", planned" : "";
    where.textContent = hit.kind === "topic" ? hit.heading + planned : `${KINDS[hit.kind] ?? hit.kind} ${hit.kind === "resource" ? "" : hit.title}`.trim();
    item.append(title, where);
    if (hit.kind !== "topic") {
      const text = document.createElement("span");
      text.className = "hit-text";
      text.append(...tools.marked(tools.around(hit.text, hit.terms), hit.terms));
      item.append(text);
    }
    return item;
  }

  private choose(at: number, scroll = true): void {
    const items = [...this.list.children] as HTMLElement[];
    this.chosen = Math.min(Math.max(at, 0), Math.max(items.length - 1, 0));
    items.forEach((item, i) => item.setAttribute("aria-selected", String(i === this.chosen)));
    const item = items[this.chosen];
    if (item) this.input.setAttribute("aria-activedescendant", item.id);
    else this.input.removeAttribute("aria-activedescendant");
    if (scroll) item?.scrollIntoView({ block: "nearest" });
  }

  private key(event: KeyboardEvent): void {
    const moves: Record<string, number> = { ArrowDown: this.chosen + 1, ArrowUp: this.chosen - 1, PageDown: this.chosen + 5, PageUp: this.chosen - 5 };
    const to = moves[event.key];
    if (to !== undefined) {
      event.preventDefault();
      this.choose(to);
    } else if (event.key === "Enter" && this.hits.length > 0) {
      event.preventDefault();
      this.go(this.chosen, event.ctrlKey || event.metaKey);
    }
  }

  private go(at: number, apart: boolean): void {
    const hit = this.hits[at];
    if (!hit) return;
    const [path, hash] = hit.href.split("#") as [string, string | undefined];
    const page = document.documentElement.dataset.static !== undefined && !/^\w+:/.test(path) && !/\.html$|\/$/.test(path) ? `${path}.html` : path;
    const href = address(page) + (hash ? `#${hash}` : "");
    if (apart || /^\w+:\/\//.test(path)) {
      window.open(href, "_blank", "noopener");
      return;
    }
    this.dialog.close();
    location.assign(href);
  }
}
