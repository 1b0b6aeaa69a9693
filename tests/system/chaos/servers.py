"""Processes of broker and daemon, with start, stop, freeze and kill."""

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

DEADLINE = 30
"""Seconds; nothing here takes as long."""


class Failure(Exception):
    """The run cannot be continued."""


def wait_for(what, ready, seconds=DEADLINE):
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise Failure(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def free_port():
    """Returns a free port below the ephemeral range."""
    while True:
        port = random.SystemRandom().randint(20_000, 32_000)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port


def tool(name, package):
    # Daemons are in `sbin`, which is often not in the `PATH` of users.
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if not found:
        raise SystemExit(f"chaos: `{name}` is missing: apt-get install {package}")
    return found


class Server:
    """A process that can be restarted."""

    def __init__(self, name, command, folder, **options):
        self.name, self.command, self.folder, self.options = name, command, Path(folder), options
        self.child = None

    def start(self):
        with open(self.folder / f"{self.name}.log", "ab") as log:
            self.child = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self.options
            )

    def running(self):
        return self.child is not None and self.child.poll() is None

    def check(self):
        if not self.running():
            code = self.child and self.child.returncode
            raise Failure(f"{self.name} ended unexpectedly with {code}:\n{self.tail()}")

    def send(self, number):
        self.check()
        os.kill(self.child.pid, number)

    def end(self, number, expected):
        """Sends a signal and waits for the expected end."""
        self.send(number)
        self.wait(expected)

    def wait(self, expected):
        try:
            code = self.child.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} does not end:\n{self.tail()}") from None
        if code != expected:
            raise Failure(f"{self.name} ended with {code}, not {expected}:\n{self.tail()}")

    def clean_up(self):
        if self.running():
            self.child.kill()
            self.child.wait()

    def tail(self, lines=15):
        log = (self.folder / f"{self.name}.log").read_text(errors="replace")
        return "\n".join(log.splitlines()[-lines:])


class Broker(Server):
    """A mosquitto that keeps sessions and their queued messages over a `SIGTERM`."""

    def __init__(self, folder, port):
        self.port = port
        folder = Path(folder)
        (folder / "mosquitto").mkdir()
        # As root, mosquitto would switch to a user that cannot read the folder.
        (folder / "mosquitto.conf").write_text(
            f"listener {port} 127.0.0.1\nuser root\nallow_anonymous true\n"
            f"persistence true\npersistence_location {folder}/mosquitto/\nautosave_interval 5\n"
            "max_queued_messages 0\nlog_dest stderr\nlog_type all\n"
        )
        super().__init__("broker", [tool("mosquitto", "mosquitto"), "-c", folder / "mosquitto.conf"], folder)

    def start(self):
        super().start()
        wait_for("mosquitto listens", self._listens)

    def _listens(self):
        self.check()
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def stop(self):
        self.end(signal.SIGTERM, 0)

    def kill(self):
        self.end(signal.SIGKILL, -signal.SIGKILL)

    def freeze(self):
        self.send(signal.SIGSTOP)
        state = Path(f"/proc/{self.child.pid}/stat")
        wait_for("mosquitto is frozen", lambda: state.read_text().rpartition(")")[2].split()[0] == "T")

    def thaw(self):
        self.send(signal.SIGCONT)


class Daemon(Server):
    """`genred run`."""

    def __init__(self, binary, folder, environment):
        command = [binary, "run", "-c", Path(folder) / "genred.toml"]
        super().__init__("genred", command, folder, env=environment, cwd=folder)
        self.starts = 0

    def start(self):
        self.starts += 1
        super().start()

    def kill(self):
        self.end(signal.SIGKILL, -signal.SIGKILL)

    def stop(self):
        self.end(signal.SIGTERM, 0)
