// Goes through the console in a real Chromium, as a person does, by mouse and by keyboard, and takes pictures.
//
//   node console.mjs OPTIONS     OPTIONS is JSON: chromium, console (its address), password, pictures (a folder)
//
// Prints one line of JSON: what was done, what the browser complained of, and how soon each page began. Fails with the first
// thing that does not work.

import assert from "node:assert/strict";
import { launch } from "./chromium.mjs";

const { chromium, console: address, password, pictures } = JSON.parse(process.argv[2]);
const PAGES = ["/", "/plays", "/plays/abandoned_cart", "/funnels", "/segments"];
const done = [];
const said = [];
const firstByteMs = [];

const browser = await launch(chromium);

async function person(options) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  return page;
}

async function logIn(page, to = "/") {
  await page.goto(address + to);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.waitForURL((url) => !url.pathname.startsWith("/log-in"));
}

const picture = (page, name) => page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });
const nameOf = (path) => path.slice(1).replaceAll("/", "_") || "overview";

/** Nothing sticks out at the side. */
async function fits(page, what) {
  const [wide, there] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= there, `${what} is ${wide} px wide on a screen of ${there} px`);
}

/** Text that stands out too little from what is behind it (WCAG AA), for texts without pictures behind them. */
const faint = () => {
  const numbers = (colour) => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const part = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("main *, header *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.closest(".uplot")) continue;
    const style = getComputedStyle(element);
    const [one, two] = [light(numbers(style.color)), light(ground(element))].sort((a, b) => b - a);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    const contrast = (one + 0.05) / (two + 0.05);
    if (contrast < (large ? 3 : 4.5)) found.push(`${element.textContent.trim().slice(0, 30)}: ${contrast.toFixed(2)}`);
  }
  return found;
};

try {
  // ---- who is not logged in sees the login, and comes to where they wanted to go
  const page = await person({ colorScheme: "light" });
  await page.goto(`${address}/plays?period=30d`);
  assert.equal(new URL(page.url()).pathname, "/log-in");
  await picture(page, "login");
  await page.getByLabel("Password").fill("wrong");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").waitFor();
  said.splice(0); // The browser says that the answer was 401, as it should.
  await page.getByLabel("Password").fill(password);
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/plays\?period=30d$/);
  done.push("login");

  // ---- every page, light
  for (const path of PAGES) {
    await page.goto(address + path);
    const timing = await page.evaluate(() => performance.getEntriesByType("navigation")[0].responseStart);
    firstByteMs.push([path, Math.round(timing)]);
    assert.equal(await page.locator("h1").count(), 1, `${path} has one title`);
    assert.equal(await page.locator("main").count(), 1);
    const charts = await page.locator(".plot[data-chart]").count();
    if (charts) await page.locator(".plot canvas").first().waitFor();
    assert.equal(await page.locator(".plot canvas").count(), charts, `${path} draws its charts`);
    await fits(page, path);
    assert.deepEqual(await page.evaluate(faint), [], `${path} is readable`);
    await picture(page, `${nameOf(path)}_light`);
  }
  done.push("every page");

  // ---- from the list of plays to one, and back
  await page.goto(`${address}/plays`);
  await page.locator("#table-plays tbody a").first().click();
  await page.waitForURL(/\/plays\/.+/);
  await page.getByRole("heading", { name: "Its way" }).waitFor();
  await page.getByRole("link", { name: "Plays", exact: true }).last().click();
  await page.waitForURL(/\/plays$/);
  done.push("drill-down");

  // ---- filters stand in the address, and work by clicking and by choosing
  await page.goto(`${address}/`);
  const sent = () => page.locator(".tile", { has: page.getByText("Messages sent", { exact: true }) }).locator(".value").textContent();
  const week = await sent();
  await page.getByRole("link", { name: "30 days" }).click();
  await page.waitForURL(/period=30d/);
  await page.locator('.segmented a[aria-current]', { hasText: "30 days" }).waitFor();
  const month = await sent();
  assert.notEqual(month, week);
  await page.getByLabel("Only").selectOption({ label: "email" });
  await page.waitForURL(/only=channel(%3A|:)email/);
  await page.getByText("Only Channel: email.").waitFor();
  assert.notEqual(await sent(), month);
  assert.match(page.url(), /period=30d/, "the period stays");
  await page.reload();
  await page.getByText("Only Channel: email.").waitFor();
  await page.goBack();
  await page.getByText("Only Channel: email.").waitFor({ state: "detached" });
  await page.waitForLoadState();
  assert.match(page.url(), /period=30d$/, "back leads to the filter before");
  assert.equal(await sent(), month);
  done.push("filters");

  // ---- a part of the page is refreshed, and only that
  await page.goto(`${address}/`);
  await page.evaluate(() => (document.querySelector("h1").dataset.kept = "yes"));
  const fresh = page.waitForResponse((response) => response.request().headers()["hx-request"] === "true");
  await page.evaluate(() => document.body.dispatchEvent(new CustomEvent("kairos:live")));
  assert.equal((await fresh).status(), 200);
  await page.locator("#live .plot canvas").first().waitFor();
  assert.equal(await page.locator("h1[data-kept]").count(), 1);
  done.push("live");

  // ---- files
  const download = page.waitForEvent("download");
  await page.goto(`${address}/plays`);
  await page.getByRole("link", { name: "Export Plays as CSV" }).click();
  assert.equal((await download).suggestedFilename(), "plays.csv");
  done.push("export");

  // ---- by keyboard: past the navigation, into the menu and out
  await page.goto(`${address}/`);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  const menu = page.locator("details.menu");
  await menu.locator("summary").focus();
  await page.keyboard.press("Enter");
  assert.ok(await menu.evaluate((element) => element.open));
  await page.keyboard.press("Escape");
  assert.ok(!(await menu.evaluate((element) => element.open)));
  done.push("keyboard");

  // ---- dark by choice, and it stays
  await menu.locator("summary").click();
  await page.getByRole("button", { name: "Dark" }).click();
  await page.waitForFunction(() => document.documentElement.dataset.theme === "dark");
  for (const path of PAGES) {
    await page.goto(address + path);
    if (await page.locator(".plot[data-chart]").count()) await page.locator(".plot canvas").first().waitFor();
    assert.deepEqual(await page.evaluate(faint), [], `${path} is readable in the dark`);
    await picture(page, `${nameOf(path)}_dark`);
  }
  await page.goto(`${address}/`);
  await menu.locator("summary").click();
  await page.getByRole("button", { name: "As the system" }).click();
  await page.waitForFunction(() => document.documentElement.dataset.theme === "system");
  done.push("dark");

  // ---- a phone, dark by its own setting
  const phone = await person({ viewport: { width: 360, height: 740 }, colorScheme: "dark", hasTouch: true });
  await logIn(phone);
  for (const path of PAGES) {
    await phone.goto(address + path);
    if (await phone.locator(".plot[data-chart]").count()) await phone.locator(".plot canvas").first().waitFor();
    await fits(phone, `${path} on a phone`);
    await picture(phone, `${nameOf(path)}_phone`);
  }
  done.push("360 px");

  // ---- without scripts: everything but drawing works
  const plain = await person({ javaScriptEnabled: false });
  await logIn(plain, "/?period=30d");
  assert.match(plain.url(), /period=30d$/);
  await plain.getByLabel("Only").selectOption({ label: "email" });
  await plain.getByRole("button", { name: "Filter" }).click();
  await plain.getByText("Only Channel: email.").waitFor();
  done.push("without scripts");

  // ---- a page that is none, and out
  await page.goto(`${address}/nothing`);
  await page.getByRole("heading", { name: "Not found" }).waitFor();
  await picture(page, "not_found");
  said.splice(0); // The browser says that the answer was 404.
  await page.goto(`${address}/`);
  await menu.locator("summary").click();
  await page.getByRole("button", { name: "Log out", exact: true }).click();
  await page.getByText("You are logged out.").waitFor();
  await page.goto(`${address}/plays`);
  assert.equal(new URL(page.url()).pathname, "/log-in");
  done.push("logout");
  console.log(JSON.stringify({ done, said, firstByteMs }));
} finally {
  await browser.close();
}
