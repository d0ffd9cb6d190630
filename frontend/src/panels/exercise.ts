/** An exercise: the learner's own file in an editor, and beside it the parts with their checks, hints and solution.
 *
 *  The file on disk is the truth: it is saved when one pauses, checked when one asks, and shown again when another
 *  program changes it. Where both sides have changed, both are kept and the learner chooses.
 */

import { isStatic, json, line, NetError } from "../net";
import { typeset } from "../shell/math";
import { h } from "../views/common";
import { Editor } from "./exercise/editor";
import { inline } from "./exercise/words";

export interface Check {
  name: string;
  passed: boolean;
  message: string;
  exercise: string;
  line: number;
}
export interface Verdict {
  passed: boolean;
  checks: Check[];
  output?: string;
  not_held_back?: string[];
  seconds?: number;
}
interface About {
  parts: { name: string; title: string; task_html: string; hints_count: number }[];
  stub?: string;
}
interface File {
  text: string;
  hash: string;
  file: string;
  parts: { name: string; passed: boolean; hints: string[] }[];
}

const PAUSE = 1500; // milliseconds without a key, then the file is saved

export function mount(element: HTMLElement): void {
  const script = element.querySelector<HTMLScriptElement>(':scope > script[type="application/json"]');
  const about = JSON.parse(script?.textContent ?? '{"parts":[]}') as About;
  const stem = element.dataset["stem"] ?? "";
  if (isStatic()) still(element, about, stem);
  else new Panel(element, about, stem);
}

/** On a page without a server: what there is to do, and how to do it at home. */
function still(element: HTMLElement, about: About, stem: string): void {
  const place = h("div", { class: "exercise still" });
  for (const part of about.parts) {
    const task = h("div", { class: "task" });
    task.innerHTML = part.task_html; // from the lesson, rendered by the course itself
    place.append(h("h4", {}, part.title), task);
  }
  if (about.stub) place.append(h("pre", { class: "code stub", tabIndex: 0 }, h("code", {}, about.stub)));
  place.append(
    h("p", { class: "note" }, "These pages have no server to check your answer. With the course on your machine: ",
      h("code", {}, `learnable exercise ${stem}`), " writes the file, ", h("code", {}, `learnable check ${stem} --watch`),
      " checks it at every save."),
  ); // prettier-ignore
  element.append(place);
  void typeset(place);
  element.dataset["ready"] = "";
}

class Panel {
  private readonly api: string;
  private readonly editor: Editor;
  private readonly tabs = h("div", { class: "tabs", role: "tablist", "aria-label": "Parts of the exercise" });
  private readonly side = h("div", { class: "part", role: "tabpanel", tabIndex: -1 });
  private readonly status = h("p", { class: "status", role: "status" });
  private readonly notice = h("div", { class: "notices" });
  private readonly where = h("p", { class: "where" });
  private readonly printed = h("div", { class: "printed" });
  private readonly beside = h("div", { class: "solution", hidden: true });
  private readonly button = h("button", { class: "button primary", type: "button", onclick: () => void this.check(true) }, "Check");
  private seen = "";
  private saved = "";
  private current = 0;
  private timer = 0;
  private busy = false;
  private again = false;
  private readonly passed = new Map<string, boolean>();
  private readonly hints = new Map<string, string[]>();
  private readonly checks = new Map<string, Check[]>();

  constructor(
    private readonly element: HTMLElement,
    private readonly about: About,
    stem: string,
  ) {
    this.api = `api/exercises/${encodeURIComponent(stem)}`;
    this.editor = new Editor({
      label: `Your file for ${stem}. Tab indents; press Escape, then Tab to leave the editor.`,
      changed: () => this.changed(),
      check: (all) => void this.check(!all),
    });
    const all = h("button", { class: "button", type: "button", onclick: () => void this.check(false) }, "Check all parts");
    const anew = h("button", { class: "button quiet", type: "button", onclick: () => this.sure(anew, "Put the empty stubs back? Your file is kept beside.", () => this.reset()) }, "Begin anew"); // prettier-ignore
    const keys = h("p", { class: "help" }, "Ctrl or ⌘ with Enter checks this part. Tab indents; Escape, then Tab leaves the editor.");
    const left = h("div", { class: "editor" }, this.where, this.notice, this.editor.place,
      h("div", { class: "buttons" }, this.button, all, anew), this.status, keys, this.printed); // prettier-ignore
    const several = about.parts.length > 1;
    const right = h("div", { class: "side" }, ...(several ? [this.tabs] : []), this.side);
    element.append(h("div", { class: "exercise" }, left, right), this.beside);
    if (!several) all.hidden = true;
    this.drawTabs();
    this.drawPart();
    void this.begin();
  }

  private get part() {
    return this.about.parts[this.current]!;
  }

  private get definition(): RegExp {
    return new RegExp(`^[ \\t]*def ${this.part.name}\\b`, "m");
  }

  private get dirty(): boolean {
    return this.editor.text !== this.saved;
  }

  private async begin(): Promise<void> {
    try {
      const file = await json<File>(this.api);
      this.take(file.text, file.hash);
      for (const part of file.parts) {
        this.passed.set(part.name, part.passed);
        this.hints.set(part.name, part.hints);
      }
      const open = this.about.parts.findIndex((part) => !this.passed.get(part.name));
      this.current = Math.max(0, open);
      this.where.replaceChildren("Your file, here or in your own editor: ", h("code", {}, file.file), " ",
        h("button", { class: "button quiet", type: "button", onclick: () => void navigator.clipboard?.writeText(file.file).then(() => this.say("The path is copied.")) }, "copy the path")); // prettier-ignore
      this.drawTabs();
      this.drawPart();
      this.editor.show(this.definition);
      this.watch();
      window.addEventListener("beforeunload", (event) => {
        if (this.dirty) event.preventDefault();
      });
      this.element.dataset["ready"] = "";
    } catch (error) {
      this.fail(error);
    }
  }

  private take(text: string, hash: string): void {
    this.editor.text = text;
    this.saved = text;
    this.seen = hash;
  }

  private changed(): void {
    window.clearTimeout(this.timer);
    if (this.dirty) this.timer = window.setTimeout(() => void this.save().catch((error) => this.fail(error)), PAUSE);
  }

  /** Whether the file on disk is now what the editor shows. */
  private async save(): Promise<boolean> {
    window.clearTimeout(this.timer);
    if (!this.dirty) return true;
    const text = this.editor.text;
    try {
      const { hash } = await json<{ hash: string }>(this.api, { text, seen: this.seen }, "PUT");
      this.saved = text;
      this.seen = hash;
      this.say("Saved.");
      return true;
    } catch (error) {
      if (!(error instanceof NetError && error.status === 409)) throw error;
      const theirs = error.body as { text: string; hash: string };
      this.conflict(theirs.text, theirs.hash);
      return false;
    }
  }

  private async check(one: boolean): Promise<void> {
    if (this.busy) {
      this.again = true;
      return;
    }
    this.busy = true;
    this.button.setAttribute("aria-disabled", "true");
    this.say("Checking …");
    try {
      if (await this.save()) {
        const name = one ? { name: this.part.name } : {};
        this.show(await json<Verdict>(`${this.api}/check`, name), one ? this.part.name : "");
      }
    } catch (error) {
      this.fail(error);
    } finally {
      this.busy = false;
      this.button.removeAttribute("aria-disabled");
    }
    if (this.again) {
      this.again = false;
      await this.check(one);
    }
  }

  /** Show a verdict on one part, or on all of them. */
  private show(verdict: Verdict, only: string): void {
    for (const error of this.notice.querySelectorAll(".error")) error.remove(); // a question that is open stays
    const whole = verdict.checks.filter((check) => check.exercise === "");
    for (const part of this.about.parts) {
      const own = verdict.checks.filter((check) => check.exercise === part.name);
      if (!own.length && !whole.length) continue;
      if (only && only !== part.name && !whole.length) continue;
      this.checks.set(part.name, own.length ? own : whole);
      this.passed.set(part.name, own.length > 0 && own.every((check) => check.passed));
    }
    if (!only) {
      const wrong = this.about.parts.findIndex((part) => !this.passed.get(part.name));
      if (wrong >= 0 && this.passed.get(this.part.name)) this.current = wrong;
    }
    this.editor.mark(verdict.checks.filter((check) => !check.passed && check.line > 0));
    this.drawTabs();
    this.drawPart();
    this.drawPrinted(verdict);
    const wrong = verdict.checks.filter((check) => !check.passed).length;
    const time = verdict.seconds === undefined ? "" : ` (${verdict.seconds.toFixed(2)} s)`;
    if (verdict.passed) this.say(`${only ? "This part is right" : "All right"}: ${count(verdict.checks.length, "check")} passed${time}.`);
    else this.say(`${count(wrong, "check")} of ${verdict.checks.length} failed${time}; the first is open.`);
  }

  private drawPrinted(verdict: Verdict): void {
    this.printed.replaceChildren();
    if (verdict.output?.trim())
      this.printed.append(h("h5", {}, "Printed"), h("pre", { tabIndex: 0 }, verdict.output.trimEnd()));
    if (verdict.not_held_back?.length)
      this.printed.append(
        h("p", { class: "warning" }, `This system does not hold back: ${verdict.not_held_back.join(", ")}. Check only code that you trust.`),
      ); // prettier-ignore
  }

  private drawTabs(): void {
    this.tabs.replaceChildren(
      ...this.about.parts.map((part, number) => {
        const chosen = number === this.current;
        const words = h("span", { class: this.passed.get(part.name) ? "tick" : "" }, part.name);
        if (this.passed.get(part.name)) words.append(h("span", { class: "unseen" }, " (passed)"));
        return h("button", {
          class: "tab", type: "button", role: "tab", "aria-selected": String(chosen), tabIndex: chosen ? 0 : -1,
          onclick: () => this.choose(number),
          onkeydown: (event: KeyboardEvent) => {
            const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
            if (!step) return;
            event.preventDefault();
            this.choose((number + step + this.about.parts.length) % this.about.parts.length);
            this.tabs.querySelector<HTMLElement>('[aria-selected="true"]')?.focus();
          },
        }, words); // prettier-ignore
      }),
    );
  }

  private choose(number: number): void {
    this.current = number;
    this.beside.hidden = true;
    this.drawTabs();
    this.drawPart();
    this.editor.show(this.definition);
  }

  private drawPart(): void {
    const part = this.part;
    const task = h("div", { class: "task" });
    task.innerHTML = part.task_html; // from the lesson, rendered by the course itself
    this.side.setAttribute("aria-label", part.title);
    this.side.replaceChildren(h("h4", {}, part.title), task, this.drawChecks(), this.drawHelp());
    void typeset(this.side);
  }

  private drawChecks(): HTMLElement {
    const checks = this.checks.get(this.part.name) ?? [];
    const place = h("div", { class: "checks" });
    const good = checks.filter((check) => check.passed);
    let first = true;
    for (const check of checks.filter((check) => !check.passed)) {
      place.append(
        h("details", { class: "check", open: first }, h("summary", { class: "cross" }, h("span", {}, check.name)),
          h("pre", { class: "message", tabIndex: 0 }, check.message || "not so")),
      ); // prettier-ignore
      first = false;
    }
    if (good.length) {
      const all = good.length === checks.length;
      const title = all ? `All ${count(good.length, "check")} passed` : `${count(good.length, "check")} passed`;
      place.append(
        h("details", { class: "check good" }, h("summary", { class: "tick" }, h("span", {}, title)),
          h("ul", {}, ...good.map((check) => h("li", {}, check.name)))),
      ); // prettier-ignore
    }
    return place;
  }

  private drawHelp(): HTMLElement {
    const part = this.part;
    const known = this.hints.get(part.name) ?? [];
    const place = h("div", { class: "help-steps" });
    if (known.length) place.append(h("ol", { class: "hints" }, ...known.map((hint) => h("li", {}, ...inline(hint)))));
    const buttons = h("div", { class: "buttons" });
    if (known.length < part.hints_count)
      buttons.append(
        h("button", { class: "button small hint", type: "button", onclick: () => void this.hint() },
          `Hint ${known.length + 1} of ${part.hints_count}`),
      ); // prettier-ignore
    const show = h("button", {
      class: "button small", type: "button",
      onclick: () => this.passed.get(part.name) ? void this.solution() : this.sure(show, "You have not passed it yet. See the solution all the same?", () => this.solution()),
    }, this.passed.get(part.name) ? "Compare with our solution" : "Solution"); // prettier-ignore
    buttons.append(show);
    place.append(buttons);
    return place;
  }

  private async hint(): Promise<void> {
    const known = this.hints.get(this.part.name) ?? [];
    try {
      const body = { name: this.part.name, number: known.length + 1 };
      const { name, text } = await json<{ name: string; text: string }>(`${this.api}/hint`, body);
      this.hints.set(name, [...known, text]);
      this.drawPart();
      this.side.querySelector<HTMLElement>(".button.hint")?.focus();
    } catch (error) {
      this.fail(error);
    }
  }

  private async solution(): Promise<void> {
    try {
      const found = await json<{ text: string; why: string }>(`${this.api}/solution`, { name: this.part.name });
      const close = h("button", { class: "button quiet", type: "button", onclick: () => (this.beside.hidden = true) }, "Fold away");
      const place = h("div");
      this.beside.hidden = false;
      this.beside.replaceChildren(
        h("h4", {}, `Our solution of ${this.part.name}`), place,
        h("p", { class: "why" }, ...inline(found.why)), close,
      ); // prettier-ignore
      new Editor({ label: "Our solution", text: found.text.trimEnd() }, place);
      void typeset(this.beside);
    } catch (error) {
      this.fail(error);
    }
  }

  private async reset(): Promise<void> {
    try {
      const found = await json<{ text: string; hash: string; backup: string | null }>(`${this.api}/reset`, {});
      this.take(found.text, found.hash);
      this.checks.clear();
      this.editor.mark([]);
      this.drawPart();
      this.say(found.backup ? `Begun anew. What you had is kept in ${found.backup}` : "Begun anew.");
    } catch (error) {
      this.fail(error);
    }
  }

  /** Ask once more, at the place of the button that was pressed. */
  private sure(button: HTMLElement, question: string, then: () => Promise<void>): void {
    const close = (): void => {
      box.replaceWith(button);
      button.focus();
    };
    const yes = h("button", { class: "button small", type: "button", onclick: () => (close(), void then()) }, "Yes");
    const no = h("button", { class: "button small", type: "button", onclick: close }, "No");
    const box = h("span", { class: "sure", role: "group", "aria-label": question }, question, " ", yes, " ", no);
    button.replaceWith(box);
    no.focus();
  }

  /** The file is another by now, and so is the text here: both are kept until the learner chooses. */
  private conflict(text: string, hash: string): void {
    window.clearTimeout(this.timer);
    const theirs = h("button", { class: "button small", type: "button", onclick: () => {
      this.take(text, hash);
      this.notice.replaceChildren();
      this.say("The file's version is shown; undo (Ctrl or ⌘ with Z) brings yours back.");
    } }, "Take the file's"); // prettier-ignore
    const mine = h("button", { class: "button small", type: "button", onclick: () => {
      this.seen = hash;
      this.saved = text;
      this.notice.replaceChildren();
      void this.save().catch((error) => this.fail(error));
    } }, "Keep mine"); // prettier-ignore
    this.notice.replaceChildren(
      h("div", { class: "warning conflict", role: "alert" },
        h("p", {}, "The file was changed in another editor, and here too. Nothing is overwritten until you choose."),
        h("details", {}, h("summary", {}, "The file's version"), h("pre", { tabIndex: 0 }, text)),
        h("div", { class: "buttons" }, theirs, mine)),
    ); // prettier-ignore
    this.say("Two versions: choose one.");
  }

  /** Hear of changes that another editor makes. */
  private watch(): void {
    const connection = line<{ text?: string; hash?: string; error?: string } & Partial<Verdict>>(`${this.api}/watch`, {
      message: (told) => {
        if (told.error) this.fail(new Error(told.error));
        else if (told.checks) this.show(told as Verdict, "");
        else if (told.text !== undefined && told.hash && told.hash !== this.seen && told.text !== this.editor.text) {
          if (this.dirty) this.conflict(told.text, told.hash);
          else {
            this.take(told.text, told.hash);
            this.say("Changed in another editor; checking …");
          }
        }
      },
    });
    // A page that is left may come back as it was: the line is closed for so long.
    addEventListener("pagehide", () => connection.close(), { once: true });
    addEventListener("pageshow", (event) => event.persisted && this.watch(), { once: true });
  }

  private say(text: string): void {
    this.status.textContent = text;
  }

  private fail(error: unknown): void {
    this.say("");
    const text = error instanceof Error ? error.message : String(error);
    this.notice.replaceChildren(h("p", { class: "error", role: "alert" }, text));
  }
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
