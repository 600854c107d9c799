// The package keeps its promises: size, names, bounds, no dependencies.

import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import * as bounds from "../src/bounds.js";
import { skip } from "./support.mjs";

const read = (path) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");
const sources = ["src", "src/captures"].flatMap((folder) =>
  readdirSync(new URL(`../${folder}/`, import.meta.url))
    .filter((name) => name.endsWith(".js"))
    .map((name) => `${folder}/${name}`),
);
const all = (text, pattern) => [...text.matchAll(pattern)].map(([, found]) => found);

/** What all of it may come to; what is still to come has to fit in, too. */
const PROMISED_BYTES = 6 * 1024;
const BYTES_MAX = 5.9 * 1024;
/** What shows messages, which most visitors never need. */
const MESSAGES_BYTES_MAX = 4 * 1024;
/** What subscribes to notifications, and what shows them. */
const PUSH_BYTES_MAX = 1.5 * 1024;

test("it is small", { skip }, () => {
  for (const [file, most] of [
    ["dist/kairos.min.js", BYTES_MAX],
    ["dist/kairos.min.mjs", BYTES_MAX],
    ["dist/kairos-messages.min.js", MESSAGES_BYTES_MAX],
    ["dist/kairos-push.min.js", PUSH_BYTES_MAX],
    ["dist/kairos-service-worker.js", PUSH_BYTES_MAX],
  ]) {
    const { length } = gzipSync(read(file), { level: 9 });
    assert.ok(length <= most, `${file} has ${length} bytes compressed`);
  }
  assert.ok(BYTES_MAX < PROMISED_BYTES);
});

test("it brings nobody else along, and evaluates nothing", () => {
  const { dependencies, devDependencies, exports, types } = JSON.parse(read("package.json"));
  assert.equal(dependencies, undefined);
  assert.equal(Object.keys(devDependencies).length, 1);
  for (const path of [types, exports["."].default, exports["."].types]) {
    assert.ok(existsSync(new URL(`../${path}`, import.meta.url)), path);
  }
  const apart = ["kairos-messages.js", "kairos-push.js", "kairos-service-worker.js"];
  for (const source of [...sources, "kairos.js", ...apart, "script.js"]) {
    assert.doesNotMatch(read(source), /\beval\b|new Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write/, source);
  }
});

/** The events that the sources tell: whatever is written like one. */
function events() {
  const text = sources.map(read).join("\n");
  const playbacks = all(text, /playback\("(\w+)"\)/g).map((what) => `Video Playback ${what}`);
  return new Set([...all(text, /"([A-Z]\w+(?: [A-Z]\w+)+)"/g), ...playbacks]);
}

describe("events have one name everywhere", () => {
  const told = [...events()].sort();

  test("in the types", () => {
    const block = read("kairos.d.ts").split("export interface KairosEvents {")[1].split("\n}")[0];
    assert.deepEqual(all(block, /^ {2}"([^"]+)"/gm).sort(), told);
  });

  test("in the papers", () => {
    const rows = all(read("README.md"), /^\| `([A-Z][\w ]+)` \|/gm);
    assert.deepEqual(rows.sort(), told);
  });

  test("in the tracking plan, with their properties", () => {
    const plan = new Map(
      [...read("../playbook/tracking_plan.yaml").matchAll(/^ {2}([\w ]+): \[(.*)\]$/gm)].map(([, name, list]) => [
        name,
        list.split(", "),
      ]),
    );
    const rows = [...read("README.md").matchAll(/^\| `([A-Z][\w ]+)` \| ([^|]*) \|/gm)];
    for (const [, name, properties] of rows) {
      assert.ok(plan.has(name), `${name} is not in the tracking plan`);
      for (const property of all(properties, /`(\w+)`/g))
        assert.ok(plan.get(name).includes(property), `${name}: ${property}`);
    }
  });
});

describe("bounds", () => {
  const engine = read("../shared/engine/src/bounds.rs");
  const figure = (name) => {
    const text = new RegExp(`pub const ${name}: \\w+ = (?:Span::from_mins\\()?([\\d_* ]+)\\)?;`).exec(engine)[1];
    return text
      .replaceAll("_", "")
      .split("*")
      .reduce((product, factor) => product * Number(factor), 1);
  };

  test("are within those of ingest", () => {
    assert.equal(bounds.EVENT_BYTES_MAX, figure("EVENT_BYTES_MAX"));
    assert.ok(bounds.BATCH_BYTES_MAX < figure("BATCH_BYTES_MAX"));
    assert.ok(bounds.QUEUE_EVENTS_MAX <= figure("BATCH_EVENTS_MAX"));
    assert.ok(4 * bounds.TEXT_CHARS_MAX <= 2 * figure("TEXT_BYTES_MAX"));
    assert.equal(bounds.VISIT_GAP, figure("VISIT_GAP") * 60_000);
  });

  test("hold together", () => {
    // The largest event goes into a batch, and the batch with its envelope into what is sent for a page that is gone.
    assert.ok(bounds.EVENT_BYTES_MAX < bounds.BATCH_BYTES_MAX && bounds.BATCH_BYTES_MAX + 1_024 < 64 * 1024);
    assert.ok(bounds.EVENT_BYTES_MAX < bounds.QUEUE_CHARS_MAX);
    assert.ok(bounds.BATCH_EVENTS_ENOUGH < bounds.QUEUE_EVENTS_MAX);
    assert.ok(bounds.ASK_AFTER.length <= 5 && bounds.ASK_AFTER.every((after, at, all) => !at || after > all[at - 1]));
    assert.ok(bounds.RETRY_FIRST < bounds.RETRY_MAX && bounds.RETRY_MAX < bounds.RETRY_ASKED_MAX);
    assert.ok(
      bounds.DWELL_TICK < bounds.DWELL_MIN &&
        bounds.DWELL_MIN < bounds.DWELL_PIECE &&
        bounds.DWELL_PIECE < bounds.IDLE_AFTER,
    );
  });

  test("are all used", () => {
    const used = sources
      .filter((source) => source !== "src/bounds.js")
      .map(read)
      .join("\n");
    for (const name of Object.keys(bounds)) assert.ok(used.includes(name), `${name} bounds nothing`);
  });
});
