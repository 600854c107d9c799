// kairos.js as a classic script: options stand in the attributes of its <script>, so that a strict Content Security
// Policy needs no exception for an inline one.

import { kairos } from "./kairos.js";

const { dataset, nonce } = document.currentScript ?? {};
const waiting = window.kairos;
// Tag managers bring scripts twice.
if (!waiting?.start) {
  window.kairos = kairos;
  // Calls that were made before it was there: window.kairos = [(kairos) => kairos.consent(…)]. They come before the
  // start, so that nothing is assumed that was refused.
  for (const call of waiting ?? []) {
    try {
      call(kairos);
    } catch (error) {
      console.error(error);
    }
  }
  if (dataset?.writeKey) kairos.start({ nonce, ...dataset });
}
