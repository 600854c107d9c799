// What goes with every event: Segment's context.

import { TEXT_CHARS_MAX } from "./bounds.js";

/** As in package.json. */
export const VERSION = "0.1.0";

/** A text of the page, not longer than it may be. */
export const shortened = (text) => text?.trim().slice(0, TEXT_CHARS_MAX) || undefined;

/** Names of what nobody else may know. */
export const SECRET = /pass|pwd|card|cc[-_]|ccnum|cv[cv]|csc|iban|ssn|otp|one-time|secret|token|\bpin\b/i;
/** Names of parameters that say who somebody is, or let others in. */
const PERSONAL = /mail|phone|key(?!word)|code/i;

/** An address without the part behind `#` and without parameters of such names; the others as they stand. */
function tellable(url) {
  const [path, query] = url.split("#")[0].split(/\?(.*)/s);
  const told = query?.split("&").filter((parameter) => {
    const names = [...new URLSearchParams(parameter).keys()];
    return !SECRET.test(names) && !PERSONAL.test(names);
  });
  return told?.length ? `${path}?${told.join("&")}` : path;
}

/** Where the browser is. */
export const address = () => tellable(location.href);

/** The page as it was when it was last viewed: what happens while it is being left belongs to it. */
let page;
let campaign;

/** Takes in the page that there is now. */
export function arrive(referrer) {
  const { pathname, search, searchParams } = new URL(address());
  page = { path: pathname, referrer: tellable(referrer), search, url: address() };
  campaign = undefined;
  for (const [name, value] of searchParams) {
    const [, utm] = name.split(/^utm_/);
    if (utm) campaign = { ...campaign, [utm === "campaign" ? "name" : utm]: shortened(value) };
  }
}

arrive(document.referrer);

/** The page in the words of Segment's spec. */
export const pageProperties = () => ({ ...page, title: document.title });

/** Segment's context of an event that happens now. */
export const context = () => ({
  library: { name: "kairos.js", version: VERSION },
  locale: navigator.language,
  timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  userAgent: navigator.userAgent,
  page: pageProperties(),
  campaign,
});
