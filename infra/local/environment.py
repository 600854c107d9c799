"""The private Python environment of the local engine, and where its files are."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LOCAL = os.path.join(ROOT, ".local")
ENVIRONMENT = os.path.join(LOCAL, "engine")
REQUIREMENTS = os.path.join(HERE, "requirements.txt")


class EngineError(Exception):
    """What went wrong and what to do, in words for the person who called."""


def say(text):
    print(text, file=sys.stderr, flush=True)


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
