#!/usr/bin/env python3
"""The local engine: Kairos' whole stack on this machine, in MiniStack (see infra/README.md).

    python3 infra/local/engine.py setup              installs MiniStack into .local/engine
    python3 infra/local/engine.py up [--name NAME]   starts it, deploys template.yaml, prints what clients need as JSON
    python3 infra/local/engine.py status             prints the same JSON again; exit code 3 when it is not running
    python3 infra/local/engine.py down               stops it and every function process
    python3 infra/local/engine.py env                prints settings for `cargo lambda watch --env-file` and AWS clients
    python3 infra/local/engine.py processes          prints the function processes as JSON: pid, function
    python3 infra/local/engine.py logs DecideFunction    prints what a function wrote
    python3 infra/local/engine.py pause|resume DecideFunction    stops and starts what feeds a function

Progress goes to standard error, the JSON alone to standard output. Engines of different names run side by side, each
on a port of its own on the loopback interface. `kairos local`, `make demo` and the tests all call this file.
"""

import argparse
import fcntl
import hashlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LOCAL = os.path.join(ROOT, ".local")
ENVIRONMENT = os.path.join(LOCAL, "engine")
REQUIREMENTS = os.path.join(HERE, "requirements.txt")

EXIT_FAILED = 1
EXIT_NOT_RUNNING = 3
# MiniStack answers within about two seconds; a loaded machine gets more.
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 10
# A free port can be taken by another process before MiniStack has it.
START_ATTEMPTS = 3


class EngineError(Exception):
    """What went wrong and what to do, in words for the person who called."""


def say(text):
    print(text, file=sys.stderr, flush=True)


# ---------------------------------------------------------------- environment


def ensure_environment():
    """Installs the pinned packages into a private environment, once per requirements file, also when called twice."""
    if not hasattr(os, "pidfd_open"):
        raise EngineError("The local engine needs Linux 5.3 and Python 3.10 or newer.")
    with open(REQUIREMENTS, "rb") as file:
        wanted = hashlib.sha256(file.read() + sys.version.encode()).hexdigest()
    os.makedirs(LOCAL, exist_ok=True)
    marker = os.path.join(ENVIRONMENT, "installed")
    with open(os.path.join(LOCAL, "engine.lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(marker):
            with open(marker, encoding="utf-8") as file:
                if file.read() == wanted:
                    return
        say("Installing MiniStack into .local/engine (once) …")
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        try:
            venv.create(ENVIRONMENT, with_pip=True)
        except subprocess.CalledProcessError as error:
            raise EngineError(
                f"Python's venv module could not create {ENVIRONMENT}. On Debian and Ubuntu: apt install python3-venv."
            ) from error
        install = [environment_python(), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if subprocess.run([*install, "--requirement", REQUIREMENTS], stdout=sys.stderr, check=False).returncode != 0:
            raise EngineError(f"pip could not install {REQUIREMENTS}; its message is above.")
        with open(marker, "w", encoding="utf-8") as file:
            file.write(wanted)


def environment_python():
    return os.path.join(ENVIRONMENT, "bin", "python3")


def continue_in_environment():
    """Runs this file again with the environment's Python, unless it already is the one."""
    if os.path.realpath(sys.prefix) != os.path.realpath(ENVIRONMENT):
        os.execv(environment_python(), [environment_python(), *sys.argv])


# ---------------------------------------------------------------------- state


def state_path(name):
    return os.path.join(LOCAL, f"stack-{name}.json")


def instance_directory(name):
    return os.path.join(LOCAL, f"run-{name}")


def read_state(name):
    try:
        with open(state_path(name), encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None


def write_state(name, state):
    """Writes the state so that a reader sees all of it or nothing."""
    fresh = f"{state_path(name)}.{os.getpid()}"
    with open(fresh, "w", encoding="utf-8") as file:
        json.dump(state, file, indent=2)
        file.write("\n")
    os.replace(fresh, state_path(name))


def is_guard(pid, name):
    """Whether this process id still is the guard of that engine, and not a later process with the same number."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().decode(errors="replace").split("\0")
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            ended = file.read().rpartition(")")[2].split()[0] in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return not ended and os.path.join(HERE, "guard.py") in words and name in words


# ------------------------------------------------------------------- starting


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def engine_environment(port, directory, log_level):
    """All that MiniStack, and through it the functions, see of the environment: nothing of the person's own account."""
    endpoint = f"http://127.0.0.1:{port}"
    return {
        "PATH": os.defpath,
        "HOME": directory,
        "TMPDIR": os.path.join(directory, "tmp"),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "localhost",
        "MINISTACK_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AUTH": "true",
        "LOG_LEVEL": log_level,
        # Services that would listen on well-known ports of their own.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # No look for a container service: functions run as plain processes.
        "DOCKER_HOST": "unix:///nonexistent",
    }


class Guard:
    """A started guard, which ends with this process unless `release` was called."""

    def __init__(self, name, port, owner, log_level):
        self.name = name
        self.port = port
        self.endpoint = f"http://127.0.0.1:{port}"
        directory = instance_directory(name)
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(os.path.join(directory, "tmp"))
        self.log_path = os.path.join(directory, "engine.log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [environment_python(), os.path.join(HERE, "guard.py"), "--name", name, "--owner", str(owner)],
                env=engine_environment(port, directory, log_level),
                cwd=directory, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )

    def wait_until_ready(self):
        """Returns whether MiniStack answers; False when it ended, which a taken port makes it do."""
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                with direct.open(f"{self.endpoint}/_ministack/ready", timeout=2):
                    return True
            except (urllib.error.URLError, OSError):
                # Not listening yet: look again shortly, or at once when the guard ends.
                if self.ended_within(0.05):
                    return False
        raise EngineError(f"MiniStack did not answer within {START_TIMEOUT_S} s; see {self.log_path}.")

    def ended_within(self, seconds):
        try:
            self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def release(self):
        """Lets the engine outlive this process."""
        self.process.stdin.write(b"ready\n")
        self.process.stdin.close()

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def start(options):
    for attempt in range(START_ATTEMPTS):
        guard = Guard(options.name, options.port or free_port(), options.owner, options.log_level)
        try:
            if guard.wait_until_ready():
                return guard
        except BaseException:
            guard.stop()
            raise
        if options.port or attempt + 1 == START_ATTEMPTS:
            with open(guard.log_path, encoding="utf-8", errors="replace") as log:
                raise EngineError("MiniStack ended at once. It said:\n" + log.read()[-2000:])
    raise AssertionError("the last attempt returns or raises")


# ------------------------------------------------------------------- commands


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


def running_state(name):
    """The state of a running engine, or None; forgets one that was killed without being asked."""
    state = read_state(name)
    if state is None:
        return None
    if is_guard(state["pid"], name):
        return state
    kill_group(state["ministack_pid"], name)
    os.remove(state_path(name))
    return None


def processes_of(ministack_pid, name):
    """Process id and environment of MiniStack and its functions, known by their group and the folder they run in."""
    directory = instance_directory(name)
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            in_group = os.getpgid(int(entry)) == ministack_pid
            where = os.readlink(f"/proc/{entry}/cwd")
            if not in_group or os.path.commonpath([directory, where]) != directory:
                continue
            with open(f"/proc/{entry}/environ", encoding="utf-8", errors="replace") as file:
                environment = dict(pair.split("=", 1) for pair in file.read().split("\0") if "=" in pair)
        except OSError:
            continue  # It ended meanwhile, or belongs to someone else.
        yield int(entry), environment


def function_processes(state):
    """The running function processes; one comes with the first invocation, more with simultaneous ones."""
    logical = {function["name"]: key for key, function in state["functions"].items()}
    return [
        {"pid": pid, "function": logical[environment["AWS_LAMBDA_FUNCTION_NAME"]]}
        for pid, environment in processes_of(state["ministack_pid"], state["name"])
        if environment.get("AWS_LAMBDA_FUNCTION_NAME") in logical
    ]


def environment_for_hand(state):
    """What a function or an AWS client needs when it is run by hand: credentials, and the settings of all functions."""
    environment = {
        "AWS_ENDPOINT_URL": state["endpoint"],
        "AWS_REGION": state["region"],
        "AWS_ACCESS_KEY_ID": state["credentials"]["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": state["credentials"]["secret_access_key"],
    }
    for function in state["functions"].values():
        environment.update(function["environment"])
    return environment


def kill_group(ministack_pid, name):
    """Ends what a killed guard left behind."""
    for pid, _environment in list(processes_of(ministack_pid, name)):
        os.kill(pid, signal.SIGKILL)


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


# --------------------------------------------------------------- command line


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
        ("processes", "print the function processes"), ("logs", "print what a function wrote"),
        ("pause", "stop what feeds a function"), ("resume", "start it again"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--name", default="kairos", help="which engine; several run side by side")
        if name in ("logs", "pause", "resume"):
            command.add_argument("function", help="logical id in template.yaml, such as DecideFunction")
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
    elif options.command == "processes":
        print_json(function_processes(state))
    else:
        feed_or_read(options, state)
    return 0


def feed_or_read(options, state):
    from stack import log_lines, switch_event_sources

    if options.function not in state["functions"]:
        raise EngineError(f"There is no {options.function}; there are {', '.join(state['functions'])}.")
    if options.command == "logs":
        for line in log_lines(state, options.function):
            print(line)
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
