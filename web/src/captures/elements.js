// Clicks, the resting pointer, and how long elements are looked at.
//
// An element is marked by `data-kairos="name"`, by `data-kairos-product="id"`, or by the selector of the options. Its
// product and category are its own or those of what it stands in.

import * as bounds from "../bounds.js";
import { shortened } from "../context.js";
import { track } from "../events.js";
import { leaving, now, on, options } from "../lifecycle.js";

const PRODUCT = "[data-kairos-product]";
const NAMES = ["data-kairos", "title", "name", "id"];

/** What an element says of itself; its name stands under `key`. */
export function describe(element, key) {
  const name = NAMES.map((name) => shortened(element.getAttribute(name))).find(Boolean) ?? element.localName;
  const nearest = (name) => element.closest(`[data-kairos-${name}]`)?.getAttribute(`data-kairos-${name}`) ?? undefined;
  let more;
  try {
    more = JSON.parse(nearest("properties") ?? null);
  } catch (error) {
    console.warn(element, error);
  }
  return { [key]: name, product_id: nearest("product"), category: nearest("category"), ...more };
}

/** Whether the page asks not to look there. */
export const ignored = (element) => !element.closest || element.closest("[data-kairos-ignore]");

const marked = () => `[data-kairos],${PRODUCT}${options.selector ? `,${options.selector}` : ""}`;

/** The marked element that something happened to. */
const markedAt = (target) => (ignored(target) ? null : target.closest(marked()));

/** The same for looks: what stands in a product is part of it, and would count its time twice. */
const lookedAt = (target) => markedAt(target)?.closest(PRODUCT) ?? markedAt(target);

/** Begins a look at an element. */
const look = (element) => ({ element, span: 0, properties: describe(element, "element") });

/** Tells of a look, if it was long enough, and begins the next one. */
function tell(event, look, least) {
  if (look.span >= least) track(event, { ...look.properties, seconds: Math.round(look.span / 100) / 10 });
  look.span = 0;
}

export const clicks = () =>
  on("click", ({ target }) => {
    const element = markedAt(target);
    if (element) track(element.dataset.kairosClick || "Element Clicked", describe(element, "element"));
  });

export function hover() {
  let current;
  let since;

  function moved(element) {
    if (element === current?.element) return;
    if (current) {
      current.span = now() - since;
      tell("Element Hovered", current, bounds.HOVER_MIN);
    }
    current = element && look(element);
    since = now();
  }

  // A finger does not hover.
  on("pointerover", ({ target, pointerType }) => pointerType === "mouse" && moved(lookedAt(target)));
  on("pointerout", ({ relatedTarget }) => relatedTarget || moved());
  leaving(() => moved());
}

export function dwell() {
  /** The looks at the elements that are seen now. */
  const seen = new Map();
  let last = now();
  let active = last;

  const finish = (look) => tell("Element Dwelled", look, bounds.DWELL_MIN);

  /** Adds the time since the last look, unless nobody was there or the machine slept. */
  function count() {
    const span = Math.min(now() - last, 2 * bounds.DWELL_TICK);
    last = now();
    if (last - active > bounds.IDLE_AFTER) return;
    for (const look of seen.values()) {
      look.span += span;
      if (look.span >= bounds.DWELL_PIECE) finish(look);
    }
  }

  const observer = new IntersectionObserver(
    (entries) => {
      count();
      for (const { target, intersectionRatio, intersectionRect } of entries) {
        const before = seen.get(target);
        if (intersectionRatio >= bounds.SEEN_SHARE || intersectionRect.height >= innerHeight * bounds.SEEN_SHARE) {
          if (!before) seen.set(target, look(target));
        } else if (before) {
          seen.delete(target);
          finish(before);
        }
      }
    },
    // So fine that half a window of something five windows high is noticed.
    { threshold: [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1] },
  );

  /** Looks for new elements; one that is observed already is not observed again. */
  function scan() {
    for (const element of [...document.querySelectorAll(marked())].slice(0, bounds.ELEMENTS_MAX)) {
      if (lookedAt(element) === element) observer.observe(element);
    }
  }

  scan();
  setInterval(() => {
    if (document.hidden) return;
    count();
    scan();
  }, bounds.DWELL_TICK);
  for (const sign of ["pointermove", "keydown", "scroll"]) on(sign, () => (active = now()));
  on("visibilitychange", () => document.hidden || (last = active = now()));
  leaving(() => {
    count();
    seen.forEach(finish);
  });
}
