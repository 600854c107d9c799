"""Sends the calls of calls.json with Segment's client in Python, as a shop's server would.

    python python_client.py OPTIONS     OPTIONS is JSON: endpoint, writeKey, userId, at (RFC 3339), calls, gzip

Prints what the client says it sent, one JSON object a line: {"index": 0, "messageId": "…"}.
"""

import json
import sys
from datetime import datetime

from segment.analytics.client import Client


def main():
    options = json.loads(sys.argv[1])
    failures = []
    client = Client(
        options["writeKey"], host=options["endpoint"], gzip=options["gzip"],
        on_error=lambda error, _batch: failures.append(error), max_retries=1,
    )
    common = {
        "timestamp": datetime.fromisoformat(options["at"].replace("Z", "+00:00")),
        "context": {"app": {"name": "till"}},
    }
    for index, call in enumerate(options["calls"]):
        call = dict(call)
        method = call.pop("type")
        if "groupId" in call:
            call["group_id"] = call.pop("groupId")
        accepted, message = getattr(client, method)(user_id=options["userId"], **call, **common)
        if not accepted:
            failures.append(f"{method} did not fit into the client's queue")
        print(json.dumps({"index": index, "messageId": message["messageId"]}))
    client.shutdown()
    if failures:
        sys.exit(f"not sent: {failures}")


if __name__ == "__main__":
    main()
