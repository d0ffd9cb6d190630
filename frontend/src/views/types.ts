/** What the server sends: the JSON of `learnable/course/views.py`, field by field. Null is a number that is not there. */

export type Num = number | null;

/** Who draws a view: it can turn a control of the lab, and ask where one stands. */
export interface Host {
  set(control: string, value: unknown): void;
  get?(control: string): unknown;
}

interface Common {
  title?: string;
  summary?: string;
  wide?: boolean;
  narrow?: boolean;
}

export interface Axis {
  label?: string;
  log?: boolean;
  low?: Num;
  high?: Num;
}

export interface Series {
  name: string;
  x: Num[];
  y: Num[];
  color?: string;
  dashed?: boolean;
  low?: Num[] | null;
  high?: Num[] | null;
}

export interface Mark {
  x: number;
  y: number;
  label: string;
}

export interface LinesView extends Common {
  kind: "lines";
  series: Series[];
  x?: Axis;
  y?: Axis;
  marks?: Mark[];
}

export interface BarsView extends Common {
  kind: "bars";
  labels: string[];
  values: Num[];
  y?: Axis;
  color?: string;
  highlight?: number[];
  reference?: Num;
  reference_label?: string;
  low?: Num[] | null;
  high?: Num[] | null;
  digits?: number;
  select?: string;
}

export type ScaleName = "sequential" | "diverging" | "gray" | "ink";

export interface HeatmapView extends Common {
  kind: "heatmap";
  values: Num[][];
  rows?: string[];
  columns?: string[];
  row_label?: string;
  column_label?: string;
  scale?: ScaleName;
  low?: Num;
  high?: Num;
  digits?: number | null;
  highlight?: [number, number][];
  select?: string;
}

export interface Picture {
  pixels: Num[][] | number[][][];
  label?: string;
  note?: string;
  color?: string;
  box?: [number, number, number, number] | null;
}

export interface ImagesView extends Common {
  kind: "images";
  items: Picture[];
  scale?: ScaleName;
  low?: Num;
  high?: Num;
  size?: number;
  select?: string;
  selected?: number | null;
}

export interface Token {
  text: string;
  weight?: number;
  color?: string;
  note?: string;
}

export interface Link {
  source: number;
  target: number;
  weight: number;
}

export interface TokensView extends Common {
  kind: "tokens";
  tokens: Token[];
  links?: Link[];
  select?: string;
  selected?: number | null;
}

export interface Cloud {
  name: string;
  x: Num[];
  y: Num[];
  color?: string;
  size?: number;
  labels?: string[];
}

export interface PointsView extends Common {
  kind: "points";
  clouds: Cloud[];
  x?: Axis;
  y?: Axis;
  equal?: boolean;
  select?: string;
}

export interface Arrow {
  x: number;
  y: number;
  dx: number;
  dy: number;
  color?: string;
}

export interface FieldView extends Common {
  kind: "field";
  values: Num[][];
  x: Axis;
  y: Axis;
  scale?: ScaleName;
  low?: Num;
  high?: Num;
  middle?: Num;
  contours?: number[];
  clouds?: Cloud[];
  arrows?: Arrow[];
  label?: string;
}

export interface SurfaceView extends Common {
  kind: "surface";
  values: Num[][];
  x: Axis;
  y: Axis;
  path?: Num[][] | null;
}

export interface GraphNode {
  id: string;
  label: string;
  value?: string;
  gradient?: string;
  state?: string;
  kind?: string;
  note?: string;
}

export interface GraphEdge {
  source: string;
  target: string;
  label?: string;
  state?: string;
}

export interface GraphView extends Common {
  kind: "graph";
  nodes: GraphNode[];
  edges: GraphEdge[];
  select?: string;
}

export interface TableView extends Common {
  kind: "table";
  columns: string[];
  rows: unknown[][];
  numbers?: number[];
  highlight?: number[];
}

export interface TextView extends Common {
  kind: "text";
  text: string;
  prompt?: string;
  code?: boolean;
  tone?: string;
}

export type View =
  | LinesView
  | BarsView
  | HeatmapView
  | ImagesView
  | TokensView
  | PointsView
  | FieldView
  | SurfaceView
  | GraphView
  | TableView
  | TextView;

/** The numbers behind a view, for the eyes that read tables and for the file that is downloaded. */
export interface Data {
  columns: string[];
  rows: (string | number | null)[][];
}
