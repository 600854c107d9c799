"""Tests of the local engine with functions of a few lines in Python instead of the real ones (`make test-local`)."""

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

import environment
from engine import EXIT_FAILED, EXIT_NOT_RUNNING
from state import instance_directory

ENGINE = os.path.join(environment.HERE, "engine.py")
NAME = f"test-{os.getpid()}"
PATIENCE_S = 30

# Speaks the Lambda Runtime API. `ingest` puts what it gets into the mailbox; `decide` does what the message says.
BOOTSTRAP = f"""#!{environment.environment_python()}
import base64, gzip, json, os, time, urllib.request
import boto3

API = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"

def attempt(call, **arguments):
    try:
        call(**arguments)
        return "allowed"
    except Exception as error:
        return type(error).__name__ + " " + str(error)

def ingest(event):
    body = base64.b64decode(event["body"]) if event["isBase64Encoded"] else event["body"].encode()
    if event["headers"].get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    entries = [
        {{"Id": m["id"], "MessageBody": json.dumps(m), "MessageGroupId": m["group"], "MessageDeduplicationId": m["id"]}}
        for m in json.loads(body)
    ]
    boto3.client("sqs").send_message_batch(QueueUrl=os.environ["EVENTS_QUEUE_URL"], Entries=entries)
    scan = attempt(boto3.client("dynamodb").scan, TableName=os.environ["REFUSALS_TABLE"])
    return {{"statusCode": 200, "body": scan}}

def batch(event):
    failed, broken = [], set()
    for record in event["Records"]:
        message = json.loads(record["body"])
        group = record["attributes"].get("MessageGroupId")
        count = int(record["attributes"]["ApproximateReceiveCount"])
        if group in broken or count <= message.get("fail", 0):
            broken.add(group)
            failed.append({{"itemIdentifier": record["messageId"]}})
            continue
        if "delay" in message:
            body = json.dumps({{"id": "late", "due": time.time() + message["delay"]}})
            queue = os.environ["ALARMS_QUEUE_URL"]
            boto3.client("sqs").send_message(QueueUrl=queue, MessageBody=body, DelaySeconds=message["delay"])
        late = time.time() - message["due"] if "due" in message else None
        print("DONE", json.dumps({{"id": message["id"], "count": count, "late_s": late}}), flush=True)
    return {{"batchItemFailures": failed}}

while True:
    with urllib.request.urlopen(API + "next") as invocation:
        request = invocation.headers["Lambda-Runtime-Aws-Request-Id"]
        event = json.load(invocation)
    if "Records" in event:
        answer = batch(event)
    else:
        answer = ingest(event) if "headers" in event else {{"echo": event}}
    urllib.request.urlopen(API + request + "/response", data=json.dumps(answer).encode()).read()
"""


def run(*arguments, name=NAME, check=True):
    command = [sys.executable, ENGINE, *arguments, "--name", name]
    return subprocess.run(command, check=check, capture_output=True, text=True)


def eventually(condition):
    """Returns what the condition returns once it is true."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"did not come true within {PATIENCE_S} s")


def left_running(name):
    """Processes of an engine, found without its state: all of them run in its directory."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            where = os.readlink(f"/proc/{entry}/cwd")
        except OSError:
            continue
        if where.startswith(instance_directory(name)):
            found.append(int(entry))
    return found


class EngineTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.binaries = tempfile.mkdtemp(dir=environment.LOCAL)
        cls.addClassCleanup(shutil.rmtree, cls.binaries)
        for binary in os.listdir(os.path.join(environment.ROOT, "functions")):
            with open(os.path.join(cls.binaries, binary), "w", encoding="utf-8") as file:
                file.write(BOOTSTRAP)
        cls.addClassCleanup(cls.remove_directories)
        cls.addClassCleanup(run, "down")
        cls.state = cls.up(NAME)

    @classmethod
    def remove_directories(cls):
        for entry in os.listdir(environment.LOCAL):
            if entry.startswith(f"run-{NAME}"):
                shutil.rmtree(os.path.join(environment.LOCAL, entry))

    @classmethod
    def up(cls, name, *arguments):
        options = ("--binaries", cls.binaries, "--owner", str(os.getpid()), "--retry-after", "2")
        return json.loads(run("up", *options, *arguments, name=name).stdout)

    def send(self, *messages, compressed=False):
        body = json.dumps(messages).encode()
        headers = {"Content-Type": "application/json"}
        if compressed:
            body, headers = gzip.compress(body), {**headers, "Content-Encoding": "gzip"}
        request = urllib.request.Request(self.state["ingest_url"] + "/v1/batch", data=body, headers=headers)
        with urllib.request.urlopen(request) as answer:
            return answer.read().decode()

    def done(self, function):
        lines = run("logs", function).stdout.splitlines()
        return [json.loads(line.split(" ", 1)[1]) for line in lines if line.startswith("DONE")]

    def wait_for(self, function, message):
        return eventually(lambda: [done for done in self.done(function) if done["id"] == message])[0]

    def test_a_failed_message_comes_again_before_the_rest_of_its_group(self):
        self.send(
            {"id": "a1", "group": "a", "fail": 1}, {"id": "a2", "group": "a"}, {"id": "b1", "group": "b"}
        )
        self.wait_for("DecideFunction", "a2")
        order = [done["id"] for done in self.done("DecideFunction") if done["id"][0] in "ab"]
        self.assertEqual(order, ["b1", "a1", "a2"])

    def test_a_compressed_body_reaches_the_function_whole(self):
        self.send({"id": "zip", "group": "z"}, compressed=True)
        self.wait_for("DecideFunction", "zip")

    def test_a_delayed_message_arrives_at_its_second(self):
        self.send({"id": "wake", "group": "w", "delay": 2})
        late_s = self.wait_for("TimersFunction", "late")["late_s"]
        self.assertGreaterEqual(late_s, -0.01)
        self.assertLess(late_s, 1)

    def test_a_function_may_do_only_what_its_role_allows(self):
        self.assertIn("not authorized to perform: dynamodb:Scan", self.send({"id": "iam", "group": "i"}))

    def test_a_paused_function_gets_nothing_until_it_is_resumed(self):
        run("pause", "DecideFunction")
        self.send({"id": "paused", "group": "p"}, {"id": "paused2", "group": "p"})
        # Nothing to wait for: a mapping that was not paused would have delivered within milliseconds.
        time.sleep(0.5)
        self.assertNotIn("paused", [done["id"] for done in self.done("DecideFunction")])
        run("resume", "DecideFunction")
        self.wait_for("DecideFunction", "paused2")

    def test_the_settings_for_running_a_function_by_hand_name_this_engine(self):
        settings = dict(line.split("=", 1) for line in run("env").stdout.splitlines())
        self.assertEqual(settings["AWS_ENDPOINT_URL"], self.state["endpoint"])
        self.assertEqual(settings["USERS_TABLE"], self.state["outputs"]["UsersTable"])

    def test_an_example_event_has_the_key_of_this_engine_as_the_template_asks_for_it(self):
        event = json.loads(run("example", "redeem/check").stdout)
        self.assertEqual(event["rawPath"], "/v1/redeem/check")
        self.assertRegex(event["headers"]["authorization"], r"^Bearer [A-Za-z0-9]{48}$")
        announce = os.path.join(environment.ROOT, "functions", "catalogue", "events", "announce.json")
        with open(announce, encoding="utf-8") as file:
            self.assertEqual(json.loads(run("example", "catalogue/announce").stdout), json.load(file))

    def test_a_function_can_be_called_directly(self):
        answer = json.loads(run("invoke", "TimersFunction", '{"action": "sweep"}').stdout)
        self.assertEqual(answer, {"echo": {"action": "sweep"}})

    def test_a_killed_function_is_started_again(self):
        self.send({"id": "k1", "group": "k"})
        self.wait_for("DecideFunction", "k1")
        processes = json.loads(run("processes").stdout)
        killed = [process["pid"] for process in processes if process["function"] == "DecideFunction"]
        self.assertTrue(killed)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        self.send({"id": "k2", "group": "k"})
        self.wait_for("DecideFunction", "k2")

    def test_up_again_gives_the_running_engine_and_another_name_gives_another(self):
        self.assertEqual(self.up(NAME)["pid"], self.state["pid"])
        other = self.up(f"{NAME}-other")
        self.addCleanup(run, "down", name=f"{NAME}-other")
        self.assertNotEqual(other["port"], self.state["port"])
        self.assertEqual(run("status", name=f"{NAME}-other").returncode, 0)

    def test_a_template_that_cannot_be_deployed_is_explained_and_leaves_nothing(self):
        name = f"{NAME}-broken"
        answer = run("up", "--binaries", self.binaries, "--parameter", "NoSuch=1", name=name, check=False)
        self.assertEqual(answer.returncode, EXIT_FAILED)
        self.assertIn("has no parameter NoSuch", answer.stderr)
        self.assertEqual(left_running(name), [])
        self.assertEqual(run("status", name=name, check=False).returncode, EXIT_NOT_RUNNING)

    def test_nothing_is_left_when_the_owner_is_killed(self):
        name = f"{NAME}-owned"
        with subprocess.Popen(["sleep", "60"]) as owner:
            self.up(name, "--owner", str(owner.pid))
            self.assertTrue(left_running(name))
            owner.kill()
        eventually(lambda: not left_running(name))
        self.assertEqual(run("status", name=name, check=False).returncode, EXIT_NOT_RUNNING)

    def test_nothing_is_left_when_the_starter_is_killed(self):
        name = f"{NAME}-starter"
        command = [sys.executable, ENGINE, "up", "--binaries", self.binaries, "--name", name]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as starter:
            eventually(lambda: len(left_running(name)) >= 2)
            starter.kill()
        eventually(lambda: not left_running(name))

    def test_down_after_a_killed_guard_still_ends_everything(self):
        name = f"{NAME}-unguarded"
        os.kill(self.up(name)["pid"], signal.SIGKILL)
        run("down", name=name)
        eventually(lambda: not left_running(name))


if __name__ == "__main__":
    unittest.main()
