// Opens a shop's page in a real Chromium, for some visitors at once, with kairos.js as a script. Each puts something into the
// cart; then one after the other is about to leave, and sees what comes to the page.
//
//   node on_site.mjs OPTIONS     OPTIONS is JSON: chromium, endpoint, inbox, writeKey, visitor, visitors
//
// Prints one line of JSON: for each visitor how long it took from the gesture until the message was drawn, its text, how
// often the inbox was asked, and what the console said.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { launch } from "./chromium.mjs";

const { chromium, endpoint, inbox, writeKey, visitor, visitors } = JSON.parse(process.argv[2]);
const DIST = new URL("../../web/dist/", import.meta.url);
const PAGE = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Shop</title>
  <script src="/kairos.min.js" data-endpoint="${endpoint}" data-inbox="${inbox}" data-write-key="${writeKey}"></script>
  <h1>Teapot</h1>`;

const shop = createServer(async (request, response) => {
  const script = /^\/(kairos[\w.-]*\.js)$/.exec(request.url)?.[1];
  response.setHeader("content-type", script ? "text/javascript" : "text/html");
  const connect = `${new URL(endpoint).origin} ${new URL(inbox).origin}`;
  response.setHeader("content-security-policy", `default-src 'none'; script-src 'self'; connect-src ${connect}`);
  response.end(script ? await readFile(new URL(script, DIST)) : request.url === "/" ? PAGE : "");
});
await new Promise((resolve) => shop.listen(0, "127.0.0.1", resolve));

const browser = await launch(chromium);

/** A visitor of their own, with something in the cart. */
async function comes(number) {
  const context = await browser.newContext({ viewport: { width: 1000, height: 700 } });
  const page = await context.newPage();
  const seen = { asked: 0, said: [] };
  page.on("request", (request) => (seen.asked += request.url() === `${inbox}/v1/inbox` ? 1 : 0));
  page.on("console", (message) => seen.said.push(message.text()));
  page.on("pageerror", (error) => seen.said.push(String(error)));
  await page.addInitScript((id) => {
    window.analytics = { user: () => ({ id: () => undefined, anonymousId: () => id }) };
    addEventListener("mouseout", ({ clientY }) => clientY <= 0 && (window.leavesAt ??= performance.now()), true);
    new MutationObserver(() => {
      const host = document.querySelector("[data-kairos-message]");
      if (host) requestAnimationFrame(() => (window.shownAt ??= performance.now()));
    }).observe(document, { childList: true, subtree: true });
  }, `${visitor}-${number}`);
  await page.goto(`http://127.0.0.1:${shop.address().port}/`);
  await page.evaluate(async () => {
    window.kairos.consent({ analytics: true, marketing: true });
    window.kairos.track("Product Added", {
      product_id: "teapot-1",
      name: "Teapot",
      price: 64.5,
      currency: "EUR",
      quantity: 1,
    });
    await window.kairos.flush();
  });
  return [page, seen];
}

/** The visitor is about to leave. */
async function leaves(page, seen) {
  await page.bringToFront();
  // Who leaves a page so soon has not meant to come.
  await page.waitForFunction(() => performance.now() > 2_500);
  await page.mouse.move(300, 300);
  await page.mouse.move(300, -5);
  const message = page.locator("[data-kairos-message] [part=message]");
  await message.waitFor();
  await page.waitForFunction(() => window.shownAt);
  const shownAfterMs = await page.evaluate(() => Math.round(window.shownAt - window.leavesAt));
  return { shownAfterMs, text: await message.textContent(), ...seen };
}

try {
  const all = [];
  for (let number = 0; number < visitors; number++) all.push(await comes(number));
  const visits = [];
  for (const [page, seen] of all) {
    visits.push(await leaves(page, seen));
  }
  console.log(JSON.stringify(visits));
} finally {
  await browser.close();
  shop.close();
}
