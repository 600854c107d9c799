// Notifications in the browser, as far as every page needs it: what subscribes comes in when somebody wants it, or has.

import { track } from "./events.js";
import { isAdmitted } from "./inbox.js";
import { options } from "./lifecycle.js";
import { ids, keep, read } from "./visitor.js";

/** What is kept of the subscription: its address, and whose it is. */
const MARK = "kairos:push";

const shop = {
  options,
  ids,
  // The modules bring in each other: which comes first nobody knows.
  track: (...told) => track(...told),
  isAdmitted,
  marked: () => read(MARK),
  mark: (mark) => keep(MARK, mark),
};

const using = async (what, before = shop.marked()) => (await import("../kairos-push.js"))[what](shop, before);

export const push = {
  get permission() {
    return self.Notification?.permission ?? "unsupported";
  },

  async subscribe() {
    if (!isAdmitted()) return "no_consent";
    if (!self.PushManager || !self.Notification) return "unsupported";
    // Right away: later, browsers no longer know that a hand has asked for it.
    const permission = await Notification.requestPermission();
    return permission === "granted" ? using("subscribe") : permission;
  },

  unsubscribe: () => using("unsubscribe"),
};

/** Looks whether what the shop knows of the subscription is still so, where there is one. */
export function renew() {
  // While it may still be read: consent may be about to end.
  const before = shop.marked();
  if (before && !isAdmitted()) shop.mark();
  setTimeout(() => {
    const mark = before || shop.marked();
    if (mark) using("renew", mark).catch((error) => console.warn("kairos.js:", error));
  });
}
