/** A lab in the page: controls, pictures, and a process on the server (or a recording) that turns one into the other. */

import { make } from "../controls/index";
import type { Control, Spec } from "../controls/types";
import { h, people, unique } from "../views/common";
import { drawAll, type Host, type View } from "../views/index";
import { decode, encode } from "./state";

interface About {
  title: string;
  controls: Spec[];
  plays: boolean;
  rows?: number;
}

type Values = Record<string, unknown>;
type State = "ready" | "playing" | "paused" | "ended";
type Ask = "play" | "pause" | "step" | "reset" | "stop";

/** What a lab's panel is told, by the server or by a recording. */
interface Listener {
  views(views: View[], n: number | undefined, frame: number | undefined): void;
  progress(fraction: number, text: string): void;
  turnedTo(state: State): void;
  error(text: string, trace?: string, n?: number): void;
  away(why: string | null): void;
}

/** What answers the controls. */
interface Source {
  set(values: Values): void;
  ask(what: Ask): void;
  start(): void;
  stop(): void;
  again(): void;
}

// ---------------------------------------------------------------------------------------------------- the server

/** A socket to the server's worker: at most one request under way, the newest waits, and it comes back after a restart. */
export class Live implements Source {
  private socket: WebSocket | null = null;
  private waiting: Values = {};
  private asked: Ask[] = [];
  private n = 0;
  private flying: number | null = null;
  private tries = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private wanted = false;

  constructor(
    private readonly address: string,
    private readonly all: () => Values,
    private readonly listener: Listener,
  ) {}

  start(): void {
    this.wanted = true;
    if (!this.socket) this.connect();
  }

  stop(): void {
    this.wanted = false;
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  set(values: Values): void {
    Object.assign(this.waiting, values);
    this.send();
  }

  ask(what: Ask): void {
    this.asked.push(what);
    this.start();
    this.send();
  }

  again(): void {
    if (this.socket?.readyState === WebSocket.OPEN) {
      this.flying = null;
      this.asked = ["stop"];
      this.send();
      this.set(this.all());
    } else {
      this.stop();
      this.tries = 0;
      this.start();
    }
  }

  private connect(): void {
    clearTimeout(this.timer);
    const socket = new WebSocket(this.address);
    this.socket = socket;
    socket.onopen = () => {
      if (socket !== this.socket) return;
      this.flying = null;
      this.listener.away(null);
      this.set(this.all());
    };
    socket.onmessage = (event: MessageEvent<string>) => {
      if (socket === this.socket) this.hear(event.data);
    };
    socket.onclose = (event: CloseEvent) => {
      if (socket !== this.socket) return;
      this.socket = null;
      this.flying = null;
      this.asked = [];
      if (!this.wanted) return;
      if (event.code === 4404 || event.code === 4500) {
        this.wanted = false;
        if (event.code === 4404) this.listener.error(event.reason || "This lab is not there: reload the page.");
        return;
      }
      this.tries += 1;
      this.listener.away(
        this.tries > 2
          ? "The course's server does not answer. Start it again (learnable open); this page finds it by itself."
          : "Connecting again …",
      );
      this.timer = setTimeout(() => this.connect(), Math.min(8000, 400 * 2 ** Math.min(this.tries, 5)));
    };
  }

  private hear(text: string): void {
    let message: Record<string, unknown>;
    try {
      message = JSON.parse(text) as Record<string, unknown>;
    } catch {
      return this.listener.error("The server said something that is no JSON: reload the page.");
    }
    this.tries = 0;
    const n = typeof message.n === "number" ? message.n : undefined;
    if (Array.isArray(message.views)) {
      this.listener.views(message.views as View[], n, message.frame as number | undefined);
    } else if (message.progress) {
      const progress = message.progress as { fraction: number; text: string };
      this.listener.progress(progress.fraction, progress.text);
    } else if (typeof message.state === "string") {
      this.listener.turnedTo(message.state as State);
    } else if (typeof message.error === "string") {
      this.listener.error(message.error, message.trace as string | undefined, n);
      this.flying = null;
    }
    if (n !== undefined && this.flying !== null && n >= this.flying) this.flying = null;
    this.send();
  }

  private send(): void {
    const socket = this.socket;
    if (!socket || socket.readyState !== WebSocket.OPEN) return;
    for (const what of this.asked.splice(0)) socket.send(JSON.stringify({ do: what }));
    if (this.flying !== null || Object.keys(this.waiting).length === 0) return;
    this.n += 1;
    this.flying = this.n;
    const values = this.waiting;
    this.waiting = {};
    socket.send(JSON.stringify({ set: values, n: this.n }));
  }
}

// ---------------------------------------------------------------------------------------------------- a recording

/** What `learnable.course.labs.recording` writes. */
export interface Recording {
  kind: "grid" | "frames";
  controls: Record<string, unknown[]>;
  fixed: Values;
  views: View[];
  moments: number[][];
}

/** The number of the moment at which the controls stand so; the last control changes fastest. */
export function momentOf(recording: Recording, values: Values): number {
  let at = 0;
  for (const [name, choices] of Object.entries(recording.controls)) {
    const wanted = JSON.stringify(values[name]);
    let i = choices.findIndex((choice) => JSON.stringify(choice) === wanted);
    const value = values[name];
    if (i < 0 && typeof value === "number") {
      const away = (choice: unknown): number => (typeof choice === "number" ? Math.abs(choice - value) : Infinity);
      i = choices.reduce((best: number, choice, k) => (away(choice) < away(choices[best]) ? k : best), 0);
    }
    at = at * choices.length + Math.max(0, i);
  }
  return at;
}

const FRAME = 1000 / 12;

export class Recorded implements Source {
  private n = 0;
  private frame = 0;
  private timer: ReturnType<typeof setInterval> | undefined;
  private started = false;

  constructor(
    private readonly recording: Recording,
    private readonly all: () => Values,
    private readonly listener: Listener,
  ) {}

  start(): void {
    if (this.started) return;
    this.started = true;
    this.show();
    this.listener.turnedTo("ready");
  }

  stop(): void {
    this.pause();
  }

  set(values: Values): void {
    void values;
    if (this.recording.kind === "grid") this.show();
  }

  again(): void {
    this.ask("reset");
  }

  ask(what: Ask): void {
    const last = this.recording.moments.length - 1;
    if (what === "play") {
      if (this.timer !== undefined) return;
      if (this.frame >= last) this.frame = 0;
      this.listener.turnedTo("playing");
      this.timer = setInterval(() => {
        this.frame += 1;
        this.show();
        if (this.frame < last) return;
        this.pause();
        this.listener.turnedTo("ended");
      }, FRAME);
      return;
    }
    this.pause();
    if (what === "step") this.frame = Math.min(last, this.frame + 1);
    if (what === "reset") this.frame = 0;
    if (what === "step" || what === "reset") this.show();
    this.listener.turnedTo(what === "reset" ? "ready" : this.frame >= last ? "ended" : "paused");
  }

  private pause(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private show(): void {
    this.n += 1;
    const { kind, moments, views } = this.recording;
    const at = kind === "grid" ? momentOf(this.recording, this.all()) : this.frame;
    const shown = (moments[at] ?? []).map((number) => views[number]).filter((view): view is View => view !== undefined);
    this.listener.views(shown, this.n, kind === "frames" ? this.frame : undefined);
  }
}

// ---------------------------------------------------------------------------------------------------- the panel

const SLOW = 180; // milliseconds after which the panel says that it works
const QUIET = 900; // milliseconds without a change, after which a screen reader is told what is to be seen
const GONE = 20_000; // milliseconds out of sight, after which the worker is given back

const mounted = new WeakSet<HTMLElement>();

export function mount(element: HTMLElement): void {
  if (mounted.has(element)) return;
  mounted.add(element);
  const script = element.querySelector<HTMLScriptElement>('script[type="application/json"]');
  if (!script) return;
  const about = JSON.parse(script.textContent ?? "{}") as About;
  const recording = element.dataset.recording ?? document.documentElement.dataset.recording;
  if (document.documentElement.dataset.static === undefined) {
    new Panel(element, about, null);
  } else if (recording) {
    if (about.rows) element.style.minHeight = `${about.rows}px`; // the text below stays where it is until the recording has come
    fetch(recording)
      .then(async (answer) => {
        if (!answer.ok) throw new Error(String(answer.status));
        new Panel(element, about, (await answer.json()) as Recording);
      })
      .catch(() =>
        element.append(
          h(
            "p",
            { class: "lab-error" },
            "The recorded pictures of this lab did not come. Reload the page, or run the course on your machine: learnable open.",
          ),
        ),
      )
      .finally(() => (element.style.minHeight = ""));
  } else {
    element.append(
      h(
        "p",
        { class: "lab-note" },
        "This lab computes while you turn it, so it needs the course on your machine: pip install learnable, then learnable open.",
      ),
    );
  }
}

class Panel implements Listener, Host {
  private readonly id: string;
  private readonly controls = new Map<string, Control>();
  private readonly source: Source;
  private readonly form: HTMLFormElement;
  private readonly stage = h("div", { class: "views lab-stage" });
  private readonly loading = h("div", { class: "lab-progress", hidden: true });
  private readonly bar = h("progress", { max: 1, value: 0 });
  private readonly doing = h("span");
  private readonly problem = h("div", { class: "lab-error", role: "alert", hidden: true });
  private readonly work = h("span", { class: "lab-work", "aria-hidden": "true" });
  private readonly status = h("p", { class: "lab-status", role: "status" });
  private readonly counter = h("span", { class: "lab-frame" });
  private readonly buttons: Partial<Record<"play" | "step" | "reset", HTMLButtonElement>> = {};
  private readonly link = h("button", { type: "button", class: "quiet" }, "Link to this state");
  private state: State = "ready";
  private latest: { views: View[]; n: number | undefined; frame: number | undefined } | null = null;
  private drawing = 0;
  private slow: ReturnType<typeof setTimeout> | undefined;
  private quiet: ReturnType<typeof setTimeout> | undefined;
  private address: ReturnType<typeof setTimeout> | undefined;
  private gone: ReturnType<typeof setTimeout> | undefined;
  private resting = false; // paused because nobody looks
  private frame = 0;
  private summary = "";
  private failed: number | undefined; // the request that could not be answered

  constructor(
    private readonly element: HTMLElement,
    private readonly about: About,
    recording: Recording | null,
  ) {
    this.id = element.id || `lab-${element.dataset.name ?? "lab"}`;
    element.classList.add("panel", "lab");
    this.form = h("form", {
      class: "lab-controls",
      autocomplete: "off",
      onsubmit: (event: Event) => event.preventDefault(),
    });
    for (const spec of about.controls) {
      const recorded = recording ? (recording.controls[spec.name] ?? []) : undefined;
      const control = make(spec, {
        changed: (value) => this.turned(spec.name, value),
        ...(recorded ? { recorded } : {}),
      });
      if (recording && recording.fixed[spec.name] !== undefined) control.set(recording.fixed[spec.name]);
      this.controls.set(spec.name, control);
      this.form.append(control.element);
    }
    this.restore(location.hash);
    this.source = recording
      ? new Recorded(recording, () => this.values(), this)
      : new Live(this.url(), () => this.values(), this);
    this.build();
    if (recording) {
      element.dataset.recorded = "";
      const some = about.controls.some((spec) => (recording.controls[spec.name] ?? []).length < 2);
      if (some)
        this.form.append(
          h(
            "p",
            { class: "control-help lab-recorded" },
            "These pictures are recorded. In the course on your machine (learnable open) everything turns.",
          ),
        );
    }
    addEventListener("hashchange", () => {
      if (this.restore(location.hash)) this.source.set(this.values());
    });
    this.watch();
  }

  // ---- what the page looks like

  private build(): void {
    const { about, element } = this;
    const title = element.querySelector<HTMLElement>(":scope > h3");
    if (!title) element.prepend(h("h3", {}, about.title));
    if (about.rows) this.stage.style.minHeight = `${about.rows}px`;
    this.loading.append(this.bar, this.doing);
    const name = unique("doing");
    this.doing.id = name;
    this.bar.setAttribute("aria-labelledby", name);
    const tools = about.plays ? this.playBar() : null;
    const side = h("div", { class: "lab-side" }, tools, about.controls.length ? this.form : null);
    const empty = !tools && about.controls.length === 0;
    const body = h(
      "div",
      { class: `lab-body${empty ? " alone" : ""}` },
      empty ? null : side,
      h("div", { class: "lab-main" }, this.loading, this.problem, this.stage),
    );
    this.form.setAttribute("aria-label", `Controls: ${about.title}`);
    this.link.addEventListener("click", () => void this.copyLink());
    element.append(body, h("div", { class: "lab-foot" }, this.work, this.status, this.link));
    this.say("starting");
    element.addEventListener("keydown", (event) => {
      const target = event.target as HTMLElement;
      if (event.key !== " " || !about.plays || event.defaultPrevented) return;
      if (
        target.closest(
          "button, summary, select, textarea, input[type=text], input[type=checkbox], input[type=radio], a, .pad, [aria-roledescription=matrix]",
        )
      )
        return;
      event.preventDefault();
      this.buttons.play?.click();
    });
  }

  private playBar(): HTMLElement {
    const button = (key: "play" | "step" | "reset", text: string, action: () => void): HTMLButtonElement =>
      (this.buttons[key] = h(
        "button",
        { type: "button", class: key === "play" ? "button primary" : "button", onclick: action },
        text,
      ));
    this.buttons.play = button("play", "Play", () => {
      this.resting = false;
      this.ask(this.state === "playing" ? "pause" : "play");
    });
    this.buttons.play.title = "space";
    return h(
      "div",
      { class: "lab-play", role: "group", "aria-label": "Play" },
      this.buttons.play,
      button("step", "Step", () => this.ask("step")),
      button("reset", "Reset", () => this.ask("reset")),
      this.counter,
    );
  }

  private url(): string {
    const { stem, name } = this.element.dataset;
    const base = new URL(`/labs/${encodeURIComponent(stem ?? "")}/${encodeURIComponent(name ?? "")}`, location.href);
    base.protocol = base.protocol === "https:" ? "wss:" : "ws:";
    return base.href;
  }

  // ---- what the reader does

  set(control: string, value: unknown): void {
    const found = this.controls.get(control);
    const spec = this.about.controls.find((candidate) => candidate.name === control);
    if (!found || !spec) return;
    const meant = spec.kind === "choice" && typeof value === "number" ? spec.options[value] : value;
    found.set(meant);
    this.turned(control, found.get());
  }

  get(control: string): unknown {
    return this.controls.get(control)?.get();
  }

  private values(): Values {
    return Object.fromEntries([...this.controls].map(([name, control]) => [name, control.get()]));
  }

  private turned(name: string, value: unknown): void {
    this.busy();
    this.source.set({ [name]: value });
    clearTimeout(this.address);
    this.address = setTimeout(() => this.remember(), 400);
  }

  private ask(what: Ask): void {
    this.fine();
    if (what !== "pause") this.busy();
    this.source.ask(what);
  }

  private busy(): void {
    if (this.slow !== undefined) return;
    this.slow = setTimeout(() => {
      this.element.classList.add("working");
      this.work.textContent = "working …";
    }, SLOW);
  }

  private idle(): void {
    clearTimeout(this.slow);
    this.slow = undefined;
    this.element.classList.remove("working");
    this.work.textContent = "";
  }

  // ---- the address

  private hash(): string {
    return `#${encode(this.id, this.about.controls, this.values())}`;
  }

  private remember(): void {
    try {
      history.replaceState(history.state, "", this.hash());
    } catch {
      // A browser that is asked too often refuses; the next change tries again.
    }
  }

  private restore(hash: string): boolean {
    const values = decode(hash, this.id, this.about.controls);
    if (!values) return false;
    for (const spec of this.about.controls) this.controls.get(spec.name)!.set(values[spec.name] ?? spec.default);
    if (!this.element.dataset.visited) {
      this.element.dataset.visited = "1";
      requestAnimationFrame?.(() => this.element.scrollIntoView?.({ block: "start" }));
    }
    return true;
  }

  private async copyLink(): Promise<void> {
    this.remember();
    const address = location.href.replace(/#.*$/, "") + this.hash();
    try {
      await navigator.clipboard.writeText(address);
      this.say("The link is copied.");
    } catch {
      this.say("The link stands in the address bar.");
    }
  }

  // ---- what the source says

  views(views: View[], n: number | undefined, frame: number | undefined): void {
    this.latest = { views, n, frame };
    this.idle();
    if (n === undefined || n !== this.failed) this.fine();
    if (!this.drawing) this.drawing = requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    this.drawing = 0;
    const { latest, element } = this;
    if (!latest) return;
    this.latest = null;
    this.loading.hidden = true;
    if (this.stage.childElementCount && element.dataset.ready === undefined) this.stage.replaceChildren();
    drawAll(this.stage, latest.views, this);
    const said = latest.views.map((view) => view.summary || view.title || "").filter(Boolean);
    this.summary = [...new Set(said)].join(" ");
    if (latest.frame !== undefined) {
      this.frame = latest.frame;
      this.counter.textContent = `frame ${people(latest.frame)}`;
      element.dataset.frame = String(latest.frame);
    }
    if (latest.n !== undefined) element.dataset.n = String(latest.n);
    element.dataset.ready = "";
    this.announce();
  }

  /** Tells a screen reader what is to be seen, once things have come to rest. */
  private announce(): void {
    if (this.state === "playing" && this.quiet !== undefined) return;
    clearTimeout(this.quiet);
    this.quiet = setTimeout(
      () => {
        this.quiet = undefined;
        if (this.state === "playing") this.say(`playing, frame ${this.frame}`);
        else this.say(this.summary || "ready");
      },
      this.state === "playing" ? 4000 : QUIET,
    );
  }

  private say(text: string): void {
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  progress(fraction: number, text: string): void {
    this.idle();
    this.fine();
    this.loading.hidden = false;
    this.bar.value = fraction;
    if (fraction > 0) this.bar.setAttribute("value", String(fraction));
    else this.bar.removeAttribute("value");
    this.doing.textContent = fraction > 0 ? `${text}, ${Math.round(fraction * 100)} %` : text;
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => this.say(text), QUIET);
  }

  turnedTo(state: State): void {
    if (state !== this.state) {
      clearTimeout(this.quiet);
      this.quiet = undefined;
    }
    this.state = state;
    this.element.dataset.state = state;
    if (state !== "playing") this.idle();
    const { play, step } = this.buttons;
    if (play) {
      const text =
        state === "playing" ? "Pause" : state === "ended" ? "Play again" : state === "paused" ? "Go on" : "Play";
      if (play.textContent !== text) play.textContent = text;
    }
    if (step) step.disabled = state === "ended";
    if (state === "ready" && this.element.dataset.ready !== undefined) this.loading.hidden = true;
    this.announce();
  }

  error(text: string, trace?: string, n?: number): void {
    this.failed = n;
    this.idle();
    this.loading.hidden = true;
    clearTimeout(this.quiet);
    this.say("");
    this.problem.hidden = false;
    this.problem.replaceChildren(
      h("p", {}, text.endsWith(".") ? text : `${text}.`),
      trace ? h("details", {}, h("summary", {}, "Where it happened"), h("pre", { tabIndex: 0 }, trace)) : "",
      h("button", { type: "button", class: "button small", onclick: () => this.again() }, "Start again"),
    );
    this.element.dataset.error = "";
  }

  away(why: string | null): void {
    this.element.classList.toggle("away", why !== null);
    if (why === null) {
      if (this.element.dataset.away !== undefined) this.say("connected");
      delete this.element.dataset.away;
      return;
    }
    this.idle();
    if (this.state === "playing") this.turnedTo("paused");
    clearTimeout(this.quiet);
    this.element.dataset.away = "";
    this.say(why);
  }

  private again(): void {
    this.fine();
    this.busy();
    this.source.again();
    // The button that had the focus is gone: it goes to where the lab is turned on.
    (
      this.buttons.play ??
      this.form.querySelector<HTMLElement>("input, select, textarea, button, [tabindex]") ??
      this.link
    ).focus();
  }

  private fine(): void {
    this.problem.hidden = true;
    delete this.element.dataset.error;
  }

  // ---- who looks

  private watch(): void {
    if (typeof IntersectionObserver !== "function") return this.source.start();
    const observer = new IntersectionObserver((entries) => this.seen(entries.at(-1)!.isIntersecting), {
      rootMargin: "400px 0px",
    });
    observer.observe(this.element);
    document.addEventListener("visibilitychange", () => this.rest(document.hidden));
    addEventListener("pagehide", () => this.source.stop());
    addEventListener("pageshow", (event) => {
      if (event.persisted) this.source.start();
    });
  }

  private seen(near: boolean): void {
    clearTimeout(this.gone);
    this.rest(!near);
    if (near) {
      if (this.element.dataset.ready === undefined) this.busy();
      this.source.start();
    } else if (!this.about.plays || this.frame === 0) {
      // A lab that has played keeps its process: it would lose what it learned.
      this.gone = setTimeout(() => this.source.stop(), GONE);
    }
  }

  /** Nobody looks: a playing lab waits, and goes on when it is looked at again. */
  private rest(rest: boolean): void {
    if (rest && this.state === "playing") {
      this.resting = true;
      this.source.ask("pause");
    } else if (!rest && this.resting) {
      this.resting = false;
      this.source.ask("play");
    }
  }
}
