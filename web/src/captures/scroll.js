// How far down a page was read.

import { SCROLL_PERCENTS } from "../bounds.js";
import { track } from "../events.js";
import { leaving, on } from "../lifecycle.js";

export function scroll() {
  let told = 0;
  on("scroll", ({ target }) => {
    // Boxes inside the page scroll, too.
    if (target !== document) return;
    // Rounding by the browser must not keep anybody from the end.
    const percent = (100 * (scrollY + innerHeight + 1)) / document.documentElement.scrollHeight;
    while (percent >= SCROLL_PERCENTS[told]) track("Page Scrolled", { percent: SCROLL_PERCENTS[told++] });
  });
  leaving((how) => {
    if (how === "navigated") told = 0;
  });
}
