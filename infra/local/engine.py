#!/usr/bin/env python3
"""The local engine: Kairos' whole stack on this machine, in MiniStack (see infra/README.md).

    python3 infra/local/engine.py setup              installs MiniStack into .local/engine
    python3 infra/local/engine.py up [--name NAME]   starts it, deploys template.yaml, prints what clients need as JSON
    python3 infra/local/engine.py status             prints the same JSON again; exit code 3 when it is not running
    python3 infra/local/engine.py down               stops it and every function process
    python3 infra/local/engine.py env                prints settings for `cargo lambda watch --env-file` and AWS clients
    python3 infra/local/engine.py example redeem/check    prints an example event with this engine's key in it
    python3 infra/local/engine.py processes          prints the function processes as JSON: pid, function
    python3 infra/local/engine.py logs DecideFunction    prints what a function wrote
    python3 infra/local/engine.py invoke TimersFunction '{"action": "sweep"}'    calls a function, prints its answer
    python3 infra/local/engine.py pause|resume DecideFunction    stops and starts what feeds a function

Progress goes to standard error, the JSON alone to standard output. Engines of different names run side by side, each
on a port of its own on the loopback interface. `kairos local`, `make demo` and the tests all call this file.
"""

import argparse
import json
import os
import select
import shutil
import signal
import sys
import time

from environment import ROOT, EngineError, continue_in_environment, ensure_environment, say
from start import start
from state import (
    environment_for_hand,
    function_processes,
    instance_directory,
    running_state,
    state_path,
    write_state,
)

EXIT_FAILED = 1
EXIT_NOT_RUNNING = 3
STOP_TIMEOUT_S = 10


def up(options):
    from stack import DeployError, deploy, digest_of, functions_of, load_template, set_retry_after

    missing = [
        binary for binary in functions_of(load_template(options.template)).values()
        if not os.path.isfile(os.path.join(options.binaries, binary))
    ]
    if missing:
        raise EngineError(f"{options.binaries} has no {', '.join(missing)}: run `make build` first.")
    parameters = dict(options.parameter)
    digest = digest_of(options.template, parameters, options.binaries)
    running = running_state(options.name)
    if running:
        if running["digest"] == digest:
            return {**running, "started": False}
        raise EngineError(
            f"The engine {options.name} runs an older build: stop it with `engine.py down --name {options.name}` first."
        )
    started_at = time.monotonic()
    say("Starting the local engine …")
    guard = start(options)
    try:
        say(f"Deploying {os.path.relpath(options.template, ROOT)} …")
        try:
            deployed = deploy(guard.endpoint, options.stack, options.template, options.binaries, parameters)
        except DeployError as error:
            raise EngineError(str(error)) from error
        if options.retry_after is not None:
            set_retry_after(guard.endpoint, deployed["outputs"], options.retry_after)
        state = describe(options, guard, deployed, digest)
        write_state(options.name, state)
        guard.release()
    except BaseException:
        guard.stop()
        if os.path.exists(state_path(options.name)):
            os.remove(state_path(options.name))
        raise
    say(f"The local engine {options.name} is up after {time.monotonic() - started_at:.1f} s: {state['ingest_url']}")
    return {**state, "started": True}


def describe(options, guard, deployed, digest):
    """The JSON that clients read; infra/README.md says what each field is for."""
    with open(f"/proc/{guard.process.pid}/task/{guard.process.pid}/children", encoding="utf-8") as file:
        ministack_pid = int(file.read().split()[0])
    url_id = deployed["outputs"]["IngestUrl"].split("://", 1)[1].split(".", 1)[0]
    return {
        "name": options.name,
        "stack": options.stack,
        "pid": guard.process.pid,
        "ministack_pid": ministack_pid,
        "port": guard.port,
        "endpoint": guard.endpoint,
        "region": "us-east-1",
        "credentials": {"access_key_id": "test", "secret_access_key": "test"},
        # Needs no name resolution, so that every client reaches it; browsers resolve the other one by themselves.
        "ingest_url": f"{guard.endpoint}/_aws/lambda-url/{url_id}",
        "ingest_browser_url": f"http://{url_id}.lambda-url.us-east-1.localhost:{guard.port}",
        "log": guard.log_path,
        "digest": digest,
        **deployed,
    }


def down(name, state):
    if state is None:
        say(f"The local engine {name} is not running.")
        return
    guard = os.pidfd_open(state["pid"])
    try:
        signal.pidfd_send_signal(guard, signal.SIGTERM)
        poll = select.poll()
        poll.register(guard, select.POLLIN)
        if not poll.poll(STOP_TIMEOUT_S * 1000):
            raise EngineError(f"Process {state['pid']} did not end within {STOP_TIMEOUT_S} s; see {state['log']}.")
    finally:
        os.close(guard)
    os.remove(state_path(name))
    shutil.rmtree(os.path.join(instance_directory(name), "tmp"), ignore_errors=True)
    say(f"The local engine {name} is stopped.")


def key_and_value(text):
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text}: write NAME=VALUE")
    return key, value


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("setup", help="install MiniStack into .local/engine")
    for name, text in (
        ("up", "start and deploy"), ("down", "stop"), ("status", "print the state"),
        ("env", "print NAME=VALUE lines for running a function by hand"),
        ("example", "print an example event for it"),
        ("processes", "print the function processes"), ("logs", "print what a function wrote"),
        ("invoke", "call a function and print its answer"),
        ("pause", "stop what feeds a function"), ("resume", "start it again"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--name", default="kairos", help="which engine; several run side by side")
        if name in ("invoke", "logs", "pause", "resume"):
            command.add_argument("function", help="logical id in template.yaml, such as DecideFunction")
        if name == "example":
            command.add_argument("example", metavar="FUNCTION/EXAMPLE", help="as in functions/FUNCTION/events")
        if name == "invoke":
            command.add_argument("payload", help="the event, as JSON")
        if name == "up":
            add_up_options(command)
    return parser.parse_args()


def add_up_options(command):
    command.add_argument("--stack", default="kairos", help="name of the CloudFormation stack")
    command.add_argument("--template", default=os.path.join(ROOT, "template.yaml"), type=os.path.abspath)
    command.add_argument("--binaries", default=os.path.join(ROOT, "target", "debug"), type=os.path.abspath,
                         help="directory with the built functions")
    command.add_argument("--parameter", action="append", default=[], type=key_and_value, metavar="NAME=VALUE",
                         help="parameter of the template, repeatable")
    command.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; a free one by default")
    command.add_argument("--functions-endpoint", metavar="URL",
                         help="where functions send their AWS calls instead: a proxy in front of the engine")
    command.add_argument("--owner", type=int, default=0, metavar="PID", help="stop the engine when this process ends")
    command.add_argument("--retry-after", type=int, metavar="SECONDS",
                         help="hand failed messages out again after this long instead of the template's timeouts")
    command.add_argument("--log-level", default="WARNING", choices=["DEBUG", "INFO", "WARNING", "ERROR"])


def print_json(value):
    json.dump(value, sys.stdout, indent=2)
    print()


def run(options):
    """Does what the command says and returns the exit code."""
    if options.command == "setup":
        return 0
    if options.command == "up":
        print_json(up(options))
        return 0
    state = running_state(options.name)
    if options.command == "down":
        down(options.name, state)
        return 0
    if state is None:
        say(f"The local engine {options.name} is not running; start it with `kairos local up`.")
        return EXIT_NOT_RUNNING
    if options.command == "status":
        print_json(state)
    elif options.command == "env":
        for key, value in environment_for_hand(state).items():
            print(f"{key}={value}")
    elif options.command == "example":
        print_json(example(state, options.example))
    elif options.command == "processes":
        print_json(function_processes(state))
    else:
        use_function(options, state)
    return 0


def example(state, name):
    """An example event of a function. Where it asks for a secret key, this engine's is in it."""
    from stack import secret_text

    function, _, event = name.partition("/")
    path = os.path.join(ROOT, "functions", function, "events", f"{event}.json")
    if not os.path.isfile(path):
        raise EngineError(f"There is no {os.path.relpath(path, ROOT)}.")
    with open(path, encoding="utf-8") as file:
        payload = json.load(file)
    key = environment_for_hand(state).get(f"{function.upper()}_KEY_ARN")
    if key and "authorization" in payload.get("headers", {}):
        payload["headers"]["authorization"] = f"Bearer {secret_text(state, key)}"
    return payload


def use_function(options, state):
    from stack import InvokeError, invoke, log_lines, switch_event_sources

    if options.function not in state["functions"]:
        raise EngineError(f"There is no {options.function}; there are {', '.join(state['functions'])}.")
    if options.command == "logs":
        for line in log_lines(state, options.function):
            print(line)
    elif options.command == "invoke":
        try:
            print(invoke(state, options.function, options.payload))
        except InvokeError as error:
            raise EngineError(str(error)) from error
    else:
        switch_event_sources(state, options.function, options.command == "resume")


def main():
    options = parse()
    try:
        ensure_environment()
        if options.command != "setup":
            continue_in_environment()
        return run(options)
    except EngineError as error:
        say(f"error: {error}")
        return EXIT_FAILED
    except KeyboardInterrupt:
        say("Interrupted.")
        return 130


if __name__ == "__main__":
    sys.exit(main())
