/** Looking through the course: any word's beginning, a letter or two wrong; titles first. */

import MiniSearch, { type SearchResult } from "minisearch";

export interface Entry {
  stem: string;
  title: string;
  heading: string;
  text: string;
  href: string;
  kind: string; // topic, section, code, card, resource
}

export interface Hit extends Entry {
  score: number;
  terms: string[]; // the words of the text that were found
}

const FAVOR: Record<string, number> = { topic: 1.6, section: 1.2, code: 1.1, card: 0.35, resource: 0.5 };

/** Words, small and without accents; a name with underscores or capitals is also its parts. */
export function words(text: string): string[] {
  const found: string[] = [];
  for (const [word] of text.normalize("NFKD").replace(/\p{M}/gu, "").matchAll(/[\p{L}\p{N}_]+/gu)) {
    found.push(word.toLowerCase());
    const parts = word.split(/_|(?<=\p{Ll})(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/u);
    if (parts.length > 1) found.push(...parts.filter((part) => part.length > 1).map((part) => part.toLowerCase()));
  }
  return found;
}

export class Finder {
  private readonly index: MiniSearch<Entry & { id: number }>;

  constructor(private readonly entries: Entry[]) {
    this.index = new MiniSearch<Entry & { id: number }>({
      fields: ["title", "heading", "text"],
      idField: "id",
      tokenize: words,
      processTerm: (term) => term,
      searchOptions: {
        boost: { heading: 4, title: 3, text: 1 },
        prefix: (term) => term.length > 1,
        fuzzy: (term) => (term.length < 4 ? false : term.length < 8 ? 1 : 2),
        weights: { prefix: 0.7, fuzzy: 0.35 },
        combineWith: "AND",
        tokenize: (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? [],
        boostDocument: (id) => {
          const entry = entries[id as number]!;
          return (FAVOR[entry.kind] ?? 1) * (entry.text.startsWith("planned. ") ? 0.5 : 1);
        },
      },
    });
    this.index.addAll(entries.map((entry, id) => ({ ...entry, id })));
  }

  /** The best answers; where no entry has all words, those that have some. */
  find(question: string, limit = 12): Hit[] {
    const asked = question.trim();
    if (!asked) return [];
    let found: SearchResult[] = this.index.search(asked);
    // Two letters that changed places are two mistakes: looked for where one mistake finds nothing.
    if (found.length === 0) found = this.index.search(asked, { fuzzy: (term) => (term.length < 4 ? false : 2) });
    if (found.length === 0) found = this.index.search(asked, { combineWith: "OR" });
    const hits: Hit[] = [];
    const seen = new Set<string>();
    for (const result of found) {
      const entry = this.entries[result.id as number]!;
      const key = `${entry.href}|${entry.heading}`;
      if (seen.has(key)) continue;
      seen.add(key);
      hits.push({ ...entry, score: result.score, terms: result.terms });
      if (hits.length === limit) break;
    }
    return hits;
  }
}

/** The part of a text around the first word that was found. */
export function around(text: string, terms: string[], length = 110): string {
  const clean = text.replace(/^planned\. /, "");
  const small = clean.toLowerCase();
  const at = terms.map((term) => small.search(new RegExp(`(?<![\\p{L}\\p{N}])${term.replace(/[^\p{L}\p{N}_]/gu, "")}`, "u"))).filter((found) => found >= 0);
  const first = at.length > 0 ? Math.min(...at) : 0;
  const start = first < length * 0.6 ? 0 : clean.lastIndexOf(" ", first - 30) + 1;
  return (start > 0 ? "… " : "") + clean.slice(start, start + length) + (start + length < clean.length ? " …" : "");
}

/** A text with what was found marked, as nodes: no HTML is ever made of words. */
export function marked(text: string, terms: string[]): Node[] {
  const known = [...new Set(terms)].filter((term) => term.length > 1).sort((a, b) => b.length - a.length);
  if (known.length === 0) return [document.createTextNode(text)];
  const pattern = new RegExp(`(${known.map((term) => term.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|")})`, "giu");
  return text.split(pattern).filter(Boolean).map((piece) => {
    if (!known.includes(piece.toLowerCase())) return document.createTextNode(piece);
    const mark = document.createElement("mark");
    mark.textContent = piece;
    return mark;
  }); // prettier-ignore
}
