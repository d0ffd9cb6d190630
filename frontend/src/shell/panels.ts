/** Mounts what is alive in a page: each panel's script comes when the reader comes near it. */

type Panel = { mount(element: HTMLElement): void | Promise<void> };

// Written out, so that each becomes a chunk of its own.
const PANELS: Record<string, () => Promise<Panel>> = {
  lab: () => import("../panels/lab") as Promise<Panel>,
  run: () => import("../panels/run") as Promise<Panel>,
  runs: () => import("../panels/runs") as Promise<Panel>,
  exercise: () => import("../panels/exercise") as Promise<Panel>,
  cards: () => import("../panels/cards") as Promise<Panel>,
  figure: () => import("../panels/figure") as Promise<Panel>,
};

/** Mounts one panel; `data-mounted` tells tests and styles how it went. */
export async function mount(element: HTMLElement, panels: Record<string, () => Promise<Panel>> = PANELS): Promise<void> {
  if (element.dataset.mounted !== undefined) return;
  element.dataset.mounted = "loading";
  const name = element.dataset.panel ?? "";
  try {
    const load = panels[name];
    if (!load) throw new Error(`This page knows no panel called "${name}".`);
    const panel = await load();
    element.classList.remove("loading");
    await panel.mount(element);
    element.dataset.mounted = "yes";
  } catch (error) {
    console.error(error);
    element.dataset.mounted = "failed";
    element.classList.remove("loading");
    const note = document.createElement("p");
    note.className = "error";
    note.setAttribute("role", "alert");
    const reason = error instanceof Error ? error.message : String(error);
    note.textContent = `This part could not start: ${reason} Reload the page to try again; the rest of the page works.`;
    element.append(note);
  }
}

export function wire(root: HTMLElement): void {
  const panels = root.querySelectorAll<HTMLElement>("[data-panel]");
  if (typeof IntersectionObserver !== "function") {
    for (const panel of panels) void mount(panel);
    return;
  }
  const near = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        near.unobserve(entry.target);
        void mount(entry.target as HTMLElement);
      }
    },
    { rootMargin: "700px 0px" },
  );
  for (const panel of panels) {
    panel.classList.add("loading");
    const rows = /"rows":\s*(\d+)/.exec(panel.querySelector('script[type="application/json"]')?.textContent?.slice(-200) ?? "");
    if (rows && Number(rows[1]) > 0) panel.style.setProperty("--rows", rows[1]!);
    near.observe(panel);
  }
  // On paper everything is shown, near or not.
  addEventListener("beforeprint", () => panels.forEach((panel) => void mount(panel)));
}
