/** Formulas: asks for KaTeX where there are any, sets those in sight first, and shows where a long one goes on. */

/** Sets all formulas below `root`. Panels call it for text that they put in later. */
export async function typeset(root: ParentNode, base = ""): Promise<void> {
  const waiting = [...root.querySelectorAll<HTMLElement>(".math:not(.set)")];
  if (waiting.length === 0) return;
  style(base);
  const { set } = await import("./tex");
  const height = innerHeight;
  const near = (element: HTMLElement): boolean => {
    const { top, bottom } = element.getBoundingClientRect();
    return bottom > -height && top < 2 * height;
  };
  const [first, rest] = [waiting.filter(near), waiting.filter((element) => !near(element))];
  for (const element of first) set(element);
  // In slices, so that the page answers meanwhile.
  while (rest.length > 0) {
    await new Promise((resume) => setTimeout(resume));
    const until = performance.now() + 12;
    while (rest.length > 0 && performance.now() < until) set(rest.shift()!);
  }
  for (const element of waiting) if (element.classList.contains("block")) cue(element);
}

function style(base: string): void {
  if (document.querySelector("link[data-katex]")) return;
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = `${base || new URL("./", import.meta.url).href.replace(/chunks\/$/, "")}katex.css`;
  link.dataset.katex = "";
  document.head.append(link);
}

/** An element that scrolls sideways fades at the side where there is more. */
export function cue(element: HTMLElement): void {
  const update = (): void => {
    const room = element.scrollWidth - element.clientWidth;
    element.classList.toggle("more-right", room > 2 && element.scrollLeft < room - 2);
    element.classList.toggle("more-left", room > 2 && element.scrollLeft > 2);
    if (room > 2) element.tabIndex = 0;
    else if (element.classList.contains("math")) element.removeAttribute("tabindex");
  };
  element.addEventListener("scroll", update, { passive: true });
  if (typeof ResizeObserver === "function") new ResizeObserver(update).observe(element);
  update();
}
