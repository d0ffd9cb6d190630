/** Talking with the course's own server: JSON out, JSON in, and sockets. Errors are sentences for people. */

/** Whether this page lies on a plain host, without a server behind it. */
export function isStatic(): boolean {
  return document.documentElement.dataset.static !== undefined;
}

/** The way from this page to the course's root: "/" on the server, "../" and the like on a static site. */
export function root(): string {
  return document.documentElement.dataset.root || "/";
}

/** An error that the server explained: what was expected, what came, what to do. */
export class NetError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly body: unknown = null,
  ) {
    super(message);
  }
}

const GONE = "The course's server does not answer. If it was stopped, start it again with: learnable";

/** Sends and receives JSON: `await json("api/cards")`, `await json("api/cards/lenet/window", { rating: 3 })`.
 *
 *  A body makes it a POST unless `method` says otherwise. Throws a NetError with words to be shown. */
export async function json<T = unknown>(path: string, body?: unknown, method?: string): Promise<T> {
  if (isStatic()) throw new NetError("This page lies on a plain host. Install Learnable to use this part: pip install learnable", 0);
  let response: Response;
  try {
    response = await fetch(address(path), {
      method: method ?? (body === undefined ? "GET" : "POST"),
      headers: { accept: "application/json", ...(body === undefined ? {} : { "content-type": "application/json" }) },
      body: body === undefined ? null : JSON.stringify(body),
      credentials: "same-origin",
    });
  } catch {
    throw new NetError(GONE, 0);
  }
  const answer: unknown = await response.json().catch(() => null);
  if (response.ok) return answer as T;
  const said = (answer as { error?: unknown } | null)?.error;
  const words = typeof said === "string" ? said : `The server answered ${response.status} ${response.statusText}.`;
  throw new NetError(words, response.status, answer);
}

/** The address of something on the server, or of a file of the static site. */
export function address(path: string): string {
  return /^(\w+:)?\/\//.test(path) ? path : root() + path.replace(/^\//, "");
}

export interface Line<In> {
  /** Sends one message; kept until the socket is open. */
  send(message: unknown): void;
  close(): void;
  /** For tests. */
  readonly socket: () => WebSocket | null;
  readonly _?: In;
}

export interface LineEvents<In> {
  message(message: In): void;
  open?(): void;
  /** It was lost; `again` says whether it is tried again. */
  lost?(again: boolean): void;
}

/** A socket of JSON messages that is opened again (after 0.5, 1, 2, 4 ... 15 s) when it is lost, until `close()`. */
export function line<In>(path: string, events: LineEvents<In>, retry = true): Line<In> {
  let socket: WebSocket | null = null;
  let closed = false;
  let wait = 500;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const waiting: string[] = [];

  const connect = (): void => {
    const url = new URL(address(path), location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(url);
    socket.addEventListener("open", () => {
      wait = 500;
      events.open?.();
      while (waiting.length > 0 && socket?.readyState === 1) socket.send(waiting.shift()!);
    });
    socket.addEventListener("message", ({ data }) => {
      let message: In;
      try {
        message = JSON.parse(String(data)) as In;
      } catch {
        return; // not ours
      }
      events.message(message);
    });
    socket.addEventListener("close", ({ code }) => {
      if (closed) return;
      const again = retry && code !== 1000 && code !== 1008;
      events.lost?.(again);
      if (!again) return;
      timer = setTimeout(connect, wait);
      wait = Math.min(wait * 2, 15_000);
    });
  };
  connect();
  return {
    send(message) {
      const text = JSON.stringify(message);
      if (socket?.readyState === 1) socket.send(text);
      else if (!closed) waiting.push(text);
    },
    close() {
      closed = true;
      clearTimeout(timer);
      socket?.close(1000);
    },
    socket: () => socket,
  };
}
