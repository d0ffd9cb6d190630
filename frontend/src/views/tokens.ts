/** Text in pieces, tinted by weight; arcs run from piece to piece. Where a line is too short for all, they stand below each other. */

import { color, h, memory, people, roving, s, tabStop, textWidth, widthOf } from "./common";
import type { Data, Host, Link, Token, TokensView } from "./types";

interface State {
  box: HTMLElement;
  list: HTMLElement;
  arcs: SVGSVGElement;
  note: HTMLElement;
  seen: number | null; // the piece whose arcs are shown alone
  view: TokensView;
  host: Host;
}

const FAINT = 0.015; // an arc that nobody would see

export function draw(element: HTMLElement, view: TokensView, host: Host): void {
  const state = memory<State>(element, () => {
    const arcs = s("svg", { class: "arcs", "aria-hidden": "true" });
    const list = h("div", { class: "pieces" });
    const note = h("p", { class: "view-note", role: "status" });
    const box = h("div", { class: "tokens" }, h("div", { class: "tokens-inner" }, arcs, list), note);
    element.append(box);
    const made: State = { box, list, arcs, note, seen: null, view, host };
    roving(list, ".piece");
    for (const type of ["pointerover", "focusin"]) {
      list.addEventListener(type, (event) => look(made, indexOf(made, event.target)));
    }
    list.addEventListener("pointerleave", () => look(made, indexOf(made, document.activeElement)));
    list.addEventListener("focusout", () => look(made, null));
    return made;
  });
  state.view = view;
  state.host = host;
  const links = view.links ?? [];
  const width = widthOf(element);
  const total = view.tokens.reduce((sum, token) => sum + textWidth(visible(token.text), 15) + 18, 0);
  const upright = links.length > 0 && total > width;
  state.box.classList.toggle("upright", upright);
  state.box.classList.toggle("linked", links.length > 0);
  const interactive = Boolean(view.select) || links.length > 0 || view.tokens.some((token) => token.note);
  state.list.setAttribute("role", view.select ? "group" : "list");
  if (interactive)
    state.list.setAttribute("aria-label", `${view.title || "Tokens"}${view.select ? ": choose one" : ""}`);
  while (state.list.children.length > view.tokens.length) state.list.lastChild!.remove();
  view.tokens.forEach((token, i) => piece(state, token, i, interactive));
  if (interactive) tabStop([...state.list.querySelectorAll<HTMLElement>(".piece")], view.selected);
  arcsOf(state, links, upright);
  look(state, state.seen);
}

/** White space that counts is made visible; a space within text stays one. */
function visible(text: string): string {
  if (text === "") return "∅";
  return text
    .replace(/\n/g, "⏎")
    .replace(/\t/g, "⇥")
    .replace(/^ +$/, (spaces) => "␣".repeat(spaces.length));
}

function piece(state: State, token: Token, i: number, interactive: boolean): void {
  const { view, host } = state;
  const tag = view.select ? "button" : "span";
  let cell = state.list.children[i] as HTMLElement | undefined;
  if (!cell || cell.firstElementChild?.tagName.toLowerCase() !== tag) {
    const inner = h(tag, { class: "piece" });
    if (tag === "button") (inner as HTMLButtonElement).type = "button";
    const made = h("span", { class: "piece-cell" }, inner, h("small", { class: "piece-note" }));
    if (cell) cell.replaceWith(made);
    else state.list.append(made);
    cell = made;
  }
  if (view.select) cell.removeAttribute("role");
  else cell.setAttribute("role", "listitem");
  const inner = cell.firstElementChild as HTMLElement;
  const shown = visible(token.text);
  if (inner.textContent !== shown) inner.textContent = shown;
  const weight = Math.min(1, Math.max(0, token.weight ?? 0));
  inner.style.setProperty("--tint", color(token.color));
  inner.style.setProperty("--weight", `${(weight * 62).toFixed(1)}%`);
  if (view.select) {
    inner.setAttribute("aria-pressed", String(view.selected === i));
    inner.onclick = () => host.set(view.select!, i);
  } else {
    inner.classList.toggle("selected", view.selected === i);
    if (interactive) inner.tabIndex = inner.tabIndex === 0 ? 0 : -1;
    else inner.removeAttribute("tabindex");
  }
  const note = cell.lastElementChild as HTMLElement;
  note.textContent = token.note ?? "";
  note.hidden = !token.note || token.note.length > 14; // longer ones are shown when pointed at
}

function indexOf(state: State, target: EventTarget | null): number | null {
  const cell = target instanceof Element ? target.closest(".piece-cell") : null;
  const at = cell ? [...state.list.children].indexOf(cell) : -1;
  return at < 0 ? null : at;
}

function look(state: State, i: number | null): void {
  state.seen = i;
  const { view } = state;
  const links = view.links ?? [];
  const own = i === null ? [] : links.filter((link) => link.source === i);
  const shown = own.length || i === null ? own : links.filter((link) => link.target === i);
  state.arcs.classList.toggle("alone", i !== null && shown.length > 0);
  for (const path of state.arcs.children) {
    path.classList.toggle(
      "on",
      shown.some((link) => path.getAttribute("data-link") === `${link.source}-${link.target}`),
    );
  }
  const related = new Set(shown.flatMap((link) => (link.weight > FAINT ? [link.source, link.target] : [])));
  [...state.list.children].forEach((cell, at) =>
    cell.classList.toggle("aside", i !== null && shown.length > 0 && at !== i && !related.has(at)),
  );
  const token = i === null ? undefined : view.tokens[i];
  const words = token
    ? [
        token.note ?? "",
        ...shown
          .toSorted((a, b) => b.weight - a.weight)
          .slice(0, 3)
          .map(
            (link) =>
              `${visible(view.tokens[link.source]?.text ?? "").trim()} → ${visible(view.tokens[link.target]?.text ?? "").trim()} ${people(link.weight, 2)}`,
          ),
      ].filter(Boolean)
    : [];
  const text = token && words.length ? `“${visible(token.text).trim()}”: ${words.join(" · ")}` : "";
  if (state.note.textContent !== text) state.note.textContent = text;
  state.note.hidden = links.length === 0 && !view.tokens.some((t) => (t.note?.length ?? 0) > 14);
}

/** Arcs above the line, or left of the column; a link to itself is a small loop. */
function arcsOf(state: State, links: Link[], upright: boolean): void {
  const cells = [...state.list.querySelectorAll<HTMLElement>(".piece")];
  const drawn = links.filter((link) => link.weight > FAINT && cells[link.source] && cells[link.target]);
  state.arcs.toggleAttribute("hidden", links.length === 0);
  state.arcs.style.display = links.length ? "" : "none";
  if (!links.length) return state.arcs.replaceChildren();
  const middle = cells.map((cell) =>
    upright ? cell.offsetTop + cell.offsetHeight / 2 : cell.offsetLeft + cell.offsetWidth / 2,
  );
  const furthest = Math.max(1, ...drawn.map((link) => Math.abs(middle[link.source]! - middle[link.target]!)));
  const depth = upright ? 84 : Math.min(150, Math.max(36, furthest * 0.32));
  const inner = state.list.parentElement!;
  inner.style.paddingTop = upright ? "0" : `${depth + 12}px`;
  inner.style.paddingLeft = upright ? "96px" : "0";
  // Measured again: the padding has moved the column.
  const base = upright ? 94 : depth + 10;
  const place = cells.map((cell) =>
    upright ? cell.offsetTop + cell.offsetHeight / 2 : cell.offsetLeft + cell.offsetWidth / 2,
  );
  const paths = drawn.map((link) => {
    const [from, to] = [place[link.source]!, place[link.target]!];
    const rise = link.source === link.target ? 16 : Math.max(14, depth * Math.sqrt(Math.abs(from - to) / furthest));
    const [a, b] = link.source === link.target ? [from - 6, from + 6] : [from, to];
    const d = upright
      ? `M${base},${a}C${base - rise * 1.25},${a} ${base - rise * 1.25},${b} ${base},${b}`
      : `M${a},${base}C${a},${base - rise * 1.25} ${b},${base - rise * 1.25} ${b},${base}`;
    const weight = Math.min(1, link.weight);
    return s("path", {
      d,
      "data-link": `${link.source}-${link.target}`,
      style: `stroke:${color(state.view.tokens[link.source]?.color)};stroke-width:${(0.6 + 5.4 * weight).toFixed(2)};stroke-opacity:${(0.2 + 0.65 * weight).toFixed(2)}`,
    });
  });
  state.arcs.replaceChildren();
  state.arcs.setAttribute("width", "1"); // else the old arcs would hold a window open that has become narrower
  state.arcs.setAttribute("width", String(Math.max(1, inner.scrollWidth)));
  state.arcs.setAttribute("height", String(Math.max(1, upright ? state.list.offsetHeight : depth + 12)));
  state.arcs.replaceChildren(...paths);
}

export function data(view: TokensView): Data {
  if (view.links?.length) {
    return {
      columns: ["from", "to", "weight"],
      rows: view.links.map((link) => [
        view.tokens[link.source]?.text ?? link.source,
        view.tokens[link.target]?.text ?? link.target,
        link.weight,
      ]),
    };
  }
  return {
    columns: ["token", "weight", "note"],
    rows: view.tokens.map((token) => [token.text, token.weight ?? 0, token.note ?? ""]),
  };
}
