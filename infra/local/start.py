"""Starts MiniStack under its guard and waits until it answers."""

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

from environment import HERE, EngineError, environment_python
from state import instance_directory

# MiniStack answers within about two seconds; a loaded machine gets more.
START_TIMEOUT_S = 60
# A free port can be taken by another process before MiniStack has it.
START_ATTEMPTS = 3


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def engine_environment(port, directory, log_level, functions_endpoint):
    """All that MiniStack, and through it the functions, see of the environment: nothing of the person's own account."""
    endpoint = functions_endpoint or f"http://127.0.0.1:{port}"
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

    def __init__(self, name, port, owner, log_level, functions_endpoint=None):
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
                env=engine_environment(port, directory, log_level, functions_endpoint),
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
        self.process.terminate()
        self.process.wait()


def start(options):
    for attempt in range(START_ATTEMPTS):
        port = options.port or free_port()
        guard = Guard(options.name, port, options.owner, options.log_level, options.functions_endpoint)
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
