/** Any control, by its kind. */

import { choice } from "./choice";
import { drawing } from "./drawing";
import { slider } from "./slider";
import { switched } from "./switch";
import { textField } from "./text";
import type { Control, Options, Spec } from "./types";

export function make(spec: Spec, options: Options): Control {
  switch (spec.kind) {
    case "slider":
      return slider(spec, options);
    case "choice":
      return choice(spec, options);
    case "switch":
      return switched(spec, options);
    case "text":
      return textField(spec, options);
    case "drawing":
      return drawing(spec, options);
  }
}
