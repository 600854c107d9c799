// What captures share: options, and the word that the page is being left.

/** As the shop has set them; lists as text with commas, as attributes have them. */
export const options = { consent: "required", search: "q,query,search,s", without: "" };

/** Listens, without ever standing in the way. */
export const on = (type, handler, target = document) =>
  target.addEventListener(type, handler, { capture: true, passive: true });

/** The browser's clock, in milliseconds. */
export const now = () => Date.now();

const handlers = [];

/** Wants to know when the page is `hidden`, `gone`, or `navigated` away from by a script. */
export const leaving = (handler) => handlers.push(handler);

/** Tells it. */
export const leave = (how) => handlers.forEach((handler) => handler(how));
