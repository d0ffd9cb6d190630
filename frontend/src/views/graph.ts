/** A graph in layers from left to right: what went forward in blue, what came back in vermilion. */

import { graphlib, layout } from "@dagrejs/dagre";

import { h, memory, reduced, roving, s, tabStop, textWidth, unique, widthOf } from "./common";
import type { Data, GraphNode, GraphView, Host } from "./types";

interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

interface Plan {
  nodes: Map<string, Box>;
  edges: { points: { x: number; y: number }[]; label: { x: number; y: number } | null }[];
  width: number;
  height: number;
}

interface State {
  scroll: HTMLElement;
  stage: HTMLElement;
  svg: SVGSVGElement;
  lines: SVGGElement;
  nodes: HTMLElement;
  note: HTMLElement;
  key: string;
  plan: Plan | null;
  marker: string;
  view: GraphView;
}

export function draw(element: HTMLElement, view: GraphView, host: Host): void {
  const state = memory<State>(element, () => make(element, view));
  state.view = view;
  // Values change with every step, the shape seldom: the layout leaves room for a value, so nodes stay where they are.
  const shape = JSON.stringify([
    view.nodes.map((node) => [node.id, sizeOf(node)]),
    view.edges.map((edge) => [edge.source, edge.target, edge.label ?? ""]),
  ]);
  if (shape !== state.key || !state.plan) {
    state.plan = arrange(view);
    state.key = shape;
  }
  const plan = state.plan;
  const room = widthOf(element);
  const scale = Math.min(1, Math.max(room / plan.width, 0.72));
  state.stage.style.cssText = `width:${plan.width * scale}px;height:${plan.height * scale}px`;
  state.svg.setAttribute("viewBox", `0 0 ${plan.width} ${plan.height}`);
  state.nodes.style.transform = scale === 1 ? "" : `scale(${scale})`;
  const scrolls = plan.width * scale > room + 1;
  state.scroll.classList.toggle("scrolls", scrolls);
  edges(state, view, plan);
  nodes(state, view, host, plan);
  const active = view.nodes.find((node) => node.state === "active");
  if (scrolls && active) {
    const box = plan.nodes.get(active.id)!;
    const to = (box.x - box.width / 2) * scale;
    if (to < state.scroll.scrollLeft || to + box.width * scale > state.scroll.scrollLeft + room) {
      state.scroll.scrollTo?.({ left: to - room / 2, behavior: reduced() ? "auto" : "smooth" });
    }
  }
}

function sizeOf(node: GraphNode): [number, number] {
  const widest = Math.max(
    textWidth(node.label, 13.5),
    textWidth(node.value ?? "", 12),
    textWidth(node.gradient ?? "", 12),
    22,
  );
  // In steps of 16, so that a value's digits do not move the graph at each step.
  return [Math.ceil((widest + 22) / 16) * 16, 30 + (node.value ? 17 : 0) + (node.gradient ? 17 : 0)];
}

function arrange(view: GraphView): Plan {
  const graph = new graphlib.Graph({ multigraph: true });
  graph.setGraph({ rankdir: "LR", nodesep: 22, ranksep: 46, edgesep: 14, marginx: 8, marginy: 8 });
  const known = new Set(view.nodes.map((node) => node.id));
  for (const node of view.nodes) {
    const [width, height] = sizeOf(node);
    graph.setNode(node.id, { width, height });
  }
  view.edges.forEach((edge, i) => {
    if (!known.has(edge.source) || !known.has(edge.target)) return;
    const label = edge.label ? { width: textWidth(edge.label, 11) + 8, height: 14, labelpos: "c" } : {};
    graph.setEdge(edge.source, edge.target, label, String(i));
  });
  layout(graph);
  const nodes = new Map<string, Box>();
  for (const node of view.nodes) nodes.set(node.id, graph.node(node.id) as unknown as Box);
  const size = graph.graph() as { width?: number; height?: number };
  return {
    nodes,
    edges: view.edges.map((edge, i) => {
      const found = graph.edge({ v: edge.source, w: edge.target, name: String(i) }) as unknown as
        { points: { x: number; y: number }[]; x?: number; y?: number } | undefined;
      return { points: found?.points ?? [], label: found?.x !== undefined ? { x: found.x, y: found.y! } : null };
    }),
    width: Math.max(1, Math.ceil(size.width ?? 1)),
    height: Math.max(1, Math.ceil(size.height ?? 1)),
  };
}

/** A soft curve through the points where an edge bends. */
function curve(points: { x: number; y: number }[]): string {
  if (points.length < 2) return "";
  const [first, ...rest] = points as [{ x: number; y: number }, ...{ x: number; y: number }[]];
  let d = `M${first.x},${first.y}`;
  let from = first;
  for (const point of rest) {
    const middle = (from.x + point.x) / 2;
    d += `C${middle},${from.y} ${middle},${point.y} ${point.x},${point.y}`;
    from = point;
  }
  return d;
}

function edges(state: State, view: GraphView, plan: Plan): void {
  while (state.lines.children.length > view.edges.length) state.lines.lastChild!.remove();
  view.edges.forEach((edge, i) => {
    let group = state.lines.children[i] as SVGGElement | undefined;
    if (!group) {
      group = s(
        "g",
        {},
        s("path", { class: "edge" }),
        s("path", { class: "flow" }),
        s("text", { class: "edge-name", "text-anchor": "middle", dy: "0.35em" }),
      );
      state.lines.append(group);
    }
    const way = plan.edges[i]!;
    const back = edge.state === "backward";
    const [line, flow, name] = [...group.children] as [SVGPathElement, SVGPathElement, SVGTextElement];
    const d = curve(way.points);
    if (line.getAttribute("d") !== d) line.setAttribute("d", d);
    const flowing = edge.state === "forward" || back;
    group.setAttribute("class", `edge-group ${edge.state ?? ""}`);
    line.setAttribute(back ? "marker-start" : "marker-end", `url(#${state.marker}${flowing ? `-${edge.state}` : ""})`);
    line.removeAttribute(back ? "marker-end" : "marker-start");
    flow.setAttribute("d", flowing ? d : "");
    name.textContent = edge.label ?? "";
    if (way.label) {
      name.setAttribute("x", String(way.label.x));
      name.setAttribute("y", String(way.label.y));
    }
  });
}

function nodes(state: State, view: GraphView, host: Host, plan: Plan): void {
  const tag = view.select ? "button" : "div";
  const chosen = view.select ? host.get?.(view.select) : undefined;
  state.nodes.setAttribute("role", view.select ? "group" : "list");
  if (view.select) state.nodes.setAttribute("aria-label", `${view.title || "Graph"}: choose a node`);
  else state.nodes.removeAttribute("aria-label");
  const old = new Map(
    [...state.nodes.children].map((child) => [(child as HTMLElement).dataset.id!, child as HTMLElement]),
  );
  view.nodes.forEach((node, i) => {
    let cell = old.get(node.id);
    if (!cell || cell.tagName.toLowerCase() !== tag) {
      cell?.remove();
      cell = h(
        tag,
        { "data-id": node.id },
        h("span", { class: "node-name" }),
        h("span", { class: "node-value" }),
        h("span", { class: "node-gradient" }),
      );
      if (tag === "button") (cell as HTMLButtonElement).type = "button";
      else cell.setAttribute("role", "listitem");
      state.nodes.append(cell);
    }
    old.delete(node.id);
    const box = plan.nodes.get(node.id)!;
    cell.className = `node node-${node.kind || "operation"} ${node.state ? `is-${node.state}` : ""}`;
    cell.style.cssText = `left:${box.x - box.width / 2}px;top:${box.y - box.height / 2}px;width:${box.width}px;height:${box.height}px`;
    const texts = [node.label, node.value ?? "", node.gradient ?? ""];
    texts.forEach((text, k) => {
      const part = cell.children[k] as HTMLElement;
      if (part.textContent !== text) part.textContent = text;
      part.hidden = text === "";
    });
    const said = [
      node.label,
      node.value && `value ${node.value}`,
      node.gradient && `gradient ${node.gradient}`,
      node.state,
      node.note,
    ]
      .filter(Boolean)
      .join(", ");
    cell.title = node.note ?? "";
    if (view.select) {
      cell.setAttribute("aria-label", said);
      cell.setAttribute("aria-pressed", String(chosen === i || chosen === node.id));
      cell.onclick = () => host.set(view.select!, i);
    }
    cell.onpointerenter = cell.onfocus = () =>
      (state.note.textContent = node.note ? `${node.label}: ${node.note}` : "");
  });
  for (const gone of old.values()) gone.remove();
  state.note.hidden = !view.nodes.some((node) => node.note);
  if (view.select) tabStop([...state.nodes.children] as HTMLElement[], typeof chosen === "number" ? chosen : 0);
}

function make(element: HTMLElement, view: GraphView): State {
  const marker = unique("arrow");
  const head = (name: string): SVGElement =>
    s(
      "marker",
      {
        id: name,
        viewBox: "0 0 8 8",
        refX: 7,
        refY: 4,
        markerWidth: 8,
        markerHeight: 8,
        markerUnits: "userSpaceOnUse",
        orient: "auto-start-reverse",
      },
      s("path", { d: "M0,0.8L8,4L0,7.2Z", class: `head ${name.split("-").at(-1)}` }),
    );
  const lines = s("g");
  const svg = s(
    "svg",
    { class: "over", "aria-hidden": "true" },
    s("defs", {}, head(marker), head(`${marker}-forward`), head(`${marker}-backward`)),
    lines,
  );
  const list = h("div", { class: "nodes" });
  const stage = h("div", { class: "graph-stage" }, svg, list);
  const scroll = h("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": view.title || "Graph" }, stage);
  const note = h("p", { class: "view-note", role: "status" });
  element.append(scroll, note);
  roving(list, "button.node");
  return { scroll, stage, svg, lines, nodes: list, note, key: "", plan: null, marker, view };
}

export function data(view: GraphView): Data {
  const into = (id: string): string =>
    view.edges
      .filter((edge) => edge.target === id)
      .map((edge) => view.nodes.find((node) => node.id === edge.source)?.label ?? edge.source)
      .join(" + ");
  return {
    columns: ["node", "from", "value", "gradient", "state", "note"],
    rows: view.nodes.map((node) => [
      node.label,
      into(node.id),
      node.value ?? "",
      node.gradient ?? "",
      node.state ?? "",
      node.note ?? "",
    ]),
  };
}
