import { h, unique } from "../views/common";

/** The parts that all controls share: a label, its help, and an id that ties them to the input. */
export function shell(
  kind: string,
  label: string,
  help: string | undefined,
  group = false,
): { element: HTMLElement; id: string; head: HTMLElement; describe(input: HTMLElement): void } {
  const id = unique("control");
  const name = group
    ? h("span", { class: "control-label", id: `${id}-label` }, label)
    : h("label", { class: "control-label", for: id }, label);
  const head = h("div", { class: "control-head" }, name);
  const element = h("div", { class: `knob control-${kind}` }, head);
  if (group) {
    element.setAttribute("role", "group");
    element.setAttribute("aria-labelledby", `${id}-label`);
  }
  const described: string[] = [];
  return {
    element,
    id,
    head,
    describe(input) {
      if (help && described.length === 0) {
        described.push(`${id}-help`);
        element.append(h("p", { class: "control-help", id: `${id}-help` }, help));
      }
      if (described.length) input.setAttribute("aria-describedby", described.join(" "));
    },
  };
}

/** A control that was not recorded: it shows where it stands, and says why it cannot be turned. */
export function fixedHere(element: HTMLElement): void {
  element.classList.add("fixed");
  for (const input of element.querySelectorAll<HTMLInputElement>("input, select, textarea, button"))
    input.disabled = true;
  element.append(h("p", { class: "control-help" }, "Not recorded."));
}
