/** Two buttons that the server remembers: "Mark as read" below a lesson, "Follow this path" on a path's page. */
import { address } from "../net";

export function choices(root: ParentNode): void {
  for (const button of root.querySelectorAll<HTMLButtonElement>("button[data-done]")) {
    button.addEventListener("click", () => {
      const done = button.getAttribute("aria-pressed") !== "true";
      void told(button, "api/progress", { stem: button.dataset.done, done }, () => {
        button.setAttribute("aria-pressed", String(done));
        button.textContent = done ? "Read" : "Mark as read";
      });
    });
  }
  for (const button of root.querySelectorAll<HTMLButtonElement>("button[data-follow]")) {
    button.addEventListener("click", () => {
      void told(button, "api/progress/path", { name: button.dataset.follow }, () => {
        button.textContent = "You follow this path";
        button.disabled = true;
      });
    });
  }
}

async function told(button: HTMLButtonElement, path: string, body: unknown, then: () => void): Promise<void> {
  try {
    const answer = await fetch(address(path), {
      method: "POST", body: JSON.stringify(body), credentials: "same-origin", headers: { "content-type": "application/json" },
    }); // prettier-ignore
    if (!answer.ok) throw new Error(((await answer.json()) as { error?: string }).error ?? String(answer.status));
    then();
  } catch (error) {
    button.title = error instanceof Error ? error.message : String(error);
    button.textContent = "That did not work; is the course still running?";
  }
}
