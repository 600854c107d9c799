// What is kept in the browser, and who the visitor is: nothing of it without consent.
//
// It is whom Segment's analytics.js knows, which may run beside; else an id of our own, kept where analytics.js will
// look for it, so that it stays the same whichever comes first.

const VISITOR = "kairos:visitor";
const ANONYMOUS = "ajs_anonymous_id";
const USER = "ajs_user_id";

/** What comes of something that a browser may refuse or that may be broken. */
function attempt(use) {
  try {
    return use();
  } catch {
    return undefined;
  }
}

/** Whether anything may be kept, and what is kept be read. */
let allowed = false;

/** Allows that, or forbids it. */
export function allow(may) {
  allowed = may;
}

/** What a key holds; nothing where that may not be read, storage is blocked, or it is no JSON. */
export const read = (key) => attempt(() => allowed && JSON.parse(localStorage[key]));

/** Keeps a value under a key, and says whether it could; `undefined` forgets it. */
export const keep = (key, value) =>
  attempt(
    () => allowed && (value === undefined ? delete localStorage[key] : (localStorage[key] = JSON.stringify(value))),
  );

let visitor = {};
/** Whether storage has all of it; then only that counts, as other tabs write there, too. */
let kept;

/** Whether what was kept is gone: in another tab, consent was withdrawn. Storage that cannot be read says nothing. */
export const erased = () => kept && attempt(() => localStorage.getItem(VISITOR) === null);

/** What is remembered: `id`, `user`, `seen` (when), `until` (when nothing is sent), `told` (consent). */
export const remembered = () => (kept ? read(VISITOR) || {} : { ...read(VISITOR), ...visitor });

/** Remembers more, unless that was withdrawn. */
export function remember(more) {
  if (erased()) return;
  visitor = { ...remembered(), ...more };
  kept = keep(VISITOR, visitor);
}

/** A random id of 128 bits. */
export const newId = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

/** An id that analytics.js keeps: JSON in localStorage, plain in a cookie. */
const ajs = (key) =>
  read(key) ||
  attempt(() => decodeURIComponent(document.cookie.match(`(?:^|; )${key}=([^;]+)`)[1]).replace(/^"|"$/g, ""));

/** `anonymousId`, and `userId` when it is known. */
export function ids() {
  // Before it has loaded, analytics.js is a list of calls; as a package it promises its user.
  const user = attempt(() => window.analytics.user());
  const [visitorId, knownId] = attempt(() => [user.anonymousId(), user.id()]) ?? [];
  const { id, user: said } = remembered();
  let anonymousId = visitorId || ajs(ANONYMOUS) || id;
  if (!anonymousId) {
    anonymousId = newId();
    remember({ id: anonymousId });
    keep(ANONYMOUS, anonymousId);
  }
  return { anonymousId, userId: knownId || ajs(USER) || said };
}

/** Keeps who it is. */
export function becomes(user) {
  remember({ user });
  keep(USER, user);
}

/**
 * Forgets who it is, as far as that was kept here and not by analytics.js. An empty record says to other tabs that
 * somebody has signed out, and none, that nothing may be kept.
 */
export function forget(record) {
  const { id, user } = remembered();
  if (id) keep(ANONYMOUS);
  if (user) keep(USER);
  visitor = {};
  kept = keep(VISITOR, record) && record;
}
