// Notifications: who may be asked, what is told of the browser's subscription and when, and what the service worker shows.
//
// A browser without a window has no push service: where a subscription comes from one, the page has a stand-in of
// PushManager. The service worker is the real one, and gets what Chromium's debugger hands to it.

import assert from "node:assert/strict";
import { describe } from "node:test";
import { PUBLIC_KEY, eventually, flush, skip, tests } from "./support.mjs";

const NOTIFICATION = {
  id: "00112233445566778899aabbccddeeff",
  tag: "cart",
  lang: "en",
  title: "Your <b>mug</b>",
  body: "is still there.",
  url: "https://go.shop.example/c/abc",
  image: "javascript:alert(1)",
};

/** PushManager as browsers with a push service have it: one subscription for each registration, kept over pages. */
function withPushService(page) {
  return page.addInitScript(() => {
    const KEY = "test:subscription";
    const made = ({ endpoint, key }) => ({
      endpoint,
      options: { applicationServerKey: Uint8Array.from(key).buffer },
      toJSON: () => ({ endpoint, expirationTime: null, keys: { p256dh: "p", auth: "a" } }),
      unsubscribe: async () => delete localStorage[KEY],
    });
    const kept = () => (localStorage[KEY] ? made(JSON.parse(localStorage[KEY])) : null);
    PushManager.prototype.getSubscription = async () => kept();
    PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey }) => {
      if (!userVisibleOnly) throw Error("a browser wants notifications to be seen");
      const number = (Number(localStorage["test:number"]) || 0) + 1;
      localStorage["test:number"] = number;
      const endpoint = `https://push.example/${number}`;
      localStorage[KEY] = JSON.stringify({ endpoint, key: [...applicationServerKey] });
      return kept();
    };
    // Without a window nobody can be asked: what the test has granted is the answer.
    Notification.requestPermission = async () => Notification.permission;
  });
}

const subscribe = (page) => page.evaluate(() => window.kairos.push.subscribe());

/** A page of a shop with notifications; `attributes` are further ones of its <script>. */
const page = (shop, attributes) => ({
  context: { permissions: ["notifications"] },
  script: {
    "data-inbox": shop.endpoint,
    "data-service-worker": "/web/dist/kairos-service-worker.js",
    "data-consent": "assumed",
    ...attributes,
  },
  // What it has to allow.
  policy: `default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'unsafe-inline'; connect-src ${shop.endpoint}`,
});

describe("notifications", { skip }, () => {
  let shop;
  const tried = tests((world) => (shop = world), { before: withPushService, clock: false });
  const on = (title, attributes, run) => tried(title, (shop) => page(shop, attributes), run);
  const told = (name) => shop.of(name).map(({ properties }) => properties.endpoint);
  const tellsOf = async (page, name, ...endpoints) => {
    await flush(page);
    await eventually(`${name} ${endpoints}`, async () => told(name).length >= endpoints.length);
    assert.deepEqual(told(name), endpoints);
  };

  on("a browser is subscribed with the shop's key when its user wants that, and told of once", {}, async (page) => {
    assert.equal(await page.evaluate(() => window.kairos.push.permission), "granted");
    assert.equal(shop.inbox.keys, 0, "nobody has asked for anything");
    assert.equal(await subscribe(page), "subscribed");
    await tellsOf(page, "Web Push Subscribed", "https://push.example/1");
    const [event] = shop.of("Web Push Subscribed");
    assert.deepEqual(event.properties.keys, { p256dh: "p", auth: "a" });
    const kept = await page.evaluate(() => JSON.parse(localStorage["test:subscription"]).key);
    assert.equal(Buffer.from(kept).toString("base64url"), PUBLIC_KEY);
    // The next page has nothing to tell.
    await page.reload();
    await page.evaluate(() => window.kairos.track("Looked", {}));
    await flush(page);
    await eventually("an event", async () => shop.of("Looked").length);
    assert.equal(told("Web Push Subscribed").length, 1);
  });

  on("who has not agreed is not asked, and who says no is not subscribed", { "data-consent": "required" }, async (page) => {
    assert.equal(await subscribe(page), "no_consent");
    await page.evaluate(() => window.kairos.consent({ analytics: true, marketing: false }));
    assert.equal(await subscribe(page), "no_consent");
    await page.evaluate(() => window.kairos.consent({ analytics: true, marketing: true }));
    await page.context().clearPermissions();
    assert.notEqual(await subscribe(page), "subscribed");
    assert.deepEqual(told("Web Push Subscribed"), []);
  });

  on("who withdraws consent is unsubscribed, and nothing of it is kept", {}, async (page) => {
    assert.equal(await subscribe(page), "subscribed");
    await page.evaluate(() => window.kairos.consent({ analytics: false, marketing: false }));
    await eventually("no subscription", () => page.evaluate(() => !localStorage["test:subscription"]));
    assert.equal(await page.evaluate(() => localStorage["kairos:push"]), undefined);
  });

  on("who wants no more is told to the shop", {}, async (page) => {
    assert.equal(await subscribe(page), "subscribed");
    await page.evaluate(() => window.kairos.push.unsubscribe());
    await tellsOf(page, "Web Push Unsubscribed", "https://push.example/1");
    assert.equal(await page.evaluate(() => localStorage["kairos:push"]), undefined);
  });

  on("a browser goes with who signs in, and leaves who signs out", {}, async (page) => {
    assert.equal(await subscribe(page), "subscribed");
    await page.evaluate(() => window.kairos.identify("ann"));
    const one = "https://push.example/1";
    await tellsOf(page, "Web Push Subscribed", one, one);
    assert.deepEqual(told("Web Push Unsubscribed"), [], "the visitor is ann");
    await page.evaluate(() => window.kairos.reset());
    await tellsOf(page, "Web Push Unsubscribed", one);
    assert.equal(shop.of("Web Push Unsubscribed")[0].userId, "ann");
    await tellsOf(page, "Web Push Subscribed", one, one, one);
    assert.deepEqual(shop.of("Web Push Subscribed").map(({ userId }) => userId), [undefined, "ann", undefined]);
  });

  on("another subscription, of the browser's own accord or for another key, is told of", {}, async (page) => {
    assert.equal(await subscribe(page), "subscribed");
    await page.evaluate(() => {
      const kept = JSON.parse(localStorage["test:subscription"]);
      localStorage["test:subscription"] = JSON.stringify({ ...kept, endpoint: "https://push.example/changed" });
    });
    await page.reload();
    await tellsOf(page, "Web Push Subscribed", "https://push.example/1", "https://push.example/changed");
    await tellsOf(page, "Web Push Unsubscribed", "https://push.example/1");
    // The shop has begun anew, with another key.
    shop.inbox.publicKey = PUBLIC_KEY.replace("BA1", "BB1");
    assert.equal(await subscribe(page), "subscribed");
    await tellsOf(page, "Web Push Subscribed", "https://push.example/1", "https://push.example/changed", "https://push.example/2");
  });
});

describe("the service worker", { skip }, () => {
  let shop;
  // In a browser of its own: Chromium's debugger mixes up workers of pages that are closed.
  const tried = tests((world) => (shop = world), { before: withPushService, clock: false });

  tried("shows what is sent, once, as text, and opens its link", page, async (page) => {
    assert.equal(await subscribe(page), "subscribed");
    const session = await page.context().newCDPSession(page);
    const registered = new Promise((resolve) =>
      session.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
        const ours = registrations.find(({ scopeURL }) => scopeURL.endsWith("/web/dist/kairos/"));
        if (ours) resolve(ours.registrationId);
      }),
    );
    await session.send("ServiceWorker.enable");
    const registrationId = await registered;
    const push = (content) =>
      session.send("ServiceWorker.deliverPushMessage", {
        origin: shop.origin,
        registrationId,
        data: typeof content === "string" ? content : JSON.stringify(content),
      });
    const shown = () =>
      page.evaluate(async () => {
        const registration = await navigator.serviceWorker.getRegistration("/web/dist/kairos/");
        const all = await registration.getNotifications();
        return all.map(({ title, body, tag, lang, data, image }) => ({ title, body, tag, lang, data, image: image || undefined }));
      });
    await push(NOTIFICATION);
    await eventually("a notification", async () => (await shown()).length);
    const { id, tag, lang, title, body, url } = NOTIFICATION;
    assert.deepEqual(await shown(), [{ title, body, tag, lang, data: { kairos: id, url }, image: undefined }]);
    // What comes twice, what is not ours, and what is nothing at all, shows nothing more; a newer one takes its place.
    await push(NOTIFICATION);
    await push("no JSON");
    await push({ title: "Somebody else's" });
    await push({ ...NOTIFICATION, id: "11".repeat(16), title: "Newer" });
    await eventually("the newer one", async () => (await shown())[0]?.title === "Newer");
    assert.equal((await shown()).length, 1);

    // A click opens the link, or the shop's front page; those of others are not ours.
    const [worker] = page.context().serviceWorkers();
    const opened = await worker.evaluate(async () => {
      const opened = [];
      // Of events that a script makes, nobody waits for the end.
      ExtendableEvent.prototype.waitUntil = () => {};
      Clients.prototype.openWindow = async (link) => void opened.push(link);
      const [notification] = await self.registration.getNotifications();
      const click = (notification) => self.dispatchEvent(new NotificationEvent("notificationclick", { notification }));
      click(notification);
      for (const data of [{ kairos: "1", url: "javascript:alert(1)" }, { of: "the shop" }]) {
        await self.registration.showNotification("x", { tag: "x", data });
        click((await self.registration.getNotifications({ tag: "x" }))[0]);
      }
      return opened;
    });
    assert.deepEqual(opened, [url, `${shop.origin}/`]);
  });
});
