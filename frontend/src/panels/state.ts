/** A lab's controls in the address: `#lab-draw=rate=0.1&depth=3`. Only what differs from the beginning is said. */

import type { Spec } from "../controls/types";

type Values = Record<string, unknown>;

/** The part of the address behind `#`. */
export function encode(id: string, specs: Spec[], values: Values): string {
  const said: string[] = [];
  for (const spec of specs) {
    const value = values[spec.name];
    if (value === undefined || same(spec, value)) continue;
    said.push(`${encodeURIComponent(spec.name)}=${encodeURIComponent(write(spec, value))}`);
  }
  return `${id}=${said.join("&")}`;
}

/** The values that an address names; null where it is not about this lab. What no control can take is passed over. */
export function decode(hash: string, id: string, specs: Spec[]): Values | null {
  const text = hash.replace(/^#/, "");
  if (!text.startsWith(`${id}=`)) return null;
  const values: Values = {};
  for (const part of text.slice(id.length + 1).split("&")) {
    const [name, written] = part.split("=").map(unescape);
    const spec = specs.find((candidate) => candidate.name === name);
    const value = spec && written !== undefined ? read(spec, written) : undefined;
    if (spec && value !== undefined) values[spec.name] = value;
  }
  return values;
}

function unescape(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function same(spec: Spec, value: unknown): boolean {
  return write(spec, value) === write(spec, spec.default);
}

function write(spec: Spec, value: unknown): string {
  if (spec.kind === "drawing") return pack(value as number[][], spec.size);
  if (spec.kind === "switch") return value ? "on" : "off";
  return String(value);
}

function read(spec: Spec, text: string): unknown {
  switch (spec.kind) {
    case "slider": {
      const value = Number(text);
      if (text === "" || !Number.isFinite(value)) return undefined;
      return Math.min(spec.high, Math.max(spec.low, value));
    }
    case "choice":
      return spec.options.includes(text) ? text : undefined;
    case "switch":
      return text === "on" ? true : text === "off" ? false : undefined;
    case "text":
      return text.slice(0, spec.limit ?? 500);
    case "drawing":
      return unpack(text, spec.size);
  }
}

/** Gray values as bytes: runs of paper are counted, so that a digit takes some 300 letters. */
function pack(rows: number[][], size: number): string {
  const bytes: number[] = [];
  let paper = 0;
  const flush = (): void => {
    for (; paper > 0; paper -= Math.min(paper, 127)) bytes.push(128 + Math.min(paper, 127));
  };
  for (let i = 0; i < size * size; i += 1) {
    const value = Math.round(100 * (rows[Math.floor(i / size)]?.[i % size] ?? 0));
    if (value === 0) paper += 1;
    else {
      flush();
      bytes.push(value);
    }
  }
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");
}

function unpack(text: string, size: number): number[][] | undefined {
  const flat: number[] = [];
  try {
    for (const letter of atob(text.replaceAll("-", "+").replaceAll("_", "/"))) {
      const byte = letter.charCodeAt(0);
      if (byte > 128) flat.push(...new Array<number>(byte - 128).fill(0));
      else flat.push(Math.min(100, byte) / 100);
    }
  } catch {
    return undefined;
  }
  if (flat.length > size * size) return undefined;
  return Array.from({ length: size }, (_, i) => Array.from({ length: size }, (_, j) => flat[i * size + j] ?? 0));
}
