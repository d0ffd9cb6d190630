/** What the panels of runs know of the server (`learnable/web/runs.py`), and a run's curves as views. */

import type { LinesView, Num, Series, View } from "../views/types";

export interface Curve {
  x: number[];
  y: Num[];
}
export type History = Record<string, Curve>;

export interface Expected {
  metric?: string;
  expected?: string;
  mean?: Num;
  spread?: Num;
  values?: Num[];
  seconds?: Num;
  same_settings?: boolean;
}

export interface Diagnosis {
  name: string;
  evidence: string;
  advice: string;
}

export interface Uses {
  predict?: "picture" | "table" | "line";
  generate?: "text" | "points";
  classes?: string[];
  example?: string;
  columns?: string[];
}

/** What the socket says: all of it at first, then what has changed. */
export interface Message {
  run?: string;
  recipe?: string;
  status?: string;
  step?: number;
  steps?: number;
  left?: Num;
  history?: History;
  rows?: (Record<string, Num> & { step: number })[];
  examples?: { step: number; views: View[] } | null;
  metrics?: Record<string, Num> | null;
  expected?: Expected;
  doctor?: Diagnosis[];
  uses?: Uses;
  data?: string;
  record?: { seconds?: Num; overrides?: Record<string, unknown>; seed?: number; data?: Record<string, unknown> };
  error?: string;
}

export interface Summary {
  run: string;
  recipe: string;
  when: string;
  status: string;
  started?: string;
  seconds?: Num;
  seed?: number;
  data?: string;
  overrides?: Record<string, unknown>;
  metrics?: Record<string, Num>;
  metric?: string;
  value?: Num;
  curve?: string;
  spark?: Num[];
  trained_on?: Num;
  smoke?: boolean;
  error?: string;
}

export interface Begun {
  start: string;
  run: string | null;
  recipe?: string;
  state: "starting" | "running" | "failed";
  said?: string;
  error?: string;
}

export interface Flag {
  name: string;
  type: "int" | "float" | "str" | "bool";
  default: unknown;
  help: string;
}

/** Why the server said no, in its own words; `run` is the one that stands in the way. */
export class Refusal extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly run: string | null = null,
  ) {
    super(message);
  }
}

export async function ask<T>(path: string, body?: unknown, type = "application/json"): Promise<T> {
  const content = body instanceof Blob ? body : body === undefined ? undefined : JSON.stringify(body);
  let answer: Response;
  try {
    answer = await fetch(path, content === undefined ? {} : { method: "POST", body: content, headers: { "Content-Type": type } });
  } catch {
    throw new Refusal("The course's server does not answer. Trainings go on without it; start it again with 'learnable open'.", 0);
  }
  const said = (await answer.json().catch(() => ({}))) as { error?: string; run?: string | null };
  if (!answer.ok) throw new Refusal(said.error ?? `The server answered ${answer.status}.`, answer.status, said.run ?? null);
  return said as T;
}

/** `--data mnist --smoke --steps=3` as a table; a flag without a value is true. */
export function flagsOf(text: string): Record<string, string | number | boolean> {
  const flags: Record<string, string | number | boolean> = {};
  const words = text.trim().split(/\s+/).filter(Boolean);
  for (let i = 0; i < words.length; i += 1) {
    const match = /^--([a-z][a-z0-9-]*)(?:=(.*))?$/.exec(words[i]!);
    if (!match) continue;
    const next = words[i + 1];
    const value = match[2] ?? (next !== undefined && !next.startsWith("--") ? words[(i += 1)]! : true);
    flags[match[1]!] = typeof value === "string" && value !== "" && Number.isFinite(Number(value)) ? Number(value) : value;
  }
  return flags;
}

/** Seconds for people: 0.4 s · 19 s · 2 min 30 s · 1 h 5 min. */
export function duration(seconds: Num | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  if (seconds < 10) return `${Math.max(0.1, Math.round(10 * seconds) / 10)} s`;
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  const minutes = seconds < 600 ? Math.floor(Math.round(seconds) / 60) : Math.round(seconds / 60);
  if (seconds >= 3600) return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
  const rest = Math.round(seconds) - 60 * minutes;
  return seconds < 600 && rest > 0 ? `${minutes} min ${rest} s` : `${minutes} min`;
}

/** New rows behind what is there; a long history keeps every second point of its older half. */
export function append(history: History, rows: NonNullable<Message["rows"]>): void {
  for (const row of rows) {
    for (const [name, value] of Object.entries(row)) {
      if (name === "step") continue;
      const curve = (history[name] ??= { x: [], y: [] });
      if (curve.x.length && row.step <= curve.x.at(-1)!) continue;
      curve.x.push(row.step);
      curve.y.push(value);
      if (curve.x.length > 1000) {
        const keep = (_: unknown, i: number): boolean => i > 500 || i % 2 === 0;
        curve.x = curve.x.filter(keep);
        curve.y = curve.y.filter(keep);
      }
    }
  }
}

const words = (name: string): string => name.replaceAll("_", " ");

/** The curves that tell a run: the loss, of several players each; and what is promised, if that is something else. */
export function curves(history: History, metric?: string, steps = 0): LinesView[] {
  const x = { label: "step", low: 0, high: steps || null }; // the way that is still to go is seen, too
  const names = Object.keys(history);
  const losses = names.filter((name) => /(^|\.)loss$/.test(name) && !name.startsWith("valid."));
  const players = losses.filter((name) => name.includes("."));
  const views: LinesView[] = [];
  const line = (name: string, label: string, color: string, dashed = false): Series => ({ name: label, ...history[name]!, color, dashed });
  const loss: Series[] = players.length
    ? players.map((name, i) => line(name, words(name.replace(/\.loss$/, "")), String([1, 4, 3, 5][i] ?? 8)))
    : losses.map((name) => line(name, "train", "train"));
  if (history["valid.loss"]) loss.push(line("valid.loss", "validation", "validation", true));
  if (loss.length) views.push({ kind: "lines", title: "Loss", series: loss, x, y: {}, summary: told("Loss", loss) });
  const goal = metric && metric !== "loss" ? metric : names.includes("accuracy") || names.includes("valid.accuracy") ? "accuracy" : "";
  if (goal) {
    const series: Series[] = [];
    if (history[goal]) series.push(line(goal, "train", "train"));
    if (history[`valid.${goal}`]) series.push(line(`valid.${goal}`, "validation", "validation", true));
    const title = words(goal).replace(/^./, (letter) => letter.toUpperCase());
    if (series.length) views.push({ kind: "lines", title, series, x, y: {}, summary: told(title, series) });
  }
  return views;
}

function told(title: string, series: Series[]): string {
  const ends = series.map((one) => {
    const known = one.y.filter((value): value is number => value !== null);
    return known.length ? `${one.name} from ${known[0]!.toPrecision(3)} to ${known.at(-1)!.toPrecision(3)}` : `${one.name} without a number`;
  });
  return `${title}: ${ends.join("; ")}.`;
}

/** Two runs in one picture: what was promised if both have it, else their losses. */
export function beside(pair: [History, History], labels: [string, string], metric?: string | null): LinesView[] {
  const found: LinesView[] = [];
  for (const name of new Set([metric ? `valid.${metric}` : "", "valid.loss", "loss"])) {
    if (!name || !pair[0][name] || !pair[1][name]) continue;
    const series = pair.map((history, i): Series => ({ name: labels[i]!, ...history[name]!, color: i ? "4" : "1" }));
    const [a, b] = [pair[0][name]!, pair[1][name]!];
    const title = words(name.replace(/^valid\./, "validation "));
    found.push({ kind: "lines", title, series, x: { label: "step" }, y: {}, summary: told(title, series) });
    const at = new Map(b.x.map((x, i) => [x, b.y[i] ?? null]));
    const x = a.x.filter((step) => at.has(step));
    if (x.length > 1) {
      const y = x.map((step) => {
        const [one, other] = [a.y[a.x.indexOf(step)] ?? null, at.get(step) ?? null];
        return one === null || other === null ? null : other - one;
      });
      const difference: Series = { name: "difference", x, y, color: "gray" };
      found.push({ kind: "lines", title: `Difference: ${labels[1]} minus ${labels[0]}`, series: [difference], x: { label: "step" }, y: {}, summary: told("Difference", [difference]) });
    }
    break;
  }
  return found;
}

/** Follows a run; comes back by itself when the server was away. Gives the function that ends it. */
export function follow(run: string, tell: (message: Message) => void, gone: (away: boolean) => void): () => void {
  let socket: WebSocket | null = null;
  let ended = false;
  let wait = 500;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const open = (): void => {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    socket = new WebSocket(`${scheme}://${location.host}/api/runs/${run}/live`);
    socket.onmessage = (event) => {
      const message = JSON.parse(String(event.data)) as Message;
      if (wait > 500) gone(false);
      wait = 500;
      if (message.status === "finished" || message.status === "damaged" || (message.error && !message.status)) ended = true;
      tell(message);
    };
    socket.onclose = () => {
      if (ended) return;
      gone(true);
      timer = setTimeout(open, wait);
      wait = Math.min(10_000, 2 * wait);
    };
  };
  open();
  return () => {
    ended = true;
    clearTimeout(timer);
    socket?.close();
  };
}
