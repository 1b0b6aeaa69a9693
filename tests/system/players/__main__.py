"""Captures real players with one daemon and checks its messages."""

import argparse
import json
import re
import shutil
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import stage
from processes import Failure, Processes

STARTS = 60
"""Seconds within which every source is heard."""
PAUSE = 25
"""Seconds within which a paused player is dead air, and music again after the pause."""
SKEW = 1.0
"""Seconds that the time of an event may lie ahead of the clock."""


class Daemon:
    """`genred run`, and the messages of each source."""

    def __init__(self, processes, binary, sources):
        self.messages = []
        self.ahead = {}
        self.log = processes.folder / "genred.log"
        config = processes.folder / "genred.toml"
        config.write_text('node = "test"\n[mqtt]\nenabled = false\n' + "".join(map(entry, sources)))
        command = [binary, "run", "-c", config, "--output", "jsonl"]
        self.child = processes.start("genred", command, stdout=-1, text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.child.stdout:
            message = json.loads(line)
            if message["kind"] == "event":
                at = datetime.fromisoformat(message["ts"].replace("Z", "+00:00"))
                ahead = (at - datetime.now(UTC)).total_seconds()
                name = message["source"]
                self.ahead[name] = max(self.ahead.get(name, 0.0), ahead)
            self.messages.append(message)

    def of(self, source, kind, since=0):
        return [m for m in self.messages[since:] if m["kind"] == kind and m.get("source") == source.name]

    def events(self, source, since=0):
        return [event["event_type"] for event in self.of(source, "event", since)]

    def genre(self, source, since=0):
        states = self.of(source, "state", since)
        genres = [state["genre"] for state in states if state["state"] == "music"]
        return genres[-1] if genres else None

    def title(self, source):
        # Titles are in MQTT messages and the log.
        log = self.log.read_text(errors="replace")
        titles = re.findall(rf'title: (.*) source="{source.name}"', log)
        return titles[-1] if titles else None


def entry(source):
    uri = json.dumps(source.uri)
    command = f"command = {json.dumps(source.command)}\n" if source.command else ""
    return f'[[source]]\nname = "{source.name}"\nuri = {uri}\n{command}'


def wait(processes, sources, ready, seconds):
    """Waits until all sources are ready, or a time-out."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not all(map(ready, sources)):
        processes.check()
        time.sleep(0.2)


def judge(daemon, expected, source, paused, resumed):
    """Returns the faults of a source."""
    faults = []
    if daemon.genre(source) is None:
        faults.append("no music was heard")
    elif daemon.genre(source) != expected:
        faults.append(f"the genre is {daemon.genre(source)}, not {expected}")
    if source.title and source.title not in (daemon.title(source) or ""):
        faults.append(f"the title is {daemon.title(source)!r}, without {source.title!r}")
    events = daemon.events(source)
    for bad in "source_lost", "stream_slow_started", "imbalance_started":
        if bad in events:
            reasons = [event.get("reason") for event in daemon.of(source, "event")]
            faults.append(f"{bad}: {next(filter(None, reversed(reasons)), None)}")
    if source.pausable:
        if "dead_air_started" not in daemon.events(source, paused):
            faults.append("no dead air in the pause")
        ended = "dead_air_ended" in daemon.events(source, resumed)
        if not (ended and daemon.genre(source, resumed)):
            faults.append("no music after the pause")
    elif "dead_air_started" in events:
        faults.append("dead air without a pause")
    if daemon.ahead.get(source.name, 0.0) > SKEW:
        faults.append(f"an event lies {daemon.ahead[source.name]:.1f} s in the future")
    return faults


def run(args, processes, folder):
    song = stage.music(args.song, folder)
    wanted = args.only or ["icecast", "mpd", "liquidsoap", "gstreamer"]
    web = stage.Folder(folder)
    server = None if wanted == ["mpd"] else stage.Icecast(processes)
    # Audio of every source, from a file.
    sources, player = [stage.Source("file", str(song))], None
    if "icecast" in wanted:
        sources += stage.icecast(processes, song, server)
    if "mpd" in wanted:
        player = stage.Mpd(processes, song)
        sources += player.sources
    if "liquidsoap" in wanted:
        sources += stage.liquidsoap(processes, song, server, web, folder)
    if "gstreamer" in wanted:
        sources += stage.gstreamer(processes, song, server, web, folder)
    daemon = Daemon(processes, args.bin, sources)
    file, live = sources[0], sources[1:]

    def heard(source):
        return daemon.genre(source) and (not source.title or daemon.title(source))

    wait(processes, sources, heard, STARTS)
    paused = len(daemon.messages)
    pausable = [source for source in live if source.pausable]
    if player:
        player.pause(True)

        def silent(source):
            return "dead_air_started" in daemon.events(source, paused)

        wait(processes, pausable, silent, PAUSE)
        # Longer than the time-out of every source.
        time.sleep(8)
    resumed = len(daemon.messages)
    if player:
        player.pause(False)
        wait(processes, pausable, lambda source: daemon.genre(source, resumed), PAUSE)
    faults = 0
    for source in live:
        wrong = judge(daemon, daemon.genre(file), source, paused, resumed)
        faults += bool(wrong)
        said = "; ".join(wrong) or daemon.genre(source)
        print(f"{'FAULT' if wrong else 'ok':5} {source.name:20} {said}", flush=True)
    return faults


def main():
    parser = argparse.ArgumentParser(prog="players.sh", description=__doc__)
    parser.add_argument("--bin", type=Path, required=True, help="path of genred")
    parser.add_argument("--song", type=Path, required=True, help="music file for the players")
    parser.add_argument("--only", action="append", help="test only this player; may be repeated")
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="genred-players-"))
    folder.chmod(0o755)
    processes = Processes(folder)
    begun, faults = time.monotonic(), 1
    try:
        faults = run(args, processes, folder)
    except Failure as failure:
        print(f"players: {failure}", file=sys.stderr)
    finally:
        processes.end()
        if args.keep or faults:
            print(f"players: logs are in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    took = time.monotonic() - begun
    print(f"players: {faults} sources with faults, {took:.0f} s", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
