"""Deploys `template.yaml` into a running MiniStack: what `sam build`, `sam package` and `sam deploy` do on AWS.

The template goes through CloudFormation and the SAM transform as it is. Only the code of each function is replaced:
`CodeUri`, a folder of sources, becomes an archive in S3 with the locally built binary as `bootstrap`.
"""

import copy
import hashlib
import io
import json
import os
import platform
import zipfile

import boto3
from botocore.config import Config
from samtranslator.yaml_helper import yaml_parse

REGION = "us-east-1"
# MiniStack's root credentials: allowed everything, also when it enforces IAM. The functions get those of their roles.
ROOT_KEY = "test"
CODE_BUCKET = "kairos-code"
TEMPLATE_KEY = "template.json"
# A stack of this size takes about two seconds; more than this is a failure.
DEPLOY_TIMEOUT_S = 60


class DeployError(Exception):
    """The stack could not be deployed; the text says why and what to do."""


class InvokeError(Exception):
    """A function answered with an error; the text is its own."""


def load_template(path):
    """Reads the template with CloudFormation's short forms (`!Ref`) written out."""
    with open(path, encoding="utf-8") as file:
        return yaml_parse(file.read())


def functions_of(template):
    """Logical id of each function and the name of its binary."""
    return {
        logical: resource["Metadata"]["BuildProperties"]["Binary"]
        for logical, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def digest_of(template_path, parameters, binaries):
    """Names what would be deployed: equal digests need no second deployment."""
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode())
    with open(template_path, "rb") as file:
        digest.update(file.read())
    for binary in sorted(functions_of(load_template(template_path)).values()):
        state = os.stat(os.path.join(binaries, binary))
        digest.update(f"{binary} {state.st_size} {state.st_mtime_ns}".encode())
    return digest.hexdigest()


def bootstrap_archive(path):
    """A deployment package of one binary. Stored, not deflated: it travels over the loopback only."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as package:
        # A fixed time keeps the archive, and so its hash, equal for equal binaries.
        entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
        entry.external_attr = 0o755 << 16
        with open(path, "rb") as binary:
            package.writestr(entry, binary.read())
    return archive.getvalue()


class Cloud:
    """Clients of one MiniStack, with its root credentials."""

    def __init__(self, endpoint):
        self.session = boto3.Session(
            aws_access_key_id=ROOT_KEY, aws_secret_access_key=ROOT_KEY, region_name=REGION
        )
        self.endpoint = endpoint

    def client(self, service):
        config = Config(
            proxies={}, retries={"max_attempts": 1}, s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
        )
        return self.session.client(service, endpoint_url=self.endpoint, config=config)


def upload_code(cloud, template, binaries):
    """Puts each binary into S3 and returns the template that points there."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=CODE_BUCKET)
    packaged = copy.deepcopy(template)
    for logical, binary in functions_of(template).items():
        archive = bootstrap_archive(os.path.join(binaries, binary))
        key = f"{binary}/{hashlib.sha256(archive).hexdigest()}.zip"
        s3.put_object(Bucket=CODE_BUCKET, Key=key, Body=archive)
        packaged["Resources"][logical]["Properties"]["CodeUri"] = f"s3://{CODE_BUCKET}/{key}"
    return packaged


def host_architecture():
    """The architecture of this machine in Lambda's words: the binaries were built for it."""
    return "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"


def deploy(endpoint, name, template_path, binaries, parameters):
    """Creates the stack and returns what clients need to know of it, ready to be written as JSON."""
    cloud = Cloud(endpoint)
    template = load_template(template_path)
    packaged = upload_code(cloud, template, binaries)
    known = template.get("Parameters", {})
    for parameter in parameters:
        if parameter not in known:
            raise DeployError(f"{template_path} has no parameter {parameter}: it has {', '.join(known)}.")
    given = {"Architecture": host_architecture(), **parameters}
    verify_sender(cloud, known, given)
    outputs = create_stack(cloud, name, packaged, {key: given[key] for key in given if key in known})
    return {
        "outputs": outputs,
        "functions": describe_functions(cloud, packaged, outputs),
        "event_sources": describe_event_sources(cloud),
    }


def verify_sender(cloud, known, given):
    """Makes the email identity of the parameters a verified one, which on AWS is done once by hand."""
    identity = given.get("EmailIdentity", known.get("EmailIdentity", {}).get("Default"))
    if identity:
        cloud.client("sesv2").create_email_identity(EmailIdentity=identity)


def create_stack(cloud, name, template, parameters):
    """Creates the CloudFormation stack and returns its outputs by key."""
    cloudformation = cloud.client("cloudformation")
    # Given by its address, as SAM does: CloudFormation takes no more than 51,200 bytes in the call itself.
    cloud.client("s3").put_object(Bucket=CODE_BUCKET, Key=TEMPLATE_KEY, Body=json.dumps(template).encode())
    cloudformation.create_stack(
        StackName=name,
        TemplateURL=f"https://s3.amazonaws.com/{CODE_BUCKET}/{TEMPLATE_KEY}",
        Parameters=[{"ParameterKey": key, "ParameterValue": str(value)} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        OnFailure="DO_NOTHING",
    )
    delay_s = 0.2
    waiter = cloudformation.get_waiter("stack_create_complete")
    try:
        waiter.wait(StackName=name, WaiterConfig={"Delay": delay_s, "MaxAttempts": int(DEPLOY_TIMEOUT_S / delay_s)})
    except Exception as error:
        events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        failures = [
            f"  {event['LogicalResourceId']} ({event['ResourceType']}): {event.get('ResourceStatusReason', 'unknown')}"
            for event in reversed(events)
            if event["ResourceStatus"].endswith("FAILED")
        ]
        raise DeployError("The stack could not be created:\n" + "\n".join(failures or [f"  {error}"])) from error
    stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def describe_functions(cloud, template, outputs):
    """Name, binary, log group and environment of each function, by logical id."""
    client = cloud.client("lambda")
    described = {}
    for logical, binary in functions_of(template).items():
        configuration = client.get_function_configuration(FunctionName=outputs[logical])
        described[logical] = {
            "name": configuration["FunctionName"],
            "binary": binary,
            "log_group": f"/aws/lambda/{configuration['FunctionName']}",
            "environment": configuration.get("Environment", {}).get("Variables", {}),
        }
    return described


def describe_event_sources(cloud):
    """The mappings from queues to functions; their ids serve to pause one (UpdateEventSourceMapping, Enabled=false)."""
    mappings = cloud.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    return [
        {
            "id": mapping["UUID"],
            "queue": mapping["EventSourceArn"].rsplit(":", 1)[-1],
            "function": mapping["FunctionArn"].split(":function:", 1)[-1],
        }
        for mapping in mappings
    ]


def switch_event_sources(state, function, enabled):
    """Pauses or resumes what feeds a function (its logical id); a batch under way still ends."""
    client = Cloud(state["endpoint"]).client("lambda")
    name = state["functions"][function]["name"]
    for source in state["event_sources"]:
        if source["function"] == name:
            client.update_event_source_mapping(UUID=source["id"], Enabled=enabled)


def invoke(state, function, payload):
    """Calls a function (its logical id) with a JSON text and returns its answer as text; an error of it raises."""
    answer = Cloud(state["endpoint"]).client("lambda").invoke(
        FunctionName=state["functions"][function]["name"], Payload=payload.encode()
    )
    text = answer["Payload"].read().decode()
    if "FunctionError" in answer:
        raise InvokeError(f"{function} failed: {text}")
    return text


def secret_text(state, arn):
    """The text of a secret."""
    return Cloud(state["endpoint"]).client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]


def log_lines(state, function):
    """What a function (its logical id) wrote so far, oldest first, with the platform's START, END and REPORT lines."""
    pages = Cloud(state["endpoint"]).client("logs").get_paginator("filter_log_events")
    for page in pages.paginate(logGroupName=state["functions"][function]["log_group"]):
        for event in page["events"]:
            yield event["message"].rstrip("\n")


def set_retry_after(endpoint, outputs, seconds):
    """Hands failed messages out again after this many seconds instead of the template's visibility timeouts.

    For tests that kill functions: a minute of waiting for each redelivery would tell nothing more.
    """
    sqs = Cloud(endpoint).client("sqs")
    for queue in ("EventsQueueUrl", "DeliveriesQueueUrl", "AlarmsQueueUrl", "FeedbackQueueUrl"):
        sqs.set_queue_attributes(QueueUrl=outputs[queue], Attributes={"VisibilityTimeout": str(seconds)})
