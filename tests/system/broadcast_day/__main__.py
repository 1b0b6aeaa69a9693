"""Evaluates `genred run` and `genred report` on a day of broadcast made of real recordings.

The day is planned from a seed, rendered by ffmpeg, and piped into the daemon, which runs with default
settings at full speed and writes its as-run log. The report is then compared with the plan.
"""

import argparse
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from judge import SETTLES, Published, alarms, figures, run_bounds, spans, truth_shares, watch
from material import talk, tracks
from plan import FORMAT, OFF_FORMAT_AFTER, TALK_LIMIT, Day
from settled import settle

ROOT = Path(__file__).resolve().parents[3]
START = datetime(2026, 1, 5, tzinfo=UTC)
"""A Monday."""
SOURCE = "FM_1"


def arguments():
    parser = argparse.ArgumentParser(prog="broadcast_day.sh", description=__doc__)
    parser.add_argument("--bin", type=Path, required=True, help="path of genred")
    parser.add_argument("--hours", type=float, default=24.0, help="length of the day (24)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the plan (1)")
    parser.add_argument("--music", type=Path, help="folder of unpacked packages, instead of downloads")
    parser.add_argument("--speech", type=Path, help="the same for speech")
    parser.add_argument("--all", action="store_true", help="all tagged tracks, also those whose tag the model does not predict")
    parser.add_argument("--no-faults", dest="faults", action="store_false", help="insert no tones, loops or missing channels")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write log, reports and truth to DIR")
    given = parser.parse_args()
    if not 0.5 <= given.hours <= 24:
        parser.error("a day has half an hour to 24 hours here")
    return given


def folder_of(given, name):
    if given:
        return given.resolve()
    folder = ROOT / ".cache/broadcast-day" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".ours").touch()
    return folder


def at(seconds):
    return (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_of(text):
    return (datetime.fromisoformat(text.replace("Z", "+00:00")) - START).total_seconds()


class Daemon:
    """`genred run` and `genred report` with a temporary configuration and log."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        (folder / "run").mkdir(mode=0o700, exist_ok=True)
        mine = {"GENRED_MODELS": os.environ.get("GENRED_MODELS", str(ROOT / "models")), "HOME": str(folder)}
        others = ("XDG_", "GENRED_CONFIG", "RUST_LOG")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(others)} | mine

    def hear(self, begin, sounds):
        """Pipes all audio of one run into the daemon. Returns the elapsed seconds."""
        formats = ", ".join(f'"{genre}"' for genre in FORMAT)
        (self.folder / "genred.toml").write_text(
            f'node = "day"\noutput = "none"\nstate_dir = "{self.folder}"\nruntime_dir = "{self.folder / "run"}"\n'
            f'[mqtt]\nenabled = false\n[log]\nenabled = true\npath = "{self.folder / "asrun.sqlite"}"\n'
            f'[[source]]\nname = "FM 1"\nuri = "stdin:?format=s16le&rate=44100&channels=2"\npacing = "fast"\n'
            f'start = "{at(begin)}"\nformat = [{formats}]\noff_format_after_s = {OFF_FORMAT_AFTER}\nmax_talk_share = {TALK_LIMIT}\n'
        )
        began, said = time.monotonic(), time.monotonic()
        length, heard = sum(sound.seconds for sound in sounds), 0.0
        with open(self.folder / "daemon.log", "ab") as log:
            daemon = subprocess.Popen(
                [self.program, "run", "-c", self.folder / "genred.toml"],
                stdin=subprocess.PIPE, stdout=log, stderr=log, env=self.environment,
            )  # fmt: skip
            try:
                for sound in sounds:
                    for chunk in sound.pcm():
                        daemon.stdin.write(chunk)
                    heard += sound.seconds
                    if time.monotonic() - said > 30:
                        said = time.monotonic()
                        speed = heard / (said - began)
                        print(f"{heard / 3600:5.1f} of {length / 3600:.1f} h, {speed:.0f} × real time", file=sys.stderr, flush=True)
                daemon.stdin.close()
            except BrokenPipeError:
                pass
            finally:
                code = daemon.wait() if heard >= length - 1 else (daemon.kill(), daemon.wait())[1]
        if code or heard < length - 1:
            raise SystemExit(f"broadcast_day: genred ended with {code} after {heard:.0f} s:\n" + (self.folder / "daemon.log").read_text()[-2000:])
        return time.monotonic() - began

    def report(self, *more):
        command = [self.program, "report", "-c", self.folder / "genred.toml", "--utc", *more]
        done = subprocess.run(command, env=self.environment, capture_output=True, check=False)
        if done.returncode:
            raise SystemExit(f"broadcast_day: genred report failed: {done.stderr.decode()}")
        return done.stdout.decode()


class Table:
    """Table of criteria: expected value, measured value, verdict."""

    def __init__(self):
        self.lines, self.failed = [], 0

    def line(self, what, bar, figure, good=None):
        verdict = "" if good is None else "ok" if good else "FAIL"
        self.failed += good is False
        self.lines.append((what, bar, figure, verdict))

    def text(self):
        head = ("what", "bar", "figure", "verdict")
        widths = [max(len(line[column]) for line in [head, *self.lines]) for column in range(3)]
        rows = [head, *self.lines]
        return "\n".join("  ".join([row[0].ljust(widths[0]), *(row[c].rjust(widths[c]) for c in (1, 2)), row[3]]).rstrip() for row in rows)


def events(daemon):
    """Time, type and JSON of all events in the log."""
    with sqlite3.connect(f"file:{daemon.folder / 'asrun.sqlite'}?mode=ro", uri=True) as log:
        rows = log.execute("SELECT ts_ms, event_type, json FROM event ORDER BY ts_ms, id").fetchall()
    return [(ts / 1000 - START.timestamp(), kind, json.loads(event)) for ts, kind, event in rows]


def shares_lines(table, day, row, labels):
    truth = truth_shares(day, labels)
    genres = {label for label in truth if label not in (None, "outage")} | {k for k, v in row["shares"].items() if v >= 0.005}
    for label in sorted(genres, key=lambda label: (-truth[label], label)):
        share, real = row["shares"].get(label, 0.0), truth[label] / day.seconds
        off = 100 * (share - real)
        bar = label not in ("noise", "uncertain")
        table.line(f"  {label}, truth {100 * real:.1f} %", "± 3" if bar else "", f"{100 * share:.1f} % ({off:+.1f})", abs(off) <= 3 if bar else None)
    lost = row["outage"] + row["down"] + row["unheard"]
    real = truth["outage"] / day.seconds
    off = 100 * (lost - real)
    parts = ", ".join(f"{key} {100 * row[key]:.1f}" for key in ("outage", "down", "unheard") if row[key] > 0)
    table.line(f"  not heard, truth {100 * real:.1f} %", "± 3", f"{100 * lost:.1f} % ({off:+.1f}): {parts or 'nothing'}", abs(off) <= 3)
    table.line(f"  jingles, which are anything: truth {100 * truth[None] / day.seconds:.1f} %", "", "")


def judge(day, daemon, settled, table):
    whole = ["--from", at(0), "--to", at(day.seconds)]
    row = json.loads(daemon.report(*whole, "--by", "all", "--format", "json"))["sources"][0]["total"]
    hours = json.loads(daemon.report(*whole, "--by", "hour", "--format", "json"))["sources"][0]["periods"]
    segments = [json.loads(line) for line in daemon.report(*whole, "--segments", "--format", "json").splitlines()]
    logged = Published([(seconds_of(s["start"]), seconds_of(s["end"]), s["label"]) for s in segments])
    told = events(daemon)
    published = Published(spans([(at, event["to"]) for at, kind, event in told if kind == "genre_changed"], run_bounds(day)))
    said = [(at, kind) for at, kind, _ in told]
    tags = [stretch.label for stretch in day.stretches]

    table.line("shares against the tags:", "", "")
    shares_lines(table, day, row, tags)
    table.line("shares against what the head says of each piece:", "", "")
    shares_lines(table, day, row, settled)
    talk_off = max(abs(h["shares"].get("speech", 0.0) - t) for h, t in zip(hours, hourly(day, "speech")))
    table.line("talk share of an hour, worst", "", f"{100 * talk_off:+.1f} points")

    total = sum(row["shares"].values()) + row["outage"] + row["down"] + row["unheard"]
    heard = 100 * sum(end - start for start, end in run_bounds(day)) / day.seconds
    table.line("all parts together", "100 %", f"{100 * total:.4f} %", abs(total - 1) < 1e-4)
    worst = max(abs(sum(h["shares"].values()) + h["outage"] + h["down"] + h["unheard"] - 1) for h in hours)
    table.line("… of each hour, worst", "100 %", f"{100 * (1 - worst):.4f} %", worst < 1e-4)
    table.line("coverage", f"{heard:.2f} %", f"{100 * row['coverage']:.2f} %", abs(100 * row["coverage"] - heard) < 0.1)
    table.line("patches dropped", "0", str(row["dropped"]), row["dropped"] == 0)

    notes = []
    for kind, name in ("dead_air", "dead air"), ("imbalance", "one channel alone"):
        air = alarms(said, day.stretches, kind)
        good = air.planted - len(air.missed)
        table.line(f"{name}: found", f"{air.planted}", f"{good}", not air.missed)
        table.line("  … and its end", f"{good}", f"{good - len(air.late_ends)}", not air.late_ends)
        table.line("  … false alarms", "0", f"{len(air.false_alarms)}", not air.false_alarms)
        if air.delays:
            table.line("  … after, median and longest", "", f"{sorted(air.delays)[len(air.delays) // 2]:.1f} s, {max(air.delays):.1f} s")
        notes += [f"missed {name}: {describe(stretch)}" for stretch in air.missed]
        notes += [f"{name} did not end well: {describe(stretch)}" for stretch in air.late_ends]
        notes += [f"false alarm, {name}, at {clock(alarm)}: {describe(stretch_at(day, alarm))}" for alarm in air.false_alarms]

    for name, labels in ("the head's whole answer", settled), ("the tags", tags):
        tracks_alone = figures(published, day.stretches, labels, lambda stretch: stretch.kind == "music" and stretch.whole)
        everything = figures(published, day.stretches, labels, lambda stretch: stretch.kind in ("music", "speech"))
        to_music = figures(published, day.stretches, labels, lambda stretch: stretch.kind == "music")
        table.line(f"decisions, by {name}:", "", "")
        table.line(f"  false changes an hour, {tracks_alone.hours:.1f} h of unbroken tracks", "≤ 4", f"{tracks_alone.false_per_hour:.2f}", tracks_alone.false_per_hour <= 4)
        table.line(f"  … more than {SETTLES:.0f} s into a track", "", f"{tracks_alone.late / max(tracks_alone.hours, 1e-9):.2f}")
        table.line(f"  false changes an hour, all music and talk, {everything.hours:.1f} h", "", f"{everything.false_per_hour:.2f}")
        delay = everything.delay(0.5)
        table.line(f"  delay after {len(everything.delays)} changes, median", "≤ 8 s", f"{delay:.1f} s", delay <= 8)
        table.line("  … nine in ten", "", f"{everything.delay(0.9):.1f} s")
        table.line(f"  … of {len(to_music.delays)} to music, median", "", f"{to_music.delay(0.5):.1f} s")
        table.line("  … missed", "", f"{everything.missed}")
        table.line("  uncertain", "≤ 15 %", f"{100 * everything.uncertain:.1f} %", everything.uncertain <= 0.15)
        table.line("  time with what is right", "", f"{100 * everything.right:.1f} %")
        hindsight = figures(logged, day.stretches, labels, lambda stretch: stretch.kind in ("music", "speech"))
        table.line("  … in the log", "", f"{100 * hindsight.right:.1f} %")
        notes += [f"{wrong} false changes by {name}: {describe(stretch)}" for wrong, stretch in tracks_alone.worst[:6] if wrong > 1]

    off, too_much = watch(day, tags)
    found = row["off_format"]
    table.line(f"off format, truth {100 * off / day.seconds:.1f} %", "± 3", f"{100 * found:.1f} %", abs(found - off / day.seconds) <= 0.03)
    talk_alarms = [when for when, kind in said if kind == "talk_limit_started"]
    good = len(talk_alarms) == len(too_much) and all(abs(a - b) < 300 for a, b in zip(too_much, talk_alarms))
    table.line("too much talk said", f"{len(too_much)}", f"{len(talk_alarms)}", good)
    return notes


def hourly(day, label):
    """True share of a label in each hour."""
    hours = max(-int(-day.seconds // 3600), 1)
    found = [0.0] * hours
    for stretch in day.stretches:
        for hour in range(hours):
            begin, end = hour * 3600.0, min((hour + 1) * 3600.0, day.seconds)
            if stretch.label == label:
                found[hour] += max(min(stretch.end, end) - max(stretch.start, begin), 0.0) / (end - begin)
    return found


def clock(seconds):
    return f"{int(seconds // 3600):02}:{int(seconds // 60) % 60:02}:{seconds % 60:04.1f}"


def stretch_at(day, seconds):
    return next((stretch for stretch in day.stretches if stretch.start <= seconds < stretch.end), day.stretches[-1])


def describe(stretch):
    more = " ".join(part for part in (stretch.label or "", Path(stretch.track).name, stretch.note) if part)
    return f"{clock(stretch.start)} to {clock(stretch.end)}, {stretch.kind} {more}"


def main():
    given = arguments()
    # So that child processes are stopped and temporary files deleted.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for tool in "ffmpeg", "ffprobe":
        if not shutil.which(tool):
            raise SystemExit(f"broadcast_day: `{tool}` is missing: apt-get install ffmpeg")
    folder = given.keep.resolve() if given.keep else Path(tempfile.mkdtemp(prefix="broadcast-day-"))
    folder.mkdir(parents=True, exist_ok=True)
    if list(folder.glob("asrun.sqlite*")):
        raise SystemExit(f"broadcast_day: `{folder}` already has a log; use another folder")
    try:
        found = tracks(folder_of(given.music, "music"), given.all)
        talks = talk(folder_of(given.speech, "speech"), folder, given.seed)
        day = Day(found, talks, given.hours, given.seed, given.faults)
        program = given.bin.resolve()
        daemon = Daemon(program, folder)
        kinds = {kind: sum(s.end - s.start for s in day.stretches if s.kind == kind) / 60 for kind in dict.fromkeys(s.kind for s in day.stretches)}
        print("minutes: " + ", ".join(f"{kind} {minutes:.1f}" for kind, minutes in kinds.items()), file=sys.stderr)
        settled = settle(program, daemon.environment, day, found)
        took = sum(daemon.hear(begin, sounds) for begin, sounds in day.runs)
        truth = [vars(stretch) | {"settled": label} for stretch, label in zip(day.stretches, settled)]
        (folder / "truth.json").write_text(json.dumps(truth, indent=1))
        whole = ["--from", at(0), "--to", at(day.seconds)]
        for name in "html", "json":
            (folder / f"report.{name}").write_text(daemon.report(*whole, "--by", "hour", "--format", name))
        table = Table()
        notes = judge(day, daemon, settled, table)
        heard = sum(end - start for start, end in run_bounds(day))
        print(f"{day.seconds / 3600:.1f} h, seed {given.seed}, {len(found)} tracks, {heard / took:.0f} × real time\n")
        print(table.text())
        if notes:
            print("\n" + "\n".join(notes))
    finally:
        if given.keep:
            for path in folder.glob("talk*"):
                path.unlink()
        else:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if table.failed else 0)


if __name__ == "__main__":
    main()
