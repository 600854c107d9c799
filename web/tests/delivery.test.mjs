// Events arrive, each once, whatever becomes of the page, the network and the server.

import assert from "node:assert/strict";
import { describe } from "node:test";
import { WRITE_KEY, eventually, flush, skip, stored, tests } from "./support.mjs";

describe("delivery", { skip }, () => {
  let shop;
  const on = tests((world) => (shop = world));

  const track = (page, count, from = 0, more = {}) =>
    page.evaluate(
      ([count, from, more]) => {
        for (let number = from; number < from + count; number++) window.kairos.track("Numbered", { number, ...more });
      },
      [count, from, more],
    );
  const numbers = () => shop.of("Numbered").map(({ properties }) => properties.number);
  const counts = (page) => page.evaluate(() => ({ ...window.kairos.counts }));
  const upTo = (count) => Array.from({ length: count }, (_, number) => number);
  /** Every message that came, as often as it came. */
  const received = () => shop.requests.flatMap(({ body }) => body?.batch ?? []).map(({ messageId }) => messageId);

  on("events go together, without the browser asking first", {}, async (page) => {
    await page.clock.pauseAt(new Date(Date.now() + 60_000));
    await page.evaluate(() => window.kairos.flush());
    await track(page, 3);
    const before = shop.requests.length;
    await page.clock.runFor(4_000);
    assert.equal(shop.requests.length, before);
    await page.clock.runFor(1_500);
    await eventually("the batch", () => numbers().length === 3);
    const { method, url, headers, body } = shop.requests.at(-1);
    assert.deepEqual([method, url, body.writeKey], ["POST", "/v1/batch", WRITE_KEY]);
    assert.match(headers["content-type"], /^text\/plain/);
    assert.ok(body.sentAt && body.batch.every(({ messageId, timestamp }) => messageId && timestamp));
    assert.ok(
      shop.requests.every(({ method }) => method === "POST"),
      "there was no preflight",
    );
    await track(page, 20, 3);
    await page.clock.runFor(10);
    await eventually("twenty do not wait", () => numbers().length === 23);
  });

  on("batches stay below what a browser sends for a page that is gone", {}, async (page) => {
    await track(page, 30, 0, { text: "ö".repeat(2_000) });
    await eventually("all", async () => (await flush(page), numbers().length === 30));
    assert.deepEqual(numbers(), upTo(30));
    for (const { text } of shop.requests) assert.ok(Buffer.byteLength(text) < 64 * 1024, `${Buffer.byteLength(text)}`);
    assert.ok(shop.requests.length >= 3);
  });

  on("what is too large is dropped and counted, and its neighbours are not", {}, async (page) => {
    await track(page, 1);
    await track(page, 1, 1, { text: "x".repeat(33_000) });
    await track(page, 1, 2);
    await flush(page);
    assert.deepEqual(numbers(), [0, 2]);
    assert.equal((await counts(page)).dropped, 1);
  });

  on("what a page has not sent when it is left arrives", {}, async (page) => {
    shop.put("/next", {});
    await track(page, 5);
    await page.goto(`${shop.origin}/next`);
    await eventually("five", () => numbers().length === 5);
    // A tab that is closed is not tried: what Chromium still sends while its last page ends is its own affair.
    assert.deepEqual(numbers(), upTo(5));
    assert.equal(new Set(received()).size, received().length, "none came twice");
  });

  on("a page that is hidden sends at once, for it may never be seen again", {}, async (page) => {
    await flush(page);
    await track(page, 2);
    await page.evaluate(() => {
      Object.defineProperty(document, "hidden", { get: () => true, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    });
    await eventually("two", () => numbers().length === 2);
  });

  on("what was under way when the page was hidden is not sent again once it has arrived", {}, async (page) => {
    await flush(page);
    shop.hold();
    await track(page, 2);
    const flushed = flush(page);
    await eventually("the request", () => numbers().length === 2);
    await page.evaluate(() => {
      Object.defineProperty(document, "hidden", { get: () => true, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    });
    assert.equal(JSON.parse((await stored(page)).local["kairos:stash"]).length, 2, "it might never be answered");
    shop.release();
    await flushed;
    assert.equal((await stored(page)).local["kairos:stash"], undefined);
    await page.reload();
    await eventually("the next view", () => shop.of("page").length === 2);
    assert.equal(new Set(received()).size, received().length);
  });

  on(
    "a script that comes twice tells everything once",
    {
      head: `<script src="/web/dist/kairos.min.js" data-write-key="${WRITE_KEY}" data-endpoint="http://nobody.localhost"></script>`,
      script: "",
    },
    async (page) => {
      await page.addScriptTag({ url: "/web/dist/kairos.min.js" });
      await page.evaluate(() => window.kairos.consent({ analytics: true, marketing: true }));
      assert.equal((await counts(page)).captured, 2);
    },
  );

  on("without a network events wait, over pages too, and then each arrives once", {}, async (page) => {
    await flush(page);
    const { messageId } = shop.of("page")[0];
    await page.context().setOffline(true);
    await track(page, 25);
    await page.clock.runFor(30_000);
    assert.deepEqual(numbers(), []);
    await page.context().setOffline(false);
    await eventually("all", () => numbers().length === 25);
    assert.deepEqual(numbers(), upTo(25));
    assert.equal(new Set(received()).size, received().length);
    assert.ok(messageId);
  });

  on("what could not be sent before a page was left is sent by the next one", {}, async (page) => {
    shop.put("/next", {});
    await flush(page);
    shop.answers.push({ status: 503, headers: { "retry-after": "60" } });
    await track(page, 3);
    await flush(page);
    assert.deepEqual(numbers(), []);
    await page.goto(`${shop.origin}/next`);
    const waiting = shop.requests.length;
    await page.clock.runFor(30_000);
    assert.equal(shop.requests.length, waiting, "the next page keeps to the pause, too");
    await page.clock.runFor(31_000);
    await eventually("three", () => numbers().length === 3);
    assert.deepEqual(numbers(), upTo(3));
  });

  on("another page takes over what a closed one has left", {}, async (page) => {
    await flush(page);
    shop.answers.push({ status: 500 });
    await track(page, 3);
    await flush(page);
    const other = await page.context().newPage();
    await page.close({ runBeforeUnload: true });
    await other.goto(`${shop.origin}/`);
    await eventually("three", () => numbers().length === 3);
  });

  for (const status of [500, 503, 429]) {
    on(`${status} is tried again, later and later, with the same ids`, {}, async (page) => {
      await flush(page);
      shop.answers.push({ status }, { status }, { status });
      await page.clock.pauseAt(new Date(Date.now() + 60_000));
      await track(page, 2);
      const before = shop.requests.length;
      await flush(page);
      const pauses = [];
      for (let attempt = 2; attempt <= 4; attempt++) {
        let waited = 0;
        await eventually(`attempt ${attempt}`, async () => {
          if (shop.requests.length - before >= attempt) return true;
          await page.clock.runFor(50);
          waited += 50;
          return false;
        });
        pauses.push(waited);
      }
      await eventually("both", () => numbers().length === 2);
      const attempts = shop.requests.slice(before);
      assert.equal(attempts.length, 4);
      const ids = attempts.map(({ body }) => body.batch.map(({ messageId }) => messageId).join());
      assert.equal(new Set(ids).size, 1);
      assert.ok(new Set(attempts.map(({ body }) => body.sentAt)).size === 4, "each attempt says when it was made");
      pauses.forEach((pause, attempt) => {
        assert.ok(pause >= 500 * 2 ** attempt, `${pauses}`);
      });
      await eventually("counted", async () => (await counts(page)).sent === 3);
    });
  }

  on("408 is tried again", {}, async (page) => {
    await flush(page);
    // Chromium itself may repeat it once, at once.
    shop.answers.push({ status: 408 }, { status: 408 }, { status: 408 });
    await track(page, 1);
    await eventually("it", async () => {
      await page.clock.runFor(1_000);
      return numbers().length === 1;
    });
    assert.equal((await counts(page)).rejected, 0);
  });

  on("a pause that the server asks for is kept, as seconds or as a date", {}, async (page) => {
    await flush(page);
    await page.clock.pauseAt(new Date(Date.now() + 60_000));
    const now = await page.evaluate(() => Date.now());
    shop.answers.push({ status: 429, headers: { "retry-after": "40" } });
    shop.answers.push({ status: 503, headers: { "retry-after": new Date(now + 100_000).toUTCString() } });
    await track(page, 1);
    await flush(page);
    const after = shop.requests.length;
    await page.clock.runFor(39_000);
    await track(page, 30, 1);
    await flush(page);
    assert.equal(shop.requests.length, after);
    await page.clock.runFor(2_000);
    await eventually("the second attempt", () => shop.requests.length === after + 1);
    await page.clock.runFor(55_000);
    await flush(page);
    assert.equal(shop.requests.length, after + 1);
    await page.clock.runFor(5_000);
    await eventually("all", () => numbers().length === 31);
  });

  on("a pause until a date ends then, however long it takes to read the answer", {}, async (page) => {
    await flush(page);
    await page.clock.pauseAt(new Date(Date.now() + 60_000));
    const now = await page.evaluate(() => {
      const { fetch } = window;
      window.fetch = async (...request) => {
        const response = await fetch(...request);
        window.fetch = fetch;
        response.json = () => new Promise((read) => (window.read = read));
        return response;
      };
      return Date.now();
    });
    shop.answers.push({ status: 503, headers: { "retry-after": new Date(now + 20_000).toUTCString() } });
    await track(page, 1);
    const flushed = flush(page);
    await eventually("an answer", () => page.evaluate(() => Boolean(window.read)));
    await page.clock.runFor(10_000);
    await page.evaluate(() => window.read({}));
    await flushed;
    assert.equal(numbers().length, 0);
    await page.clock.runFor(11_000);
    await eventually("it", () => numbers().length === 1);
  });

  for (const status of [400, 401, 413]) {
    on(`${status} is not tried again but counted and said`, {}, async (page) => {
      await flush(page);
      shop.answers.push({ status, body: { code: "body_not_json", message: "no" } });
      await track(page, 2);
      await flush(page);
      await track(page, 1, 2);
      await flush(page);
      assert.deepEqual(numbers(), [2]);
      assert.equal((await counts(page)).rejected, 2);
      assert.ok(
        page.complaints.some((said) => said.includes("kairos.js") && said.includes(String(status))),
        `${page.complaints}`,
      );
    });
  }

  on("events that are refused one by one are counted and said", {}, async (page) => {
    await flush(page);
    shop.answers.push({
      body: { success: true, accepted: 1, refused: [{ index: 0, code: "name_too_long", message: "…" }] },
    });
    await track(page, 2);
    await flush(page);
    const { sent, refused } = await counts(page);
    assert.deepEqual([sent, refused], [2, 1]);
    assert.equal(page.complaints.length, 1);
  });

  on("however long nobody answers, no more is kept than may, the newest", {}, async (page) => {
    await flush(page);
    await page.context().setOffline(true);
    await track(page, 250);
    await page.clock.runFor(20_000);
    await page.evaluate(() => window.dispatchEvent(new Event("pagehide")));
    const { local } = await stored(page);
    const stash = JSON.parse(local["kairos:stash"]);
    assert.equal(stash.length, 200);
    assert.equal(stash.at(-1).properties.number, 249);
    await track(page, 150, 250, { text: "x".repeat(20_000) });
    await page.evaluate(() => window.dispatchEvent(new Event("pagehide")));
    assert.ok((await stored(page)).local["kairos:stash"].length <= 256 * 1024);
    assert.ok((await counts(page)).dropped > 50);
  });

  on(
    "a stash that somebody has broken breaks nothing",
    {
      before: (page) =>
        page.addInitScript(() => {
          localStorage["kairos:stash"] = "{not json";
          localStorage["kairos:visitor"] = '"text"';
        }),
    },
    async (page) => {
      await track(page, 1);
      await flush(page);
      assert.deepEqual(numbers(), [0]);
      assert.deepEqual(page.complaints, []);
    },
  );

  for (const [what, entry] of [
    ["an event over the limit", { messageId: "large", text: "x".repeat(70_000) }],
    ["nothing", null],
    ["no event", 7],
    ["an event without an id", { type: "track" }],
  ]) {
    on(
      `a stash with ${what} in it holds nothing up`,
      {
        before: (page) =>
          page.addInitScript((entry) => {
            if (localStorage.damaged) return;
            localStorage.damaged = "once";
            localStorage["kairos:stash"] = JSON.stringify([entry, { type: "track", event: "Left", messageId: "left" }]);
          }, entry),
      },
      async (page) => {
        await track(page, 1);
        await eventually("both", () => numbers().length === 1 && shop.of("Left").length === 1);
        await flush(page);
        assert.equal((await counts(page)).dropped, 1);
        assert.ok(shop.requests.length <= 3, `${shop.requests.length} requests`);
        assert.ok(shop.requests.every(({ body }) => body.batch.length && body.batch.every((event) => event?.messageId)));
        await page.evaluate(() => window.dispatchEvent(new Event("pagehide")));
        assert.equal((await stored(page)).local["kairos:stash"], undefined);
        assert.deepEqual(page.complaints, []);
      },
    );
  }

  const MODULE = `import { kairos } from "FROM";
    kairos.on((event) => (document.title = event.event ?? event.type));
    const options = { consent: "assumed", search: ["term"], without: ["clicks"] };
    kairos.start({ endpoint: "ENDPOINT", writeKey: "${WRITE_KEY}", ...options });
    window.kairos = kairos;`;

  for (const from of ["/web/kairos.js", "/web/dist/kairos.min.mjs"]) {
    on(
      `it works as a module: ${from}`,
      {
        query: "?term=tea",
        script: `<script type="module" src="/start.mjs"></script>`,
        body: `<b data-kairos="b">b</b>`,
        before: () => {
          shop.scripts["/start.mjs"] = MODULE.replace("FROM", from).replace("ENDPOINT", `${shop.endpoint}/`);
        },
      },
      async (page) => {
        await page.waitForFunction(() => window.kairos);
        await page.click("b");
        await flush(page);
        const names = shop.events().map(({ event, type }) => event ?? type);
        assert.deepEqual(names, ["page", "Products Searched"]);
        assert.equal(await page.title(), "Products Searched");
        assert.deepEqual(page.complaints, []);
      },
    );
  }

  on(
    "calls that were made before the script had come are made then",
    {
      before: (page) =>
        page.addInitScript(() => {
          window.kairos = [
            (kairos) => kairos.consent({ analytics: true, marketing: false }),
            (kairos) => kairos.track("Early"),
          ];
        }),
      script: { "data-consent": "required" },
    },
    async (page) => {
      await page.evaluate(() => window.kairos.push((kairos) => kairos.track("Late")));
      await flush(page);
      assert.deepEqual([shop.of("Early").length, shop.of("Late").length], [1, 1]);
    },
  );

  on("a start that lacks something says so", { script: { "data-write-key": null } }, async (page) => {
    const start = (options) =>
      page.evaluate((options) => {
        try {
          window.kairos.start(options);
          return "started";
        } catch (error) {
          return error.message;
        }
      }, options);
    assert.match(await start({ writeKey: WRITE_KEY }), /endpoint and writeKey/);
    assert.equal(await start({ writeKey: WRITE_KEY, endpoint: shop.endpoint }), "started");
    assert.match(await start({ writeKey: WRITE_KEY, endpoint: shop.endpoint }), /once/);
  });
});
