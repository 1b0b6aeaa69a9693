"""Child processes of the test, and free ports."""

import os
import shutil
import signal
import socket
import subprocess
import time

PATIENCE = 30
"""Seconds within which a server answers."""


class Failure(Exception):
    """The test cannot be continued."""


def free_port():
    """Returns an unused port. The system does not assign it again soon."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def until(what, ready, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not (found := ready()):
        if time.monotonic() > end:
            raise Failure(f"not within {seconds} s: {what}")
        time.sleep(0.1)
    return found


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def tool(name, package):
    # Daemons are in `sbin`, which is often not in the `PATH` of users.
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if not found:
        raise Failure(f"`{name}` is missing: apt-get install {package}")
    return found


class Processes:
    """Started programs, each with its own process group and log."""

    def __init__(self, folder):
        self.folder = folder
        self.started = []

    def start(self, name, command, user=None, **options):
        command = [tool(command[0], command[0]), *map(str, command[1:])]
        if user and os.geteuid() == 0:
            command = ["setpriv", f"--reuid={user}", "--clear-groups", *command]
        log = open(self.folder / f"{name}.log", "ab")
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=options.pop("stdout", log),
            stderr=log,
            start_new_session=True,
            cwd=self.folder,
            **options,
        )
        self.started.append((name, child))
        return child

    def check(self):
        for name, child in self.started:
            if child.poll() is not None:
                raise Failure(f"{name} ended unexpectedly with {child.returncode}:\n{self.tail(name)}")

    def tail(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")[-2000:]

    def end(self):
        for number in signal.SIGTERM, signal.SIGKILL:
            deadline = time.monotonic() + 3
            for _, child in self.started:
                try:
                    os.killpg(child.pid, number)
                except ProcessLookupError:
                    pass
                try:
                    child.wait(max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    pass
