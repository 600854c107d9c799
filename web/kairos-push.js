// kairos-push.js: subscribes this browser to notifications, and keeps the shop's word of it right. kairos.js brings it in
// when somebody subscribes, and on pages of who has.
//
// What the shop gives (`shop`): `options`, `ids`, `track`, `isAdmitted` (consent), and `marked` and `mark`: what was told
// last, `{endpoint, user}`.

const SUBSCRIBED = "Web Push Subscribed";
const UNSUBSCRIBED = "Web Push Unsubscribed";

/** Base64url as the bytes that it stands for. */
const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));

const isSame = (one, other) => one && one.length === other.length && one.every((byte, at) => byte === other[at]);

/** Where the service worker is, and where alone it is in charge: one of the shop's own stays as it is. */
function worker({ serviceWorker = "/kairos-service-worker.js" }) {
  const script = new URL(serviceWorker, location.href);
  return { script, scope: new URL("kairos/", script).href };
}

/** Waits until a worker has begun: before that, nothing can be subscribed. */
async function begun(registration) {
  const worker = registration.installing ?? registration.waiting;
  if (registration.active || !worker) return;
  await new Promise((resolve, reject) =>
    worker.addEventListener("statechange", () => {
      if (worker.state === "activated") resolve();
      if (worker.state === "redundant") reject(Error("the service worker could not begin"));
    }),
  );
}

/** Tells the shop of a subscription; that of another user before has ended. */
function tell({ ids, track, marked, mark }, subscription) {
  const { userId } = ids();
  const before = marked();
  if (before?.user && before.user !== userId) {
    track(UNSUBSCRIBED, { endpoint: before.endpoint }, true, { userId: before.user });
  } else if (before && before.endpoint !== subscription.endpoint) {
    track(UNSUBSCRIBED, { endpoint: before.endpoint }, true);
  }
  track(SUBSCRIBED, subscription.toJSON(), true);
  mark({ endpoint: subscription.endpoint, user: userId });
}

async function subscribed(shop) {
  const answer = await fetch(`${shop.options.inbox.replace(/\/$/, "")}/v1/push/key`);
  if (!answer.ok) throw Error(`kairos.js: the inbox gives no key for notifications: ${answer.status}`);
  const key = bytes((await answer.json()).publicKey);
  const { script, scope } = worker(shop.options);
  const registration = await navigator.serviceWorker.register(script, { scope });
  await begun(registration);
  const { pushManager } = registration;
  let subscription = await pushManager.getSubscription();
  const own = subscription?.options.applicationServerKey;
  if (subscription && !isSame(own && new Uint8Array(own), key)) {
    await subscription.unsubscribe();
    subscription = undefined;
  }
  subscription ??= await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  // Meanwhile consent may be withdrawn.
  if (!shop.isAdmitted()) {
    await subscription.unsubscribe();
    return "no_consent";
  }
  tell(shop, subscription);
  return "subscribed";
}

async function current({ options }) {
  const registration = await navigator.serviceWorker?.getRegistration(worker(options).scope);
  return registration?.pushManager?.getSubscription();
}

/** Ends the subscription, and says so where that may be said; else its push service does, when it is next used. */
async function ended(shop, before) {
  await (await current(shop))?.unsubscribe();
  if (before) shop.track(UNSUBSCRIBED, { endpoint: before.endpoint }, true, before.user && { userId: before.user });
  shop.mark();
}

async function renewed(shop, known) {
  // Without consent, or when the browser's permission was taken back.
  if (!shop.isAdmitted() || Notification.permission !== "granted") return ended(shop, known);
  const before = shop.marked();
  if (!before) return;
  const subscription = await current(shop);
  if (!subscription) await subscribed(shop);
  else if (subscription.endpoint !== before.endpoint || shop.ids().userId !== before.user) tell(shop, subscription);
}

/** One after the other. */
let last = Promise.resolve();
let hears;

function after(what, shop, before) {
  // The browser has given the service worker another subscription.
  if (!hears) navigator.serviceWorker?.addEventListener("message", ({ data }) => data === "kairos:push" && renew(shop));
  hears = true;
  const done = last.then(() => what(shop, before));
  last = done.catch(() => {});
  return done;
}

export const subscribe = (shop) => after(subscribed, shop);
export const unsubscribe = (shop, before) => after(ended, shop, before);
export const renew = (shop, before) => after(renewed, shop, before);
