// The dark colors stand twice in base.css: a style sheet cannot share a rule between a reader's choice and the system's.
import { expect, test } from "vitest";
import css from "../src/style/base.css?raw";

/** The declarations of the first rule with this selector, from a place on. */
function rule(selector: string, from = 0): string[] {
  const start = css.indexOf("{", css.indexOf(selector, from)) + 1;
  const lines = css.slice(start, css.indexOf("}", start)).split("\n");
  return lines.map((line: string) => line.trim()).filter(Boolean);
}

test("dark by choice and dark by the system are the same colors", () => {
  const chosen = rule(':root[data-theme="dark"]');
  expect(chosen.length).toBeGreaterThan(20);
  expect(rule(':root[data-theme="auto"]', css.indexOf("@media (prefers-color-scheme: dark)"))).toEqual(chosen);
});
