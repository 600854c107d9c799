// kairos-service-worker.js: shows the playbook's notifications, and opens what a click on one means. It lies on the shop's
// own origin; a shop that has a service worker of its own may bring it in there: importScripts("/kairos-service-worker.js").
//
// It asks nobody and reports nothing: the link is a short one that counts by itself.

self.addEventListener("install", () => self.skipWaiting());

/** What was sent, if it is ours. */
function read(data) {
  try {
    const content = data.json();
    return content.id && content.title ? content : undefined;
  } catch {
    return undefined;
  }
}

/** The link as a browser reads it, if it is a web link. */
function webLink(link) {
  try {
    const { protocol, href } = new URL(link);
    return /^https?:$/.test(protocol) ? href : undefined;
  } catch {
    return undefined;
  }
}

async function show({ id, tag, title, body, lang, image, icon, url }) {
  const shown = await self.registration.getNotifications({ tag });
  // What comes twice is shown once; a newer one of the same topic takes the place of the one before, and is heard.
  if (shown.some(({ data }) => data?.kairos === id)) return;
  const data = { kairos: id, url };
  const pictures = { image: webLink(image), icon: webLink(icon) };
  await self.registration.showNotification(title, {
    body,
    lang,
    tag,
    data,
    dir: "auto",
    renotify: shown.length > 0,
    ...Object.fromEntries(Object.entries(pictures).filter(([, link]) => link)),
  });
}

self.addEventListener("push", (event) => {
  const content = event.data && read(event.data);
  if (content) event.waitUntil(show(content));
});

self.addEventListener("notificationclick", (event) => {
  const { data } = event.notification;
  if (!data?.kairos) return;
  event.notification.close();
  event.waitUntil(self.clients.openWindow(webLink(data.url) ?? new URL("/", self.location).href));
});

/** The browser has changed the subscription: pages tell the shop, now or when the next one is opened. */
async function changed({ oldSubscription, newSubscription }) {
  const options = oldSubscription?.options;
  if (!newSubscription && options?.applicationServerKey) {
    // The next page tries again.
    await self.registration.pushManager.subscribe(options).catch(() => {});
  }
  for (const page of await self.clients.matchAll({ includeUncontrolled: true, type: "window" })) {
    page.postMessage("kairos:push");
  }
}

self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(changed(event)));
