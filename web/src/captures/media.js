// How much of a video is watched, and of a piece of music heard: what was really played, wherever it was jumped to.

import { MEDIA_PERCENTS } from "../bounds.js";
import { track } from "../events.js";
import { on } from "../lifecycle.js";
import { newId } from "../visitor.js";
import { describe, ignored } from "./elements.js";

/** How much of it was played, in percent; what was played twice counts once. */
function playedPercent({ played, duration, ended }) {
  let total = 0;
  for (let part = 0; part < played.length; part++) total += played.end(part) - played.start(part);
  const percent = (100 * total) / duration;
  // Browsers leave a moment out at the beginning and at the end.
  return ended && percent > 95 ? 100 : Math.min(percent, 99);
}

export function media() {
  const sessions = new WeakMap();

  function playing({ target, type }) {
    // What goes round and round is decoration.
    if (!target.played || ignored(target) || (target.loop && !target.dataset.kairos)) return;
    const { currentTime, duration, localName } = target;
    const video = localName === "video";
    const properties = describe(target, "title");
    let session = sessions.get(target);
    const playback = (event) =>
      video &&
      track(`Video Playback ${event}`, {
        ...properties,
        session_id: session.id,
        position: Math.round(currentTime),
        total_length: Math.round(duration),
      });
    if (!session) {
      sessions.set(target, (session = { told: 0, id: newId() }));
      playback("Started");
    }
    const percent = playedPercent(target);
    while (percent >= MEDIA_PERCENTS[session.told]) {
      track(video ? "Video Watched" : "Track Played", { ...properties, percent: MEDIA_PERCENTS[session.told++] });
    }
    if (type === "ended") playback("Completed");
  }

  for (const type of ["play", "timeupdate", "ended"]) on(type, playing);
  // Another source in the same player.
  on("emptied", ({ target }) => sessions.delete(target));
}
