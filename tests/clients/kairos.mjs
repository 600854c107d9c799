// Opens a shop's page in a real Chromium, with kairos.js as a script, and does there what shoppers do: searches, clicks,
// reads, fills in half a form, is about to leave, goes on, leaves.
//
//   node kairos.mjs OPTIONS     OPTIONS is JSON: chromium, endpoint, writeKey, userId
//
// Prints one line of JSON: the events as kairos.js made them, the requests of the page with their status as far as they
// were answered, and what the console said. Then the browser stays open until the input ends.

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { launch } from "./chromium.mjs";

const { chromium, endpoint, writeKey, userId } = JSON.parse(process.argv[2]);
const SCRIPT = new URL("../../web/dist/kairos.min.js", import.meta.url);
const PAGE = `<!doctype html><meta charset="utf-8"><title>Größe ☕ "M"</title>
  <script src="/kairos.min.js" data-endpoint="${endpoint}" data-write-key="${writeKey}"></script>
  <main data-kairos-category="tea">
    <button data-kairos="teapot" data-kairos-product="teapot-1" data-kairos-properties='{"price": 64.5}'>Teapot</button>
  </main>
  <form name="loan"><input name="first"><input name="sum"><input name="years"><input type="password" name="word" autocomplete="off"></form>
  <div style="height: 3000px"></div>`;
/** More than a look has to last to be told. */
const LOOK_MS = 3_500;

const shop = createServer(async (request, response) => {
  const script = request.url === "/kairos.min.js";
  response.setHeader("content-type", script ? "text/javascript" : "text/html");
  const policy = `default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src ${new URL(endpoint).origin}`;
  response.setHeader("content-security-policy", policy);
  response.end(script ? await readFile(SCRIPT) : request.url.startsWith("/shop") ? PAGE : "");
});
await new Promise((resolve) => shop.listen(0, "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${shop.address().port}`;

const browser = await launch(chromium);
try {
  const page = await browser.newPage();
  const requests = [];
  const said = [];
  page.on("request", (request) => {
    const made = { method: request.method(), url: request.url(), status: null };
    requests.push(made);
    request.response().then(
      (response) => (made.status = response?.status() ?? null),
      () => {},
    );
  });
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  // As analytics.js does, for whom the shopper has signed in.
  await page.addInitScript((userId) => {
    window.analytics = { user: () => ({ id: () => userId, anonymousId: () => `visitor-${userId}` }) };
    window.heard = [];
    window.kairos = [(kairos) => kairos.on((event) => window.heard.push(event))];
  }, userId);
  await page.goto(`${origin}/shop?q=teapots&utm_source=mail`);
  // What was seen before is sent with it.
  await page.evaluate(() => window.kairos.consent({ analytics: true, marketing: true }));
  await page.click("button");
  // A look is timed from the frame in which the browser says what is in sight.
  const lookedSince = await page.evaluate(
    () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now())))),
  );
  await page.fill("[name=word]", "secret");
  await page.fill("[name=first]", "Ada");
  await page.fill("[name=sum]", "1000");
  await page.locator("[name=sum]").blur();
  await page.waitForFunction((until) => performance.now() > until, lookedSince + LOOK_MS);
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
  await page.waitForFunction(() => window.heard.some(({ properties }) => properties.percent === 100));
  await page.mouse.move(300, 300);
  await page.mouse.move(300, -5);
  await page.waitForFunction(() => window.heard.some(({ event }) => event === "Exit Intended"));
  await page.evaluate(() => history.pushState({}, "", "/shop/teapots"));
  await page.waitForFunction(() => window.heard.filter(({ type }) => type === "page").length === 2);
  const events = await page.evaluate(() => window.heard);
  await page.goto(`${origin}/end`);
  console.log(JSON.stringify({ events, requests, said }));
  // What the page left behind is on its way in the browser, where nobody can look.
  await once(process.stdin.resume(), "end");
} finally {
  await browser.close();
  shop.close();
}
