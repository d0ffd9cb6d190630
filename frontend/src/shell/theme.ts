/** Light, dark, or what the system says. The choice is the one thing that is kept in localStorage. */

export type Theme = "auto" | "light" | "dark";

const KEY = "theme";
const ORDER: Theme[] = ["auto", "light", "dark"];
const WORDS: Record<Theme, string> = { auto: "Auto", light: "Light", dark: "Dark" };

/** The reader's choice; "auto" where there is none, or where the browser keeps nothing. */
export function stored(): Theme {
  try {
    const found = localStorage.getItem(KEY) as Theme | null;
    return found && ORDER.includes(found) ? found : "auto";
  } catch {
    return "auto";
  }
}

export function apply(theme: Theme): void {
  document.documentElement.dataset.theme = theme;
}

export function next(theme: Theme): Theme {
  return ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length]!;
}

/** The button goes round: auto, light, dark. Whoever draws in the page's colors hears "themechange" on the document. */
export function wire(button: HTMLButtonElement): void {
  const show = (theme: Theme): void => {
    button.querySelector("span")!.textContent = WORDS[theme];
    button.setAttribute("aria-label", `Colors: ${WORDS[theme].toLowerCase()}. Change to ${WORDS[next(theme)].toLowerCase()}`);
  };
  const set = (theme: Theme): void => {
    apply(theme);
    show(theme);
    document.dispatchEvent(new CustomEvent("themechange", { detail: theme }));
  };
  show(stored());
  button.addEventListener("click", () => {
    const theme = next(stored());
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // The browser keeps nothing: the choice holds for this page.
    }
    set(theme);
  });
  window.addEventListener("storage", (event) => {
    if (event.key === KEY) set(stored());
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener?.("change", () => set(stored()));
}
