// Asks the inbox for messages to this visitor, and brings in what shows them when there is one.
//
// It asks once when a page is opened or looked at again, and a few times after `ingest` has said that an event may lead to
// a message: never without a reason, never on and on, never while nobody looks, never without consent.

import { ASK_AFTER } from "./bounds.js";
import { options } from "./lifecycle.js";
import { renew } from "./push.js";
import { erased, ids } from "./visitor.js";

/** Whether messages may be asked for and shown. */
let admitted;
let timer;
/** What shows messages, once it is there. */
let display;

/** Asks or tells the inbox; what is told outlives the page. */
const post = (path, more) =>
  fetch(`${options.inbox.replace(/\/$/, "")}/v1/inbox${path}`, {
    method: "POST",
    keepalive: true,
    body: JSON.stringify({ writeKey: options.writeKey, ...ids(), userHash: options.userHash, ...more }),
  });

async function ask(mine, pauses) {
  if (document.hidden || erased()) return;
  const { messages } = await (await post("")).json();
  if (messages[0]) display ??= await import("../kairos-messages.js");
  // Meanwhile consent may be withdrawn, somebody signed out, or something else have happened.
  if (mine === timer && !display?.show(messages, post, options)) expect(pauses);
}

/** Asks after these pauses, until there is something new. */
export function expect([pause, ...later] = ASK_AFTER) {
  clearTimeout(timer);
  if (!pause || !options.inbox || !admitted) return;
  const mine = (timer = setTimeout(() => ask(mine, later).catch((error) => console.warn("kairos.js:", error)), pause));
}

/** Asks once: for what has come while nobody looked. */
export const look = () => expect(ASK_AFTER.slice(0, 1));

/** Shows nothing any more, and forgets what was to be shown. */
export function hush() {
  timer = clearTimeout(timer);
  display?.hide();
}

/** From now on messages may be shown, or may not. */
export function admit(may) {
  admitted = may;
  may ? look() : hush();
  renew();
}

/** Whether they may. */
export function isAdmitted() {
  return admitted;
}
