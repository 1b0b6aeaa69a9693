"""Programs of the test. Each uses the loopback interface and is killed with its parent process."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

#: What no program of the test needs as long for, in seconds.
PATIENCE = 60.0


class Failure(Exception):
    """Failure of a check."""


def until(what, ready, patience=PATIENCE):
    """Polls `ready()` until it is true and returns its value. On a time-out, fails with a message about `what`
    (text or a function)."""
    deadline = time.monotonic() + patience
    while True:
        # One last attempt after the deadline, in case the machine was suspended.
        last = time.monotonic() > deadline
        if found := ready():
            return found
        if last:
            raise Failure(f"timed out after {patience:g} s: {what() if callable(what) else what}")
        time.sleep(0.05)


def elapsed(what, ready, patience=PATIENCE, since=None):
    """Like `until`, but returns the elapsed seconds, optionally since a time of
    `time.monotonic`."""
    since = time.monotonic() if since is None else since
    until(what, ready, patience)
    return time.monotonic() - since


def free_port():
    """Returns an unused port of the loopback interface."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Process:
    """A restartable program with a log. `started` is its start time (monotonic seconds)."""

    name = "process"
    #: Seconds for an orderly end.
    grace = 10.0

    def __init__(self, log):
        self.log = Path(log)
        self.child = None
        self.started = 0.0

    def launch(self, command, **options):
        with self.log.open("ab") as log:
            self.started = time.monotonic()
            # The kernel kills it if this process dies.
            self.child = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=options.pop("stdout", log),
                stderr=log,
                **options,
            )

    def logged(self):
        """Size of the log in bytes."""
        return self.log.stat().st_size if self.log.exists() else 0

    def running(self):
        return self.child is not None and self.child.poll() is None

    def alive(self):
        """Fails if the program has ended."""
        if not self.running():
            raise Failure(f"{self.name} has ended: {self.tail(5)}")

    def stop(self):
        """Stops the program with SIGTERM. Returns the exit code; `None` if it was not running."""
        if not self.running():
            return None
        self.child.send_signal(signal.SIGTERM)
        try:
            return self.child.wait(self.grace)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"{self.name} did not end within {self.grace:g} s of SIGTERM") from None

    def kill(self):
        if self.running():
            self.child.kill()
            self.child.wait()

    def tail(self, lines, start=0):
        """Last lines of the log, from byte `start`."""
        text = self.log.read_bytes()[start:].decode(errors="replace") if self.log.exists() else ""
        return "\n".join(line[:400] for line in text.splitlines()[-lines:])


class Mosquitto(Process):
    """A broker without persistence."""

    name = "mosquitto"

    def __init__(self, folder):
        super().__init__(folder / "mosquitto.log")
        self.configuration = folder / "mosquitto.conf"
        self.port = 0

    def start(self):
        # Another process may take a free port before mosquitto does.
        for _ in range(5):
            self.port = self.port or free_port()
            # As root it would switch to a user that cannot read the folder.
            self.configuration.write_text(
                f"listener {self.port} 127.0.0.1\nuser root\nallow_anonymous true\npersistence false\n"
            )
            self.launch(["mosquitto", "-c", self.configuration])
            until("mosquitto listens", lambda: not self.running() or self._answers())
            if self.running():
                return
            self.port = 0
        raise Failure(f"mosquitto does not start: {self.tail(5)}")

    def _answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def publish(self, topic, payload, retain=False):
        """Publishes a message. An empty retained one deletes the retained message."""
        command = ["mosquitto_pub", "-p", str(self.port), "-q", "1", "-t", topic]
        command += (["-m", payload] if payload else ["-n"]) + (["-r"] if retain else [])
        subprocess.run(command, check=True, timeout=PATIENCE)

    def retained(self, *filters):
        """Retained payloads by topic."""
        command = ["mosquitto_sub", "-p", str(self.port), "--retained-only", "-W", "1", "-F", "%j"]
        for topic in filters:
            command += ["-t", topic]
        # It always ends by its time limit, with code 27.
        answer = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        messages = map(json.loads, answer.stdout.splitlines())
        return {message["topic"]: message["payload"] for message in messages}


class Embedded(Mosquitto):
    """The embedded broker of the daemon, started and stopped with it."""

    name = "the embedded broker"

    def __init__(self, folder):
        super().__init__(folder)
        self.port = free_port()

    def start(self):
        """Started by the daemon."""
        until("the embedded broker listens", self._answers)

    def running(self):
        return self._answers()

    def stop(self):
        raise Failure("the embedded broker cannot be stopped without the daemon")

    def kill(self):
        """Same as `stop`, at the end of the test."""


class Listener(Process):
    """`mosquitto_sub` on all topics; reconnects automatically."""

    name = "mosquitto_sub"

    def __init__(self, folder):
        super().__init__(folder / "mosquitto_sub.log")
        self.messages = []

    def start(self, port):
        command = ["mosquitto_sub", "-p", port, "-q", "1", "-F", "%j", "-t", "genred/#", "-t", "homeassistant/#"]
        self.launch(command, stdout=subprocess.PIPE)
        threading.Thread(target=self._read, args=[self.child.stdout], daemon=True).start()

    def _read(self, lines):
        for line in lines:
            message = json.loads(line)
            message["at"] = time.monotonic()
            self.messages.append(message)

    def of(self, topic, since=0):
        """Payloads of a topic, JSON parsed, from message number `since`."""
        return [_parsed(message["payload"]) for message in self.messages[since:] if message["topic"] == topic]

    def last(self, topic):
        """Latest payload of a topic, or `None`."""
        return next((_parsed(m["payload"]) for m in reversed(self.messages) if m["topic"] == topic), None)


def _parsed(payload):
    try:
        return json.loads(payload)
    except ValueError:
        return payload


class Sound:
    """A PulseAudio server that plays a recording to the null sink `ci`; its monitor is captured."""

    def __init__(self, folder, song):
        self.folder, self.song = folder, song
        self.socket = folder / "pulse/native"
        self.server = Process(folder / "pulseaudio.log")
        self.server.name = "pulseaudio"
        self.player = Process(folder / "paplay.log")
        self.player.name = "paplay"
        (folder / "pulse").mkdir(mode=0o700)
        self.environment = {
            "HOME": str(folder),
            "PULSE_SERVER": f"unix:{self.socket}",
            "PULSE_RUNTIME_PATH": str(folder / "pulse"),
            "PULSE_STATE_PATH": str(folder),
            # Location of the server's cookie; clients have other home folders.
            "PULSE_COOKIE": str(folder / ".config/pulse/cookie"),
            "XDG_RUNTIME_DIR": str(folder),
        }

    def start(self):
        self.socket.unlink(missing_ok=True)
        protocol = f"module-native-protocol-unix socket={self.socket} auth-anonymous=1"
        sink = "module-null-sink sink_name=ci rate=48000 channels=2"
        command = "pulseaudio -n --daemonize=no --exit-idle-time=-1 --use-pid-file=no --disable-shm=yes"
        environment = plain_environment() | self.environment
        self.server.launch([*command.split(), "-L", protocol, "-L", sink], env=environment)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment}
        until("pulseaudio answers", lambda: subprocess.run(["pactl", "info"], **quiet).returncode == 0)
        self.play()

    def play(self):
        command = ["paplay", "--device=ci", "--latency-msec=100", self.song]
        self.player.launch(command, env=plain_environment() | self.environment)

    def ready(self):
        if not self.server.running():
            self.start()
        elif not self.player.running():
            self.play()

    def silence(self):
        self.player.kill()

    def kill(self):
        """Kills the server."""
        self.server.kill()
        self.player.kill()


class Daemon(Process):
    """`genred run` with temporary home and state folders."""

    def __init__(self, folder, program, environment):
        folder.mkdir()
        self.name = f"genred ({folder.name})"
        super().__init__(folder / "genred.log")
        self.program = program
        self.configuration = folder / "genred.toml"
        self.environment = plain_environment() | environment | {"HOME": str(folder)}

    def start(self, configuration):
        self.configuration.write_text(configuration)
        self.launch([self.program, "run", "-c", self.configuration], env=self.environment)


def plain_environment():
    """Environment without variables that refer to the user's files."""
    own = ("XDG_", "GENRED_", "PULSE_", "STATE_DIRECTORY", "RUNTIME_DIRECTORY", "NOTIFY_SOCKET", "DISPLAY", "DBUS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}
