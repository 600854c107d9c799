// Every bound of kairos.js. Sizes are in bytes, spans in milliseconds; what `ingest` asks for stands in
// shared/engine/src/bounds.rs, and a test compares.

/** Largest single event: as `ingest` has it. */
export const EVENT_BYTES_MAX = 32 * 1024;
/** Most of events in one request: browsers take 64 KiB for requests that outlive the page, envelope included. */
export const BATCH_BYTES_MAX = 60 * 1024;
/** So many events go out without waiting for more. */
export const BATCH_EVENTS_ENOUGH = 20;
/** How long an event waits for others to go with. */
export const FLUSH_AFTER = 5_000;

/** Most events that wait to be sent or to be allowed, and go in one request; the oldest leave first. */
export const QUEUE_EVENTS_MAX = 200;
/** Most characters that wait to be sent: browsers keep about five million for all of a shop's scripts. */
export const QUEUE_CHARS_MAX = 256 * 1024;

/** The first pause after a failure; each failure doubles it. */
export const RETRY_FIRST = 1_000;
/** The longest pause after failures. */
export const RETRY_MAX = 300_000;
/** The longest pause that a server may ask for. */
export const RETRY_ASKED_MAX = 3_600_000;
/** How long a request may take. */
export const REQUEST_TIMEOUT = 15_000;

/** How long it is waited before each question for a message that may come; the pauses follow each other. */
export const ASK_AFTER = [100, 250, 500, 1_000, 2_000];

/** A visit begins after this time without an event: as the engine has it. */
export const VISIT_GAP = 1_800_000;
/** Longest name or text that is taken from a page, in characters. */
export const TEXT_CHARS_MAX = 200;

/** Most elements that are watched at once: the first ones of the page. */
export const ELEMENTS_MAX = 500;
/** An element is seen when so much of it is visible (the MRC's standard), or when it fills so much of the window. */
export const SEEN_SHARE = 0.5;
/** Looking at an element for less is not told. */
export const DWELL_MIN = 3_000;
/** Looking on is told in pieces of this length, so that nothing has to wait for the end. */
export const DWELL_PIECE = 30_000;
/** How often it is looked how long, and whether there are new elements. */
export const DWELL_TICK = 1_000;
/** Who moves nothing for so long is not looking. */
export const IDLE_AFTER = 60_000;
/** A pointer that rests for less is passing. */
export const HOVER_MIN = 1_000;

/** Who leaves a page so soon has not meant to come. */
export const EXIT_ARMED_AFTER = 2_000;
/** A finger that throws the page up for so many pixels … */
export const EXIT_SCROLL_PX = 300;
/** … within this time reaches for the address bar. */
export const EXIT_SCROLL_WITHIN = 200;
/** A page that goes up later than this after the last touch goes by itself. */
export const EXIT_TOUCH_WITHIN = 1_000;

/** The depths of a page that are told, in percent. */
export const SCROLL_PERCENTS = [25, 50, 75, 90, 100];
/** The parts of a video or a piece of music that are told, in percent. */
export const MEDIA_PERCENTS = [10, 25, 50, 75, 100];
/** What a form is told by: each so many percent of its fields. */
export const FORM_PERCENT_STEP = 25;
