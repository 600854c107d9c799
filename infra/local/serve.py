"""Runs MiniStack with some of its behaviour corrected to that of AWS, so that template.yaml needs no local edition.

MiniStack's version is pinned in requirements.txt; a newer one that lacks a corrected place stops here with a message
instead of running uncorrected.
"""

import base64
import email.utils
import json
import logging
import os
import socketserver
import string
import sys
import threading
import time

from ministack import app
from ministack.core import concurrency, iam_actions, iam_evaluator, lambda_runtime
from ministack.services import lambda_svc, ses_v2, sns
from ministack.services.cloudformation import provisioners

# Each batch at once is a process of the function; what one machine bears is less than the template's figures for AWS.
BATCHES_AT_ONCE = 4

# The delay with which a delayed message that has become visible reaches its function.
LOOK_FOR_MESSAGES_EVERY_S = 0.05

# What stands for the batching window of half a minute: nobody waits that long for a test.
FOLLOW_STREAMS_EVERY_S = 1.0

# Lines written before the answer are in the pipe when the answer is; this is for the thread that reads them.
WAIT_FOR_LOGS_S = 0.005

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


def authorise_devices_by_application():
    """MiniStack asks for permission on `*`; AWS asks on the platform application, or on the endpoint that is meant.

    https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-language-api-permissions-reference.html
    """
    original = iam_actions.extract_resource_arn

    def resource_of_call(service, method, path, headers, body, query_params, *rest, **named):
        if service == "sns":
            for parameter in ("PlatformApplicationArn", "EndpointArn"):
                arn = iam_actions._query_param(query_params, parameter)
                if arn:
                    return arn
        return original(service, method, path, headers, body, query_params, *rest, **named)

    iam_actions.extract_resource_arn = resource_of_call


def name_endpoints_of_devices():
    """MiniStack names the endpoint of a device like its platform application (`app/GCM/shop/…`); AWS says `endpoint`.

    https://docs.aws.amazon.com/sns/latest/api/API_CreatePlatformEndpoint.html
    """
    original = sns._create_platform_endpoint

    def create(parameters):
        status, headers, body = original(parameters)
        if status != 200:
            return status, headers, body
        for arn in [arn for arn in sns._platform_endpoints if ":app/" in arn]:
            endpoint = sns._platform_endpoints.pop(arn)
            endpoint["arn"] = arn.replace(":app/", ":endpoint/")
            sns._platform_endpoints[endpoint["arn"]] = endpoint
        return status, headers, body.replace(b":app/", b":endpoint/")

    sns._create_platform_endpoint = create


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


def name_function_urls_as_they_are_here():
    """MiniStack tells a function that its URL is on AWS. A function that tells clients where it is (the settings that
    browsers ask for) has to name an address that reaches it here.
    """
    original = lambda_svc._build_function_url_event
    port = os.environ["GATEWAY_PORT"]

    def build_event(url_id, account_id, region, *rest, **named):
        event = original(url_id, account_id, region, *rest, **named)
        name = f"{url_id}.lambda-url.{region}.localhost"
        event["headers"]["host"] = f"{name}:{port}"
        event["requestContext"]["domainName"] = name
        return event

    lambda_svc._build_function_url_event = build_event


def run_groups_in_parallel():
    """MiniStack works on one batch of a FIFO queue at a time; on AWS, other groups go on beside it.

    Order holds: MiniStack's queue, like SQS, gives nothing more of a group that has a message in flight.
    """
    original = lambda_svc._sqs_esm_concurrency

    def concurrency_of(mapping, function, configuration, queue=None):
        return min(BATCHES_AT_ONCE, original(mapping, function, configuration, None))

    lambda_svc._sqs_esm_concurrency = concurrency_of


def look_for_messages_promptly():
    """MiniStack looks once a second for delayed messages that have become visible; on AWS they arrive at once."""
    # Its pause between two looks that found nothing would delay the next batch while one is under way.
    lambda_svc._ESM_IDLE_WAKE_GAP_SECONDS = 0.001

    def wake():
        while True:
            time.sleep(LOOK_FOR_MESSAGES_EVERY_S)
            concurrency.esm_wake.set()

    threading.Thread(target=wake, daemon=True, name="look-for-messages").start()


def answer_at_once():
    """MiniStack holds each answer back for 50 ms when the function logged nothing; on AWS logs take their own way.

    What is written later is kept and stored with the next invocation's lines. And its Runtime API writes head and body
    in two packets, the second of which waits 40 ms for a delayed acknowledgement unless told not to.
    """
    socketserver.StreamRequestHandler.disable_nagle_algorithm = True
    original = lambda_runtime.ProvidedWorker._drain_stderr_bounded

    def drain(worker, first_line_wait=WAIT_FOR_LOGS_S, **named):
        return original(worker, first_line_wait=first_line_wait, **named)

    lambda_runtime.ProvidedWorker._drain_stderr_bounded = drain


def make_secrets_as_asked():
    """MiniStack puts punctuation into generated secrets even where `ExcludePunctuation` forbids it.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-secretsmanager-secret-generatesecretstring.html
    """
    original = provisioners._sm_secret_string

    def secret_string(properties):
        generate = properties.get("GenerateSecretString") or {}
        if str(generate.get("ExcludePunctuation", False)).lower() == "true":
            exclude = generate.get("ExcludeCharacters", "") + string.punctuation
            properties = {**properties, "GenerateSecretString": {**generate, "ExcludeCharacters": exclude}}
        return original(properties)

    provisioners._sm_secret_string = secret_string


def take_the_loopback_for_safe():
    """What policies ask of connections (`aws:SecureTransport`) holds of those that never leave this machine: here they
    are plain HTTP.
    """
    original = iam_evaluator._resolve_condition_key

    def resolve(key, context):
        return "true" if key.lower() == "aws:securetransport" else original(key, context)

    iam_evaluator._resolve_condition_key = resolve


def follow_streams_beside_queues():
    """MiniStack gives a table's records to their function in the one thread that looks for queues' messages, which wait
    meanwhile; and it gives each as it comes, where a mapping with a batching window waits for more.

    https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchscaling.html
    """
    original = lambda_svc._poll_dynamodb_streams
    lambda_svc._poll_dynamodb_streams = lambda: False

    def follow():
        while True:
            time.sleep(FOLLOW_STREAMS_EVERY_S)
            try:
                while original():
                    pass
            except Exception:
                logging.getLogger("ministack").exception("following streams failed; it goes on")

    threading.Thread(target=follow, daemon=True, name="follow-streams").start()


def main():
    needed = [
        (iam_actions, "extract_iam_action"),
        (iam_actions, "_ses_v2_resource_arn"),
        (iam_evaluator, "_resolve_condition_key"),
        (iam_actions, "extract_resource_arn"),
        (iam_actions, "_query_param"),
        (ses_v2, "_identities"),
        (sns, "_create_platform_endpoint"),
        (sns, "_platform_endpoints"),
        (lambda_svc, "_build_function_url_event"),
        (lambda_svc, "_sqs_esm_concurrency"),
        (lambda_svc, "_ESM_IDLE_WAKE_GAP_SECONDS"),
        (lambda_svc, "_poll_dynamodb_streams"),
        (lambda_runtime.ProvidedWorker, "_drain_stderr_bounded"),
        (concurrency, "esm_wake"),
        (provisioners, "_sm_secret_string"),
    ]
    missing = [f"{module.__name__}.{name}" for module, name in needed if not hasattr(module, name)]
    if missing:
        sys.exit(f"This MiniStack has no {', '.join(missing)}: install the version of infra/local/requirements.txt.")
    authorise_batches_like_single_calls()
    authorise_email_by_sender()
    authorise_devices_by_application()
    name_endpoints_of_devices()
    keep_binary_bodies()
    name_function_urls_as_they_are_here()
    run_groups_in_parallel()
    look_for_messages_promptly()
    answer_at_once()
    make_secrets_as_asked()
    take_the_loopback_for_safe()
    follow_streams_beside_queues()
    app.main()


if __name__ == "__main__":
    main()
