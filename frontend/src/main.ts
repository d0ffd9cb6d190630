/** The shell of every page. Small and deferred: text is there before it, and it asks for the rest as the reader needs it. */

import { choices } from "./shell/choose";
import * as code from "./shell/code";
import * as keys from "./shell/keys";
import { typeset } from "./shell/math";
import * as panels from "./shell/panels";
import * as position from "./shell/position";
import { Search } from "./shell/search";
import * as symbols from "./shell/symbols";
import * as theme from "./shell/theme";
import { isStatic, root } from "./net";

const html = document.documentElement;
const main = document.querySelector<HTMLElement>("main")!;
const left = document.querySelector<HTMLElement>("nav.left");

const colors = document.querySelector<HTMLButtonElement>("button.colors");
if (colors) theme.wire(colors);

let search: Search | null = null;
const openSearch = (): void => (search ??= new Search()).open();
document.querySelector("button.find")?.addEventListener("click", openSearch);

const contents = document.querySelector<HTMLButtonElement>("button.contents");
const narrow = matchMedia("(max-width: 699.98px)");

/** Wide: folds the left column away. Narrow: opens it as a drawer over the page. */
function fold(): void {
  if (!left || !contents) return;
  if (narrow.matches) {
    const open = left.classList.toggle("open");
    contents.setAttribute("aria-expanded", String(open));
    document.body.style.overflow = open ? "hidden" : "";
    if (open) left.querySelector<HTMLElement>("a, summary")?.focus();
    else contents.focus();
  } else {
    contents.setAttribute("aria-expanded", String(!html.classList.toggle("left-folded")));
  }
}
contents?.addEventListener("click", fold);
contents?.setAttribute("aria-expanded", String(!narrow.matches));
left?.addEventListener("click", (event) => {
  if (left.classList.contains("open") && (event.target as Element).closest("a")) fold();
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && left?.classList.contains("open")) fold();
});
narrow.addEventListener("change", () => {
  left?.classList.remove("open");
  document.body.style.overflow = "";
  contents?.setAttribute("aria-expanded", String(!narrow.matches && !html.classList.contains("left-folded")));
});
// The lesson in which one is stands in sight of its list.
const current = left?.querySelector<HTMLElement>('[aria-current="page"]');
if (left && current && current.offsetTop > left.clientHeight * 0.7) left.scrollTop = current.offsetTop - left.clientHeight / 3;

keys.wire({ search: openSearch, fold });

/** What makes the page alive. It can wait until the text has been painted. */
function enliven(): void {
  for (const heading of main.querySelectorAll<HTMLElement>(".lesson :is(h2, h3)[id]")) {
    if (heading.closest(".panel") || heading.querySelector(".anchor")) continue;
    const anchor = document.createElement("a");
    anchor.className = "anchor";
    anchor.href = `#${heading.id}`;
    anchor.textContent = "#";
    anchor.setAttribute("aria-label", `Address of “${heading.textContent ?? ""}”`);
    heading.append(anchor);
  }

  symbols.wire(main);
  code.wire(main);
  panels.wire(main);
  choices(main);

  const article = main.querySelector<HTMLElement>("article[data-stem]");
  if (article) position.wire(article, left?.querySelector(".toc") ?? null, !isStatic() && article.dataset.remember !== undefined);

  void typeset(main, `${root()}static/`).then(() => {
    html.dataset.typeset = "";
    // Formulas have found their size: what the address names is where it was asked for.
    if (location.hash && performance.now() < 3000) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
  });
  html.dataset.ready = "";
}

// After the next frame, where there is one: a tab in the background paints none.
let enlivened = false;
const once = (): void => {
  if (enlivened) return;
  enlivened = true;
  enliven();
};
requestAnimationFrame(() => setTimeout(once));
setTimeout(once, 200);

addEventListener("beforeprint", () => {
  for (const details of main.querySelectorAll<HTMLDetailsElement>("details.answer")) details.open = true;
});
