// The types of kairos.js. What each event means stands in README.md.

/** How the shop wants it. In a `<script>`, each is an attribute: `data-write-key`, `data-before-consent` … */
export interface KairosOptions {
  /** The stack's `IngestUrl`; events go to `/v1/batch` there. */
  endpoint: string;
  /** The write key of a source in `sources.yaml`. It is public and can do nothing but send events. */
  writeKey: string;
  /** `required`, which is the default: nothing is kept or sent before `kairos.consent`. `assumed`: everything may be, unless a refusal came first. */
  consent?: "required" | "assumed";
  /** What becomes of what happens before consent: it waits in memory (the default), or is not even looked at. */
  beforeConsent?: "queue" | "drop";
  /** Elements to watch, besides those with `data-kairos` or `data-kairos-product`. */
  selector?: string;
  /** Query parameters that hold what is searched for. `["q", "query", "search", "s"]` without it. */
  search?: string | readonly string[];
  /** What is not to be captured. */
  without?: string | readonly KairosCapture[];
  /** The stack's `InboxUrl`, when the playbook has messages on the page. Without it nobody asks for any. */
  inbox?: string;
  /** Where the service worker for notifications lies on the shop's own origin. `/kairos-service-worker.js` without it. */
  serviceWorker?: string;
  /** What proves that the user is who `identify` says: made by the shop's server (docs/channels.md). */
  userHash?: string;
  /** For the styles of messages in browsers of before 2023, where the page's policy asks for one; a `<script>` has its own. */
  nonce?: string;
  /** Shows messages in the shop's own way; see `onMessage` of {@link Kairos}. */
  onMessage?: KairosMessageHandler;
}

/** A message for the page. All of it is text, to be written as such. */
export interface KairosOnSiteMessage {
  id: string;
  /** The message's name in the playbook. */
  name: string;
  /** A BCP 47 tag. */
  language: string;
  kind: "banner" | "modal" | "embedded";
  title?: string;
  text: string;
  /** A web link. */
  picture?: string;
  button?: { text: string; link: string };
  /** Of a banner. */
  position?: "bottom" | "top";
  /** Of an embedded message. */
  slot?: string;
  dismissible: boolean;
  /** What the button that closes it is called. */
  close?: string;
  priority: number;
  expires_in_ms: number;
  /** Whether it was seen before. */
  seen: boolean;
}

/** Tells what became of a message; each counts once. */
export interface KairosMessageTells {
  seen(): void;
  clicked(): void;
  dismissed(): void;
}

/** Gives `true` when it shows the message, and then tells what becomes of it. */
export type KairosMessageHandler = (message: KairosOnSiteMessage, tell: KairosMessageTells) => boolean | void;

export type KairosCapture = "pages" | "clicks" | "hover" | "dwell" | "scroll" | "forms" | "media" | "exit";

export interface KairosConsent {
  /** Whether events may be captured, kept and sent. */
  analytics: boolean;
  /** Whether they may lead to advertising. It goes with every event; with Global Privacy Control it is always `false`. */
  marketing: boolean;
}

/** What an element says of itself by its attributes, and whatever stands in `data-kairos-properties`. */
interface OfElement {
  product_id?: string;
  category?: string;
  [property: string]: unknown;
}

interface Playback extends OfElement {
  session_id: string;
  title: string;
  /** In seconds. */
  position: number;
  /** In seconds; none for a stream without an end. */
  total_length: number | null;
}

/** The events that kairos.js sends by itself, with their properties. */
export interface KairosEvents {
  "Element Clicked": OfElement & { element: string };
  "Element Hovered": OfElement & { element: string; seconds: number };
  "Element Dwelled": OfElement & { element: string; seconds: number };
  "Page Scrolled": { percent: 25 | 50 | 75 | 90 | 100 };
  "Form Started": OfElement & { form: string; field: string };
  "Form Progressed": OfElement & { form: string; percent: number; field: string };
  "Form Abandoned": OfElement & { form: string; percent: number; field: string };
  "Form Submitted": OfElement & { form: string };
  "Video Playback Started": Playback;
  "Video Watched": OfElement & { title: string; percent: 10 | 25 | 50 | 75 | 100 };
  "Video Playback Completed": Playback;
  "Track Played": OfElement & { title: string; percent: 10 | 25 | 50 | 75 | 100 };
  "Products Searched": { query: string };
  "Exit Intended": { by: "pointer" | "scroll" | "hidden" };
  "Visitor Returned": { away_minutes: number };
  "Segment Consent Preference Updated": Record<string, never>;
}

/** A message of the Segment spec, as it is sent. */
export interface KairosMessage {
  type: "track" | "page" | "identify";
  event?: keyof KairosEvents | (string & {});
  name?: string;
  properties?: Record<string, unknown>;
  traits?: Record<string, unknown>;
  messageId: string;
  timestamp: string;
  anonymousId: string;
  userId?: string;
  context: Record<string, unknown>;
}

/** What has become of events on this page. */
export interface KairosCounts {
  /** All that happened. */
  readonly captured: number;
  /** Without consent. */
  readonly withheld: number;
  /** Taken by the server, or handed to the browser when the page was left. */
  readonly sent: number;
  /** Not taken by the server, one by one; `kairos refused` shows why. */
  readonly refused: number;
  /** In requests that the server did not take, and would never take. */
  readonly rejected: number;
  /** Too large, too many, or damaged where they were kept. */
  readonly dropped: number;
}

/** Notifications in this browser. */
export interface KairosPush {
  /** What the browser's user has said to notifications of this site; `unsupported` where it has none. */
  readonly permission: "granted" | "denied" | "default" | "unsupported";
  /**
   * Asks for notifications, on a click or a key alone: browsers refuse others. `no_consent` without consent to analytics and
   * marketing; `denied` and `default` are what the browser's user has said. Rejects when the inbox, the browser or the service
   * worker fails.
   */
  subscribe(): Promise<"subscribed" | "denied" | "default" | "unsupported" | "no_consent">;
  /** Ends them. */
  unsubscribe(): Promise<void>;
}

export interface Kairos {
  /** Begins. Throws without an endpoint or a write key, and when it has begun already. */
  start(options: KairosOptions): Kairos;
  /** Says what the visitor has agreed to; on every page, as it is not remembered for the shop. */
  consent(preferences: KairosConsent): void;
  /** Something was done. */
  track<Name extends keyof KairosEvents>(event: Name, properties: KairosEvents[Name]): void;
  track(event: string, properties?: Record<string, unknown>): void;
  /** A page was viewed that is none by its address. */
  page(name?: string, properties?: Record<string, unknown>): void;
  /** Says who the visitor is. Beside analytics.js, its `identify` is enough. */
  identify(userId: string, traits?: Record<string, unknown>, userHash?: string): void;
  /** Forgets who the visitor is, as on signing out. Beside analytics.js, its `reset` is enough. */
  reset(): void;
  /** Asks now, and a few times more, whether there is a message for the page: for events that others have sent. */
  messages(): void;
  /** Lets the shop show messages in its own way. */
  onMessage(handler: KairosMessageHandler): void;
  /** Sends now what waits, unless there is no network or the server has asked for a pause. */
  flush(): Promise<void>;
  /** Calls `listener` with every event that is sent. Gives a function that ends it. */
  on(listener: (message: KairosMessage) => void): () => void;
  /** Notifications in this browser; see {@link KairosPush}. As a function: calls `call` with this; before the script has come, `window.kairos` may be a list of such calls. */
  readonly push: KairosPush & ((call: (kairos: Kairos) => void) => void);
  readonly counts: KairosCounts;
}

export const kairos: Kairos;

declare global {
  interface Window {
    kairos?: Kairos | Array<(kairos: Kairos) => void>;
  }
}
