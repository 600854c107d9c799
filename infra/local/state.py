"""What is known of the engines on this machine: their state files and their processes."""

import json
import os
import signal

from environment import HERE, LOCAL


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
