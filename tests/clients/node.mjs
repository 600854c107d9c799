// Sends the calls of calls.json with a real client in Node, as a shop's server would.
//
//   node node.mjs CLIENT OPTIONS     OPTIONS is JSON: endpoint, writeKey, userId, at (RFC 3339), calls
//
// Prints what the client says it sent, one JSON object a line: {"index": 0, "messageId": "…"}.

import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const [client, options] = [process.argv[2], JSON.parse(process.argv[3])];
const { endpoint, writeKey, userId, calls } = options;
const at = new Date(options.at);

function report(index, messageId) {
  console.log(JSON.stringify({ index, messageId }));
}

function fail(error) {
  console.error(error);
  process.exitCode = 1;
}

async function segment() {
  const { Analytics } = require("@segment/analytics-node");
  const { origin, pathname } = new URL(endpoint);
  const analytics = new Analytics({ writeKey, host: origin, path: `${pathname}/v1/batch`, flushAt: calls.length });
  analytics.on("error", fail);
  const sent = calls.map(
    ({ type, ...call }, index) =>
      new Promise((resolve) =>
        analytics[type]({ userId, timestamp: at, context: { app: { name: "till" } }, ...call }, (error, ctx) => {
          if (error) fail(error);
          report(index, ctx.event.messageId);
          resolve();
        }),
      ),
  );
  await Promise.all(sent);
  await analytics.closeAndFlush();
}

async function rudderstack() {
  const Analytics = require("@rudderstack/rudder-sdk-node");
  const analytics = new Analytics(writeKey, { dataPlaneUrl: endpoint, flushAt: calls.length, errorHandler: fail });
  for (const [index, { type, ...call }] of calls.entries()) {
    const messageId = `rudder-${userId}-${index}`;
    analytics[type]({ userId, messageId, timestamp: at, context: { app: { name: "till" } }, ...call });
    report(index, messageId);
  }
  await new Promise((resolve) => analytics.flush((error) => resolve(error && fail(error))));
}

async function jitsu() {
  const { jitsuAnalytics } = require("@jitsu/js");
  const analytics = jitsuAnalytics({ host: endpoint, writeKey, s2s: true, errorPolicy: "rethrow" });
  const methods = {
    identify: (call) => analytics.identify(userId, call.traits),
    track: (call) => analytics.track(call.event, call.properties),
    page: (call) => analytics.page({ name: call.name, ...call.properties }),
    group: (call) => analytics.group(call.groupId, call.traits),
  };
  for (const [index, call] of calls.entries()) {
    const sent = await methods[call.type](call);
    report(index, findMessageId(sent));
  }
}

// Jitsu's answers are nested differently for each call.
function findMessageId(value) {
  if (value === null || typeof value !== "object") return undefined;
  return value.messageId ?? Object.values(value).map(findMessageId).find((id) => id !== undefined);
}

await { segment, rudderstack, jitsu }[client]();
