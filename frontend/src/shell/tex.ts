/** Sets the page's formulas. KaTeX is a chunk of its own: a page without formulas never loads it. */

import katex from "katex";

/** `\sym{query}{Q}` ties a symbol of a formula to the identifier of the code. */
export const MACROS = { "\\sym": "\\htmlData{symbol=#1}{#2}" };

/** TeX as HTML (with MathML for those who listen). An error is a thrown one. */
export function html(tex: string, display: boolean): string {
  return katex.renderToString(tex, {
    displayMode: display,
    throwOnError: true,
    output: "htmlAndMathml",
    strict: (code: string) => (code === "htmlExtension" ? "ignore" : "warn"),
    // Formulas are the course's own text; still, nothing but the tie to the code may reach the page's HTML.
    trust: (context) => {
      const attributes = "attributes" in context ? Object.entries(context.attributes) : [];
      if (context.command === "\\htmlData" && attributes.every(([name, value]) => name === "data-symbol" && /^[\w.-]+$/.test(value))) return true;
      throw new Error(`${context.command} is not used here`);
    },
    macros: { ...MACROS },
  });
}

/** Sets one formula in its place; one that TeX does not understand says so there. */
export function set(element: HTMLElement): void {
  if (element.classList.contains("set")) return;
  const tex = element.textContent ?? "";
  const display = element.classList.contains("block");
  try {
    element.innerHTML = html(tex, display);
    element.classList.add("set");
    if (display) element.setAttribute("aria-label", "Formula");
    if (display) element.setAttribute("role", "group");
  } catch (error) {
    element.classList.add("set", "broken");
    element.textContent = `${tex}  (${error instanceof Error ? error.message : String(error)})`;
  }
}
