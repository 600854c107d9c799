// Messages come to the page when they may, look and behave as they should, and are never more than text.

import assert from "node:assert/strict";
import { describe } from "node:test";
import { ASK_AFTER } from "../src/bounds.js";
import { drawn, eventually, flush, skip, stored, tests } from "./support.mjs";

const BANNER = {
  id: "00112233445566778899aabbccddeeff",
  name: "exit_free_shipping",
  language: "en",
  kind: "banner",
  title: "Before you go",
  text: "Free shipping for your cart.\nFor 24 hours.",
  button: { text: "To the cart", link: "https://shop.example/cart" },
  position: "bottom",
  dismissible: true,
  priority: 0,
  expires_in_ms: 300_000,
  seen: false,
};
const MODAL = { ...BANNER, id: "11112233445566778899aabbccddeeff", kind: "modal" };
const EMBEDDED = { ...BANNER, id: "22112233445566778899aabbccddeeff", kind: "embedded", slot: "cart" };
const GPC = (page) =>
  page.addInitScript(() => Object.defineProperty(Navigator.prototype, "globalPrivacyControl", { get: () => true }));

describe("messages on the page", { skip }, () => {
  let shop;
  const tried = tests((world) => (shop = world), { quiet: true });
  /** Runs a test on a page of its own, whose inbox has these messages from the start on; `prepare` is given the world. */
  const on = (title, { messages = [], script, prepare, ...page }, run) =>
    tried(
      title,
      (shop) => {
        shop.inbox.messages = messages;
        prepare?.(shop);
        const inbox = { "data-inbox": `${shop.endpoint}/` };
        return { ...page, script: typeof script === "string" ? script : { ...inbox, ...script } };
      },
      run,
    );

  const message = (page) => page.locator("[data-kairos-message]");
  const card = (page) => message(page).locator("[part=message]");
  /** Moves time on until a message can be seen. */
  const comes = (page, which = card(page)) =>
    eventually("a message", async () => {
      await page.clock.runFor(50);
      return which.first().isVisible();
    });
  /** Lets time pass, and each question be answered meanwhile. */
  async function pass(page, span) {
    let underWay = 0;
    const counts = { request: 1, requestfinished: -1, requestfailed: -1 };
    for (const name in counts) page.on(name, () => (underWay += counts[name]));
    for (let passed = 0; passed < span; passed += 50) {
      await page.clock.runFor(50);
      await eventually("answers", () => underWay <= 0);
      await page.evaluate(() => {});
    }
  }
  const told = (...expected) =>
    eventually(`told: ${expected.map(([what]) => what)}`, async () => shop.inbox.told.length >= expected.length).then(
      () => assert.deepEqual(shop.inbox.told, expected),
    );
  const consent = (page, analytics, marketing) =>
    page.evaluate((preferences) => window.kairos.consent(preferences), { analytics, marketing });

  on(
    "what waits is shown when a page is opened, and that it was seen is told once",
    { messages: [BANNER] },
    async (page) => {
      await comes(page);
      assert.equal(await card(page).locator("[part=title]").textContent(), BANNER.title);
      assert.equal(await card(page).locator("[part=text]").textContent(), BANNER.text);
      assert.equal(await card(page).locator("a").getAttribute("href"), BANNER.button.link);
      await told(["seen", BANNER.id]);
      const [question, ...more] = shop.inbox.asked;
      assert.deepEqual([Object.keys(question), more], [["writeKey", "anonymousId"], []]);
      await page.evaluate(() => window.kairos.messages());
      await pass(page, 1_000);
      assert.equal(await message(page).count(), 1, "the same message is not shown twice");
      assert.deepEqual(shop.inbox.told, [["seen", BANNER.id]]);
    },
  );

  on(
    "an event that may lead to a message makes the page ask, a few times, and not for ever",
    { clock: "paused" },
    async (page) => {
      await pass(page, 300);
      assert.equal(shop.inbox.asked.length, 1, "when the page is opened");
      await flush(page);
      await pass(page, 10_000);
      assert.equal(shop.inbox.asked.length, 1, "no event, no question");
      shop.inbox.expected = true;
      await page.evaluate(() => window.kairos.track("Exit Intended", {}));
      await flush(page);
      await pass(page, 10_000);
      assert.equal(shop.inbox.asked.length, 1 + ASK_AFTER.length);
      shop.inbox.messages = [BANNER];
      await page.evaluate(() => window.kairos.track("Exit Intended", {}));
      await flush(page);
      await comes(page);
      const asked = shop.inbox.asked.length;
      assert.ok(asked < 1 + 2 * ASK_AFTER.length);
      await pass(page, 10_000);
      assert.equal(shop.inbox.asked.length, asked, "what was found ends the search");
    },
  );

  on(
    "a page that nobody sees does not ask, and asks once when it is looked at again",
    { clock: "paused" },
    async (page) => {
      await pass(page, 300);
      shop.inbox.expected = true;
      const hide = (hidden) =>
        page.evaluate((hidden) => {
          Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }, hidden);
      await page.evaluate(() => window.kairos.track("Exit Intended", {}));
      await flush(page);
      await hide(true);
      await pass(page, 5_000);
      assert.equal(shop.inbox.asked.length, 1);
      shop.inbox.expected = false;
      await hide(false);
      await pass(page, 5_000);
      assert.equal(shop.inbox.asked.length, 2);
    },
  );

  on("without an inbox nobody is asked", { messages: [BANNER], script: { "data-inbox": null } }, async (page) => {
    shop.inbox.expected = true;
    await page.evaluate(() => window.kairos.track("Exit Intended", {}));
    await flush(page);
    await page.clock.runFor(10_000);
    await page.evaluate(() => window.kairos.messages());
    await page.clock.runFor(10_000);
    assert.deepEqual([shop.inbox.asked, await message(page).count()], [[], 0]);
  });

  for (const [who, options] of [
    ["has said nothing", { script: { "data-consent": "required" } }],
    ["is protected by Global Privacy Control", { before: GPC }],
  ]) {
    on(`of somebody who ${who} nothing is asked`, { messages: [BANNER], ...options }, async (page) => {
      await page.evaluate(() => window.kairos.messages());
      await page.clock.runFor(10_000);
      await flush(page);
      assert.deepEqual([shop.inbox.asked, await message(page).count()], [[], 0]);
      assert.deepEqual((await stored(page)).local, {});
    });
  }

  on(
    "who wants no marketing gets none, and who agrees to it does",
    { messages: [BANNER], script: { "data-consent": "required" } },
    async (page) => {
      await consent(page, true, false);
      await page.clock.runFor(10_000);
      assert.deepEqual(shop.inbox.asked, []);
      await consent(page, true, true);
      await comes(page);
      await consent(page, true, false);
      assert.equal(await message(page).count(), 0, "what is withdrawn is taken away");
      await consent(page, true, true);
      await comes(page);
      await consent(page, false, false);
      assert.equal(await message(page).count(), 0);
      assert.ok(!shop.inbox.told.some(([what]) => what === "dismissed"), "nobody has closed it");
    },
  );

  on(
    "signing out takes away what another one must not see",
    { messages: [MODAL, EMBEDDED], body: "<p data-kairos-slot=cart></p>" },
    async (page) => {
      await comes(page, page.locator("dialog"));
      assert.equal(await message(page).count(), 2);
      await page.evaluate(() => window.kairos.reset());
      assert.equal(await message(page).count(), 0);
    },
  );

  on(
    "a known user asks with the proof that the shop's server has made",
    { script: { "data-user-hash": "ab12" } },
    async (page) => {
      await page.evaluate(() => window.kairos.identify("ann", {}, "cd34"));
      await page.evaluate(() => window.kairos.messages());
      await eventually("a question", async () => {
        await page.clock.runFor(50);
        return shop.inbox.asked.some(({ userId }) => userId === "ann");
      });
      const { anonymousId, ...question } = shop.inbox.asked.at(-1);
      assert.ok(anonymousId);
      assert.deepEqual(question, { writeKey: "tests-key", userId: "ann", userHash: "cd34" });
      await page.evaluate(() => window.kairos.reset());
      await page.evaluate(() => window.kairos.messages());
      await eventually("a question of somebody else", async () => {
        await page.clock.runFor(50);
        return shop.inbox.asked.at(-1).anonymousId !== anonymousId;
      });
      assert.deepEqual(Object.keys(shop.inbox.asked.at(-1)), ["writeKey", "anonymousId"]);
    },
  );

  on(
    "what a message says is text, whatever it looks like, and only web links are links",
    {
      messages: [
        {
          ...BANNER,
          title: "<img src=x onerror=\"document.title='broken'\">",
          text: "</p><script>document.title='broken'</script>&amp;",
          picture: "javascript:document.title='broken'",
          button: { text: "<b>Go", link: " jav\tascript:document.title='broken'" },
          language: '"><script>',
          position: 'bottom"><script>',
        },
        { ...EMBEDDED, slot: 'x"],body,[y="' },
      ],
      // No text may become a script or markup anywhere on this page.
      policy: undefined,
      head: `<meta http-equiv="Content-Security-Policy" content="require-trusted-types-for 'script'; trusted-types 'none'">`,
    },
    async (page) => {
      await comes(page);
      assert.equal(
        await card(page).locator("[part=title]").textContent(),
        "<img src=x onerror=\"document.title='broken'\">",
      );
      assert.equal(
        await card(page).locator("[part=text]").textContent(),
        "</p><script>document.title='broken'</script>&amp;",
      );
      assert.deepEqual([await card(page).locator("a,img,script,b").count(), await message(page).count()], [0, 1]);
      assert.equal(await page.title(), "Shop /");
    },
  );

  on(
    "a modal holds the focus, closes by Escape, and gives the focus back",
    { messages: [], body: "<button id=buy>Buy</button><a href=/>Home</a>" },
    async (page) => {
      await page.focus("#buy");
      shop.inbox.messages = [MODAL];
      await page.evaluate(() => window.kairos.messages());
      await comes(page);
      const dialog = page.getByRole("dialog", { name: MODAL.title });
      assert.equal(await dialog.getAttribute("aria-modal"), "true");
      const focused = () =>
        page.evaluate(
          () => document.activeElement.shadowRoot?.activeElement?.getAttribute("part") ?? document.activeElement.id,
        );
      const seen = [await focused()];
      for (const key of ["Tab", "Tab", "Tab", "Shift+Tab", "Shift+Tab", "Shift+Tab"]) {
        await page.keyboard.press(key);
        seen.push(await focused());
      }
      assert.deepEqual(seen, ["button", "close", "button", "close", "button", "close", "button"]);
      await page.keyboard.press("Escape");
      assert.deepEqual([await message(page).count(), await focused()], [0, "buy"]);
      await told(["seen", MODAL.id], ["dismissed", MODAL.id]);
    },
  );

  on("a modal closes by a click beside it, and not by one on it", { messages: [MODAL] }, async (page) => {
    await comes(page);
    await card(page).locator("[part=text]").click();
    assert.equal(await message(page).count(), 1);
    await page.mouse.click(10, 10);
    assert.equal(await message(page).count(), 0);
    await told(["seen", MODAL.id], ["dismissed", MODAL.id]);
  });

  on(
    "what must not be closed is not closed by any key",
    { messages: [{ ...MODAL, dismissible: false }] },
    async (page) => {
      await comes(page);
      assert.equal(await card(page).locator("button").count(), 0);
      for (const _ of [1, 2, 3]) await page.keyboard.press("Escape");
      await page.mouse.click(10, 10);
      assert.ok(await card(page).isVisible());
      assert.deepEqual(shop.inbox.told, [["seen", MODAL.id]]);
    },
  );

  on(
    "a banner leaves the page as it is, and its cross closes it",
    { messages: [{ ...BANNER, close: "Schließen" }], body: "<button id=buy>Buy</button>" },
    async (page) => {
      await page.focus("#buy");
      await comes(page);
      assert.equal(await page.evaluate(() => document.activeElement.id), "buy", "nobody is torn away");
      assert.equal(await page.getByRole("dialog", { name: BANNER.title }).count(), 1);
      await page.getByRole("button", { name: "Schließen" }).focus();
      await page.keyboard.press("Enter");
      assert.deepEqual([await message(page).count(), await page.evaluate(() => document.activeElement.id)], [0, "buy"]);
      await told(["seen", BANNER.id], ["dismissed", BANNER.id]);
    },
  );

  on("Escape closes a banner only for who is in it", { messages: [BANNER] }, async (page) => {
    await comes(page);
    await page.keyboard.press("Escape");
    assert.equal(await message(page).count(), 1);
    await card(page).locator("a").focus();
    await page.keyboard.press("Escape");
    assert.equal(await message(page).count(), 0);
  });

  on("following the button tells so, and goes there", { messages: [] }, async (page) => {
    const link = `${shop.origin}/cart`;
    shop.put("/cart", { script: { "data-inbox": shop.endpoint } });
    shop.inbox.messages = [{ ...BANNER, button: { text: "To the cart", link } }];
    await page.evaluate(() => window.kairos.messages());
    await comes(page);
    shop.inbox.messages = [];
    await card(page).locator("a").click();
    await page.waitForURL(link);
    await told(["seen", BANNER.id], ["clicked", BANNER.id]);
  });

  on(
    "banners and modals come one after the other, the most important first, and not when they are over",
    {
      messages: [
        { ...BANNER, id: "a", priority: -5, title: "Third" },
        { ...BANNER, id: "b", priority: 70, title: "Second", expires_in_ms: 600_000 },
        { ...MODAL, id: "c", priority: 80, title: "First" },
        { ...BANNER, id: "d", priority: 60, title: "Over", expires_in_ms: 1 },
      ],
    },
    async (page) => {
      await comes(page);
      const titles = () => card(page).locator("[part=title]").allTextContents();
      assert.deepEqual(await titles(), ["First"]);
      await page.clock.runFor(10);
      await page.keyboard.press("Escape");
      assert.deepEqual(await titles(), ["Second"]);
      await card(page).locator("[part=close]").click();
      assert.deepEqual(await titles(), ["Third"]);
      await page.clock.runFor(300_000);
      assert.deepEqual(await titles(), [], "its moment has passed");
      assert.deepEqual(
        shop.inbox.told.filter(([, id]) => id === "a"),
        [["seen", "a"]],
        "nobody has closed it",
      );
    },
  );

  on(
    "an embedded message stands in its slot, and is seen when it comes into sight",
    {
      messages: [EMBEDDED, BANNER],
      body: "<div style='height: 3000px'></div><section data-kairos-slot=cart></section>",
    },
    async (page) => {
      await comes(page);
      await drawn(page);
      const embedded = page.locator("[data-kairos-slot=cart] > [data-kairos-message]");
      assert.equal(await embedded.count(), 1);
      await told(["seen", BANNER.id]);
      await embedded.scrollIntoViewIfNeeded();
      await told(["seen", BANNER.id], ["seen", EMBEDDED.id]);
      await embedded.locator("[part=close]").click();
      await told(["seen", BANNER.id], ["seen", EMBEDDED.id], ["dismissed", EMBEDDED.id]);
      assert.equal(await message(page).count(), 1, "the banner has nothing to do with it");
    },
  );

  on("a slot that comes with a later view gets its message then", { messages: [EMBEDDED] }, async (page) => {
    await pass(page, 300);
    assert.equal(await message(page).count(), 0);
    await page.evaluate(() => document.body.insertAdjacentHTML("beforeend", "<p data-kairos-slot=cart></p>"));
    await page.evaluate(() => window.kairos.messages());
    await comes(page);
  });

  on(
    "a shop shows messages in its own way",
    { messages: [BANNER, MODAL], script: { "data-consent": "required" } },
    async (page) => {
      await page.evaluate(() => {
        window.got = [];
        window.kairos.onMessage((message, tell) => {
          window.got.push(message.title);
          tell.seen();
          tell.seen();
          tell.clicked();
          return message.kind === "banner";
        });
      });
      await consent(page, true, true);
      await comes(page, page.locator("dialog"));
      assert.deepEqual(await page.evaluate(() => window.got), [BANNER.title, MODAL.title]);
      assert.equal(await message(page).count(), 1, "what it leaves is shown as ever");
      await told(["seen", BANNER.id], ["clicked", BANNER.id], ["seen", MODAL.id], ["clicked", MODAL.id]);
    },
  );

  on(
    "a module shows them as well",
    {
      messages: [BANNER],
      script: `<script type="module" src="/start.mjs"></script>`,
      prepare({ endpoint, scripts }) {
        const options = JSON.stringify({ endpoint, inbox: endpoint, writeKey: "k", consent: "assumed" });
        scripts["/start.mjs"] = `import { kairos } from "/web/dist/kairos.min.mjs"; kairos.start(${options});`;
      },
    },
    async (page) => {
      await comes(page);
    },
  );

  on(
    "styles of the page do not reach a message, nor those of a message the page",
    {
      messages: [BANNER],
      head: `<style>* { all: unset !important } div, a, button, h2, p { display: none !important; color: red !important }</style>`,
    },
    async (page) => {
      await comes(page);
      const { height, y } = await card(page).boundingBox();
      assert.ok(height > 60 && y + height <= 800 && y > 400, `${y} + ${height}`);
      assert.equal(
        await card(page)
          .locator("p")
          .evaluate((element) => getComputedStyle(element).color),
        "rgb(27, 27, 31)",
      );
    },
  );

  on(
    "a browser that cannot adopt styles gets them with the shop's nonce",
    {
      messages: [BANNER],
      before: (page) => page.addInitScript(() => delete window.CSSStyleSheet.prototype.replaceSync),
      policy: "default-src 'none'; script-src 'self' 'nonce-n0'; style-src 'nonce-n0'; connect-src *",
      script: { nonce: "n0" },
    },
    async (page) => {
      await comes(page);
      assert.equal(await card(page).evaluate((element) => getComputedStyle(element).position), "fixed");
    },
  );

  for (const [width, height] of [
    [360, 740],
    [1280, 800],
    [320, 480],
  ]) {
    for (const kind of ["banner", "modal"]) {
      on(
        `a ${kind} fits into ${width} × ${height}, however long it is`,
        {
          messages: [
            {
              ...BANNER,
              kind,
              title: "Rindfleischetikettierungsüberwachungsaufgabe ".repeat(2),
              text: "Free shipping. ".repeat(39),
            },
          ],
          context: { viewport: { width, height }, reducedMotion: "reduce" },
        },
        async (page) => {
          await comes(page);
          const box = await card(page).boundingBox();
          assert.ok(
            box.x >= 0 && box.y >= 0 && box.x + box.width <= width && box.y + box.height <= height,
            JSON.stringify(box),
          );
          const overflows = await card(page).evaluate((element) => element.scrollWidth > element.clientWidth);
          assert.equal(overflows, false);
          const cross = await card(page).locator("[part=close]").boundingBox();
          assert.ok(cross.width >= 44 && cross.height >= 44, "large enough for a finger");
        },
      );
    }
  }

  on(
    "who reads from right to left finds the cross at the left",
    {
      messages: [{ ...BANNER, language: "ar", title: "قبل أن تذهب", text: "شحن مجاني لسلة مشترياتك." }],
    },
    async (page) => {
      await comes(page);
      const [box, cross] = [await card(page).boundingBox(), await card(page).locator("[part=close]").boundingBox()];
      assert.ok(cross.x - box.x < 20);
    },
  );

  on(
    "nothing moves for who wants no motion",
    { messages: [BANNER], context: { reducedMotion: "reduce" } },
    async (page) => {
      await comes(page);
      assert.equal(await card(page).evaluate((element) => getComputedStyle(element).animationName), "none");
    },
  );

  for (const colorScheme of ["light", "dark"]) {
    on(`words stand out in ${colorScheme} colours`, { messages: [BANNER], context: { colorScheme } }, async (page) => {
      await comes(page);
      const colours = await card(page).evaluate((element) => {
        const [style, link] = [getComputedStyle(element), getComputedStyle(element.querySelector("a"))];
        return [
          [style.color, style.backgroundColor],
          [link.color, link.backgroundColor],
        ];
      });
      for (const [one, other] of colours) {
        const contrast = ratio(one, other);
        assert.ok(contrast >= 4.5, `${one} on ${other}: ${contrast}`);
      }
    });
  }
});

/** The contrast of two colours, by WCAG 2.2 (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio). */
function ratio(...colours) {
  const luminance = (colour) => {
    const [r, g, b] = colour
      .match(/\d+/g)
      .map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [dark, light] = colours.map(luminance).sort((one, other) => one - other);
  return (light + 0.05) / (dark + 0.05);
}
