// Events on their way: in memory until `ingest` has answered, sent in batches, again when that failed. A message keeps
// its `messageId`, so what arrives twice counts once.
//
// When the page is hidden or gone, what could not be handed over is stashed in storage; whichever page of the shop is
// looked at next takes it from there.

import * as bounds from "./bounds.js";
import { expect } from "./inbox.js";
import { now, options } from "./lifecycle.js";
import { allow, erased, keep, read, remember, remembered } from "./visitor.js";

const STASH = "kairos:stash";

/** What has become of events. */
export const counts = { captured: 0, withheld: 0, sent: 0, refused: 0, rejected: 0, dropped: 0 };

/** The events that wait, in their order; those from before anybody has said whether they may be sent, too. */
let queue = [];
/** The ids of those that are under way. */
let underWay = [];
/** Whether they may be sent. */
let sends;
let failures = 0;
let timer;
let sending;

const url = () => `${options.endpoint.replace(/\/$/, "")}/v1/batch`;

// The key goes into the body and the type stays text/plain, so that browsers need not ask before they send.
const body = (batch) => JSON.stringify({ batch, sentAt: new Date(), writeKey: options.writeKey });

const bytesOf = (message) => new Blob([JSON.stringify(message)]).size;

/** Takes out everything that waits. */
export const empty = () => queue.splice(0);

/** Takes it out because it may not be sent. */
export function withhold() {
  counts.withheld += empty().length;
}

const idsOf = (batch) => batch.map((message) => message.messageId);

/** Takes out what needs no more care. */
function settle(batch) {
  const ids = idsOf(batch);
  queue = queue.filter((message) => !ids.includes(message.messageId));
}

/** Leaves out the oldest until the rest may wait. */
function bounded() {
  while (queue.length > bounds.QUEUE_EVENTS_MAX || JSON.stringify(queue).length > bounds.QUEUE_CHARS_MAX) {
    queue.shift();
    counts.dropped++;
  }
}

const fits = (message) => bytesOf(message) <= bounds.EVENT_BYTES_MAX;

/** Takes over what this page or another one has stashed; others can write there, too. */
function unstash() {
  const stashed = [].concat(read(STASH) || []);
  const sound = stashed.filter((message) => message?.messageId && fits(message));
  counts.dropped += stashed.length - sound.length;
  queue = sound.concat(queue);
  keep(STASH);
}

/** Stashes everything that waits, if that is allowed. */
function stash() {
  if (!queue[0]) return;
  unstash();
  bounded();
  // Where it cannot be kept, it waits here.
  if (keep(STASH, queue)) empty();
}

/** The next events that are not under way, as many as go together. */
function next() {
  const batch = [];
  let bytes = 0;
  for (const message of queue) {
    if (underWay.includes(message.messageId)) continue;
    bytes += bytesOf(message) + 1;
    if (bytes > bounds.BATCH_BYTES_MAX) break;
    batch.push(message);
  }
  return batch;
}

/** How long the server, or failures, ask to wait; a pause that is too long comes from a clock that was put back. */
function pause() {
  const rest = remembered().until - now();
  return rest > 0 && rest <= bounds.RETRY_ASKED_MAX ? rest : 0;
}

function mayBeSent() {
  if (erased()) withhold();
  return sends && navigator.onLine && !pause();
}

/** Sends one batch. Gives the status, which is 0 when there was no answer, and what came with it. */
async function post(batch) {
  try {
    const response = await fetch(url(), {
      method: "POST",
      body: body(batch),
      keepalive: true,
      signal: AbortSignal.timeout?.(bounds.REQUEST_TIMEOUT),
    });
    const answer = await response.json().catch(() => {});
    const after = response.headers.get("retry-after");
    // Seconds or a date: reckoned when all is read, because the pause begins then.
    const asked = Math.min(after * 1000 || Date.parse(after) - now() || 0, bounds.RETRY_ASKED_MAX);
    return [response.status, asked, answer];
  } catch {
    return [0, 0];
  }
}

async function sendAll() {
  if (mayBeSent()) unstash();
  while (mayBeSent() && queue[0]) {
    const batch = next();
    if (!batch[0]) break;
    underWay = idsOf(batch);
    const [status, asked, answer] = await post(batch);
    underWay = [];
    if (!status || status === 408 || status === 429 || status >= 500) {
      const own = Math.min(bounds.RETRY_FIRST * 2 ** failures++, bounds.RETRY_MAX) * (0.5 + Math.random() / 2);
      remember({ until: now() + Math.max(own, asked) });
    } else {
      failures = 0;
      // It was stashed, too, if the page was hidden meanwhile.
      unstash();
      settle(batch);
      const refused = answer?.refused?.length ?? 0;
      counts.refused += refused;
      counts[status < 300 ? "sent" : "rejected"] += batch.length - refused;
      if (answer?.on_site) expect();
      if (refused || status >= 300) console.warn("kairos.js:", status, answer);
    }
  }
  bounded();
  // A page that nobody sees may be ended at any time.
  if (document.hidden) stash();
  if (queue[0]) timer ??= setTimeout(flush, pause() || bounds.RETRY_MAX);
}

/** Sends what there is, unless the server has asked for a pause or there is no network. */
export async function flush() {
  timer = clearTimeout(timer);
  // Before the start it is not known where to.
  if (options.endpoint) await (sending ??= sendAll().finally(() => (sending = undefined)));
}

/** Takes one event; an urgent one does not wait for others. */
export function add(message, urgent) {
  if (!fits(message)) {
    counts.dropped++;
    return;
  }
  queue.push(message);
  bounded();
  if (urgent || queue.length >= bounds.BATCH_EVENTS_ENOUGH) setTimeout(flush);
  timer ??= setTimeout(flush, bounds.FLUSH_AFTER);
}

/**
 * The page is hidden or gone, and perhaps nothing runs any more: hands everything to the browser, which sends it even
 * then. What is left belongs to whichever page is looked at next.
 */
export function handOver() {
  let batch;
  while (mayBeSent() && (batch = next())[0] && navigator.sendBeacon(url(), body(batch))) {
    counts.sent += batch.length;
    settle(batch);
  }
  stash();
}

/** From now on events may be sent and kept. */
export function open() {
  sends = true;
  allow(true);
  setTimeout(flush);
}

/** Keeps nothing any more but in memory; what is still to be sent, is. */
export function close() {
  keep(STASH);
  allow(false);
}
