/** Controls as the server declares them (`learnable/course/lab.py`), and what each becomes in the page. */

interface Named {
  name: string;
  label: string;
  help?: string;
}

export interface SliderSpec extends Named {
  kind: "slider";
  low: number;
  high: number;
  default: number;
  step?: number;
  unit?: string;
  log?: boolean;
}

export interface ChoiceSpec extends Named {
  kind: "choice";
  options: string[];
  default: string;
}

export interface SwitchSpec extends Named {
  kind: "switch";
  default: boolean;
}

export interface TextSpec extends Named {
  kind: "text";
  default: string;
  examples?: string[];
  limit?: number;
  lines?: number;
}

export type Rows = number[][];

export interface DrawingSpec extends Named {
  kind: "drawing";
  size: number;
  default: Rows;
  examples?: { label: string; pixels: Rows }[];
}

export type Spec = SliderSpec | ChoiceSpec | SwitchSpec | TextSpec | DrawingSpec;

/** A control in the page. `set` shows a value without telling anybody. */
export interface Control {
  readonly element: HTMLElement;
  get(): unknown;
  set(value: unknown): void;
}

export interface Options {
  changed(value: unknown): void;
  /** Only these values were recorded; an empty list means that it cannot be turned. */
  recorded?: unknown[];
}
