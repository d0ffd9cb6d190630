/** Short texts of a lesson (a hint, a word on the solution): code between backquotes, formulas between dollars. */

import { h } from "../../views/common";

/** The text as nodes; nothing in it is read as HTML. */
export function inline(text: string): (Node | string)[] {
  const nodes: (Node | string)[] = [];
  const pattern = /```\w*\n([\s\S]*?)```|`([^`]+)`|\$\$([\s\S]+?)\$\$|\$([^$\n]+)\$|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*/g;
  let last = 0;
  for (const found of text.matchAll(pattern)) {
    if (found.index > last) nodes.push(text.slice(last, found.index));
    const [whole, block, code, display, formula, strong, emphasis] = found;
    if (block !== undefined) nodes.push(h("pre", {}, h("code", {}, block.trimEnd())));
    else if (code !== undefined) nodes.push(h("code", {}, code));
    else if (display !== undefined) nodes.push(h("span", { class: "math block" }, display.trim()));
    else if (formula !== undefined) nodes.push(h("span", { class: "math inline" }, formula));
    else if (strong !== undefined) nodes.push(h("strong", {}, strong));
    else nodes.push(h("em", {}, emphasis ?? whole));
    last = found.index + whole.length;
  }
  if (last < text.length) nodes.push(text.slice(last));
  return nodes;
}
