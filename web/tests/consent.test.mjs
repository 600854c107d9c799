// Nothing is kept or sent before somebody has agreed, nor after they have not; and whose events they are.

import assert from "node:assert/strict";
import { describe } from "node:test";
import { eventually, flush, skip, stored, tests } from "./support.mjs";

const NOTHING = { local: {}, session: {}, cookies: "" };
const GPC = (page) =>
  page.addInitScript(() => Object.defineProperty(Navigator.prototype, "globalPrivacyControl", { get: () => true }));
const REQUIRED = { "data-consent": "required" };

describe("consent and identity", { skip }, () => {
  let shop;
  const on = tests((world) => (shop = world), { body: `<b data-kairos="mug">Mug</b>` });

  const consent = (page, analytics, marketing) =>
    page.evaluate((preferences) => window.kairos.consent(preferences), { analytics, marketing });
  const names = () => shop.events().map(({ event, type }) => event ?? type);

  /** Clicks, waits, hides the page and leaves it: everything that could make a script keep or send something. */
  async function livelyStay(page) {
    await page.click("b");
    await page.clock.runFor(120_000);
    await flush(page);
    await page.evaluate(() => {
      document.dispatchEvent(new Event("visibilitychange"));
      window.dispatchEvent(new Event("pagehide"));
      window.dispatchEvent(new Event("online"));
    });
    await page.clock.runFor(10_000);
  }

  on(
    "before consent nothing is kept and nothing is sent; after it, what was seen is",
    { script: REQUIRED },
    async (page) => {
      await livelyStay(page);
      assert.deepEqual(await stored(page), NOTHING);
      assert.deepEqual(shop.requests, []);
      await consent(page, true, false);
      await flush(page);
      assert.deepEqual(names().slice(0, 2), ["page", "Element Clicked"]);
      assert.equal(names().at(-1), "Segment Consent Preference Updated");
      for (const event of shop.events()) {
        assert.deepEqual(event.context.consent.categoryPreferences, { analytics: true, marketing: false });
        assert.ok(event.anonymousId);
      }
      assert.ok((await stored(page)).local["kairos:visitor"]);
    },
  );

  on("consent is the default's question", { script: { "data-consent": null } }, async (page) => {
    await livelyStay(page);
    assert.deepEqual([await stored(page), shop.requests], [NOTHING, []]);
  });

  on(
    "where nothing may wait, what was before consent is gone",
    { script: { ...REQUIRED, "data-before-consent": "drop" } },
    async (page) => {
      await livelyStay(page);
      await consent(page, true, true);
      await flush(page);
      assert.deepEqual(names(), ["Segment Consent Preference Updated", "page"], "the page is looked at from now on");
    },
  );

  on("no more waits for consent than may", { script: REQUIRED }, async (page) => {
    await page.evaluate(() => {
      for (let number = 0; number < 250; number++) window.kairos.track("Numbered", { number });
    });
    await consent(page, true, true);
    await eventually("all of them", () => shop.of("Segment Consent Preference Updated").length);
    const numbers = shop.of("Numbered").map(({ properties }) => properties.number);
    assert.equal(numbers.length, 199, "with the word of the consent, 200");
    assert.equal(numbers.at(-1), 249);
  });

  on("who refuses leaves no trace", { script: REQUIRED }, async (page) => {
    await page.click("b");
    await consent(page, false, false);
    await livelyStay(page);
    assert.deepEqual([await stored(page), shop.requests], [NOTHING, []]);
    const counts = await page.evaluate(() => window.kairos.counts);
    assert.ok(counts.withheld >= 3 && counts.withheld === counts.captured, JSON.stringify(counts));
  });

  on(
    "a consent that is withdrawn is told once, and then nothing is kept or sent",
    { script: REQUIRED },
    async (page) => {
      await consent(page, true, true);
      await flush(page);
      const { anonymousId } = shop.events()[0];
      await page.click("b");
      await consent(page, false, false);
      assert.deepEqual(await stored(page), NOTHING);
      await eventually("the word of it", () => shop.of("Segment Consent Preference Updated").length === 2);
      const last = shop.events().at(-1);
      assert.deepEqual(last.context.consent.categoryPreferences, { analytics: false, marketing: false });
      assert.equal(last.anonymousId, anonymousId, "it is told of the same visitor");
      const before = shop.requests.length;
      await livelyStay(page);
      assert.deepEqual([await stored(page), shop.requests.length], [NOTHING, before]);
      assert.ok(!names().includes("Element Clicked"));
    },
  );

  for (const [how, refuse] of [
    ["is said on a later page", (page) => consent(page, false, false)],
    ["comes as Global Privacy Control", () => {}],
  ]) {
    on(`a withdrawal that ${how} finds what was kept before`, { script: REQUIRED }, async (page) => {
      await consent(page, true, true);
      await flush(page);
      const { anonymousId } = shop.events()[0];
      shop.put("/later", { script: how.startsWith("is") ? REQUIRED : {} });
      if (how.startsWith("comes")) await GPC(page);
      await page.goto(`${shop.origin}/later`);
      await refuse(page);
      await eventually("the word of it", () => shop.of("Segment Consent Preference Updated").length === 2);
      const last = shop.events().at(-1);
      assert.deepEqual(last.context.consent.categoryPreferences, { analytics: false, marketing: false });
      assert.equal(last.anonymousId, anonymousId);
      assert.deepEqual(await stored(page), NOTHING);
    });
  }

  on("a withdrawal arrives even if not at once, and is kept nowhere", { script: REQUIRED }, async (page) => {
    await consent(page, true, true);
    await flush(page);
    shop.answers.push({ status: 503 }, { status: 503 });
    await consent(page, false, false);
    await eventually("the word of it", async () => {
      await page.clock.runFor(1_000);
      assert.deepEqual(await stored(page), NOTHING);
      return shop.of("Segment Consent Preference Updated").length === 2;
    });
  });

  on("a withdrawal after a long time is the last thing told, and no return", { script: REQUIRED }, async (page) => {
    await consent(page, true, true);
    await flush(page);
    await page.clock.fastForward(40 * 60_000);
    await flush(page);
    const before = names().length;
    await page.evaluate(() => {
      window.kairos.consent({ analytics: false, marketing: false });
      // Banners say it more than once.
      window.kairos.consent({ analytics: false, marketing: false });
    });
    await eventually("the word of it", () => shop.of("Segment Consent Preference Updated").length === 2);
    assert.deepEqual(names().slice(before), ["Segment Consent Preference Updated"]);
  });

  on("a consent that is repeated on every page is told once", { script: REQUIRED }, async (page) => {
    for (let load = 0; load < 3; load++) {
      await consent(page, true, true);
      await flush(page);
      await page.reload();
    }
    assert.equal(shop.of("Segment Consent Preference Updated").length, 1);
    await consent(page, true, false);
    await flush(page);
    assert.equal(shop.of("Segment Consent Preference Updated").length, 2);
  });

  on("Global Privacy Control is a refusal where consent was only assumed", { before: GPC }, async (page) => {
    await livelyStay(page);
    assert.deepEqual([await stored(page), shop.requests], [NOTHING, []]);
  });

  on(
    "with Global Privacy Control nothing waits, and marketing stays refused",
    { before: GPC, script: REQUIRED },
    async (page) => {
      await livelyStay(page);
      assert.deepEqual([await stored(page), shop.requests], [NOTHING, []]);
      await consent(page, true, true);
      await flush(page);
      assert.deepEqual(names(), ["Segment Consent Preference Updated", "page"]);
      for (const { context } of shop.events()) {
        assert.deepEqual(context.consent.categoryPreferences, { analytics: true, marketing: false });
      }
    },
  );

  const said = (analytics) => ({
    before: async (page) => {
      await page.addInitScript((analytics) => {
        window.kairos = [
          (kairos) => kairos.track("Early"),
          (kairos) => kairos.consent({ analytics, marketing: analytics }),
        ];
      }, analytics);
    },
  });

  on("a refusal spoken before the script has come holds where consent is assumed", said(false), async (page) => {
    await livelyStay(page);
    assert.deepEqual([await stored(page), shop.requests], [NOTHING, []]);
  });

  on(
    "a consent spoken before the script has come holds against Global Privacy Control",
    {
      before: async (page) => {
        await GPC(page);
        await said(true).before(page);
      },
    },
    async (page) => {
      await flush(page);
      assert.deepEqual(names(), ["Segment Consent Preference Updated", "page"]);
    },
  );

  on(
    "what is said before the script has come does not wait where nothing may",
    {
      before: (page) => page.addInitScript(() => (window.kairos = [(kairos) => kairos.track("Early")])),
      script: { ...REQUIRED, "data-before-consent": "drop" },
    },
    async (page) => {
      await consent(page, true, true);
      await flush(page);
      assert.deepEqual(names(), ["Segment Consent Preference Updated", "page"]);
    },
  );

  on(
    "a call that fails before the script has come costs neither the others nor the start",
    {
      before: (page) =>
        page.addInitScript(() => {
          window.kairos = [(kairos) => kairos.nothing(), (kairos) => kairos.consent({ analytics: false })];
        }),
    },
    async (page) => {
      await livelyStay(page);
      assert.deepEqual([await stored(page), shop.requests], [NOTHING, []]);
      assert.equal(page.complaints.length, 1);
      await consent(page, true, true);
      await flush(page);
      assert.equal(shop.of("page").length, 1);
    },
  );

  on(
    "consent before the start is not lost, and nothing is looked at until then",
    { script: { "data-write-key": null } },
    async (page) => {
      await consent(page, true, true);
      await page.evaluate(() => window.kairos.track("Early"));
      await livelyStay(page);
      assert.deepEqual([page.complaints, shop.requests], [[], []]);
      const endpoint = shop.endpoint;
      await page.evaluate((endpoint) => window.kairos.start({ endpoint, writeKey: "tests-key" }), endpoint);
      await page.clock.runFor(10);
      await eventually("what was told", () => names().length === 3);
      assert.deepEqual(names(), ["Segment Consent Preference Updated", "Early", "page"]);
    },
  );

  const FAKE = `window.analytics = {
    user: () => ({ id: () => window.known ?? null, anonymousId: () => "segment-visitor" }),
  };`;

  on(
    "beside analytics.js its ids are used",
    {
      script: REQUIRED,
      before: (page) => page.addInitScript(FAKE),
    },
    async (page) => {
      await page.click("b");
      await page.evaluate(() => (window.known = "ada"));
      await consent(page, true, true);
      await flush(page);
      assert.ok(shop.events().length >= 3);
      for (const { anonymousId, userId } of shop.events())
        assert.deepEqual([anonymousId, userId], ["segment-visitor", "ada"]);
      assert.equal((await stored(page)).local.ajs_anonymous_id, undefined);
    },
  );

  for (const [where, put] of [
    [
      "localStorage",
      () => {
        localStorage.ajs_anonymous_id = '"from-storage"';
        localStorage.ajs_user_id = '"bob"';
      },
    ],
    [
      "cookies",
      () => {
        document.cookie = "ajs_anonymous_id=%22from-storage%22";
        document.cookie = "ajs_user_id=bob";
      },
    ],
  ]) {
    on(
      `ids that analytics.js has left in ${where} are used`,
      { before: (page) => page.addInitScript(put) },
      async (page) => {
        await flush(page);
        const [{ anonymousId, userId }] = shop.of("page");
        assert.deepEqual([anonymousId, userId], ["from-storage", "bob"]);
      },
    );
  }

  for (const first of ["kairos.js", "analytics.js"]) {
    on(
      `Segment's own analytics.js and kairos.js agree who it is when ${first} comes first`,
      {
        policy: "default-src * 'unsafe-inline'",
        script: first === "kairos.js" ? {} : REQUIRED,
        clock: false,
      },
      async (page) => {
        shop.answers.length = 0;
        if (first === "kairos.js") await flush(page);
        await page.addScriptTag({ url: "/umd/index.js" });
        const theirs = await page.evaluate(async (endpoint) => {
          const settings = { integrations: {} };
          const [analytics] = await window.AnalyticsNext.AnalyticsBrowser.load({
            writeKey: "theirs",
            cdnURL: endpoint,
            cdnSettings: settings,
          });
          window.analytics = analytics;
          await analytics.identify("eva");
          return analytics.user().anonymousId();
        }, shop.endpoint);
        if (first === "analytics.js") await consent(page, true, true);
        await page.evaluate(() => window.kairos.track("Reviews Read"));
        await flush(page);
        const [{ anonymousId, userId }] = shop.of("Reviews Read");
        assert.deepEqual([anonymousId, userId], [theirs, "eva"]);
        assert.equal(shop.of("page")[0].anonymousId, theirs);
      },
    );
  }

  on("an own id stays, and who says who they are is known from then on", {}, async (page) => {
    await flush(page);
    await page.evaluate(() => window.kairos.identify("tom", { firstName: "Tom" }));
    await flush(page);
    await page.reload();
    await flush(page);
    const [first, second] = shop.of("page");
    const [identify] = shop.of("identify");
    assert.equal(first.userId, undefined);
    assert.deepEqual(
      [identify.userId, identify.anonymousId, identify.traits],
      ["tom", first.anonymousId, { firstName: "Tom" }],
    );
    assert.deepEqual([second.userId, second.anonymousId], ["tom", first.anonymousId]);
    await page.evaluate(() => window.kairos.reset());
    await page.evaluate(() => window.kairos.track("Reviews Read"));
    await flush(page);
    const [after] = shop.of("Reviews Read");
    assert.equal(after.userId, undefined);
    assert.notEqual(after.anonymousId, first.anonymousId);
  });

  /** A second tab of the same browser, in which something was told already. */
  async function secondTab(page) {
    await flush(page);
    const other = await page.context().newPage();
    await other.clock.install();
    await other.goto(page.url());
    await flush(other);
    return other;
  }
  /** Waits until a tab knows what another one has written. */
  const knows = (page, what) =>
    eventually("the other tab's word", async () => what((await stored(page)).local["kairos:visitor"]));

  on("who signs out in one tab is signed out in the others", {}, async (page) => {
    await page.evaluate(() => window.kairos.identify("tom"));
    const other = await secondTab(page);
    const [{ anonymousId }] = shop.of("identify");
    await page.evaluate(() => window.kairos.reset());
    await knows(other, (visitor) => visitor === "{}");
    await other.click("b");
    await flush(other);
    await knows(page, (visitor) => visitor !== "{}");
    await page.evaluate(() => window.kairos.track("Reviews Read"));
    await flush(page);
    const [clicked, read] = [shop.of("Element Clicked")[0], shop.of("Reviews Read")[0]];
    assert.deepEqual([clicked.userId, read.userId], [undefined, undefined]);
    assert.notEqual(clicked.anonymousId, anonymousId);
    assert.equal(read.anonymousId, clicked.anonymousId);
  });

  on("a withdrawal in one tab holds in the others until there is consent again", {}, async (page) => {
    const other = await secondTab(page);
    const [{ anonymousId }] = shop.of("page");
    await other.click("b");
    await consent(page, false, false);
    await eventually("the word of it", () => shop.of("Segment Consent Preference Updated").length === 1);
    await knows(other, (visitor) => visitor === undefined);
    const before = shop.requests.length;
    await livelyStay(other);
    await other.evaluate(() => window.kairos.identify("tom"));
    await flush(other);
    assert.deepEqual([await stored(other), shop.requests.length], [NOTHING, before]);
    const { withheld } = await other.evaluate(() => window.kairos.counts);
    assert.ok(withheld >= 3, `${withheld}`);
    await consent(other, true, false);
    await other.evaluate(() => window.kairos.track("Reviews Read"));
    await flush(other);
    assert.deepEqual(names().slice(-2), ["Segment Consent Preference Updated", "Reviews Read"]);
    assert.ok(!names().includes("Element Clicked"));
    assert.notEqual(shop.events().at(-1).anonymousId, anonymousId);
  });

  on("a listener that fails costs no event", {}, async (page) => {
    await page.evaluate(() => {
      window.kairos.on(() => {
        throw new Error("of the shop");
      });
      window.kairos.track("Reviews Read");
    });
    await page.click("b");
    await flush(page);
    assert.deepEqual(names(), ["page", "Reviews Read", "Element Clicked"]);
  });

  on(
    "where storage is blocked, a visitor is the same for a page",
    {
      before: (page) =>
        page.addInitScript(() =>
          Object.defineProperty(window, "localStorage", {
            get() {
              throw new DOMException("no", "SecurityError");
            },
          }),
        ),
    },
    async (page) => {
      await page.click("b");
      await flush(page);
      await page.evaluate(() => window.kairos.track("Reviews Read"));
      await flush(page);
      assert.deepEqual(names(), ["page", "Element Clicked", "Reviews Read"]);
      assert.equal(new Set(shop.events().map(({ anonymousId }) => anonymousId)).size, 1);
    },
  );
});
