/** One of a few words: side by side where they fit, else a list. */

import { h, textWidth } from "../views/common";
import { fixedHere, shell } from "./common";
import type { ChoiceSpec, Control, Options } from "./types";

export function choice(spec: ChoiceSpec, options: Options): Control {
  const words = options.recorded?.length
    ? spec.options.filter((option) => options.recorded!.includes(option))
    : spec.options;
  const beside =
    spec.options.length <= 5 && spec.options.reduce((sum, word) => sum + textWidth(word, 13) + 22, 0) <= 236;
  const control = beside ? radios(spec, words, options) : list(spec, words, options);
  if (options.recorded && options.recorded.length < 2) fixedHere(control.element);
  return control;
}

function radios(spec: ChoiceSpec, words: string[], options: Options): Control {
  const { element, id, describe } = shell("choice", spec.label, spec.help, true);
  element.setAttribute("role", "radiogroup");
  const inputs = words.map((word) => h("input", { type: "radio", name: `${id}-${spec.name}`, value: word }));
  element.append(
    h("div", { class: "segments" }, ...inputs.map((input) => h("label", {}, input, h("span", {}, input.value)))),
  );
  describe(element);
  let value = spec.default;
  const set = (to: unknown): void => {
    if (!words.includes(String(to))) return;
    value = String(to);
    for (const input of inputs) input.checked = input.value === value;
  };
  for (const input of inputs) {
    input.addEventListener("change", () => {
      value = input.value;
      options.changed(value);
    });
  }
  set(spec.default);
  return { element, get: () => value, set };
}

function list(spec: ChoiceSpec, words: string[], options: Options): Control {
  const { element, id, describe } = shell("choice", spec.label, spec.help);
  const select = h("select", { id, name: spec.name }, ...words.map((word) => h("option", { value: word }, word)));
  element.append(select);
  describe(select);
  select.value = spec.default;
  select.addEventListener("change", () => options.changed(select.value));
  return {
    element,
    get: () => select.value,
    set: (to) => {
      if (words.includes(String(to))) select.value = String(to);
    },
  };
}
