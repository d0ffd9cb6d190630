/** Keys of the reading page, and the dialog that lists them. Nothing is taken from a reader who types. */

export const KEYS: [string, string][] = [
  ["/", "Search"],
  ["[  ←", "The lesson before"],
  ["]  →", "The next lesson"],
  ["\\", "Fold the contents away, or show them"],
  ["?", "This list"],
  ["Esc", "Close, or let a symbol go"],
];

/** Whether a key belongs to what has the focus: a field, a slider, a picture that moves by arrows. */
export function isTaken(event: KeyboardEvent): boolean {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return true;
  const target = event.target instanceof Element ? event.target : null;
  if (!target) return false;
  if (target.closest("input, textarea, select, [contenteditable], dialog, .cm-editor")) return true;
  const moves = event.key.startsWith("Arrow");
  return moves && target.closest(".panel, [tabindex]:not(body):not(main), [role=tab], [role=slider], pre, button, summary") !== null;
}

export function wire(actions: { search(): void; fold(): void }): void {
  let help: HTMLDialogElement | null = null;
  const turn = (way: "prev" | "next"): void => document.querySelector<HTMLAnchorElement>(`a[rel="${way}"]`)?.click();
  const keys: Record<string, () => void> = {
    "/": actions.search,
    "[": () => turn("prev"),
    ArrowLeft: () => turn("prev"),
    "]": () => turn("next"),
    ArrowRight: () => turn("next"),
    "\\": actions.fold,
    "?": () => {
      help ??= dialog();
      if (!help.open) help.showModal();
    },
  };
  addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && !(event.target as Element).closest?.(".cm-editor")) {
      event.preventDefault();
      actions.search();
      return;
    }
    const action = keys[event.key];
    if (!action || isTaken(event)) return;
    event.preventDefault();
    action();
  });
  for (const opener of document.querySelectorAll("[data-help]")) opener.addEventListener("click", keys["?"]!);
}

function dialog(): HTMLDialogElement {
  const element = document.createElement("dialog");
  element.className = "dialog";
  element.setAttribute("aria-labelledby", "help-title");
  const head = document.createElement("div");
  head.className = "dialog-head";
  const title = document.createElement("h2");
  title.id = "help-title";
  title.textContent = "Keys";
  const close = document.createElement("button");
  close.type = "button";
  close.className = "button small";
  close.textContent = "Close";
  close.addEventListener("click", () => element.close());
  head.append(title, close);
  const body = document.createElement("div");
  body.className = "dialog-body";
  const list = document.createElement("dl");
  list.className = "keys";
  for (const [key, words] of KEYS) {
    const term = document.createElement("dt");
    key.split("  ").forEach((one, at) => {
      if (at > 0) term.append(" ");
      const cap = document.createElement("kbd");
      cap.textContent = one;
      term.append(cap);
    });
    const what = document.createElement("dd");
    what.textContent = words;
    list.append(term, what);
  }
  body.append(list);
  element.append(head, body);
  element.addEventListener("click", (event) => {
    if (event.target === element) element.close();
  });
  document.body.append(element);
  return element;
}
