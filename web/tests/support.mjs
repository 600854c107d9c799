// A shop with pages and an `ingest` that records what it is sent, and a real Chromium.

import assert from "node:assert/strict";
import { existsSync, readdirSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

export const WRITE_KEY = "tests-key";
/** How long to wait for something that normally takes a moment. */
const PATIENCE_MS = 20_000;

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
const CLIENTS = new URL("../../tests/clients/", import.meta.url);

/** Why nothing can be tried here, or false. Where CI=true, everything must be tried. */
export const skip = missing();

function missing() {
  const lacks = [
    [!CHROMIUM, "there is no Chromium; install Debian's package `chromium`"],
    [!existsSync(new URL("node_modules", CLIENTS)), "tests/clients is not installed; `make test-node` installs it"],
    [!built(), "kairos.js is not built, or has changed since; `make web` builds it"],
  ];
  const why = lacks.find(([lacking]) => lacking)?.[1] ?? false;
  if (why && process.env.CI === "true") throw new Error(`kairos.js must be tried where CI=true: ${why}`);
  return why;
}

/** Whether what is tested is what stands in the sources. */
function built() {
  const file = (path) => new URL(`../${path}`, import.meta.url);
  const changed = (path) => statSync(file(path)).mtimeMs;
  const sources = ["kairos.js", "kairos-messages.js", "kairos-push.js", "kairos-service-worker.js", "script.js", "build.mjs"];
  for (const folder of ["src", "src/captures"]) {
    sources.push(
      ...readdirSync(file(folder))
        .filter((name) => name.endsWith(".js"))
        .map((name) => `${folder}/${name}`),
    );
  }
  const newest = Math.max(...sources.map(changed));
  const made = ["kairos.min.js", "kairos.min.mjs", "kairos-messages.min.js", "kairos-push.min.js", "kairos-service-worker.js"];
  return made.map((name) => `dist/${name}`).every(
    (path) => existsSync(file(path)) && changed(path) >= newest,
  );
}

async function start() {
  // Only now, as it may not be installed.
  const { launch } = await import(new URL("chromium.mjs", CLIENTS));
  return launch(CHROMIUM, "--autoplay-policy=no-user-gesture-required");
}

/**
 * Within `describe`: starts a browser for its tests, and gives `on(title, page, run)`, which runs a test on a page of
 * its own, in a world of its own that `use` is given before. `page` is what `put` and `visit` take, and the page's `path`
 * and `query`, or is made of the world; where it does not say something, `usual` does. Is `quiet`, the console must have had nothing to say.
 */
export function tests(use, { quiet = false, ...usual } = {}) {
  let browser;
  before(async () => (browser = await start()));
  after(() => browser.close());
  return (title, page, run) =>
    test(title, async () => {
      const shop = await world();
      use(shop);
      try {
        const all = { ...usual, ...(typeof page === "function" ? page(shop) : page) };
        const opened = await visit(browser, shop.put(all.path ?? "/", all) + (all.query ?? ""), all);
        await run(opened);
        if (quiet) assert.deepEqual(opened.complaints, [], "the console has nothing to say");
        await opened.context().close();
      } finally {
        shop.close();
      }
    });
}

/** Looks until there is something to see. */
export async function eventually(what, look) {
  const giveUpAt = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > giveUpAt) throw new Error(`expected within ${PATIENCE_MS / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const listen = (handle) =>
  new Promise((resolve) => {
    const server = createServer(handle);
    server.listen(0, "127.0.0.1", () => resolve([server, `http://127.0.0.1:${server.address().port}`]));
  });

/** A second of silence for each, as a WAV file: 8,000 bytes a second. */
export function silence(seconds) {
  const data = Buffer.alloc(8_000 * seconds, 128);
  const header = Buffer.alloc(44);
  header.write("RIFF", 0);
  header.writeUInt32LE(36 + data.length, 4);
  header.write("WAVEfmt ", 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(8_000, 24);
  header.writeUInt32LE(8_000, 28);
  header.writeUInt16LE(1, 32);
  header.writeUInt16LE(8, 34);
  header.write("data", 36);
  header.writeUInt32LE(data.length, 40);
  return Buffer.concat([header, data]);
}

/** The key that browsers subscribe with: the example of RFC 8292, section 2.4. */
export const PUBLIC_KEY = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs";

const TYPES = { js: "text/javascript", mjs: "text/javascript", wav: "audio/wav" };

/**
 * The two servers. `requests` are what `ingest` was sent, `events` all events in them; `answers` are given first, each
 * once, as `{status, headers, body}`. The inbox is at the same address: `inbox.messages` are what waits there,
 * `inbox.asked` the questions, `inbox.told` what was reported. While `inbox.expected`, `ingest` says that there may be a
 * message.
 */
async function world() {
  const requests = [];
  const answers = [];
  const inbox = { messages: [], asked: [], told: [], expected: false, publicKey: PUBLIC_KEY, keys: 0 };
  /** Answers wait for it. */
  let held;
  let release;
  /** Pages by path. */
  const pages = {};
  const [ingest, endpoint] = await listen(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const text = Buffer.concat(parts).toString();
    response.setHeader("access-control-allow-origin", request.headers.origin ?? "*");
    if (request.url === "/v1/push/key") {
      inbox.keys++;
      return void response.end(JSON.stringify({ publicKey: inbox.publicKey }));
    }
    if (request.url.startsWith("/v1/inbox")) {
      const question = JSON.parse(text);
      const [, , , what] = request.url.split("/");
      if (what) inbox.told.push([what, question.id]);
      else inbox.asked.push(question);
      return void response.end(JSON.stringify(what ? { ok: true } : { messages: inbox.messages }));
    }
    const usual = inbox.expected ? { success: true, on_site: true } : { success: true };
    const { status = 200, headers = {}, body = usual } = answers.shift() ?? {};
    const received = { method: request.method, url: request.url, headers: request.headers, status };
    requests.push({ ...received, text, body: text && JSON.parse(text) });
    // As `ingest` does.
    response.setHeader("access-control-allow-credentials", "true");
    response.setHeader("access-control-expose-headers", "retry-after");
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    response.statusCode = status;
    await held;
    response.end(JSON.stringify(body));
  });
  const [shop, origin] = await listen(async (request, response) => {
    const { pathname } = new URL(request.url, "http://shop");
    const file = /^\/(web|umd)\/([\w./-]+)$/.exec(pathname);
    const type = TYPES[pathname.split(".").pop()];
    if (pathname.endsWith(".wav")) {
      // Chromium plays what it can ask for in parts.
      const sound = silence(4);
      const from = Number(/bytes=(\d+)/.exec(request.headers.range ?? "")?.[1] ?? 0);
      response.writeHead(206, {
        "content-type": type,
        "accept-ranges": "bytes",
        "content-range": `bytes ${from}-${sound.length - 1}/${sound.length}`,
      });
      response.end(sound.subarray(from));
    } else if (file) {
      const folder = file[1] === "web" ? "../" : "../../tests/clients/node_modules/@segment/analytics-next/dist/umd/";
      response.setHeader("content-type", type);
      response.end(await readFile(new URL(folder + file[2], import.meta.url)));
    } else if (pathname in pages) {
      response.setHeader("content-type", "text/html");
      // Nothing inline, no eval, nobody else.
      const own = "default-src 'none'; script-src 'self'; media-src 'self'; style-src 'unsafe-inline'";
      const policy = `${own}; connect-src ${endpoint}`;
      response.setHeader("content-security-policy", pages[pathname].policy ?? policy);
      response.end(pages[pathname].html);
    } else if (scripts[pathname]) {
      response.setHeader("content-type", "text/javascript");
      response.end(scripts[pathname]);
    } else {
      response.statusCode = 404;
      response.end();
    }
  });
  const scripts = {};
  // What comes twice counts once, as behind the real `ingest`.
  const events = () => {
    const taken = requests.filter(({ status }) => status < 300).flatMap(({ body }) => body?.batch ?? []);
    return [...new Map(taken.map((event) => [event.messageId, event])).values()];
  };
  return {
    requests,
    answers,
    inbox,
    endpoint,
    origin,
    scripts,
    events,
    /** The events of that name, or of that type. */
    of: (name) => events().filter((event) => (event.event ?? event.type) === name),
    /** Leaves requests unanswered until they are released. */
    hold: () => (held = new Promise((resolve) => (release = resolve))),
    release: () => release(),
    /** Puts a page there. `script` are attributes of its <script>, or the whole element. */
    put(path, { body = "", script = {}, head = "", policy } = {}) {
      const all = { "data-write-key": WRITE_KEY, "data-endpoint": endpoint, "data-consent": "assumed", ...script };
      const attributes = Object.entries(all).map(([name, value]) => (value === null ? "" : ` ${name}="${value}"`));
      const element =
        typeof script === "string" ? script : `<script src="/web/dist/kairos.min.js"${attributes.join("")}></script>`;
      const start = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Shop ${path}</title>`;
      const html = `${start}${head}${element}<body>${body}`;
      pages[path] = { html, policy };
      return origin + path;
    },
    close() {
      for (const server of [ingest, shop]) {
        server.close();
        server.closeAllConnections();
      }
    },
  };
}

/**
 * A new browser's window on a page, which notes its complaints. Time can be moved on with `page.clock`; where that is
 * "paused", it moves in no other way.
 */
async function visit(browser, url, { context: options, before, clock = true } = {}) {
  const context = await browser.newContext({ viewport: { width: 1000, height: 800 }, ...options });
  const page = await context.newPage();
  page.complaints = [];
  page.on("console", (message) => page.complaints.push(message.text()));
  page.on("pageerror", (error) => page.complaints.push(String(error)));
  if (clock) await page.clock.install();
  page.paused = clock === "paused";
  if (page.paused) await page.clock.pauseAt(Date.now() + 60_000);
  await before?.(page);
  await page.goto(url);
  return page;
}

/** Everything in storage and cookies. */
export const stored = (page) =>
  page.evaluate(() => ({ local: { ...localStorage }, session: { ...sessionStorage }, cookies: document.cookie }));

/** Sends what waits now. */
export const flush = (page) => page.evaluate(() => window.kairos.flush());

/** Waits until the page has been drawn, and observers have been told what is visible. */
export const drawn = (page) =>
  page.evaluate(() => new Promise((seen) => new IntersectionObserver(seen).observe(document.documentElement)));
