"""Tests that no event is lost or reordered when broker, connection and daemon fail.

The daemon classifies twenty sources that change every few seconds and publishes to mosquitto through
a recording proxy. In the first phase the broker is stopped, restarted and frozen; a subscriber with a
persistent session must receive every event. In the second phase the broker is killed and may lose
acknowledged events; every event must have been acknowledged on some connection. In both phases
connections are cut and the daemon is killed. Prints one line of JSON as a summary; the exit code is 0
only without errors.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import outbox
import sounds
from incidents import FORGETFUL, FORGIVING, LONG_FREEZE, Incidents
from ledger import Problems, Received, Sent
from proxy import Proxy
from servers import DEADLINE, Broker, Daemon, Failure, free_port, tool
from subscriber import Subscriber

ROOT = Path(__file__).resolve().parents[3]
NODE = "chaos"
SOURCES = 20
LEAST_EVENTS = 5
"""Of every source; with fewer nothing is proved."""
LEAST_SECONDS = 40
"""Of each half, so that there are events where there are few incidents."""


def arguments():
    parser = argparse.ArgumentParser(prog="chaos.sh", description=__doc__)
    parser.add_argument("--rounds", type=int, help="number of broker or connection failures (50)")
    parser.add_argument("--kills", type=int, help="number of daemon kills (10; with --rounds a fifth of these)")
    parser.add_argument("--seed", type=int, help="seed of an earlier run, to repeat it")
    parser.add_argument("--bin", type=Path, required=True, help="path of genred")
    parser.add_argument("--keep", action="store_true", help="keep logs and records also on success")
    given = parser.parse_args()
    if given.kills is None:
        given.kills = 10 if given.rounds is None else max(1, given.rounds // 5)
    if given.rounds is None:
        given.rounds = 50
    if given.rounds < 2 or given.kills < 0:
        parser.error("it takes at least two rounds, and no fewer than no kills")
    if given.seed is None:
        given.seed = random.SystemRandom().randrange(2**32)
    return given


def plan(rounds, kills, choose):
    """Two lists of `[kind, when the daemon is killed]`. Every kind is used once before one is
    repeated."""
    forgetful = max(1, rounds * 2 // 5)
    halves = []
    for kinds, length in (FORGIVING, rounds - forgetful), (FORGETFUL, forgetful):
        row = []
        while len(row) < length:
            row += choose.sample(kinds, len(kinds))
        halves.append([[kind, None] for kind in row[:length]])
    if rounds >= 20:
        for step in choose.sample([step for step in halves[0] if step[0] == "freeze"], 2):
            step[0] = LONG_FREEZE
    steps = halves[0] + halves[1]
    for step in choose.sample(steps, min(kills, len(steps))):
        step[1] = choose.choice(("before", "during", "after"))
    return halves


def configure(folder, proxy_port, choose):
    """Writes audio and configuration. Fast decisions cause many events."""
    found = sounds.material(sorted((ROOT / ".cache/test-audio/songs").glob("*.ogg")))
    if len(found) < 8:
        raise SystemExit("chaos: the recordings are missing: run scripts/fetch_audio.sh")
    config = [
        f'node = "{NODE}"\noutput = "none"',
        "[decision]\nexpected_piece_s = 5.0\nswitch_margin = 0.02\nhold_s = 1.0",
        f'[mqtt]\nurl = "mqtt://127.0.0.1:{proxy_port}"\nreconnect_max_s = 0.5\nheartbeat_s = 5.0',
    ]
    for number in range(1, SOURCES + 1):
        path = folder / f"source-{number:02}.wav"
        sounds.write(path, found, choose)
        config.append(
            f'[[source]]\nname = "{path.stem}"\nuri = "file:{path}"\nrepeat = true\n'
            "[source.silence]\nthreshold_lufs = -30.0\nafter_s = 0.0"
        )
    (folder / "genred.toml").write_text("\n\n".join(config) + "\n")


def environment(folder):
    """Environment without paths of the user."""
    ours = {"GENRED_MODELS": os.environ.get("GENRED_MODELS", str(ROOT / "models"))}
    for key, name in ("HOME", "home"), ("STATE_DIRECTORY", "state"), ("RUNTIME_DIRECTORY", "runtime"):
        (folder / name).mkdir()
        ours[key] = str(folder / name)
    users = ("XDG_", "GENRED_CONFIG", "RUST_LOG")
    return {key: value for key, value in os.environ.items() if not key.startswith(users)} | ours


class Run:
    """One run: its servers, records and findings."""

    def __init__(self, given, folder):
        self.given, self.folder, self.began = given, folder, time.monotonic()
        self.problems, self.failures = Problems(), []
        self.received, self.sent = Received(self.problems), Sent(self.problems)
        self.events_seconds, self.expected = 0.0, {}
        choose = random.Random(given.seed)
        broker_port, proxy_port = free_port(), free_port()
        configure(folder, proxy_port, choose)
        self.halves = plan(given.rounds, given.kills, choose)
        self.trace = open(folder / "trace.jsonl", "w")
        self.broker = Broker(folder, broker_port)
        self.proxy = Proxy(proxy_port, broker_port, self.sent, self.trace, self.clock)
        self.daemon = Daemon(given.bin.resolve(), folder, environment(folder))
        self.subscriber = Subscriber(broker_port, f"genred/{NODE}/+/event", self.received, self.clock)
        self.incidents = Incidents(self.broker, self.proxy, self.daemon, choose, self.say)

    def clock(self):
        return time.monotonic() - self.began

    def say(self, text):
        print(f"{self.clock():7.1f} s  {text}", file=sys.stderr, flush=True)

    def play(self):
        self.broker.start()
        self.proxy.open()
        self.subscriber.start()
        if not self.subscriber.subscribed.wait(10):
            raise Failure("the subscriber could not subscribe")
        self.half(self.halves[0], "the broker keeps what it acknowledged")
        self.expected = self.drain()
        end = time.monotonic() + DEADLINE
        while self.subscriber.is_alive() and not self.received_all() and time.monotonic() < end:
            time.sleep(0.05)
        self.subscriber.leave()
        self.received.check_complete("missing", self.expected)
        self.half(self.halves[1], "the broker is killed")
        assigned = self.drain()
        self.sent.check_complete("unsent", assigned)
        self.sent.check_acknowledged(assigned)
        for number in range(1, SOURCES + 1):
            events = self.expected.get(f"source-{number:02}", 0)
            if events < LEAST_EVENTS:
                self.failures.append(f"the subscriber had {events} events of source {number}, not {LEAST_EVENTS}")

    def received_all(self):
        return all(self.received.last(source) >= last for source, last in self.expected.items())

    def half(self, steps, what):
        self.say(what)
        before, began = self.sent.total(), self.clock()
        self.daemon.start()
        for number, (kind, kill) in enumerate(steps, 1):
            self.incidents.play(kind, kill)
            events = f"{self.received.total()} events received, {self.sent.total()} sent"
            self.say(f"{number} of {len(steps)}: {kind}; {events}")
            self.daemon.check()
        time.sleep(max(0.0, began + LEAST_SECONDS - self.clock()))
        self.events_seconds += self.clock() - began
        self.say(f"{(self.sent.total() - before) / (self.clock() - began) * 60:.0f} events a minute")

    def drain(self):
        """Restarts the daemon until the outbox is empty. Returns the last `seq` of every source."""
        for _ in range(10):
            self.incidents.connected()
            # Time to publish the events stored while disconnected.
            time.sleep(1)
            self.daemon.stop()
            waiting, assigned = outbox.read(self.folder / "state" / NODE)
            if waiting == 0:
                return assigned
            self.say(f"{waiting} events wait: the daemon is started again")
            self.daemon.start()
        raise Failure(f"{waiting} events are still in the outbox after ten starts")

    def clean_up(self):
        self.subscriber.stop.set()
        self.daemon.clean_up()
        self.broker.clean_up()
        self.proxy.refuse()
        self.proxy.cut()
        self.trace.flush()

    def judge(self):
        """Returns the summary and descriptions of the errors."""
        incidents = self.incidents
        for what, found, wanted in (
            ("incidents", sum(incidents.counts.values()), self.given.rounds),
            ("kills", incidents.kills, min(self.given.kills, self.given.rounds)),
        ):
            if found != wanted:
                self.failures.append(f"{found} {what}, not {wanted}")
        self.failures += [text for text in (self.proxy.failure, self.subscriber.failure) if text]
        count = self.problems.count
        summary = {
            "seed": self.given.seed,
            "incidents": sum(incidents.counts.values()),
            "kinds": incidents.counts,
            "kills": incidents.kills,
            "connections": self.proxy.established,
            "events": self.sent.total(),
            "events_per_minute": round(self.sent.total() / max(1, self.events_seconds) * 60),
            "received": self.received.total(),
            "acknowledged": len(self.sent.acknowledged),
            "duplicates": self.received.duplicates,
            "redelivered": self.received.redelivered,
            "resent": self.sent.duplicates,
            "missing": count("missing") + count("unsent"),
            "reordered": count("reordered"),
            "replayed": count("replayed"),
            "unacknowledged": count("unacknowledged"),
            "conflicting": count("conflicting"),
            "duration_s": round(self.clock(), 1),
        }
        counts = [f"{number} {kind}" for kind, number in self.problems.counts.items()]
        summary["ok"] = not (self.failures or counts)
        return summary, self.failures + counts + self.problems.shown


def main():
    given = arguments()
    tool("ffmpeg", "ffmpeg")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="genred-chaos-"))
    run, good = None, False
    print(f"chaos: seed {given.seed}, {given.rounds} rounds, {given.kills} kills, {given.bin}", file=sys.stderr)
    try:
        run = Run(given, folder)
        try:
            run.play()
        except Failure as failure:
            run.failures.append(str(failure))
        finally:
            run.clean_up()
        summary, wrong = run.judge()
        good = summary["ok"]
        for text in wrong:
            print(f"chaos: {text}", file=sys.stderr)
        print(json.dumps(summary), flush=True)
    finally:
        if good and not given.keep:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"chaos: logs and records are in {folder}; repeat with --seed {given.seed}", file=sys.stderr)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
