// The intention to leave, once a page:
//
// - desktop: the pointer leaves the window at its top, where tabs and address bar are;
// - phone and tablet: the page is thrown up fast, to get at the address bar, or the browser is put away.
//
// The way back is never barred to find out: an entry in the history that catches the back button catches the shopper.

import * as bounds from "../bounds.js";
import { track } from "../events.js";
import { leaving, now, on } from "../lifecycle.js";

export function exit() {
  let armedAt;
  let gone;
  let touchedAt;
  let from;
  let since = 0;

  function arm() {
    armedAt = now() + bounds.EXIT_ARMED_AFTER;
  }

  function intends(by) {
    if (now() < armedAt) return;
    armedAt = Infinity;
    track("Exit Intended", { by }, true);
  }

  arm();
  on("mouseout", ({ relatedTarget, clientY }) => relatedTarget || clientY > 0 || intends("pointer"));
  leaving((how) => {
    if (how === "navigated") arm();
    // A page that goes away is hidden, too, but is told first that it goes.
    if (how === "hidden" && touchedAt && !gone) intends("hidden");
    gone = how === "gone";
  });
  // Who touches has no pointer to leave with.
  on("touchmove", () => (touchedAt = now()));
  on("scroll", () => {
    if (now() - since > bounds.EXIT_SCROLL_WITHIN || scrollY > from) [from, since] = [scrollY, now()];
    if (from - scrollY >= bounds.EXIT_SCROLL_PX && now() - touchedAt <= bounds.EXIT_TOUCH_WITHIN) intends("scroll");
  });
}
