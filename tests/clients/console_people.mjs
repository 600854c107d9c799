// Opens the console in a real Chromium: users, deliveries, the playbook, health; drill-down, redrive, roll-back, a phone's width,
// dark. What shoppers have sent is hostile, and must be shown as the text that it is.
//
//   node console_people.mjs OPTIONS     OPTIONS is JSON: chromium, console, password, email, name, userId, day, queue, shots
//
// Prints one line of JSON: what the browser's console said, which pages were wider than the window, what was seen.
// With `shots`, a folder, pictures of the pages are put there.

import { mkdirSync } from "node:fs";
import { request } from "node:http";
import { launch } from "./chromium.mjs";

const { chromium, console: base, password, email, name, day, queue, shots } = JSON.parse(process.argv[2]);
const seen = { said: [], wide: [], weights: {}, refused: {} };
const browser = await launch(chromium);
const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: "reduce" });
const page = await context.newPage();
page.on("console", (message) => {
  if (["error", "warning"].includes(message.type())) seen.said.push(message.text());
});
page.on("pageerror", (error) => seen.said.push(String(error)));
page.on("dialog", (dialog) => {
  seen.said.push(`a script of a shopper's ran: ${dialog.message()}`);
  dialog.dismiss();
});

/** Looks at the page in each width and colour: nothing may stick out. */
async function look(title) {
  seen.weights[title] = await page.evaluate(
    () => performance.getEntries().reduce((sum, entry) => sum + (entry.transferSize ?? 0), 0),
  );
  for (const [width, colours] of [
    [1280, "light"],
    [1280, "dark"],
    [360, "light"],
    [360, "dark"],
  ]) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme: colours });
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (over > 0) seen.wide.push(`${title} at ${width}: ${over} px`);
    if (shots) {
      mkdirSync(shots, { recursive: true });
      await page.screenshot({ path: `${shots}/${title}-${width}-${colours}.png`, fullPage: true });
    }
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
}

/** Asks without the browser, but with its cookies: what browsers do not let scripts say. Gives status and body. */
async function ask(address, form, origin) {
  const cookies = await context.cookies(base);
  const { hostname, port } = new URL(base);
  const options = {
    host: "127.0.0.1",
    port,
    path: address,
    method: form ? "POST" : "GET",
    headers: {
      host: `${hostname}:${port}`,
      cookie: cookies.map(({ name, value }) => `${name}=${value}`).join("; "),
      ...(form && { origin, "content-type": "application/x-www-form-urlencoded" }),
    },
  };
  return new Promise((resolve, reject) => {
    const asked = request(options, async (answer) => {
      let body = "";
      for await (const chunk of answer) body += chunk;
      resolve([answer.statusCode, body]);
    });
    asked.on("error", reject);
    asked.end(form && new URLSearchParams(form).toString());
  });
}
const go = async (address) => {
  const answer = await page.goto(`${base}${address}`);
  return answer.status();
};
const text = (selector) => page.locator(selector).first().textContent();

try {
  // Nothing without a session.
  for (const address of ["/users", "/deliveries", "/playbook", "/system", "/users?export=csv&table=timeline"]) {
    [seen.refused[address]] = await ask(address);
  }
  await go("/log-in");
  await page.fill("#password", password);
  await page.click("button.primary");
  await page.waitForURL(`${base}/`);

  // A user, by the address they were written to at.
  await go("/users");
  await look("users");
  await page.fill("#q", "nobody-of-this-name");
  await page.click("form[role=search] button");
  seen.nobody = await text(".empty");
  await page.fill("#q", email);
  await page.click("form[role=search] button");
  await page.waitForURL(/\/users\/[0-9a-f]{32}$/);
  const story = new URL(page.url()).pathname;
  seen.name = await text("h1");
  seen.nameIsRight = seen.name === name;
  await look("user");

  // The day comes into the page by htmx.
  await page.fill("#on", day);
  await page.click("form[hx-get] button");
  await page.locator("#day-rows table").waitFor();
  seen.day = await text("#day-rows");
  await look("user-day");

  await page.click("#table-plays tbody th a");
  await page.waitForURL(/\/plays\//);
  seen.why = await text("main");
  await look("why");

  // Their message.
  await go(story);
  await page.click("#table-timeline a[href^='/deliveries/']");
  await page.waitForURL(/\/deliveries\//);
  seen.delivery = await text("main");
  const frame = page.frameLocator("iframe.preview");
  seen.preview = await frame.locator("body").textContent();
  await look("delivery");
  await go("/deliveries?channel=email&play=welcome");
  seen.deliveries = await text("#table-deliveries");
  seen.exported = (await ask("/deliveries?export=csv&table=deliveries"))[1];
  await look("deliveries");
  await go("/deliveries?status=failed");
  seen.failed = await text("#table-deliveries");

  // The playbook: compared, rolled back.
  await go("/playbook");
  seen.inForce = await text(".page-head code");
  await look("playbook");
  await page.click("#table-history a[href*='/compare']");
  seen.compared = await text("main");
  await look("compare");
  await go("/playbook");
  await page.click("#table-history a[href*='/roll-back']");
  await look("roll-back");
  const stale = await page.inputValue("[name=in_force]");
  const to = await page.inputValue("form.confirm [name=to]");
  const csrf = await page.inputValue("form.confirm [name=csrf]");
  await page.click("button.danger");
  await page.waitForURL(/done=rolled-back/);
  seen.rolledBack = await text(".page-head code");
  seen.changes = await text("#table-changes");
  await look("rolled-back");

  // Health: a dead letter is read, and put back.
  await go("/system");
  await page.locator("#table-queues").waitFor();
  seen.health = await text("main");
  await look("health");
  await page.click(`#table-queues a[href$='/${queue}']`);
  seen.letter = await text(".letter pre");
  await look("dead-letters");
  await page.click("button.danger");
  await page.waitForURL(/moved=/);
  seen.redriven = await text(".said");
  await go("/system/refusals");
  seen.refusals = await text("#table-refusals");
  await look("refusals");

  // What is no page of ours, and what comes from elsewhere.
  const key = story.split("/").pop();
  for (const address of [
    "/users/..%2F..%2Fetc%2Fpasswd",
    "/users/%00",
    `/users/${key.toUpperCase()}`,
    `/users/${key}/day?on=../../2026`,
    `/users/${key}/plays/%3Cscript%3E`,
    "/deliveries/..%2F..%2Fplaybook",
    "/deliveries?status=%27%20OR%201%3D1",
    "/playbook/compare?from=current&to=backfill",
    "/playbook/roll-back?to=..%2Fcurrent",
    "/system/dead-letters/..%2Fevents",
    "/system?window=%3Cscript%3E",
  ]) {
    [seen.refused[address]] = await ask(address);
  }
  const roll = { to, in_force: stale };
  for (const [what, address, form, origin] of [
    ["without a token", "/playbook/roll-back", roll, base],
    ["another token", "/playbook/roll-back", { ...roll, csrf: "0".repeat(64) }, base],
    ["from elsewhere", "/playbook/roll-back", { ...roll, csrf }, "https://evil.example"],
    ["redrive without a token", `/system/dead-letters/${queue}/redrive`, { a: "b" }, base],
    ["overtaken", "/playbook/roll-back", { ...roll, csrf }, base],
  ]) {
    [seen.refused[what]] = await ask(address, form, origin);
  }
  process.stdout.write(`${JSON.stringify(seen)}\n`);
} catch (error) {
  process.stderr.write(`at ${page.url()}: ${error.stack}\n${JSON.stringify(seen)}\n${(await page.content()).slice(0, 3000)}\n`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
