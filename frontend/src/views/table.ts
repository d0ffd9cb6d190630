/** A table: numbers flush right and alike, the row to look at tinted. Wide ones move sideways under a finger. */

import { h, memory, people } from "./common";
import type { Data, Host, TableView } from "./types";

export function draw(element: HTMLElement, view: TableView, _host: Host): void {
  const box = memory(element, () => {
    const made = h("div", { class: "scroll", tabIndex: 0, role: "region" });
    element.append(made);
    return { made };
  }).made;
  box.setAttribute("aria-label", view.title || view.summary || "Table");
  const flush = new Set(view.numbers ?? []);
  const strong = new Set(view.highlight ?? []);
  const head = h(
    "tr",
    {},
    ...view.columns.map((name, j) =>
      h(name ? "th" : "td", { scope: name ? "col" : undefined, class: flush.has(j) ? "number" : "" }, name),
    ),
  );
  const body = view.rows.map((row, i) =>
    h(
      "tr",
      { class: strong.has(i) ? "highlight" : "" },
      ...row.map((value, j) => h("td", { class: flush.has(j) ? "number" : "" }, people(value, 4))),
    ),
  );
  const at = box.scrollLeft;
  box.replaceChildren(h("table", {}, h("thead", {}, head), h("tbody", {}, ...body)));
  box.scrollLeft = at;
}

export function data(view: TableView): Data {
  return {
    columns: view.columns,
    rows: view.rows.map((row) =>
      row.map((value) => (typeof value === "number" || value === null ? value : String(value))),
    ),
  };
}
