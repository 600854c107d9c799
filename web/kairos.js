// kairos.js: what shoppers' hands and eyes do on a page, as events of the Segment spec.
//
//   import { kairos } from "kairos.js";
//   kairos.start({ endpoint: "https://…", writeKey: "…", consent: "required" });
//
// Reading order: this file, src/events.js (what may be sent), src/outbox.js (how it arrives), src/captures (what is
// seen). README.md documents all.

import { clicks, dwell, hover } from "./src/captures/elements.js";
import { exit } from "./src/captures/exit.js";
import { forms } from "./src/captures/forms.js";
import { media } from "./src/captures/media.js";
import { pages, view } from "./src/captures/pages.js";
import { scroll } from "./src/captures/scroll.js";
import { begins, consents, happened, listeners, track } from "./src/events.js";
import { expect, hush, look as lookUp } from "./src/inbox.js";
import { leave, leaving, on, options } from "./src/lifecycle.js";
import { counts, flush, handOver } from "./src/outbox.js";
import { push, renew } from "./src/push.js";
import { erased, forget } from "./src/visitor.js";

const CAPTURES = { clicks, hover, dwell, scroll, forms, media, exit };

let looking;

function look() {
  // Page views come first, so that everything else happens on a page.
  pages();
  for (const name in CAPTURES) if (!options.without.includes(name)) CAPTURES[name]();
  // And this last, so that it goes with what the others had to tell.
  leaving((how) => how === "navigated" || handOver());
  on("visibilitychange", () => (document.hidden ? leave("hidden") : (flush(), lookUp())));
  on("pagehide", () => leave("gone"), window);
  on("online", flush, window);
}

/** Begins to look, once there is a page to look at. */
function begin() {
  if (looking) return;
  looking = true;
  // A page that is only prepared has not been opened by anybody.
  if (document.prerendering) on("prerenderingchange", look);
  else if (document.readyState === "loading") on("DOMContentLoaded", look);
  else look();
}

export const kairos = {
  counts,
  flush,

  start(given) {
    if (options.writeKey || !given.writeKey || !given.endpoint) {
      throw Error("kairos.js: start it once, with endpoint and writeKey");
    }
    Object.assign(options, given);
    if (begins()) begin();
    // What was told or refused before.
    setTimeout(flush);
    return kairos;
  },

  consent(preferences) {
    consents(preferences);
    // Before the start nobody knows what to look at.
    if (preferences.analytics && options.writeKey) begin();
  },

  track: (event, properties = {}) => track(event, properties),

  page: view,

  identify(userId, traits = {}, userHash) {
    options.userHash = userHash ?? options.userHash;
    happened({ type: "identify", userId, traits }, true);
    renew();
  },

  reset() {
    hush();
    options.userHash = undefined;
    erased() || forget({});
    renew();
  },

  messages: () => expect(),

  onMessage(handler) {
    options.onMessage = handler;
  },

  on(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },

  push: Object.defineProperties((call) => call(kairos), Object.getOwnPropertyDescriptors(push)),
};
