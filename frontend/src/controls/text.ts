/** The reader's own words, with some to begin with. */

import { h } from "../views/common";
import { fixedHere, shell } from "./common";
import type { Control, Options, TextSpec } from "./types";

const PAUSE = 250; // milliseconds without a letter, after which the words are sent

export function textField(spec: TextSpec, options: Options): Control {
  if (options.recorded && options.recorded.length > 1) return recorded(spec, options);
  const { element, id, head, describe } = shell("text", spec.label, spec.help);
  const limit = spec.limit ?? 500;
  const lines = spec.lines ?? 1;
  const shared = { id, name: spec.name, maxLength: limit, spellcheck: false, autocomplete: "off" as const };
  const input = lines > 1 ? h("textarea", { ...shared, rows: lines }) : h("input", { type: "text", ...shared });
  const left = h("span", { class: "control-value", "aria-live": "polite" });
  head.append(left);
  element.append(input);
  describe(input);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let told = spec.default;
  const tell = (): void => {
    clearTimeout(timer);
    if (input.value === told) return;
    told = input.value;
    options.changed(told);
  };
  const count = (): void => {
    const rest = limit - input.value.length;
    left.textContent = rest < Math.min(40, limit / 4) ? `${rest} left` : "";
  };
  const set = (to: unknown): void => {
    if (typeof to !== "string") return;
    input.value = told = to.slice(0, limit);
    count();
  };
  input.addEventListener("input", () => {
    count();
    clearTimeout(timer);
    timer = setTimeout(tell, PAUSE);
  });
  input.addEventListener("change", tell);
  if (spec.examples?.length) {
    const pick = (example: string) => (): void => {
      input.value = example.slice(0, limit);
      count();
      tell();
    };
    const buttons = spec.examples.map((example) =>
      h(
        "button",
        { type: "button", class: "example", onclick: pick(example) },
        example.length > 44 ? `${example.slice(0, 42)}…` : example || "(nothing)",
      ),
    );
    element.append(h("div", { class: "examples", role: "group", "aria-label": `Examples: ${spec.label}` }, ...buttons));
  }
  set(spec.default);
  if (options.recorded) fixedHere(element);
  return { element, get: () => input.value, set };
}

function recorded(spec: TextSpec, options: Options): Control {
  const { element, id, describe } = shell("text", spec.label, spec.help);
  const texts = options.recorded as string[];
  const select = h(
    "select",
    { id, name: spec.name },
    ...texts.map((text, i) => h("option", { value: String(i) }, text)),
  );
  element.append(select);
  describe(select);
  const set = (to: unknown): void => {
    const at = texts.indexOf(String(to));
    if (at >= 0) select.value = String(at);
  };
  select.addEventListener("change", () => options.changed(texts[Number(select.value)]));
  set(spec.default);
  return { element, get: () => texts[Number(select.value)], set };
}
