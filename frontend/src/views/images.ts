/** Pictures side by side, each crisp, each a button where it can be chosen. */

import { extent, h, memory, pixels, roving, shade, tabStop, textColor } from "./common";
import type { Data, Host, ImagesView, Num, Picture } from "./types";

export function draw(element: HTMLElement, view: ImagesView, host: Host): void {
  const list = memory(element, () => {
    const made = h("div", { class: "pictures" });
    element.append(made);
    roving(made, "button.picture");
    return { made };
  }).made;
  const tag = view.select ? "button" : "div";
  list.setAttribute("role", view.select ? "group" : "list");
  if (view.select) list.setAttribute("aria-label", `${view.title || "Pictures"}: choose one`);
  else list.removeAttribute("aria-label");
  while (list.children.length > view.items.length) list.lastChild!.remove();
  view.items.forEach((item, i) => {
    let cell = list.children[i] as HTMLElement | undefined;
    if (!cell || cell.tagName.toLowerCase() !== tag) {
      const made = h(
        tag,
        { class: "picture" },
        h("span", { class: "picture-frame" }, h("canvas", { class: "pixels", "aria-hidden": "true" })),
        h("span", { class: "picture-label" }),
        h("span", { class: "picture-note" }),
      );
      if (tag === "button") (made as HTMLButtonElement).type = "button";
      else made.setAttribute("role", "listitem");
      if (cell) cell.replaceWith(made);
      else list.append(made);
      cell = made;
    }
    fill(cell, item, view, i);
    if (view.select) {
      cell.setAttribute("aria-pressed", String(view.selected === i));
      cell.onclick = () => host.set(view.select!, i);
    }
  });
  if (view.select) tabStop([...list.children] as HTMLElement[], view.selected);
}

function fill(cell: HTMLElement, item: Picture, view: ImagesView, i: number): void {
  cell.style.setProperty("--size", `${view.size ?? 64}px`);
  const rows = item.pixels as (Num | number[])[][];
  const colored = Array.isArray(rows[0]?.[0]);
  const found = colored ? null : extent(...(rows as Num[][]));
  const [low, high] = [view.low ?? found?.[0] ?? 0, view.high ?? found?.[1] ?? 1];
  const frame = cell.querySelector<HTMLElement>(".picture-frame")!;
  const canvas = frame.querySelector("canvas")!;
  pixels(canvas, rows, shade(view.scale ?? "gray", low, high));
  const [height, width] = [rows.length || 1, rows[0]?.length || 1];
  frame.style.aspectRatio = `${width} / ${height}`;
  // Photographs are smoothed when magnified a little; small drawings show their pixels.
  canvas.classList.toggle("smooth", width >= (view.size ?? 64) * 0.9);
  frame.querySelector(".picture-box")?.remove();
  if (item.box) {
    const [left, top, w, t] = item.box;
    const box = h("span", { class: "picture-box" });
    box.style.cssText = `left:${(100 * left) / width}%;top:${(100 * top) / height}%;width:${(100 * w) / width}%;height:${(100 * t) / height}%`;
    frame.append(box);
  }
  const label = cell.querySelector<HTMLElement>(".picture-label")!;
  const note = cell.querySelector<HTMLElement>(".picture-note")!;
  label.textContent = item.label ?? "";
  label.hidden = !item.label;
  label.style.color = item.color ? textColor(item.color) : "";
  note.textContent = item.note ?? "";
  note.hidden = !item.note;
  if (!item.label && !item.note) cell.setAttribute("aria-label", `picture ${i + 1}`);
  else cell.removeAttribute("aria-label");
}

export function data(view: ImagesView): Data {
  const written = (item: Picture): string =>
    item.pixels
      .map((row) => (row as (Num | number[])[]).map((v) => (Array.isArray(v) ? v.join("/") : v)).join(" "))
      .join(" | ");
  return {
    columns: ["picture", "note", "pixels"],
    rows: view.items.map((item, i) => [item.label || i + 1, item.note ?? "", written(item)]),
  };
}
