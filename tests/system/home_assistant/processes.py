"""The real programs of the test, each on the loopback interface and killed with the process that started it."""

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
    """What a check found wrong."""


def until(what, ready, patience=PATIENCE):
    """Polls until `ready()` is true and returns what it gave, or fails naming `what` (text, or what gives it)."""
    deadline = time.monotonic() + patience
    while True:
        # A last look after the deadline: a machine that did nothing else meanwhile decides nothing.
        last = time.monotonic() > deadline
        if found := ready():
            return found
        if last:
            raise Failure(f"not within {patience:g} s: {what() if callable(what) else what}")
        time.sleep(0.05)


def elapsed(what, ready, patience=PATIENCE, since=None):
    """Like `until`; the seconds since now, or since a time of `time.monotonic`."""
    since = time.monotonic() if since is None else since
    until(what, ready, patience)
    return time.monotonic() - since


def free_port():
    """A port of the loopback interface that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Process:
    """A program with a log, restartable. Its time of start is `started` (monotonic seconds)."""

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
            # Killed by the kernel if this process ends without farewell.
            self.child = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=options.pop("stdout", log),
                stderr=log,
                **options,
            )

    def logged(self):
        """Bytes in the log."""
        return self.log.stat().st_size if self.log.exists() else 0

    def running(self):
        return self.child is not None and self.child.poll() is None

    def alive(self):
        """Fails if the program has ended by itself."""
        if not self.running():
            raise Failure(f"{self.name} has ended: {self.tail(5)}")

    def stop(self):
        """An orderly end. Returns the exit code, or nothing where it did not run."""
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
        """The last lines of the log, from the byte `start` on."""
        text = self.log.read_bytes()[start:].decode(errors="replace") if self.log.exists() else ""
        return "\n".join(line[:400] for line in text.splitlines()[-lines:])


class Mosquitto(Process):
    """A broker that keeps nothing on disk: a restart forgets all."""

    name = "mosquitto"

    def __init__(self, folder):
        super().__init__(folder / "mosquitto.log")
        self.configuration = folder / "mosquitto.conf"
        self.port = 0

    def start(self):
        # Another process may take a free port before mosquitto does.
        for _ in range(5):
            self.port = self.port or free_port()
            # As root it would become another user, who cannot read the folder.
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
        """One message; empty and retained, it erases what is retained."""
        command = ["mosquitto_pub", "-p", str(self.port), "-q", "1", "-t", topic]
        command += (["-m", payload] if payload else ["-n"]) + (["-r"] if retain else [])
        subprocess.run(command, check=True, timeout=PATIENCE)

    def retained(self, *filters):
        """What a new subscriber gets at once: payloads by topic."""
        command = ["mosquitto_sub", "-p", str(self.port), "--retained-only", "-W", "1", "-F", "%j"]
        for topic in filters:
            command += ["-t", topic]
        # It always ends by its own time limit, with code 27.
        answer = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        messages = map(json.loads, answer.stdout.splitlines())
        return {message["topic"]: message["payload"] for message in messages}


class Embedded(Mosquitto):
    """The broker that the daemon starts where none is configured; it lives and ends with the daemon."""

    name = "the embedded broker"

    def __init__(self, folder):
        super().__init__(folder)
        self.port = free_port()

    def start(self):
        """The daemon does it."""
        until("the embedded broker listens", self._answers)

    def running(self):
        return self._answers()

    def stop(self):
        raise Failure("the embedded broker ends with the daemon alone")

    def kill(self):
        """As `stop`, at the end of all."""


class Listener(Process):
    """`mosquitto_sub` on everything; it comes back by itself when the broker does."""

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
        """The payloads of a topic, parsed where they are JSON, from the message number `since` on."""
        return [_parsed(message["payload"]) for message in self.messages[since:] if message["topic"] == topic]

    def last(self, topic):
        """The newest payload of a topic, or nothing."""
        return next((_parsed(m["payload"]) for m in reversed(self.messages) if m["topic"] == topic), None)


def _parsed(payload):
    try:
        return json.loads(payload)
    except ValueError:
        return payload


class Sound:
    """A PulseAudio server whose null sink `ci` plays a recording; what is heard is its monitor."""

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
            # Where the server leaves it; clients have homes of their own.
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
        """The server ends without farewell."""
        self.server.kill()
        self.player.kill()


class Daemon(Process):
    """`genred run` with a folder of its own for its home and its state."""

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
    """This process's environment without what would lead a program to the user's own files."""
    own = ("XDG_", "GENRED_", "PULSE_", "STATE_DIRECTORY", "RUNTIME_DIRECTORY", "NOTIFY_SOCKET", "DISPLAY", "DBUS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}
