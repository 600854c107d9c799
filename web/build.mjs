// Builds dist/kairos.min.js (for <script>) and dist/kairos.min.mjs (for import) from kairos.js.
//
//   node build.mjs

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

for (const [entry, format, out] of [
  ["script.js", "iife", "dist/kairos.min.js"],
  ["kairos.js", "esm", "dist/kairos.min.mjs"],
]) {
  await build({
    entryPoints: [here(entry)],
    outfile: here(out),
    format,
    bundle: true,
    minify: true,
    // What browsers of 2021 understand: Chrome 92, Firefox 90, Safari 15.
    target: ["chrome92", "firefox90", "safari15"],
    legalComments: "none",
    charset: "utf8",
    logLevel: "warning",
  });
  const bytes = await readFile(here(out));
  console.log(`web/${out}: ${bytes.length} bytes, ${gzipSync(bytes, { level: 9 }).length} compressed`);
}
