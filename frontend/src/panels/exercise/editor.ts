/** CodeMirror with Python, in the course's colors. */

import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { python } from "@codemirror/lang-python";
import { bracketMatching, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, setDiagnostics } from "@codemirror/lint";
import { Compartment, EditorState } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const colors = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.controlKeyword, tags.definitionKeyword, tags.moduleKeyword], color: "var(--keyword)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--string)" },
  { tag: [tags.comment, tags.docString], color: "var(--comment)", fontStyle: "italic" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--number)" },
  { tag: [tags.definition(tags.variableName), tags.function(tags.definition(tags.variableName))], color: "var(--title)" },
]); // prettier-ignore

const look = EditorView.theme({
  "&": { backgroundColor: "var(--sunken)", color: "var(--ink)", fontSize: "0.8125rem" },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "1px" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55", fontVariantLigatures: "none" },
  ".cm-gutters": { backgroundColor: "var(--sunken)", color: "var(--ink-faint)", border: "none" },
  ".cm-activeLine": { backgroundColor: "color-mix(in oklab, var(--accent) 7%, transparent)" },
  ".cm-activeLineGutter": { backgroundColor: "transparent" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "color-mix(in oklab, var(--accent) 28%, transparent)",
  },
  ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": { backgroundColor: "var(--accent-soft)" },
  ".cm-tooltip": { backgroundColor: "var(--surface)", color: "var(--ink)", borderColor: "var(--rule-strong)" },
});

export interface Options {
  label: string;
  text?: string;
  changed?: () => void; // without it nothing can be written
  check?: (all: boolean) => void;
}

export class Editor {
  private readonly view: EditorView;
  private quiet = false;

  /** `place` should stand in the page already: lines are measured at once. */
  constructor(
    options: Options,
    readonly place = document.createElement("div"),
  ) {
    this.place.className = "code-editor";
    const writes = options.changed !== undefined;
    const readOnly = new Compartment();
    const check = (all: boolean) => () => (options.check?.(all), true);
    this.view = new EditorView({
      parent: this.place,
      state: EditorState.create({
        doc: options.text ?? "",
        extensions: [
          lineNumbers(), EditorView.lineWrapping, history(), drawSelection(), bracketMatching(), indentOnInput(), indentUnit.of("    "),
          python(), syntaxHighlighting(colors), look, EditorState.tabSize.of(4), lintGutter(),
          writes ? highlightActiveLine() : [],
          readOnly.of([EditorState.readOnly.of(!writes)]),
          keymap.of([
            { key: "Mod-Enter", run: check(false) }, { key: "Mod-Shift-Enter", run: check(true) },
            { key: "Mod-s", run: check(true), preventDefault: true },
            ...defaultKeymap.filter((binding) => binding.key !== "Mod-Enter"), ...historyKeymap,
            ...(writes ? [indentWithTab] : []),
          ]),
          EditorView.contentAttributes.of({ "aria-label": options.label, spellcheck: "false", tabindex: "0" }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged && !this.quiet) options.changed?.();
          }),
        ],
      }),
    }); // prettier-ignore
  }

  get text(): string {
    return this.view.state.doc.toString();
  }

  /** Another text; the cursor stays about where it was, and undo brings the old one back. */
  set text(text: string) {
    if (text === this.text) return;
    const old = this.text;
    let start = 0;
    while (start < Math.min(old.length, text.length) && old[start] === text[start]) start += 1;
    let end = 0;
    while (end < Math.min(old.length, text.length) - start && old.at(-1 - end) === text.at(-1 - end)) end += 1;
    this.quiet = true;
    this.view.dispatch({ changes: { from: start, to: old.length - end, insert: text.slice(start, text.length - end) } });
    this.quiet = false;
  }

  /** Lines with what is wrong in them. */
  mark(wrong: { line: number; message: string }[]): void {
    const { doc } = this.view.state;
    const found = wrong
      .filter(({ line }) => line >= 1 && line <= doc.lines)
      .map(({ line, message }) => {
        const { from, to, text } = doc.line(line);
        return { from: from + (text.length - text.trimStart().length), to, severity: "error" as const, message: message.split("\n")[0] ?? "" };
      }); // prettier-ignore
    this.view.dispatch(setDiagnostics(this.view.state, found));
  }

  /** Bring the first place that matches into view. */
  show(pattern: RegExp): void {
    const found = pattern.exec(this.text);
    if (found) this.view.dispatch({ effects: EditorView.scrollIntoView(found.index, { y: "start", yMargin: 20 }) });
  }
}
