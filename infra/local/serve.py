"""Runs MiniStack with four of its answers corrected to those of AWS, so that template.yaml needs no local edition.

MiniStack's version is pinned in requirements.txt; a newer one that lacks a corrected place stops here with a message
instead of running uncorrected.
"""

import base64
import email.utils
import json
import sys
import threading
import time

from ministack import app
from ministack.core import concurrency, iam_actions
from ministack.services import lambda_svc, ses_v2

# The delay with which a delayed message that has become visible reaches its function.
LOOK_FOR_MESSAGES_EVERY_S = 0.05

# SQS has no actions of its own for its batch calls: who may send may send a batch.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html
BATCH_CALLS = {
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
}


def authorise_batches_like_single_calls():
    original = iam_actions.extract_iam_action

    def extract_iam_action(*arguments, **named):
        action = original(*arguments, **named)
        return BATCH_CALLS.get(action, action)

    iam_actions.extract_iam_action = extract_iam_action


def authorise_email_by_sender():
    """MiniStack asks for permission on `*`; AWS asks on the identity the email is sent from.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsimpleemailservicev2.html
    """
    original = iam_actions._ses_v2_resource_arn

    def resource_of_email(method, path, body, region, account_id):
        if (method, path.rstrip("/")) != ("POST", "/v2/email/outbound-emails"):
            return original(method, path, body, region, account_id)
        try:
            sender = json.loads(body).get("FromEmailAddress", "")
        except ValueError:
            return "*"
        address = email.utils.parseaddr(sender)[1]
        # An identity for the address goes before one for its domain.
        identity = address if address in ses_v2._identities else address.rpartition("@")[2]
        return f"arn:aws:ses:{region}:{account_id}:identity/{identity}"

    iam_actions._ses_v2_resource_arn = resource_of_email


def keep_binary_bodies():
    """MiniStack takes the body of a Function URL request for text by its content type alone and puts a replacement
    character for each byte that is not: a compressed JSON body would be lost. Such a body travels as Base64.

    https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html (isBase64Encoded)
    """
    original = lambda_svc._build_function_url_event

    def build_event(url_id, account_id, region, method, path, headers, body, *rest, **named):
        event = original(url_id, account_id, region, method, path, headers, body, *rest, **named)
        try:
            (body or b"").decode("utf-8")
        except UnicodeDecodeError:
            event.update(body=base64.b64encode(body).decode("ascii"), isBase64Encoded=True)
        return event

    lambda_svc._build_function_url_event = build_event


def look_for_delayed_messages():
    """MiniStack looks once a second for delayed messages that have become visible; on AWS they arrive at once."""

    def wake():
        while True:
            time.sleep(LOOK_FOR_MESSAGES_EVERY_S)
            concurrency.esm_wake.set()

    threading.Thread(target=wake, daemon=True, name="look-for-messages").start()


def main():
    needed = [
        (iam_actions, "extract_iam_action"),
        (iam_actions, "_ses_v2_resource_arn"),
        (ses_v2, "_identities"),
        (lambda_svc, "_build_function_url_event"),
        (concurrency, "esm_wake"),
    ]
    missing = [f"{module.__name__}.{name}" for module, name in needed if not hasattr(module, name)]
    if missing:
        sys.exit(f"This MiniStack has no {', '.join(missing)}: install the version of infra/local/requirements.txt.")
    authorise_batches_like_single_calls()
    authorise_email_by_sender()
    keep_binary_bodies()
    look_for_delayed_messages()
    app.main()


if __name__ == "__main__":
    main()
