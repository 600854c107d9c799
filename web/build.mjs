// Builds dist/kairos.min.js (for <script>) and dist/kairos.min.mjs (for import) from kairos.js, and beside them
// dist/kairos-messages.min.js and dist/kairos-push.min.js, which both bring in when they are needed, and the service worker.
//
//   node build.mjs

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** What is brought in later stays a file of its own, beside the others. */
const apart = {
  name: "apart",
  setup: ({ onResolve }) =>
    onResolve({ filter: /kairos-(messages|push)\.js$/ }, ({ kind, path }) =>
      kind === "dynamic-import" ? { path: path.replace(/.*(\/kairos-\w+)/, ".$1.min"), external: true } : undefined,
    ),
};

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

// A script that is no module keeps its names to itself. (esbuild's own way, "iife", adds a loader that nothing needs.)
const alone = { banner: { js: "(()=>{" }, footer: { js: "})();" } };

for (const [entry, out, wrapping] of [
  ["script.js", "dist/kairos.min.js", alone],
  ["kairos.js", "dist/kairos.min.mjs"],
  ["kairos-messages.js", "dist/kairos-messages.min.js"],
  ["kairos-push.js", "dist/kairos-push.min.js"],
  ["kairos-service-worker.js", "dist/kairos-service-worker.js", alone],
]) {
  await build({
    entryPoints: [here(entry)],
    outfile: here(out),
    format: "esm",
    ...wrapping,
    bundle: true,
    minify: true,
    // What browsers of 2021 understand: Chrome 92, Firefox 90, Safari 15.
    target: ["chrome92", "firefox90", "safari15"],
    legalComments: "none",
    charset: "utf8",
    plugins: [apart],
    logLevel: "warning",
  });
  const bytes = await readFile(here(out));
  console.log(`web/${out}: ${bytes.length} bytes, ${gzipSync(bytes, { level: 9 }).length} compressed`);
}
