// How a real Chromium is started for a test: without a window, and with nothing that it would do of its own accord.

import { chromium } from "playwright-core";

/** Starts the Chromium at this path, with these further arguments. */
export const launch = (executablePath, ...more) =>
  chromium.launch({
    executablePath,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      ...more,
    ],
  });
