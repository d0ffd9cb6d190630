/** Code blocks: copy, where the source lies, and the rest of a long one on demand. */

import { cue } from "./math";

function button(words: string, text: () => string, done: string): HTMLButtonElement {
  const element = document.createElement("button");
  element.type = "button";
  element.textContent = words;
  element.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      element.textContent = done;
    } catch {
      element.textContent = "The browser does not allow it";
    }
    setTimeout(() => (element.textContent = words), 1600);
  });
  return element;
}

export function wire(root: HTMLElement): void {
  for (const block of root.querySelectorAll<HTMLElement>(".source, .snippet")) {
    const pre = block.querySelector("pre");
    if (!pre) continue;
    const copy = button("Copy", () => pre.textContent ?? "", "Copied");
    copy.className = "copy";
    const where = block.querySelector(".where");
    if (!where) {
      block.append(copy);
    } else {
      const place = `${block.dataset.path ?? ""}:${block.dataset.line ?? 1}`;
      const open = button("Open in editor", () => place, `Copied ${place}`);
      open.title = `Copies ${place}, which editors and terminals open`;
      where.append(copy, open);
    }
    if (block.dataset.long !== undefined) fold(block, Number(block.dataset.lines ?? 0));
  }
  for (const element of root.querySelectorAll<HTMLElement>(".scrolls")) cue(element);
}

function fold(block: HTMLElement, lines: number): void {
  const more = document.createElement("button");
  more.type = "button";
  more.className = "unfold";
  const show = (open: boolean): void => {
    block.classList.toggle("folded", !open);
    more.setAttribute("aria-expanded", String(open));
    more.textContent = open ? "Show less" : `Show all ${lines} lines`;
  };
  more.addEventListener("click", () => {
    const open = block.classList.contains("folded");
    show(open);
    if (!open) block.scrollIntoView({ block: "nearest" });
  });
  block.querySelector("pre")?.addEventListener("focusin", () => show(true));
  block.append(more);
  show(false);
}
