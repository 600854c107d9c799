// From something that happened to an event on its way, if that is allowed.

import { VISIT_GAP } from "./bounds.js";
import { context } from "./context.js";
import { admit } from "./inbox.js";
import { options } from "./lifecycle.js";
import { add, close, counts, empty, open, withhold } from "./outbox.js";
import { allow, becomes, erased, forget, ids, newId, remember, remembered } from "./visitor.js";

/** Who hears of every event that may be sent. */
export const listeners = new Set();

/** Whether events may be kept and sent: `undefined` while nobody has said. */
let granted;
/** `{analytics, marketing}`, once somebody has said. */
let preferences;

const gpc = () => navigator.globalPrivacyControl;

/** Whether what happens may wait in memory until somebody has said. */
const waits = () => granted === undefined && options.beforeConsent !== "drop" && !gpc();

/** Hands an event on that may be sent, of somebody else where that is said. */
function deliver(message, urgent, who) {
  const at = Date.parse(message.timestamp);
  const away = at - remembered().seen;
  // Before it calls itself, so that it does so once.
  remember({ seen: at });
  // Of somebody who refuses only the refusal is told.
  if (granted && away >= VISIT_GAP) {
    remember({ query: undefined });
    const properties = { away_minutes: Math.floor(away / 60_000) };
    const { timestamp, context } = message;
    deliver({ ...tracked("Visitor Returned", properties), messageId: newId(), timestamp, context });
  }
  if (message.type === "identify") becomes(message.userId);
  Object.assign(message, ids(), who);
  if (preferences) message.context.consent = { categoryPreferences: preferences };
  add(message, urgent);
  // Whatever a listener does wrong is not the event's affair.
  for (const listener of listeners) queueMicrotask(() => listener(message));
}

/** A call with what every event has. */
function made(call) {
  counts.captured++;
  return { ...call, messageId: newId(), timestamp: new Date().toISOString(), context: context() };
}

/** Something happened; an urgent event does not wait for others. */
export function happened(call, urgent, who) {
  const message = made(call);
  if (granted && !erased()) deliver(message, urgent, who);
  else if (waits()) add(message);
  else counts.withheld++;
}

const tracked = (event, properties) => ({ type: "track", event, properties });

/** Something was done. */
export const track = (event, properties, urgent, who) => happened(tracked(event, properties), urgent, who);

function grant() {
  granted = true;
  admit(true);
  const waiting = empty();
  open();
  for (const message of waiting) deliver(message);
}

/** Starts as the options say, and says whether there is a reason to look. */
export function begins() {
  // Nothing is assumed of somebody who has answered, be it by this signal.
  if (options.consent === "assumed" && granted === undefined) gpc() ? consents({}) : grant();
  // What was told before the start has waited, as the options were not known.
  if (granted === undefined && !waits()) withhold();
  return granted || waits();
}

/** Somebody has said what may be done. */
export function consents({ analytics, marketing }) {
  if (erased()) {
    withhold();
    forget();
  }
  preferences = { analytics: !!analytics, marketing: !!marketing && !gpc() };
  const told = JSON.stringify(preferences);
  if (!analytics) {
    // What still waits after a refusal is the word of it.
    if (granted !== false) withhold();
    granted = false;
    // What was kept with an earlier consent, perhaps on another page, has to be found before it can be erased.
    allow(true);
  } else if (!granted) grant();
  // That it is refused has to arrive, too, where there was something to refuse.
  if (analytics ? remembered().told !== told : remembered().seen) {
    deliver(made(tracked("Segment Consent Preference Updated", {})), true);
    open();
  }
  // Messages are advertising, too.
  admit(analytics && preferences.marketing);
  if (analytics) remember({ told });
  else {
    forget();
    close();
  }
}
