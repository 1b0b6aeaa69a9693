"""Programs of the test. Each is killed with its parent process."""

import signal
import socket
import subprocess
import time

#: Seconds; nothing here takes as long.
PATIENCE = 60.0


class Failure(Exception):
    """Failure of a check."""


def until(what, ready, patience=PATIENCE):
    """Polls `ready()` until it is true and returns its value. On a time-out, fails with a message
    about `what` (text or a function)."""
    deadline = time.monotonic() + patience
    while True:
        # One last attempt after the deadline, in case the machine was suspended.
        last = time.monotonic() > deadline
        if found := ready():
            return found
        if last:
            raise Failure(f"timed out after {patience:g} s: {what() if callable(what) else what}")
        time.sleep(0.1)


def free_port():
    """Returns an unused port of the loopback interface."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Process:
    """A program with a log."""

    def __init__(self, name, log):
        self.name, self.log, self.child = name, log, None

    def start(self, command):
        with self.log.open("ab") as log:
            # The kernel kills it if this process dies.
            command = ["setpriv", "--pdeathsig", "KILL", "--", *map(str, command)]
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def alive(self):
        """Fails if the program has ended."""
        if self.child.poll() is not None:
            raise Failure(f"{self.name} has ended with {self.child.returncode}")

    def stop(self):
        """Stops the program with SIGTERM and returns its exit code."""
        self.child.send_signal(signal.SIGTERM)
        try:
            return self.child.wait(10)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} did not end within 10 s of SIGTERM") from None

    def kill(self):
        if self.child and self.child.poll() is None:
            self.child.kill()
            self.child.wait()

    def tail(self, lines):
        """Last lines of the log."""
        text = self.log.read_bytes().decode(errors="replace") if self.log.exists() else ""
        return "\n".join(line[:400] for line in text.splitlines()[-lines:])
