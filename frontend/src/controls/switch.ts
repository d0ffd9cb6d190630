/** On or off. */

import { h } from "../views/common";
import { fixedHere, shell } from "./common";
import type { Control, Options, SwitchSpec } from "./types";

export function switched(spec: SwitchSpec, options: Options): Control {
  const { element, id, head, describe } = shell("switch", spec.label, spec.help);
  const input = h("input", { type: "checkbox", role: "switch", id, name: spec.name });
  head.prepend(input);
  describe(input);
  input.checked = spec.default;
  input.addEventListener("change", () => options.changed(input.checked));
  if (options.recorded && options.recorded.length < 2) fixedHere(element);
  return {
    element,
    get: () => input.checked,
    set: (to) => {
      if (typeof to === "boolean") input.checked = to;
    },
  };
}
