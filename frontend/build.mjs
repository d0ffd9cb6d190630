/** Builds the pages' scripts, styles and fonts into the Python package: `node build.mjs`, under a second.
 *
 *  What is written: main.js (small; everything heavy is a chunk that a page asks for when it needs it), theme.js (runs
 *  before the first paint), main.css, katex.css, chunks/, fonts/, licenses.txt. All files are made first and moved then, so that a
 *  failed build leaves the last good one, and a server that runs meanwhile finds every file at every moment.
 */
import { build } from "esbuild";
import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.argv[2] ?? join(here, "../src/learnable/web/static"));

/** The course's own style sheets in their order; those that lie beside views and panels come last. */
const STYLES = ["fonts", "base", "type", "layout", "code", "controls", "panel", "plot", "pages", "print"];

async function styles() {
  const all = (await readdir(join(here, "src"), { recursive: true })).map((name) => name.replaceAll("\\", "/"));
  const own = STYLES.map((name) => `style/${name}.css`);
  const others = all.filter((name) => name.endsWith(".css") && !own.includes(name) && name !== "style/katex.css").sort();
  return [...own.slice(0, -1), ...others, ...own.slice(-1)].map((name) => `@import "./${name}";`).join("\n");
}

const course = {
  name: "course",
  setup(plugin) {
    plugin.onResolve({ filter: /^virtual:styles$/ }, () => ({ path: "styles", namespace: "course" }));
    plugin.onLoad({ filter: /^styles$/, namespace: "course" }, async () => ({
      contents: await styles(), loader: "css", resolveDir: join(here, "src"),
    })); // prettier-ignore
    // Every browser that runs the course reads woff2: KaTeX's older forms of its fonts stay at home.
    plugin.onLoad({ filter: /katex\.css$/ }, async ({ path }) => ({
      contents: (await readFile(path, "utf8")).replace(/,\s*url\([^)]*\.(woff|ttf)\)\s*format\([^)]*\)/g, ""),
      loader: "css", resolveDir: dirname(path),
    })); // prettier-ignore
    // A panel that nobody has written yet says so in its place, and the rest of the course builds.
    plugin.onResolve({ filter: /^\.\.?\/panels\/\w+$/ }, ({ path, resolveDir }) =>
      existsSync(`${join(resolveDir, path)}.ts`) ? undefined : { path, namespace: "missing" },
    );
    plugin.onLoad({ filter: /.*/, namespace: "missing" }, ({ path }) => ({
      contents: `export function mount() { throw new Error("This part (${path}) is not in this build."); }`,
    }));
  },
};

const common = {
  bundle: true, minify: true, target: ["es2022", "chrome115", "firefox121", "safari17"], outdir: out, write: false,
  absWorkingDir: here, logLevel: "warning", legalComments: "none", loader: { ".woff2": "file" }, plugins: [course],
  metafile: true,
  assetNames: "fonts/[name]",
}; // prettier-ignore

const built = await Promise.all([
  build({
    ...common, format: "esm", splitting: true, chunkNames: "chunks/[name]-[hash]", entryPoints: { main: "src/main.ts" },
  }), // prettier-ignore
  build({ ...common, format: "iife", entryPoints: { theme: "src/shell/first.ts" } }),
  build({ ...common, entryPoints: { main: "virtual:styles", katex: "src/style/katex.css" } }),
]).catch((error) => {
  if (!error.errors) throw error;
  process.exit(1); // esbuild has said what is wrong and where
});

/** What others wrote is passed on with their terms. */
async function licenses() {
  const inputs = built.flatMap((one) => Object.keys(one.metafile.inputs));
  const packages = new Set(inputs.flatMap((path) => path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1] ?? []));
  const texts = [...packages].sort().map(async (name) => {
    const folder = join(here, "node_modules", name);
    const { version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    const file = (await readdir(folder)).find((one) => /^licen[cs]e/i.test(one));
    return `${name} ${version} (${license})\n\n${file ? (await readFile(join(folder, file), "utf8")).trim() : ""}\n`;
  });
  return (await Promise.all(texts)).join(`\n${"-".repeat(80)}\n\n`);
}

const files = built.flatMap((one) => one.outputFiles);
files.push({ path: join(out, "licenses.txt"), contents: new TextEncoder().encode(await licenses()) });
for (const { path, contents } of files) {
  await mkdir(dirname(path), { recursive: true });
  const aside = `${path}.${process.pid}.part`;
  await writeFile(aside, contents);
  await rename(aside, path);
}

const kept = new Set(files.map(({ path }) => path));
for (const name of await readdir(out, { recursive: true })) {
  const path = join(out, name);
  const found = await stat(path).catch(() => null);
  if (found?.isFile() && !kept.has(path) && !path.endsWith(".part")) await rm(path, { force: true });
}

const size = (name) => files.find(({ path }) => relative(out, path) === name).contents.length / 1000;
const total = files.reduce((sum, { contents }) => sum + contents.length, 0) / 1000;
console.log(
  `built ${files.length} files, ${total.toFixed(0)} kB; ` +
    ["main.js", "theme.js", "main.css", "katex.css"].map((name) => `${name} ${size(name).toFixed(1)} kB`).join(", "),
);
