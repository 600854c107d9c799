// Page views, those without a load included, and what is searched for on the shop's own pages.

import { address, arrive, pageProperties, shortened } from "../context.js";
import { happened, track } from "../events.js";
import { leave, on, options } from "../lifecycle.js";
import { remember, remembered } from "../visitor.js";

/** A page view. */
export const view = (name, properties) =>
  happened({ type: "page", name, properties: { ...pageProperties(), ...properties } });

function viewed() {
  if (!options.without.includes("pages")) view();
  const parameters = new URLSearchParams(location.search);
  const query = shortened(
    `${options.search}`
      .split(",")
      .map((name) => parameters.get(name))
      .find(Boolean),
  );
  // Turning the leaves of a result, narrowing it down, or coming back to it is no new search.
  if (query && query !== remembered().query) track("Products Searched", { query });
  if (query) remember({ query });
}

export function pages() {
  function navigated() {
    const { url } = pageProperties();
    if (url === address()) return;
    leave("navigated");
    arrive(url);
    viewed();
  }

  // The page's own script goes on to change title and content first.
  const later = () => setTimeout(navigated);
  for (const name of ["pushState", "replaceState"]) {
    const original = history[name];
    history[name] = (...given) => {
      original.apply(history, given);
      later();
    };
  }
  on("popstate", later, window);
  // Shown again out of the browser's memory, without a load.
  on("pageshow", ({ persisted }) => persisted && (leave("navigated"), viewed()), window);
  viewed();
}
