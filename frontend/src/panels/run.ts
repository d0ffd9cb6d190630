/** A training in the page: what it will take, its curve while it goes, what came out, and what that is good for. */

import { make } from "../controls/index";
import type { Rows } from "../controls/types";
import { h, people, unique } from "../views/common";
import { draw, drawAll, type Host, type View } from "../views/index";
import { append, ask, beside, type Begun, curves, duration, type Flag, flagsOf, follow, type History, type Message, Refusal, type Summary, type Uses } from "./runapi";

interface About {
  title?: string;
  command?: string;
  recipe?: string;
  flags?: string;
  result?: { metric?: string; expected?: string; mean?: number | null; spread?: number; seconds?: number[]; values?: Record<string, number | null>; data?: string } | null;
}

type Flags = Record<string, string | number | boolean>;

const quiet: Host = { set: () => {} };
const WORDS: Record<string, string> = {
  running: "Training", finished: "Finished", stopped: "Stopped and saved", interrupted: "Interrupted; what was saved is there",
  diverged: "Diverged: the loss is no number any more", damaged: "Damaged", starting: "Starting",
}; // prettier-ignore

export async function mount(element: HTMLElement): Promise<void> {
  const script = element.querySelector<HTMLScriptElement>(':scope > script[type="application/json"]');
  const about = JSON.parse(script?.textContent ?? "{}") as About;
  const panel = new RunPanel(element, { recipe: element.dataset.recipe ?? "", flags: element.dataset.flags ?? "", ...about });
  if (document.documentElement.dataset.static !== undefined) await panel.recorded();
  else await panel.find();
}

export class RunPanel {
  private readonly recipe: string;
  private readonly own: Flags;
  private readonly form = new Map<string, () => string | number | boolean | undefined>();
  private readonly train = h("button", { type: "button", class: "button primary" });
  private readonly stop = h("button", { type: "button", class: "button", hidden: true }, "Stop and save");
  private readonly resume = h("button", { type: "button", class: "button", hidden: true }, "Go on");
  private readonly promise = h("p", { class: "run-promise" });
  private readonly says = h("p", { class: "status", role: "status" });
  private readonly wrong = h("p", { class: "error", role: "alert", hidden: true });
  private readonly bar = h("progress", { class: "progress", max: 1, value: 0, hidden: true, "aria-label": "Steps taken" });
  private readonly time = h("p", { class: "run-time", hidden: true });
  private readonly curve = h("div", { class: "views run-curves" });
  private readonly examples = h("div", { class: "views run-examples" });
  private readonly result = h("div", { class: "run-result", hidden: true });
  private readonly doctor = h("div", { class: "run-doctor" });
  private readonly after = h("div", { class: "run-after", hidden: true });
  private readonly last = h("p", { class: "run-last", hidden: true });
  private readonly settings = h("details", { class: "run-flags" }, h("summary", {}, "Settings"));

  private shown: Message = {};
  private history: History = {};
  private run: string | null = null;
  private leave: (() => void) | null = null;
  private painting = false;
  private usedFor = "";

  constructor(
    private readonly element: HTMLElement,
    private readonly about: About,
  ) {
    this.recipe = about.recipe ?? "";
    this.own = flagsOf(about.flags ?? "");
    element.classList.add("run");
    this.train.addEventListener("click", () => void this.begin());
    this.stop.addEventListener("click", () => void this.steer("stop"));
    this.resume.addEventListener("click", () => void this.steer("resume"));
    this.settings.addEventListener("toggle", () => void this.offer());
    this.label();
    element.append(
      this.promise,
      h("div", { class: "transport" }, this.train, this.stop, this.resume),
      this.settings, this.last, this.wrong, this.says, this.bar, this.time, this.doctor, this.result, this.curve, this.examples, this.after,
    ); // prettier-ignore
  }

  // --------------------------------------------------------------------------------------------- before

  /** What the button will do: how long, on how much. */
  private label(trainedOn?: number | null): void {
    const { result } = this.about;
    const data = String(this.own.data ?? result?.data ?? "");
    const seconds = result?.seconds?.length ? result.seconds.reduce((a, b) => a + b, 0) / result.seconds.length : null;
    const what = [seconds === null ? "" : `about ${duration(seconds)}`, trainedOn ? `${people(trainedOn, 9)} ${data === "digits" ? "digits" : "examples"}` : data ? `on ${data}` : ""];
    const known = what.filter(Boolean).join(", ");
    this.train.textContent = known ? `Train: ${known}` : "Train";
    if (result?.metric && typeof result.mean === "number") {
      const count = Object.keys(result.values ?? {}).length;
      const share = /(accuracy|exact_match|quality|recall)$/.test(result.metric);
      const said = (value: number, digits: number): string => (share ? (100 * value).toFixed(1) : people(value, digits));
      const spread = (result.spread ? ` ± ${said(result.spread, 2)}` : "") + (share ? " %" : "");
      this.promise.textContent = `Measured: ${result.metric.replaceAll("_", " ")} ${said(result.mean, 4)}${spread}${count > 1 ? ` over ${count} seeds` : ""}; promised: ${result.expected ?? "–"}.`;
    } else this.promise.hidden = true;
  }

  /** The recipe's own settings as a small form; asked for when somebody opens it. */
  private async offer(): Promise<void> {
    if (!this.settings.open || this.settings.querySelector("form, .run-loading")) return;
    const wait = h("p", { class: "run-loading status" }, "Asking the recipe …");
    this.settings.append(wait);
    try {
      const { flags, data } = await ask<{ flags: Flag[]; data: string }>(`/api/recipes/${this.recipe}`);
      const form = h("form", { class: "controls row" });
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        void this.begin();
      });
      for (const flag of flags) form.append(this.field(flag, data));
      wait.replaceWith(form);
    } catch (error) {
      wait.textContent = text(error);
      wait.classList.remove("run-loading");
    }
  }

  private field(flag: Flag, data: string): HTMLElement {
    const id = unique("flag");
    const set = this.own[flag.name];
    const help = flag.name === "data" ? `${data}; or the path of your own` : flag.help;
    if (flag.type === "bool") {
      const box = h("input", { type: "checkbox", id, checked: (set ?? flag.default) === true });
      this.form.set(flag.name, () => (box.checked === (flag.default === true) ? undefined : box.checked));
      return h("div", { class: "control switch" }, h("label", { for: id, title: help }, box, `--${flag.name}`));
    }
    const number = flag.type !== "str";
    const input = h("input", {
      type: number ? "number" : "text", class: "field", id, title: help, autocomplete: "off", spellcheck: false,
      value: set === undefined ? "" : String(set), placeholder: flag.default === null || flag.default === "" ? "as the recipe" : String(flag.default),
      ...(flag.type === "float" ? { step: "any" } : flag.type === "int" ? { step: "1" } : {}),
    }); // prettier-ignore
    this.form.set(flag.name, () => (input.value.trim() === "" ? undefined : number ? Number(input.value) : input.value.trim()));
    return h("div", { class: "control" }, h("label", { for: id, title: help }, `--${flag.name}`), input);
  }

  private flags(): Flags {
    if (this.form.size === 0) return this.own;
    const flags: Flags = {};
    for (const [name, get] of this.form) {
      const value = get();
      if (value !== undefined) flags[name] = value;
    }
    return flags;
  }

  /** A run that is going on already is watched; one that is done is offered. */
  async find(): Promise<void> {
    try {
      const { runs, starting } = await ask<{ runs: Summary[]; starting: Begun[] }>(`/api/runs?recipe=${encodeURIComponent(this.recipe)}&limit=30`);
      const mine = runs.filter((one) => this.own.data === undefined || one.overrides?.data === this.own.data);
      const trained = mine.find((one) => one.trained_on && (this.own.data !== undefined || one.overrides?.data === undefined));
      this.label(trained?.trained_on);
      const going = mine.find((one) => one.status === "running");
      if (going) return this.watch(going.run);
      if (starting[0]) return void this.await_(starting[0]);
      const latest = mine.find((one) => one.status !== "damaged" && !one.smoke);
      if (latest) this.remember(latest);
    } catch (error) {
      this.complain(error);
    }
  }

  private remember(latest: Summary): void {
    const came = typeof latest.value === "number" ? `, ${(latest.metric ?? "").replaceAll("_", " ")} ${people(latest.value, 4)}` : "";
    const look = h("button", { type: "button", class: "quiet", onclick: () => this.watch(latest.run) }, "Show it");
    this.last.replaceChildren(`Your last run: ${latest.run}, ${latest.status}${came}. `, look);
    this.last.hidden = false;
    this.resume.hidden = !["stopped", "interrupted"].includes(latest.status);
    this.run = latest.run;
  }

  // --------------------------------------------------------------------------------------------- while it goes

  async begin(again = false): Promise<void> {
    this.complain(null);
    this.train.disabled = true;
    this.says.textContent = "Starting: Python and PyTorch are being loaded …";
    try {
      await this.await_(await ask<Begun>("/api/runs", { recipe: this.recipe, flags: this.flags(), again }));
    } catch (error) {
      this.says.textContent = "";
      this.train.disabled = false;
      this.complain(error);
      if (error instanceof Refusal && error.status === 409 && error.run) {
        const run = error.run;
        const look = h("button", { type: "button", class: "button small", onclick: () => this.watch(run) }, "Watch that one");
        const more = h("button", { type: "button", class: "button small", onclick: () => void this.begin(true) }, "Train another beside it");
        this.wrong.append(h("span", { class: "buttons" }, look, more));
      }
    }
  }

  /** A start that takes long (a download, say) is asked after each second. */
  private async await_(begun: Begun): Promise<void> {
    this.train.disabled = true;
    while (begun.state === "starting") {
      this.says.textContent = `Starting … ${begun.said ?? ""}`;
      await new Promise((go) => setTimeout(go, 1000));
      begun = await ask<Begun>(`/api/starts/${begun.start}`);
    }
    if (begun.run) return this.watch(begun.run);
    this.train.disabled = false;
    this.says.textContent = "";
    this.complain(new Error(begun.error ?? "The training did not begin."));
  }

  watch(run: string): void {
    this.leave?.();
    this.complain(null);
    this.run = run;
    this.history = {};
    this.shown = {};
    this.usedFor = "";
    this.last.hidden = true;
    this.after.hidden = true;
    this.after.replaceChildren();
    this.leave = follow(
      run,
      (message) => this.tell(message),
      (away) => {
        if (away) this.says.textContent = "The course's server is away; the training goes on without it. Trying again …";
      },
    );
  }

  /** Nobody looks any more. */
  close(): void {
    this.leave?.();
    this.leave = null;
  }

  /** What the socket (or a recording) says. */
  tell(message: Message): void {
    if (message.error) this.complain(new Error(message.error));
    if (message.history) this.history = message.history;
    if (message.rows) append(this.history, message.rows);
    const before = this.shown.status;
    this.shown = { ...this.shown, ...message };
    if (message.status && message.status !== before) this.turned(message.status);
    if (this.painting) return;
    this.painting = true;
    const paint = (): void => {
      this.painting = false;
      this.paint();
    };
    if (typeof requestAnimationFrame === "function" && document.visibilityState !== "hidden") requestAnimationFrame(paint);
    else setTimeout(paint, 100);
  }

  private turned(status: string): void {
    const going = status === "running";
    const overrides = Object.entries(this.shown.record?.overrides ?? {}).map(([name, value]) => ` --${name.replaceAll("_", "-")} ${String(value)}`);
    this.says.textContent = `${WORDS[status] ?? status}: ${this.run ?? ""}${overrides.join("")}`;
    this.train.disabled = going;
    this.train.classList.toggle("primary", !going && status !== "stopped");
    this.stop.hidden = !going;
    this.stop.disabled = false;
    this.resume.hidden = !(status === "stopped" || status === "interrupted");
    this.resume.disabled = false;
    this.element.dataset.status = status;
  }

  private paint(): void {
    const { step = 0, steps = 0, left, status } = this.shown;
    this.bar.hidden = this.time.hidden = status !== "running";
    if (status === "running") {
      this.bar.max = steps || 1;
      this.bar.value = step;
      const more = typeof left === "number" ? (left > 0 ? `, ${duration(left)} left` : ", measuring on the test part") : "";
      this.time.textContent = `Step ${people(step, 9)} of ${people(steps, 9)}${more}`;
    }
    drawAll(this.curve, curves(this.history, this.shown.expected?.metric, this.shown.steps), quiet);
    const views = (this.shown.examples?.views ?? []) as View[];
    drawAll(this.examples, views, quiet);
    this.doctor.replaceChildren(
      ...(status === "running" ? [] : (this.shown.doctor ?? [])).map((one) => h("p", { class: "warning" }, h("strong", {}, `The doctor says: ${one.name}. `), one.evidence, " ", one.advice)),
    );
    if (status === "finished" && this.shown.metrics) this.came();
    else this.result.hidden = true;
    const usable = status === "finished" || status === "stopped" || status === "interrupted";
    if (usable && this.shown.uses && this.run && this.usedFor !== this.run && document.documentElement.dataset.static === undefined) {
      this.usedFor = this.run;
      this.offerUses(this.run, this.shown.uses, status === "finished");
    }
  }

  /** The result beside what is expected of it. */
  private came(): void {
    const { metrics, expected = {}, record } = this.shown;
    const rows = Object.entries(metrics ?? {}).map(([name, value]) => {
      const promised = name === expected.metric;
      const mean = promised && typeof expected.mean === "number" ? `${people(expected.mean, 4)}${expected.spread ? ` ± ${people(expected.spread, 2)}` : ""}` : "";
      return h(
        "tr",
        promised ? { class: "highlight" } : {},
        h("th", { scope: "row" }, name.replaceAll("_", " ")),
        h("td", { class: "number" }, people(value, 4)),
        h("td", { class: "number" }, mean),
        h("td", {}, promised ? (expected.expected ?? "") : ""),
      );
    });
    const seconds = h("tr", {}, h("th", { scope: "row" }, "time"), h("td", { class: "number" }, duration(record?.seconds)), h("td", { class: "number" }, duration(expected.seconds)), h("td"));
    const head = h("tr", {}, ...["test part", "this run", "measured before", "promised"].map((name, i) => h("th", { scope: "col", class: i === 1 || i === 2 ? "number" : "" }, name)));
    const table = h("table", { class: "table" }, h("thead", {}, head), h("tbody", {}, ...rows, seconds));
    this.result.replaceChildren(h("div", { class: "scrolls" }, table), h("p", {}, this.verdict()));
    this.result.hidden = false;
  }

  private verdict(): string {
    const { metrics, expected = {} } = this.shown;
    const value = expected.metric ? metrics?.[expected.metric] : undefined;
    if (typeof value !== "number" || typeof expected.mean !== "number") return "";
    if (expected.same_settings === false) return "The settings were changed, so it may come out better or worse than what was measured.";
    const away = Math.abs(value - expected.mean);
    const spread = expected.spread ?? 0;
    if (away <= 2 * spread || away < 1e-9) return "As expected: within what the seed alone does.";
    return spread > 0 ? `It lies ${people(away / spread, 2)} spreads from the mean of ${expected.values?.length ?? "the"} seeds.` : `It differs by ${people(away, 2)} from what was measured.`;
  }

  private async steer(what: "stop" | "resume"): Promise<void> {
    if (!this.run) return;
    const button = what === "stop" ? this.stop : this.resume;
    button.disabled = true;
    this.complain(null);
    this.says.textContent = what === "stop" ? "Saving …" : "Going on: Python and PyTorch are being loaded …";
    try {
      const begun = await ask<Begun>(`/api/runs/${this.run}/${what}`, {});
      if (what === "resume") await this.await_(begun);
    } catch (error) {
      button.disabled = false;
      this.says.textContent = "";
      this.complain(error);
    }
  }

  private complain(error: unknown): void {
    this.wrong.hidden = error === null;
    this.wrong.replaceChildren(error === null ? "" : text(error));
  }

  // --------------------------------------------------------------------------------------------- after

  private offerUses(run: string, uses: Uses, finished: boolean): void {
    const parts: HTMLElement[] = [];
    if (uses.predict === "picture") parts.push(fold("Use it: draw, or drop a picture", () => usePicture(run, this.shown.data === "digits" ? this.recipe : "")));
    else if (uses.predict) parts.push(fold("Use it: ask it something", () => useText(run, uses)));
    if (uses.generate) parts.push(fold(uses.generate === "text" ? "Use it: let it write" : "Use it: let it make points", () => useGenerate(run, uses)));
    if (finished) parts.push(fold("Compare with another run", () => useCompare(run)));
    parts.push(fold("Export", () => useExport(run)));
    this.after.replaceChildren(...parts);
    this.after.hidden = false;
  }

  /** Without a server: the recorded run, and the command to get it live. */
  async recorded(): Promise<void> {
    this.train.hidden = true;
    this.settings.hidden = true;
    const command = this.about.command ?? `learnable train ${this.recipe}`;
    const copied = h("span", { role: "status" });
    const copy = async (): Promise<void> => {
      await navigator.clipboard?.writeText(command).catch(() => {});
      copied.textContent = " copied";
    };
    this.last.replaceChildren("Train it on your machine: ", h("code", {}, command), " ", h("button", { type: "button", class: "quiet", onclick: () => void copy() }, "Copy"), copied);
    this.last.hidden = false;
    const address = this.element.dataset.recording;
    if (!address) return;
    try {
      const answer = await fetch(address);
      if (!answer.ok) throw new Error(`the recording is not there (${answer.status})`);
      const { messages } = (await answer.json()) as { messages: Message[] };
      for (const message of messages) this.tell(message);
      this.says.textContent = "A recorded run.";
      const play = h("button", { type: "button", class: "button" }, "Play it again");
      play.addEventListener("click", () => void this.play(messages, play));
      this.stop.before(play);
    } catch (error) {
      this.says.textContent = `No recording: ${text(error)}`;
    }
  }

  private async play(messages: Message[], button: HTMLButtonElement): Promise<void> {
    button.disabled = true;
    this.history = {};
    this.shown = {};
    for (const message of structuredClone(messages)) {
      this.tell(message);
      await new Promise((go) => setTimeout(go, 120));
    }
    this.stop.hidden = true;
    button.disabled = false;
  }
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A folded part whose inside is made when it is opened. */
function fold(title: string, inside: () => HTMLElement): HTMLElement {
  const details = h("details", { class: "run-use" }, h("summary", {}, title));
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) details.append(inside());
  });
  return details;
}

/** A button that asks the server and shows what it answers; meanwhile it says that it thinks. */
function asking(label: string, question: () => Promise<Node[]>): { button: HTMLButtonElement; answer: HTMLElement; go: () => Promise<void> } {
  const answer = h("div", { class: "run-answer", "aria-live": "polite" });
  const button = h("button", { type: "button", class: "button" }, label);
  const go = async (): Promise<void> => {
    if (button.disabled) return;
    button.disabled = true;
    answer.replaceChildren(h("p", { class: "status" }, "The model is being loaded and asked …"));
    try {
      answer.replaceChildren(...(await question()));
    } catch (error) {
      answer.replaceChildren(h("p", { class: "error", role: "alert" }, text(error)));
    }
    button.disabled = false;
  };
  button.addEventListener("click", () => void go());
  return { button, answer, go };
}

function picture(view: View): HTMLElement {
  const place = h("div", { role: "group" });
  // A view measures its place, so it is drawn when it stands in the page.
  requestAnimationFrame(() => draw(place, view, quiet));
  return h("div", { class: "views" }, place);
}

interface Answer {
  prediction: string;
  probabilities: Record<string, number>;
  attention?: Record<string, number>;
}

function answered(said: Answer): Node[] {
  const labels = Object.keys(said.probabilities);
  const sure = said.probabilities[said.prediction] ?? null;
  const nodes: Node[] = [
    h("p", {}, "It says ", h("strong", {}, said.prediction), typeof sure === "number" ? `, and is ${people(100 * sure, 3)} % sure.` : "."),
    picture({ kind: "bars", title: "What it thinks", labels, values: labels.map((label) => said.probabilities[label]!), highlight: [labels.indexOf(said.prediction)], y: { low: 0, high: 1 } }),
  ];
  if (said.attention) {
    const tokens = Object.entries(said.attention).map(([word, weight]) => ({ text: word, weight, color: "key", note: `${Math.round(100 * weight)} %` }));
    nodes.push(picture({ kind: "tokens", title: "Where it looked", tokens }));
  }
  return nodes;
}

function usePicture(run: string, small: string): HTMLElement {
  const size = 28;
  const pad = make({ kind: "drawing", name: "digit", label: "Draw here", size, default: Array.from({ length: size }, () => new Array<number>(size).fill(0)) }, { changed: () => {} });
  let file: File | null = null;
  const asked = asking("Ask it", async () => {
    const chosen = file;
    file = null;
    if (chosen && chosen.size > 2_000_000) throw new Error("This picture has more than 2 MB; make it smaller.");
    const body = chosen ?? { drawing: pad.get() as Rows };
    return answered(await ask<Answer>(`/api/runs/${run}/predict`, body, chosen ? chosen.type || "application/octet-stream" : "application/json"));
  });
  const choose = h("input", { type: "file", accept: "image/*", id: unique("picture"), class: "unseen" });
  const take = (one: File | undefined): void => {
    if (!one) return;
    file = one;
    void asked.go();
  };
  choose.addEventListener("change", () => {
    take(choose.files?.[0]);
    choose.value = "";
  });
  const area = h("div", { class: "run-drop" }, pad.element, h("div", { class: "buttons" }, asked.button, choose, h("label", { class: "button", for: choose.id }, "A picture of yours …")), asked.answer);
  if (small) area.prepend(h("p", {}, "It has seen small scans of a few hands only. For digits of your own, train it on more: ", h("code", {}, `learnable train ${small} --data mnist`), ", or set --data to mnist above."));
  area.addEventListener("dragover", (event) => {
    event.preventDefault();
    area.classList.add("over");
  });
  area.addEventListener("dragleave", () => area.classList.remove("over"));
  area.addEventListener("drop", (event) => {
    event.preventDefault();
    area.classList.remove("over");
    take(event.dataTransfer?.files[0]);
  });
  return area;
}

function useText(run: string, uses: Uses): HTMLElement {
  const id = unique("question");
  const example = uses.predict === "line" ? (uses.example ?? "") : `${(uses.columns ?? []).join(",")}\n`;
  const input = h("textarea", { class: "field", id, rows: uses.predict === "line" ? 1 : 4, value: example, spellcheck: false });
  const asked = asking("Ask it", async () => {
    const said = await ask<Answer & { prediction: string | string[] }>(`/api/runs/${run}/predict`, { text: input.value });
    return Array.isArray(said.prediction) ? [h("p", {}, `It says: ${said.prediction.join(", ")}`)] : answered(said);
  });
  const label = uses.predict === "line" ? "A line with a question" : "Rows of a table, the names of the columns first";
  return h("div", { class: "controls" }, h("div", { class: "control" }, h("label", { for: id }, label), input), h("div", { class: "buttons" }, asked.button), asked.answer);
}

function useGenerate(run: string, uses: Uses): HTMLElement {
  const words = uses.generate === "text";
  const field = (label: string, properties: Record<string, unknown>): [HTMLElement, HTMLInputElement] => {
    const input = h("input", { class: "field", id: unique("wish"), ...properties });
    return [h("div", { class: "control" }, h("label", { for: input.id }, label), input), input];
  };
  const [promptField, prompt] = field("Prompt", { type: "text", value: "", placeholder: "empty: it begins by itself", spellcheck: false, maxLength: 2000 });
  const [countField, count] = field(words ? "Characters" : "Points", { type: "number", min: 1, max: 2000, value: words ? 300 : 500 });
  const [seedField, seed] = field("Seed", { type: "number", min: 0, value: 0 });
  let temperature = words ? 0.8 : 1;
  const slider = make({ kind: "slider", name: "temperature", label: "Temperature", low: 0, high: 2, step: 0.05, default: temperature }, { changed: (value) => (temperature = Number(value)) });
  const asked = asking(words ? "Write" : "Make", async () => {
    const wish = { prompt: words ? prompt.value : "", count: Math.round(Number(count.value)), seed: Math.round(Number(seed.value)), temperature };
    const made = await ask<{ text?: string; points?: number[][] }>(`/api/runs/${run}/generate`, wish);
    if (made.text !== undefined) return [picture({ kind: "text", text: made.text.slice(wish.prompt.length), prompt: wish.prompt, code: true, title: "What it wrote" })];
    const points = made.points ?? [];
    return [picture({ kind: "points", title: `${points.length} points`, clouds: [{ name: "made", x: points.map((p) => p[0] ?? null), y: points.map((p) => p[1] ?? null), color: "model" }] })];
  });
  return h("div", { class: "controls" }, ...(words ? [promptField] : []), h("div", { class: "controls row" }, slider.element, countField, seedField), h("div", { class: "buttons" }, asked.button), asked.answer);
}

function useCompare(run: string): HTMLElement {
  const id = unique("other");
  const choice = h("select", { class: "field", id });
  const asked = asking("Compare", async () => {
    const other = choice.value;
    const said = await ask<{ runs: [string, string]; curves: [History, History]; metric: string | null; verdict: string; names?: string[]; values?: [Record<string, number | null>, Record<string, number | null>] }>(
      `/api/runs/${run}/compare?with=${encodeURIComponent(other)}`,
    );
    const short = said.runs.map((name) => (said.runs[0].split("/")[0] === said.runs[1].split("/")[0] ? name.split("/")[1]! : name.split("/")[0]!)) as [string, string];
    const nodes: Node[] = [h("p", {}, said.verdict), ...beside(said.curves, short, said.metric).map(picture)];
    if (said.values) {
      const [a, b] = said.values;
      const seeds = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort((one, two) => Number(one) - Number(two));
      const minus = (seed: string): string => (typeof a[seed] === "number" && typeof b[seed] === "number" ? people(b[seed] - a[seed], 3) : "–");
      nodes.push(picture({ kind: "table", title: `${(said.metric ?? "").replaceAll("_", " ")} on the test part`, columns: ["seed", ...short, "difference"], rows: seeds.map((seed) => [seed, people(a[seed], 4), people(b[seed], 4), minus(seed)]), numbers: [0, 1, 2, 3] }));
    }
    return nodes;
  });
  const list = h("div", { class: "control" }, h("label", { for: id }, "With"), choice);
  asked.button.disabled = true;
  void ask<{ runs: Summary[] }>("/api/runs?limit=100")
    .then(({ runs }) => {
      const [recipe] = run.split("/");
      const others = runs.filter((one) => one.run !== run && one.status === "finished").sort((a, b) => Number(b.recipe === recipe) - Number(a.recipe === recipe));
      for (const one of others) {
        const overrides = Object.entries(one.overrides ?? {}).map(([name, value]) => `${name} ${String(value)}`);
        choice.append(h("option", { value: one.run }, [one.run, ...overrides].join(", ")));
      }
      if (others.length) asked.button.disabled = false;
      else asked.answer.replaceChildren(h("p", { class: "status" }, "There is no other finished run yet: train with another seed or setting, or another recipe."));
    })
    .catch((error: unknown) => asked.answer.replaceChildren(h("p", { class: "error" }, text(error))));
  return h("div", { class: "controls" }, list, h("div", { class: "buttons" }, asked.button), asked.answer);
}

function useExport(run: string): HTMLElement {
  const rows = (["onnx", "torch", "safetensors"] as const).map((to) => {
    const asked = asking({ onnx: "ONNX", torch: "torch.export", safetensors: "safetensors" }[to], async () => {
      const made = await ask<{ path: string; bytes: number; difference: number; download: string }>(`/api/runs/${run}/export`, { to });
      const link = h("a", { href: made.download, download: "" }, "Download");
      return [h("p", {}, link, ` (${people(made.bytes, 9)} bytes; at most ${people(made.difference, 2)} from the original), or take it from `, h("code", {}, made.path))];
    });
    return asked;
  });
  return h("div", { class: "controls" }, h("div", { class: "buttons" }, ...rows.map((row) => row.button)), ...rows.map((row) => row.answer));
}
