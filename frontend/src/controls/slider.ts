/** A number between two ends; a logarithmic one moves by factors. */

import { h, people } from "../views/common";
import { fixedHere, shell } from "./common";
import type { Control, Options, SliderSpec } from "./types";

const PLACES = 200; // of a logarithmic slider, and of one that names no step

/** The values a slider can stand at, as whole numbers from 0, and back. */
export function scaleOf(
  spec: SliderSpec,
  recorded?: number[],
): { places: number; value(place: number): number; place(value: number): number } {
  const { low, high } = spec;
  const clamp = (value: number): number => Math.min(high, Math.max(low, value));
  if (recorded?.length) {
    const sorted = [...recorded].sort((a, b) => a - b);
    const away = (value: number, other: number): number =>
      spec.log ? Math.abs(Math.log(value / other)) : Math.abs(value - other);
    return {
      places: sorted.length - 1,
      value: (place) => sorted[place] ?? sorted[0]!,
      place: (value) =>
        sorted.reduce((best, candidate, i) => (away(candidate, value) < away(sorted[best]!, value) ? i : best), 0),
    };
  }
  if (spec.log && low > 0) {
    const factor = Math.log(high / low);
    return {
      places: PLACES,
      // Two digits are what a person would type; the ends are exact.
      value: (place) =>
        place <= 0
          ? low
          : place >= PLACES
            ? high
            : clamp(Number((low * Math.exp((factor * place) / PLACES)).toPrecision(2))),
      place: (value) => Math.round((Math.log(clamp(value) / low) / factor) * PLACES),
    };
  }
  const step = spec.step || (high - low) / 100 || 1;
  const places = Math.max(1, Math.ceil((high - low) / step - 1e-9));
  return {
    places,
    value: (place) => clamp(Number((low + place * step).toPrecision(7))),
    place: (value) => Math.min(places, Math.round((clamp(value) - low) / step)),
  };
}

export function written(spec: SliderSpec, value: number): string {
  const unit = spec.unit ? `\u00a0${spec.unit}` : "";
  const step = spec.step ?? 0;
  const digits = step > 0 && step < 1 && !spec.log ? Math.min(6, Math.ceil(-Math.log10(step) - 1e-9)) : null;
  if (digits !== null && Math.abs(value) < 1000)
    return `${value < 0 ? "−" : ""}${Math.abs(value).toFixed(digits)}${unit}`;
  return people(value) + unit;
}

export function slider(spec: SliderSpec, options: Options): Control {
  const { element, id, head, describe } = shell("slider", spec.label, spec.help);
  const scale = scaleOf(spec, options.recorded as number[] | undefined);
  const output = h("output", { class: "control-value", for: id });
  const input = h("input", { type: "range", id, name: spec.name, min: "0", max: String(scale.places), step: "1" });
  head.append(output);
  element.append(input);
  describe(input);
  let value = spec.default;
  const show = (): void => {
    const text = written(spec, value);
    output.textContent = text;
    input.setAttribute("aria-valuetext", text);
    input.style.setProperty("--share", String(Number(input.value) / (scale.places || 1)));
  };
  const set = (to: unknown): void => {
    if (typeof to !== "number" || !Number.isFinite(to)) return;
    const place = scale.place(to);
    input.value = String(place);
    value = options.recorded?.length ? scale.value(place) : Math.min(spec.high, Math.max(spec.low, to));
    show();
  };
  input.addEventListener("input", () => {
    value = scale.value(Number(input.value));
    show();
    options.changed(value);
  });
  set(spec.default);
  if (options.recorded && options.recorded.length < 2) fixedHere(element);
  return { element, get: () => value, set };
}
