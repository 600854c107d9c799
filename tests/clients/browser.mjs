// Opens a shop's page in a real Chromium, with Segment's analytics.js from its npm package, and sends the calls of
// calls.json from it, as a shopper's browser would.
//
//   node browser.mjs OPTIONS     OPTIONS is JSON: chromium, endpoint, writeKey, userId, at, calls, batch
//
// Prints one JSON object: what the client says it sent, every request that the page made with its status, and what
// the console said.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { launch } from "./chromium.mjs";

const options = JSON.parse(process.argv[2]);
const SCRIPTS = new URL("./node_modules/@segment/analytics-next/dist/umd/", import.meta.url);
const PAGE = `<!doctype html><meta charset="utf-8"><title>Shop</title><script src="/umd/index.js"></script>`;

const shop = createServer(async (request, response) => {
  const script = /^\/umd\/([\w.-]+)$/.exec(request.url)?.[1];
  if (script) {
    response.setHeader("content-type", "text/javascript");
    response.end(await readFile(fileURLToPath(new URL(script, SCRIPTS))));
  } else {
    response.setHeader("content-type", "text/html");
    response.end(request.url.startsWith("/cart") ? PAGE : "");
  }
});
await new Promise((resolve) => shop.listen(0, "127.0.0.1", resolve));

const browser = await launch(options.chromium);
try {
  const page = await browser.newPage();
  const requests = [];
  const said = [];
  page.on("request", (request) => {
    const made = { method: request.method(), url: request.url(), status: null };
    requests.push(made);
    const ended = request.response().then((response) => (made.status = response?.status() ?? null));
    ended.catch((error) => said.push(String(error)));
  });
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));

  // Time runs as it does; it can be moved on.
  await page.clock.install();
  await page.goto(`http://127.0.0.1:${shop.address().port}/cart?utm_source=mail&utm_campaign=spring`);
  const sent = await page.evaluate(async ({ endpoint, writeKey, userId, at, calls, batch }) => {
    const strategy = batch ? { strategy: "batching", config: { size: calls.length, timeout: 500 } } : undefined;
    const [analytics] = await AnalyticsNext.AnalyticsBrowser.load(
      { writeKey, cdnURL: endpoint },
      { integrations: { "Segment.io": { deliveryStrategy: strategy } } },
    );
    const more = { timestamp: new Date(at), context: { app: { name: "shop" } } };
    const methods = {
      identify: (call) => analytics.identify(userId, call.traits, more),
      track: (call) => analytics.track(call.event, call.properties, more),
      page: (call) => analytics.page(call.name, call.properties, more),
      group: (call) => analytics.group(call.groupId, call.traits, more),
    };
    const sent = [];
    for (const call of calls) {
      const context = await methods[call.type](call);
      sent.push({ index: sent.length, messageId: context.event.messageId });
    }
    return sent;
  }, options);
  // The page stays open until everything has gone out.
  const arrived = () => requests.filter(({ method, status }) => method === "POST" && status !== null).length;
  const expected = options.batch ? 1 : options.calls.length;
  const giveUpAt = Date.now() + 20_000;
  while (arrived() < expected && Date.now() < giveUpAt) await page.waitForTimeout(50);
  // What the client would do by itself half a minute later: report about itself, to whom?
  await page.clock.fastForward(40_000);
  await page.evaluate(() => document.readyState);
  console.log(JSON.stringify({ sent, requests, said }));
} finally {
  await browser.close();
  shop.close();
}
