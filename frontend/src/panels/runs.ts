/** All runs: what was trained when, how it went in small, and what came out. */

import { h, people, s } from "../views/common";
import type { Num } from "../views/types";
import { ask, type Begun, duration, type Summary } from "./runapi";
import { RunPanel } from "./run";

export async function mount(element: HTMLElement): Promise<void> {
  const list = h("div", { class: "runs-list" });
  element.append(list);
  if (document.documentElement.dataset.static !== undefined) {
    list.append(h("p", {}, "Your runs are shown by the course on your machine: ", h("code", {}, "learnable open"), "."));
    return;
  }
  const show = async (): Promise<boolean> => {
    const { runs, total, starting } = await ask<{ runs: Summary[]; total: number; starting: Begun[] }>("/api/runs");
    fill(list, runs, total, starting);
    return starting.length > 0 || runs.some((run) => run.status === "running");
  };
  // While something goes on, the list is looked at again; else it stays as it is.
  const again = async (): Promise<void> => {
    if (!element.isConnected) return;
    const going = document.visibilityState === "hidden" || (await show().catch(() => true));
    if (going) setTimeout(() => void again(), 3000);
  };
  try {
    if (await show()) setTimeout(() => void again(), 3000);
  } catch (error) {
    list.append(h("p", { class: "error", role: "alert" }, error instanceof Error ? error.message : String(error)));
  }
}

export function fill(list: HTMLElement, runs: Summary[], total: number, starting: Begun[]): void {
  if (list.querySelector(".runs-inside")) return; // somebody reads
  if (!runs.length && !starting.length) {
    list.replaceChildren(h("p", {}, "You have trained nothing yet. Half a minute, and it reads digits: ", h("a", { href: "/topics/lenet" }, "LeNet"), ", or ", h("code", {}, "learnable train lenet"), "."));
    return;
  }
  const head = h("tr", {}, ...["Run", "Status", "Loss", "Result", "Settings", "Time", "Begun"].map((name) => h("th", { scope: "col" }, name)));
  const table = h("table", { class: "table" }, h("thead", {}, head), h("tbody", {}, ...runs.map(row)));
  list.replaceChildren(
    ...starting.map((one) => h("p", { class: "status" }, `${one.recipe ?? "A training"} is starting … ${one.said ?? ""}`)),
    h("div", { class: "scrolls" }, table),
    ...(total > runs.length ? [h("p", {}, `The latest ${runs.length} of ${people(total)} runs.`)] : []),
  );
}

function row(run: Summary): HTMLElement {
  const settings = Object.entries(run.overrides ?? {}).map(([name, value]) => `--${name.replaceAll("_", "-")} ${String(value)}`);
  const came = typeof run.value === "number" ? `${(run.metric ?? "").replaceAll("_", " ")} ${people(run.value, 4)}` : "";
  const cell = (...children: (Node | string)[]): HTMLElement => h("td", {}, ...children);
  const open = h("button", { type: "button", class: "quiet", "aria-expanded": "false" }, run.run);
  open.addEventListener("click", () => {
    const here = open.closest("tr")!;
    const shown = here.nextElementSibling;
    if (shown?.classList.contains("runs-inside")) {
      (shown as HTMLElement & { leave?: () => void }).leave?.();
      shown.remove();
      open.setAttribute("aria-expanded", "false");
      return;
    }
    const place = h("section", { class: "panel", "aria-label": run.run }, h("h3", {}, run.run));
    const inside = h("tr", { class: "runs-inside" }, h("td", { colSpan: 7 }, place));
    here.after(inside);
    open.setAttribute("aria-expanded", "true");
    const panel = new RunPanel(place, { recipe: run.recipe, flags: settings.join(" ") });
    (inside as HTMLElement & { leave?: () => void }).leave = () => panel.close();
    panel.watch(run.run);
  });
  return h(
    "tr",
    { class: `run-${run.status}` },
    cell(run.status === "damaged" ? run.run : open),
    cell(run.status === "damaged" ? h("span", { class: "cross", title: run.error ?? "" }, "damaged") : run.status + (run.smoke ? " (trial)" : "")),
    cell(spark(run.spark ?? [], run.curve ?? "")),
    cell(came),
    cell(settings.join(" ") || "–"),
    h("td", { class: "number" }, duration(run.seconds)),
    cell(run.started ? h("time", { dateTime: run.started }, date(run.started)) : ""),
  );
}

/** A curve as small as a word. */
export function spark(values: Num[], name: string): SVGSVGElement {
  const [width, height] = [96, 20];
  const known = values.filter((value): value is number => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const first = known.at(0);
  const label = first === undefined ? "no curve" : `${name.replaceAll("_", " ")} from ${people(first)} to ${people(known.at(-1))}`;
  const svg = s("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label });
  if (known.length < 2) return svg;
  let path = "";
  let down = false;
  values.forEach((value, i) => {
    if (value === null) {
      down = false;
      return;
    }
    const x = 1 + ((width - 2) * i) / (values.length - 1);
    const y = height - 2 - ((height - 4) * (value - low)) / (high - low || 1);
    path += `${down ? "L" : "M"}${x.toFixed(1)},${y.toFixed(1)}`;
    down = true;
  });
  svg.append(s("path", { d: path }));
  return svg;
}

function date(text: string): string {
  const when = new Date(text.replace(/([+-]\d\d)(\d\d)$/, "$1:$2"));
  return Number.isNaN(when.getTime()) ? text : when.toLocaleString("en", { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hour12: false });
}
