/** A symbol is one thing in the formula, in the table and in the code: point at one, and its twins light up. */

/** Listens on `root`; what a symbol is (from the table of symbols) becomes its title. */
export function wire(root: HTMLElement): void {
  let lit = "";
  let pinned = "";

  const light = (name: string): void => {
    if (name === lit) return;
    for (const element of root.querySelectorAll(".lit")) element.classList.remove("lit");
    lit = name;
    if (!name) return;
    for (const element of twins(root, name)) element.classList.add("lit");
  };
  const nameOf = (target: EventTarget | null): string =>
    target instanceof Element ? (target.closest<HTMLElement>("[data-symbol]")?.dataset.symbol ?? "") : "";

  root.addEventListener("pointerover", (event) => {
    const name = nameOf(event.target);
    if (name) explain(root, event.target as Element, name);
    light(name || pinned);
  });
  root.addEventListener("pointerleave", () => light(pinned));
  root.addEventListener("focusin", (event) => light(nameOf(event.target) || pinned));
  root.addEventListener("focusout", () => light(pinned));
  root.addEventListener("click", (event) => {
    const name = nameOf(event.target); // a finger cannot hover: it taps, and taps again
    pinned = name && name !== pinned ? name : "";
    light(pinned);
  });
  root.addEventListener("keydown", (event) => {
    if (event.key === "Escape") light((pinned = ""));
  });
  for (const row of root.querySelectorAll<HTMLElement>("table.symbols code[data-symbol]")) row.tabIndex = 0;
}

/** All elements that stand for one thing. */
export function twins(root: ParentNode, name: string): Element[] {
  return [...root.querySelectorAll(`[data-symbol="${CSS.escape(name)}"]`)];
}

/** What the table says a symbol is: "what each token looks for · (tokens, width)". */
export function meaning(root: ParentNode, name: string): string {
  const row = root.querySelector(`table.symbols tr[data-symbol="${CSS.escape(name)}"]`);
  if (!row) return "";
  const cells = [...row.querySelectorAll("td")].map((cell) => (cell.textContent ?? "").trim());
  return [cells[1], cells[3]].filter(Boolean).join(" · ");
}

function explain(root: ParentNode, target: Element, name: string): void {
  const element = target.closest<HTMLElement>("[data-symbol]");
  if (!element || element.title || element.tagName === "TR") return;
  const words = meaning(root, name);
  if (words) element.title = `${name}: ${words}`;
}
