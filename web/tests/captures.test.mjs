// What hands and eyes do on a page becomes events with the right values.

import assert from "node:assert/strict";
import { describe } from "node:test";
import { drawn, eventually, flush, skip, tests } from "./support.mjs";

describe("captures", { skip }, () => {
  let shop;
  const on = tests((world) => (shop = world), { clock: "paused", quiet: true });

  /** What was sent of an event so far: its properties. */
  async function told(page, name) {
    // What is only put off to the end of the moment happens now.
    if (page.paused) await page.clock.runFor(1);
    await flush(page);
    return shop.of(name).map(({ properties }) => properties);
  }

  on(
    "a page view says what Segment's spec asks for",
    { path: "/stores", query: "?utm_source=mail&utm_campaign=spring#x" },
    async (page) => {
      await flush(page);
      const [event] = shop.of("page");
      const url = `${shop.origin}/stores?utm_source=mail&utm_campaign=spring`;
      const properties = {
        path: "/stores",
        url,
        search: "?utm_source=mail&utm_campaign=spring",
        title: "Shop /stores",
        referrer: "",
      };
      assert.deepEqual(event.properties, properties);
      assert.deepEqual(event.context.page, properties);
      assert.deepEqual(event.context.campaign, { source: "mail", name: "spring" });
      assert.equal(event.context.library.name, "kairos.js");
      assert.equal(event.context.locale, "en-US");
      assert.ok(event.context.timezone && event.context.userAgent && event.anonymousId && event.messageId);
      assert.equal(event.userId, undefined);
      assert.ok(Math.abs(Date.parse(event.timestamp) - Date.now()) < 60_000);
    },
  );

  on(
    "parameters that speak of secrets, or of who it is, are not told, and the others are as they stand",
    {
      path: "/account",
      query:
        "?a=%20b&email=ada%40example.com&utm_source=mail&utm_email=ada&reset%5Ftoken=1&user%5Bphone%5D=2&api_key=3" +
        "&keyword=tea&PASSWORD=4&promo_code=5&card-number=6&e%2Dmail&z",
    },
    async (page) => {
      await page.evaluate(() => history.pushState({}, "", "/next?token=8"));
      await eventually("two views", async () => (await told(page, "page")).length === 2);
      await page.evaluate(() => history.replaceState({}, "", "/next?token=9"));
      await told(page, "page");
      const rest = "?a=%20b&utm_source=mail&keyword=tea&z";
      const at = (path) => `${shop.origin}${path}`;
      assert.deepEqual(
        shop.of("page").map(({ properties: { url, search, path, referrer } }) => [url, search, path, referrer]),
        [
          [at(`/account${rest}`), rest, "/account", ""],
          [at("/next"), "", "/next", at(`/account${rest}`)],
        ],
      );
      assert.deepEqual(shop.of("page")[0].context.campaign, { source: "mail" });
      // A load sends the address of the page before as the browser knows it.
      await page.goto(at("/account?token=11"), { referer: at("/account?code=10&q=tea") });
      await eventually("the last view", async () => (await told(page, "page")).length === 3);
      const { referrer, url } = shop.of("page").at(-1).properties;
      assert.deepEqual([referrer, url], [at("/account?q=tea"), at("/account")]);
      assert.ok(shop.events().every((event) => !/email|phone|token|code=/.test(JSON.stringify(event))));
    },
  );

  on(
    "a page that a script changes is viewed again, and what happened on the one before belongs to that",
    { path: "/one" },
    async (page) => {
      await page.evaluate(() => history.pushState({}, "", "/two?a=1"));
      await told(page, "page");
      await page.evaluate(() => history.replaceState({}, "", "/two?a=1#part"));
      await page.evaluate(() => history.back());
      await eventually("three views", async () => (await told(page, "page")).length === 3);
      const views = shop
        .of("page")
        .map(({ properties }) => [properties.path, properties.referrer.replace(shop.origin, "")]);
      assert.deepEqual(views, [
        ["/one", ""],
        ["/two", "/one"],
        ["/one", "/two?a=1"],
      ]);
    },
  );

  on("scrolling tells each depth once a page", { body: `<div style="height:4000px"></div>` }, async (page) => {
    const depth = async (y) => {
      await page.evaluate((y) => scrollTo(0, y), y);
      // Scroll events come with frames.
      await drawn(page);
      return (await told(page, "Page Scrolled")).map(({ percent }) => percent);
    };
    assert.deepEqual(await depth(100), []);
    assert.deepEqual(await depth(400), [25]);
    assert.deepEqual(await depth(0), [25]);
    assert.deepEqual(await depth(2900), [25, 50, 75, 90]);
    assert.deepEqual(await depth(10_000), [25, 50, 75, 90, 100]);
    assert.deepEqual(await depth(400), [25, 50, 75, 90, 100]);
    await page.evaluate(() => history.pushState({}, "", "/next"));
    await eventually("the next page", async () => (await told(page, "page")).length === 2);
    assert.deepEqual(await depth(500), [25, 50, 75, 90, 100, 25]);
  });

  const CARD = `<div data-kairos-category="shoes"><div id="card" data-kairos="card" data-kairos-product="p-1"
    data-kairos-properties='{"name": "Trail", "price": 99.5, "currency": "EUR"}' style="width:300px;height:200px">
    <button id="add" data-kairos="add" data-kairos-click="Add Pressed">Add</button><b id="plain">Trail</b></div></div>
    <div data-kairos-ignore><a id="ignored" data-kairos="secret">no</a></div><p id="unmarked">text</p>
    <a class="more" id="more">more</a>`;
  const OF_CARD = { product_id: "p-1", category: "shoes", name: "Trail", price: 99.5, currency: "EUR" };

  on(
    "clicks on marked elements tell the product they belong to",
    { body: CARD, script: { "data-selector": ".more" } },
    async (page) => {
      for (const id of ["plain", "add", "ignored", "unmarked", "more"]) await page.click(`#${id}`);
      assert.deepEqual(await told(page, "Element Clicked"), [{ element: "card", ...OF_CARD }, { element: "more" }]);
      assert.deepEqual(await told(page, "Add Pressed"), [{ element: "add", ...OF_CARD }]);
    },
  );

  on(
    "a pointer that rests on an element is told with its seconds, one that passes is not",
    { body: CARD },
    async (page) => {
      await page.mouse.move(600, 600);
      await page.hover("#plain");
      await page.clock.runFor(500);
      await page.mouse.move(600, 600);
      assert.deepEqual(await told(page, "Element Hovered"), []);
      await page.hover("#plain");
      await page.clock.runFor(1_500);
      await page.hover("#add");
      await page.clock.runFor(1_000);
      await page.mouse.move(600, 600);
      const [hovered, ...more] = await told(page, "Element Hovered");
      assert.deepEqual(more, []);
      const { seconds, ...rest } = hovered;
      assert.deepEqual(rest, { element: "card", ...OF_CARD });
      assert.ok(seconds >= 2.5 && seconds < 4, `${seconds}`);
    },
  );

  const LOOKS = `<section data-kairos-product="p-2" data-kairos-category="tea" style="height:300px">
      <i data-kairos="part">part</i></section>
    <section data-kairos="below" style="height:300px;margin-top:2000px"></section>
    <section data-kairos="tall" style="height:3000px"></section>`;

  on("time with an element counts while it is seen, in pieces of thirty seconds", { body: LOOKS }, async (page) => {
    const dwelled = async () =>
      (await told(page, "Element Dwelled")).map(({ seconds, ...rest }) => [Math.round(seconds), rest]);
    const TEA = { element: "section", product_id: "p-2", category: "tea" };
    await drawn(page);
    await page.clock.runFor(10_000);
    assert.deepEqual(await dwelled(), [], "whoever is still looking has not finished");
    await page.mouse.move(5, 5);
    await page.clock.runFor(21_500);
    assert.deepEqual(await dwelled(), [[30, TEA]]);
    await page.clock.runFor(5_000);
    await page.evaluate(() => scrollTo(0, 2_000));
    await drawn(page);
    const [, [seconds, tea]] = await dwelled();
    assert.ok(seconds >= 5 && seconds <= 7, `${seconds}`);
    assert.deepEqual(tea, TEA, "what stands in a product has no time of its own");
    await page.evaluate(() => scrollTo(0, 4_000));
    await drawn(page);
    await page.clock.runFor(2_500);
    await page.evaluate(() => scrollTo(0, 0));
    await drawn(page);
    assert.equal((await dwelled()).length, 2, "a glance is not told");
    await page.evaluate(() => scrollTo(0, 4_000));
    await drawn(page);
    await page.clock.runFor(4_000);
    await page.evaluate(() => scrollTo(0, 0));
    await drawn(page);
    assert.deepEqual((await dwelled()).slice(2), [[4, { element: "tall" }]]);
  });

  on("who moves nothing for a minute is not looking any more", { body: LOOKS }, async (page) => {
    await drawn(page);
    // Time runs so fast here that requests are given up; what is captured counts.
    await page.evaluate(() => {
      window.spans = [];
      window.kairos.on(({ event, properties }) => event === "Element Dwelled" && window.spans.push(properties.seconds));
    });
    await page.clock.runFor(300_000);
    await page.evaluate(() => history.pushState({}, "", "/next"));
    await page.clock.runFor(10);
    const spans = await page.evaluate(() => window.spans);
    const total = spans.reduce((sum, span) => sum + span, 0);
    assert.ok(total >= 55 && total <= 65, `${spans}`);
  });

  on("elements that come later are watched, too", { body: "<main></main>" }, async (page) => {
    await page.evaluate(() => {
      document.querySelector("main").innerHTML = `<div data-kairos="late" style="height:200px">late</div>`;
    });
    await eventually("a look at it", async () => {
      await page.mouse.move(Math.random() * 100, 5);
      await page.clock.runFor(10_000);
      return (await told(page, "Element Dwelled")).some(({ element }) => element === "late");
    });
  });

  const FORM = `<form name="loan" action="/never"><input name="first"><input name="email" type="email">
    <select name="years"><option value="">?<option>5</select>
    <input type="radio" name="kind" value="a"><input type="radio" name="kind" value="b">
    <input type="hidden" name="token" value="hidden-value"><input type="password" name="word" autocomplete="off">
    <input name="cardnumber"><input name="n" autocomplete="cc-csc"><input name="x" data-kairos-ignore>
    <button>Go</button></form>
    <form id="signin"><input type="password" name="p" autocomplete="off"><input name="pin"></form>`;

  on("a form's progress is told by names and shares, never by what was typed", { body: FORM }, async (page) => {
    const CANARY = "canary-5105";
    await page.fill("[name=word]", CANARY);
    await page.fill("[name=cardnumber]", CANARY);
    await page.fill("[name=n]", CANARY);
    await page.fill("[name=x]", CANARY);
    await page.fill("#signin [name=p]", CANARY);
    await page.fill("#signin [name=pin]", CANARY);
    assert.deepEqual(await told(page, "Form Started"), [], "secrets begin no form");
    const type = async (name, text) => {
      await page.fill(`[name=${name}]`, text);
      await page.locator(`[name=${name}]`).blur();
    };
    await type("first", CANARY);
    await type("email", `${CANARY}@mail.example`);
    await page.selectOption("[name=years]", "5");
    await type("first", "");
    await page.check("[name=kind][value=b]");
    await type("first", CANARY);
    assert.deepEqual(await told(page, "Form Started"), [{ form: "loan", field: "first" }]);
    assert.deepEqual(await told(page, "Form Progressed"), [
      { form: "loan", percent: 25, field: "first" },
      { form: "loan", percent: 50, field: "email" },
      { form: "loan", percent: 75, field: "years" },
      { form: "loan", percent: 100, field: "first" },
    ]);
    await page.evaluate(() => document.forms.loan.addEventListener("submit", (event) => event.preventDefault()));
    await page.click("button");
    assert.deepEqual(await told(page, "Form Submitted"), [{ form: "loan" }]);
    await page.evaluate(() => history.pushState({}, "", "/thanks"));
    await eventually("the next page", async () => (await told(page, "page")).length === 2);
    assert.deepEqual(await told(page, "Form Abandoned"), [], "it was sent");
    for (const { text } of shop.requests) assert.ok(!text.includes(CANARY) && !text.includes("hidden-value"), text);
  });

  on("a form that is left is abandoned, with its last field", { body: FORM }, async (page) => {
    await page.fill("[name=first]", "Ada");
    await page.fill("[name=email]", "ada@mail.example");
    shop.put("/elsewhere", {});
    await page.goto(`${shop.origin}/elsewhere`);
    await eventually("the word of it", () => shop.of("Form Abandoned").length);
    assert.deepEqual(
      shop.of("Form Abandoned").map(({ properties }) => properties),
      [{ form: "loan", percent: 50, field: "email" }],
    );
  });

  const PLAYER = `
    <audio id="a" src="/track.wav" title="So What" data-kairos-properties='{"artist": "Miles Davis"}'></audio>
    <video id="v" src="/film.wav" data-kairos="How it is made"></video>
    <audio id="l" loop src="/loop.wav"></audio>`;

  on("music and videos tell how much of them was really played", { body: PLAYER, clock: false }, async (page) => {
    await page.evaluate(async () => {
      // A quarter of it, then the end.
      const player = document.querySelector("#a");
      await player.play();
      await new Promise((played) => {
        player.ontimeupdate = () => player.currentTime >= 1 && played();
      });
      player.ontimeupdate = null;
      player.currentTime = 3.6;
      await new Promise((ended) => (player.onended = ended));
      const loop = document.querySelector("#l");
      await loop.play();
      const film = document.querySelector("#v");
      film.playbackRate = 4;
      await film.play();
      await new Promise((ended) => (film.onended = ended));
    });
    const SONG = { title: "So What", artist: "Miles Davis" };
    assert.deepEqual(
      await told(page, "Track Played"),
      [10, 25].map((percent) => ({ ...SONG, percent })),
    );
    const FILM = { title: "How it is made" };
    assert.deepEqual(
      await told(page, "Video Watched"),
      [10, 25, 50, 75, 100].map((percent) => ({ ...FILM, percent })),
    );
    const [started] = await told(page, "Video Playback Started");
    const { session_id, ...rest } = started;
    assert.deepEqual(rest, { ...FILM, position: 0, total_length: 4 });
    assert.deepEqual(await told(page, "Video Playback Completed"), [{ ...rest, session_id, position: 4 }]);
  });

  on(
    "a search is told once, however many pages of results are turned",
    { path: "/search", query: "?q=%20red%20shoes", clock: false },
    async (page) => {
      await told(page, "page");
      const go = async (query) => {
        await page.evaluate((query) => history.pushState({}, "", `/search${query}`), query);
        await eventually("the view", async () => (await told(page, "page")).at(-1).search === query);
      };
      await go("?q=red%20shoes&page=2");
      await go("?q=blue+shoes");
      await page.reload();
      await eventually("all views", async () => (await told(page, "page")).length === 4);
      assert.deepEqual(await told(page, "Products Searched"), [{ query: "red shoes" }, { query: "blue shoes" }]);
    },
  );

  on(
    "a pointer that leaves at the top intends to leave, once a page",
    { body: `<div style="height:900px"></div>` },
    async (page) => {
      const leave = async (to) => {
        await page.mouse.move(400, 300);
        await page.evaluate(
          (to) =>
            document.documentElement.dispatchEvent(
              new MouseEvent("mouseout", { bubbles: true, clientX: 400, clientY: to, relatedTarget: null }),
            ),
          to,
        );
      };
      await leave(-1);
      assert.deepEqual(await told(page, "Exit Intended"), [], "not in the first moments");
      await page.clock.runFor(2_500);
      await leave(300);
      assert.deepEqual(await told(page, "Exit Intended"), [], "not to the side");
      const before = shop.requests.length;
      await leave(-1);
      await eventually("it is told at once", async () => {
        await page.clock.runFor(1);
        return shop.requests.length > before;
      });
      await leave(-1);
      assert.deepEqual(await told(page, "Exit Intended"), [{ by: "pointer" }]);
    },
  );

  on("the real pointer of a real window leaves it at the top", { body: "shop" }, async (page) => {
    await page.clock.runFor(2_500);
    await page.mouse.move(400, 300);
    await page.mouse.move(400, -5);
    await eventually("the intention", async () => (await told(page, "Exit Intended")).length === 1);
  });

  const PHONE = { viewport: { width: 390, height: 800 }, hasTouch: true, isMobile: true };

  on(
    "a phone's page that is thrown up intends to leave, one that is drawn up does not",
    {
      head: `<meta name="viewport" content="width=device-width">`,
      body: `<div style="height:6000px"></div>`,
      context: { ...PHONE, viewport: { width: 390, height: 1_300 } },
    },
    async (page) => {
      const devtools = await page.context().newCDPSession(page);
      const touch = (type, y) => devtools.send("Input.dispatchTouchEvent", { type, touchPoints: [{ x: 200, y }] });
      const top = () => page.evaluate(() => scrollY);
      await page.clock.runFor(2_500);
      await page.evaluate(() => scrollTo(0, 3_000));
      await drawn(page);
      await touch("touchStart", 100);
      for (let y = 150; y <= 600; y += 50) {
        await touch("touchMove", y);
        await drawn(page);
        await page.clock.runFor(250);
      }
      const drawnTo = await top();
      assert.ok(drawnTo < 2_600, `${drawnTo}`);
      assert.deepEqual(await told(page, "Exit Intended"), [], "who goes back slowly reads");
      // The same finger, while the page's time stands still.
      for (let y = 650; y <= 1_200; y += 50) await touch("touchMove", y);
      await eventually("the page went up", async () => (await top()) < drawnTo - 400);
      assert.deepEqual(await told(page, "Exit Intended"), [{ by: "scroll" }]);
    },
  );

  on(
    "a phone's browser that is put away intends to leave, a link that is followed does not",
    { body: `<a href="/next">next</a><div style="height:3000px"></div>`, context: PHONE },
    async (page) => {
      shop.put("/next", { body: "next" });
      await page.evaluate(() => document.dispatchEvent(new TouchEvent("touchmove", { bubbles: true })));
      await page.clock.runFor(2_500);
      await page.click("a");
      await page.waitForURL("**/next");
      await eventually("both views", async () => (await told(page, "page")).length === 2);
      assert.deepEqual(await told(page, "Exit Intended"), []);
      await page.evaluate(() => document.dispatchEvent(new TouchEvent("touchmove", { bubbles: true })));
      await page.clock.runFor(2_500);
      await page.evaluate(() => {
        Object.defineProperty(document, "hidden", { get: () => true, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
      });
      await eventually("the intention", () => shop.of("Exit Intended").length);
      assert.deepEqual(
        shop.of("Exit Intended").map(({ properties }) => properties),
        [{ by: "hidden" }],
      );
    },
  );

  on("who comes back after half an hour has returned", {}, async (page) => {
    await told(page, "page");
    await page.clock.fastForward(29 * 60_000);
    await page.reload();
    await eventually("two views", async () => (await told(page, "page")).length === 2);
    assert.deepEqual(await told(page, "Visitor Returned"), []);
    await page.clock.fastForward(95 * 60_000);
    await page.reload();
    await eventually("three views", async () => (await told(page, "page")).length === 3);
    assert.deepEqual(await told(page, "Visitor Returned"), [{ away_minutes: 95 }]);
    const names = shop.events().map(({ event, type }) => event ?? type);
    assert.ok(names.indexOf("Visitor Returned") < names.lastIndexOf("page"), `${names}`);
  });

  on(
    "what the shop does not want is not captured",
    { path: "/s", query: "?q=tea", body: CARD, script: { "data-without": "pages,clicks", "data-search": "term" } },
    async (page) => {
      await page.click("#plain");
      await page.evaluate(() => window.kairos.track("Reviews Read", { product_id: "p-1" }));
      assert.deepEqual(await told(page, "Reviews Read"), [{ product_id: "p-1" }]);
      assert.equal(shop.events().length, 1);
    },
  );
});
