"""Keeps one local engine alive, and makes sure that nothing of it survives.

MiniStack starts the functions as its own child processes and leaves them behind when it is stopped. This guard runs
MiniStack in a process group of its own and kills that whole group when

* MiniStack ends,
* the guard is asked to stop (SIGTERM, what `engine.py down` sends),
* the starter goes away before it wrote `ready` to the guard's standard input, or
* the owner, a process named by its id, ends. Tests use this: a killed test run leaves nothing.

State is in memory only, so killing loses nothing that was meant to last.
"""

import argparse
import ctypes
import os
import select
import signal
import subprocess
import sys


def signals_as_file():
    """Turns the signals that ask to stop into bytes on a pipe: waited for like everything else, never in between."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: None)
    return read


def adopt_orphans():
    """Makes the functions children of this process once MiniStack is gone, so that their end can be waited for."""
    set_child_subreaper = 36  # PR_SET_CHILD_SUBREAPER of linux/prctl.h
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(set_child_subreaper, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")


def kill_all(group):
    """Kills a process group of this process' descendants and returns when the last of them is gone."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
    while True:
        try:
            os.waitpid(-group, 0)
        except ChildProcessError:
            return


def wait_for_the_end(ministack, owner, signals_fd):
    """Returns why the engine has to end, as words for the log."""
    poll = select.poll()
    starter_fd = sys.stdin.fileno()
    ministack_fd = os.pidfd_open(ministack.pid)
    for fd in (ministack_fd, signals_fd, starter_fd):
        poll.register(fd, select.POLLIN)
    owner_fd = None
    if owner:
        try:
            owner_fd = os.pidfd_open(owner)
        except ProcessLookupError:
            return f"its owner, process {owner}, had ended before it started"
        poll.register(owner_fd, select.POLLIN)
    heard = b""
    while True:
        for fd, _event in poll.poll():
            if fd == ministack_fd:
                return "MiniStack ended by itself, see the lines above"
            if fd == signals_fd:
                return "it was asked to stop"
            if fd == owner_fd:
                return f"its owner, process {owner}, ended"
            read = os.read(starter_fd, 64)
            heard += read
            if not read:
                if heard.strip() != b"ready":
                    return "it was not ready when its starter ended"
                poll.unregister(starter_fd)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--name", required=True, help="shown in process lists, and how `down` knows this process")
    arguments.add_argument("--owner", type=int, default=0, help="process whose end ends the engine")
    options = arguments.parse_args()
    adopt_orphans()
    signals_fd = signals_as_file()
    ministack = subprocess.Popen(
        [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "serve.py")],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        reason = wait_for_the_end(ministack, options.owner, signals_fd)
        print(f"guard: the local engine {options.name} ends: {reason}.", flush=True)
    finally:
        # A session leader's process group has its id; the functions are in it.
        kill_all(ministack.pid)


if __name__ == "__main__":
    main()
