import { describe, expect, it } from "vitest";
import lock from "../package-lock.json";

interface Entry {
  version?: string;
  resolved?: string;
  integrity?: string;
  optionalDependencies?: Record<string, string>;
}

const packages = Object.entries(lock.packages as Record<string, Entry>).filter(([path]) => path !== "");

describe("package-lock.json", () => {
  it("names no registry, so that it installs from any, and a hash for everything", () => {
    expect(packages.filter(([, entry]) => entry.resolved).map(([path]) => path)).toEqual([]);
    expect(packages.filter(([, entry]) => !entry.integrity).map(([path]) => path)).toEqual([]);
  });

  it("has what other systems than this one need: npm ci refuses it otherwise", () => {
    const have = new Set(packages.map(([path]) => path.split("node_modules/").at(-1)));
    const missing = packages.flatMap(([, entry]) => Object.keys(entry.optionalDependencies ?? {})).filter((name) => !have.has(name));
    expect(missing).toEqual([]);
  });
});
