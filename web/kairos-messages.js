// kairos-messages.js: shows the messages of the inbox on the page. kairos.js brings it in when there is one.
//
// What a message says is only ever written as text; its links are web links or none. It stands in a shadow tree, so the
// page's styles do not reach it; what a shop may change are the custom properties and parts named in README.md.

const STYLES = `:host{all:initial!important}
:host([data-kind=embedded]){display:block!important}
.m,.m *{box-sizing:border-box}
.m{--a:var(--kairos-accent,#1a56c4);--o:var(--kairos-on-accent,#fff);--b:var(--kairos-background,#fff);--f:var(--kairos-text,#1b1b1f);
font:16px/1.5 var(--kairos-font,system-ui,-apple-system,"Segoe UI",Roboto,sans-serif);color:var(--f);background:var(--b);text-align:start;
border:1px solid #8884;border-radius:var(--kairos-radius,12px);overflow:auto;overscroll-behavior:contain;overflow-wrap:anywhere}
@media(prefers-color-scheme:dark){.m{--a:var(--kairos-accent,#8ab4f8);--o:var(--kairos-on-accent,#14181f);--b:var(--kairos-background,#23262d);--f:var(--kairos-text,#f1f3f4)}}
.i{position:relative;display:flex;flex-wrap:wrap;align-items:center;gap:12px 16px;padding:16px}
.x .i{padding-inline-end:56px}
h2{text-wrap:balance;font-size:18px;line-height:1.3;margin:0 0 4px}
p{margin:0;white-space:pre-line}
img{width:64px;height:64px;object-fit:cover;border-radius:8px}
.w{flex:1 1 150px;min-width:0}
a{display:inline-block;padding:10px 18px;min-height:44px;border-radius:8px;background:var(--a);color:var(--o);font-weight:600;text-decoration:none;text-align:center}
button{position:absolute;top:6px;inset-inline-end:6px;width:44px;height:44px;padding:0;border:0;border-radius:50%;background:none;color:inherit;font:24px/1 system-ui,sans-serif;cursor:pointer}
button:hover{background:#8883}
a:focus-visible,button:focus-visible{outline:3px solid var(--a);outline-offset:2px}
button:focus-visible{outline-offset:-3px}
.banner,.modal{position:fixed;box-shadow:0 8px 32px #0005}
.banner{z-index:2147483647;left:max(12px,env(safe-area-inset-left));right:max(12px,env(safe-area-inset-right));max-width:680px;max-height:80vh;margin-inline:auto}
.bottom{bottom:max(12px,env(safe-area-inset-bottom))}
.top{top:max(12px,env(safe-area-inset-top))}
.modal{inset:0;margin:auto;width:calc(100vw - 32px);max-width:440px;height:fit-content;max-height:calc(100vh - 32px);padding:0}
.modal::backdrop{background:#000a}
.modal .i{flex-direction:column;align-items:stretch;gap:20px;padding:24px}
.modal .w{flex:none}
.modal h2{font-size:22px;margin-bottom:8px}
.modal.x h2,.modal.x .w>p:first-child{padding-inline-end:32px}
.modal img{width:calc(100% + 48px);height:auto;max-height:40vh;aspect-ratio:16/9;margin:-24px -24px 0;border-radius:0}
.modal img~button{background:var(--b)}
@media(max-width:480px){.banner img{align-self:flex-start}.banner a{flex:1 0 100%}.banner.x a{margin-inline-end:-40px}}
@media(prefers-reduced-motion:no-preference){.banner,.modal{animation:k .25s ease-out}@keyframes k{from{opacity:0;transform:translateY(12px)}}}`;

/** The ids of messages that were taken in on this page. */
const known = new Set();
/** Banners and modals that wait for their turn, the most important first. */
let waiting = [];
/** What takes away each message that is on the page. */
const shown = new Map();
/** Whether one of them is a banner or a modal: there is one at a time. */
let busy;
let sheet;

/** An element with a text; never with markup. */
function make(tag, part, text, attributes) {
  const element = document.createElement(tag);
  if (part) element.setAttribute("part", part);
  if (text) element.textContent = text;
  for (const name in attributes) if (attributes[name]) element.setAttribute(name, attributes[name]);
  return element;
}

/** The link as a browser reads it, if it is a web link. */
function webLink(link) {
  try {
    const { protocol, href } = new URL(link);
    return /^https?:$/.test(protocol) && href;
  } catch {
    return false;
  }
}

/** Styles that a strict Content Security Policy lets pass; older browsers need the shop's nonce. */
function style(root, nonce) {
  try {
    if (!sheet) (sheet = new CSSStyleSheet()).replaceSync(STYLES);
    root.adoptedStyleSheets = [sheet];
  } catch {
    root.append(make("style", "", STYLES, { nonce }));
  }
}

/** What can be said about a message, each once. */
function tells(message, post) {
  const told = new Set(message.seen ? ["seen"] : []);
  const tell = (what) => () => {
    if (told.has(what)) return;
    told.add(what);
    post(`/${what}`, { id: message.id }).catch(() => {});
  };
  return { seen: tell("seen"), clicked: tell("clicked"), dismissed: tell("dismissed") };
}

/** Puts a message on the page. */
function put(message, { seen, clicked, dismissed }, { nonce, place, after }) {
  const { kind, dismissible } = message;
  const modal = kind === "modal";
  let before = document.activeElement;
  const host = make("div", "", "", { "data-kairos-message": message.id, "data-kind": kind });
  const root = host.attachShadow({ mode: "open" });
  style(root, nonce);
  const card = make(modal ? "dialog" : "div", "message", "", {
    class: `m ${kind} ${message.position ?? ""} ${dismissible ? "x" : ""}`,
    role: kind === "embedded" ? "region" : "dialog",
    "aria-modal": modal && "true",
    "aria-labelledby": message.title ? "t" : "d",
    "aria-describedby": message.title && "d",
    lang: message.language,
    dir: "auto",
  });
  const inner = make("div", "", "", { class: "i" });
  const words = make("div", "", "", { class: "w" });
  if (message.title) words.append(make("h2", "title", message.title, { id: "t" }));
  words.append(make("p", "text", message.text, { id: "d" }));
  const source = webLink(message.picture);
  if (source) {
    const picture = make("img", "picture", "", { src: source });
    picture.alt = "";
    picture.addEventListener("error", () => picture.remove());
    inner.append(picture);
  }
  inner.append(words);
  const href = webLink(message.button?.link);
  if (href) {
    const link = make("a", "button", message.button.text, { href, rel: "noopener" });
    link.addEventListener("click", () => {
      clicked();
      leave();
    });
    inner.append(link);
  }

  let timer;
  let observer;
  function leave() {
    if (!shown.delete(message.id)) return;
    clearTimeout(timer);
    observer?.disconnect();
    const focused = root.activeElement;
    if (modal) card.close?.();
    host.remove();
    if (focused && before?.isConnected) before.focus();
    after();
  }
  function dismiss() {
    if (!dismissible) return;
    dismissed();
    leave();
  }

  if (dismissible) {
    const close = make("button", "close", "×", { type: "button", "aria-label": message.close || "Close" });
    close.addEventListener("click", dismiss);
    inner.append(close);
  }
  card.append(inner);
  // Whoever listens to the page is told, without being torn away from where they are.
  const live = make("div", "", "", { "aria-live": kind === "banner" && "polite" });
  root.append(live);
  place.append(host);
  live.append(card);
  shown.set(message.id, leave);
  timer = setTimeout(leave, message.until - Date.now());

  card.addEventListener("focusin", ({ relatedTarget }) => {
    if (relatedTarget && !card.contains(relatedTarget)) before = relatedTarget;
  });
  card.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && kind !== "embedded") {
      event.preventDefault();
      event.stopPropagation();
      dismiss();
    }
    if (event.key === "Tab" && modal) {
      const all = [...card.querySelectorAll("a,button")];
      const [first, last] = event.shiftKey ? [all[0], all.at(-1)] : [all.at(-1), all[0]];
      if (root.activeElement !== first && all.includes(root.activeElement)) return;
      event.preventDefault();
      last.focus();
    }
  });
  if (modal) {
    // Clicks beside it; what is in it covers all of it.
    card.addEventListener("click", ({ target }) => target === card && dismiss());
    // Ways of a browser's own to close it.
    card.addEventListener("cancel", (event) => {
      event.preventDefault();
      dismiss();
    });
    card.addEventListener("close", () => shown.has(message.id) && (dismissible ? dismiss() : card.showModal()));
    if (card.showModal) card.showModal();
    else card.setAttribute("open", "");
  }
  if (kind === "embedded") {
    observer = new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && seen(), { threshold: 0.5 });
    observer.observe(card);
  } else seen();
}

function next(options) {
  while (waiting[0] && !busy) {
    const [message, told] = waiting.shift();
    if (message.until <= Date.now()) continue;
    busy = true;
    const after = () => {
      busy = false;
      next(options);
    };
    put(message, told, { ...options, place: document.body, after });
  }
}

/** Shows messages, each once a page, and says whether one of them was new. */
export function show(messages, post, { nonce, onMessage }) {
  let isNew = false;
  for (const message of messages) {
    const slot =
      message.kind === "embedded" && document.querySelector(`[data-kairos-slot="${CSS.escape(message.slot)}"]`);
    // A place that is not on this page may be on the next view of it.
    if (known.has(message.id) || slot === null) continue;
    known.add(message.id);
    isNew = true;
    message.until = Date.now() + message.expires_in_ms;
    const told = tells(message, post);
    if (onMessage?.(message, told)) continue;
    if (slot) put(message, told, { nonce, place: slot, after() {} });
    else waiting.push([message, told]);
  }
  waiting.sort(([one], [other]) => other.priority - one.priority);
  next({ nonce });
  return isNew;
}

/** Takes everything away, and tells nobody. */
export function hide() {
  waiting = [];
  for (const leave of [...shown.values()]) leave();
  known.clear();
}
