"""How still decisions hold against how soon they move: the operating curve of the decision stage on real streams.

    python -m genred_training.tune_decision lists --music INDEX.csv --out DIR     # what is to be played
    python -m genred_training.tune_decision play DIR --genred PATH                # posteriors, by the daemon's own way
    python -m genred_training.tune_decision curve DIR --tags FOLDER               # tables in Markdown
    python -m genred_training.tune_decision search DIR --tags FOLDER              # other settings, chosen on half a

`INDEX.csv` has the columns `path` and `seconds`, `group` (tracks of one group stay on one side: an album, a package) and optionally `genre`.
Groups are dealt to two halves: settings are chosen on `a` and reported on `b`.
"""

import argparse
import csv
import json
import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from . import tag_streams as tag_tracks
from .clips import block
from .decision import UNCERTAIN, Config, decide, shares
from .gtzan import GENRES

HALVES = ("a", "b")


# What is to be played


def write_lists(music: Path, out: Path, seed: int, longest: float) -> None:
    with music.open(newline="") as file:
        tracks = [row for row in csv.DictReader(file) if float(row["seconds"] or 0) >= 45]
    groups = sorted({track["group"] for track in tracks})
    out.mkdir(parents=True, exist_ok=True)
    for half, name in enumerate(HALVES):
        chance = random.Random(f"{seed}{name}")
        mine = [track for track in tracks if groups.index(track["group"]) % 2 == half]
        chance.shuffle(mine)
        whole = [(track, 0.0, min(float(track["seconds"]), longest)) for track in mine]
        _write(out / f"long-{name}.csv", whole, music.parent)
        chance.shuffle(mine)
        tagged = [track for track in mine if track.get("genre")]
        _write(out / f"tagged-{name}.csv", [_part(track, chance, 20, 40) for track in _alternate(tagged, chance)], music.parent)


def _part(track: dict, chance: random.Random, shortest: float, longest: float) -> tuple:
    seconds = chance.uniform(shortest, longest)
    return track, chance.uniform(0, float(track["seconds"]) - seconds - 1), seconds


def _alternate(tracks: list[dict], chance: random.Random, pieces: int = 120) -> list[dict]:
    """Tracks in an order in which neighbours are of different genres, drawn genre by genre."""
    genres = sorted({track["genre"] for track in tracks})
    order: list[dict] = []
    while len(genres) > 1 and len(order) < pieces:
        genre = chance.choice([genre for genre in genres if not order or genre != order[-1]["genre"]])
        order.append(chance.choice([track for track in tracks if track["genre"] == genre]))
    return order


def _write(path: Path, parts: list[tuple], folder: Path) -> None:
    if not parts:
        return
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "start", "seconds"])
        for track, start, seconds in parts:
            rows.writerow([(folder / track["path"]).resolve(), track.get("genre") or "", round(start, 3), round(seconds, 3)])


def play(folder: Path, genred: str, head: str | None) -> None:
    for path in sorted(folder.glob("*.csv")):
        command = [genred, "eval", "--stream", str(path), "--json", "--windows"]
        with path.with_suffix(".json").open("w") as out:
            subprocess.run(command + (["--head", head] if head else []), stdout=out, check=True)
        print(path.with_suffix(".json"))


# What is made of it


@dataclass
class Stream:
    """A stream as it was played."""

    name: str
    labels: list[str]
    """Labels, then `speech` and `noise`."""
    times: np.ndarray
    patches: np.ndarray
    starts: np.ndarray
    pieces: list[tuple[float, float, int]]
    """Start and end in seconds, and the state that the head settles on; -2 for none of them."""
    changes: list[tuple[float, str]]


def read(path: Path) -> Stream:
    line = json.loads(path.read_text())
    labels = [*line["labels"], "speech", "noise"]
    windows = [window for window in line["windows"] if window["lufs_s"] >= -60]
    gate = None if windows[0]["gate"] is None else np.array([window["gate"] for window in windows])
    pieces = [
        (piece["start"], piece["end"], labels.index(piece["settled"]) if piece["settled"] in labels else -2)
        for piece in line["piece_list"]
    ]
    return Stream(
        path.stem,
        labels,
        np.array([window["end"] for window in windows]),
        shares(np.array([window["posteriors"] for window in windows]), gate),
        np.array([window["start"] for window in windows]),
        pieces,
        [(change["at"], change["genre"]) for change in line["changes"]],
    )


@dataclass
class Figures:
    """See `StreamFigures` of the program, which these equal on a stream."""

    seconds: float = 0.0
    false: int = 0
    uncertain: float = 0.0
    right: float = 0.0
    delays: tuple[float, ...] = ()

    @property
    def false_per_hour(self) -> float:
        return 3600 * self.false / max(self.seconds, 1e-9)

    def delay(self, share: float) -> float:
        """The smallest delay that at least this share do not exceed; what is missed takes for ever."""
        delays = sorted(self.delays)
        return delays[max(int(np.ceil(share * len(delays))), 1) - 1] if delays else float("nan")

    @property
    def missed(self) -> float:
        return float(np.mean(np.isinf(self.delays))) if self.delays else float("nan")


def judge(times: np.ndarray, published: np.ndarray, pieces: list[tuple[float, float, int]]) -> Figures:
    """Judges what was published after patches that end at `times` by what is right in each piece."""
    at = np.concatenate([[0.0], times])
    what = np.concatenate([[UNCERTAIN], published])
    keep = np.concatenate([[True], what[1:] != what[:-1]])
    at, what = at[keep], what[keep]
    figures, delays, last = Figures(), [], None
    for index, (start, end, right) in enumerate(pieces):
        if right == -2:
            continue
        first, after = max(np.searchsorted(at, start), 1), max(np.searchsorted(at, end), 1)
        before = what[first - 1]
        inside = range(first, after)
        hit = next((change for change in inside if what[change] == right), None)
        if index == 0:
            figures.false += max(len(inside) - 1, 0)
        else:
            figures.false += len(inside) - int(before != right and hit is not None)
            if before != right and last not in (None, right):
                delays.append(np.inf if hit is None else at[hit] - start)
        last = right
        figures.seconds += end - start
        edges = [start, *at[first:after], end]
        for state, begin, stop in zip([before, *what[first:after]], edges, edges[1:]):
            figures.right += (stop - begin) * (state == right)
            figures.uncertain += (stop - begin) * (state == UNCERTAIN)
    figures.delays = tuple(delays)
    return figures


Decisions = Callable[[Stream], np.ndarray]
"""What is published after each patch of a stream."""


def alone(stream: Stream, decisions: Decisions) -> Figures:
    """Each piece on its own, from a start that knows nothing: the patches that cross no join."""
    total = Figures()
    for start, end, right in stream.pieces:
        mine = (stream.starts >= start) & (stream.times <= end)
        if mine.sum() < 2:
            continue
        part = replace(stream, times=stream.times[mine] - start, patches=stream.patches[mine])
        found = judge(part.times, decisions(part), [(0.0, end - start, right)])
        total.seconds += found.seconds
        total.false += found.false
        total.uncertain += found.uncertain
        total.right += found.right
    return total


def average(stream: Stream, time_constant: float, enter: float, leave: float, margin: float, dwell: float) -> np.ndarray:
    """What an exponential average with hysteresis would publish, for comparison."""
    mean, weight, held, since = np.zeros(stream.patches.shape[1]), 0.0, UNCERTAIN, -np.inf
    published = np.empty(len(stream.times), int)
    for index, (time, patch) in enumerate(zip(stream.times, stream.patches)):
        kept = 1.0 if index == 0 else np.exp(-(time - stream.times[index - 1]) / time_constant)
        mean, weight = mean * kept + patch, weight * kept + 1
        smoothed = mean / weight
        best = int(smoothed.argmax())
        if time - since >= dwell:
            entering = best if smoothed[best] >= enter else UNCERTAIN
            following = held
            if held == UNCERTAIN or smoothed[held] < leave:
                following = entering
            elif smoothed[best] >= smoothed[held] + margin and entering != UNCERTAIN:
                following = entering
            if following != held:
                held, since = following, time
        published[index] = held
    return published


def clear(stream: Stream, least: float = 0.5) -> Stream:
    """The stream, judged only in pieces of which the head is sure: their mean posterior reaches `least`."""
    pieces = []
    for start, end, right in stream.pieces:
        mine = (stream.starts >= start) & (stream.times <= end)
        sure = mine.any() and stream.patches[mine].mean(0).max() >= least
        pieces.append((start, end, right if sure else -2))
    return replace(stream, pieces=pieces)


def tag_streams(folder: Path) -> dict[str, Stream]:
    """A stream of GTZAN tracks for each half, by blocks of ten."""
    known = tag_tracks.tracks(folder)
    blocks = sorted({block(name) for name, _, _ in known})
    streams = {}
    for half, name in enumerate(HALVES):
        mine = [track for track in known if blocks.index(block(track[0])) % 2 == half]
        times, starts, posteriors, pieces = tag_tracks.join(mine, half)
        found = [(start, end, int(right)) for start, end, right in pieces]
        labels = [*GENRES, "speech", "noise"]
        streams[f"gtzan-{name}"] = Stream(f"gtzan-{name}", labels, times, shares(posteriors), starts, found, [])
    return streams


# What is printed


def check(stream: Stream) -> int:
    """Changes that the program publishes and this module does not, or the other way round.

    This module knows no silence: each one that the program publishes counts, and so does what follows it.
    """
    published = decide(stream.times, stream.patches, Config())
    names = [*stream.labels, "uncertain"]
    mine = [(round(float(time), 3), names[state]) for time, state in zip(stream.times, published)]
    mine = [change for change, previous in zip(mine, [(0, "uncertain"), *mine]) if change[1] != previous[1]]
    return len(set(mine) ^ set(stream.changes))


@dataclass
class Operating:
    """Figures of one half."""

    long: Figures
    """Each long track alone."""
    gtzan: Figures | None
    """Each GTZAN track alone."""
    joined: Figures | None
    """GTZAN tracks, one after the other."""
    tagged: Figures
    """Short pieces of tagged tracks, one after the other, where the head is sure."""

    def row(self, name: str) -> str:
        cells = [name]
        for found in (self.long, self.gtzan):
            if found is None:
                cells += ["–", "–"]
            else:
                cells += [f"{found.false_per_hour:.1f}", f"{100 * found.uncertain / found.seconds:.0f} %"]
        for found in (self.joined, self.tagged):
            cells += ["–"] * 3 if found is None else [
                f"{found.delay(0.5):.1f}", f"{100 * found.missed:.0f} %", f"{100 * found.right / found.seconds:.0f} %"
            ]  # fmt: skip
        return "| " + " | ".join(cells) + " |"


HEADER = (
    "| settings | long: false/h | uncertain | GTZAN: false/h | uncertain | joined GTZAN: delay, s | missed | right "
    "| tagged: delay, s | missed | right |\n" + "|---" * 11 + "|"
)


def operating(streams: dict[str, Stream], half: str, decisions: Decisions) -> Operating:
    def whole(stream: Stream) -> Figures:
        return judge(stream.times, decisions(stream), stream.pieces)

    gtzan = streams.get(f"gtzan-{half}")
    return Operating(
        alone(streams[f"long-{half}"], decisions),
        alone(gtzan, decisions) if gtzan else None,
        whole(gtzan) if gtzan else None,
        whole(clear(streams[f"tagged-{half}"])),
    )


def of(config: Config) -> Decisions:
    return lambda stream: decide(stream.times, stream.patches, config)


def load(folder: Path, tags: Path | None) -> dict[str, Stream]:
    streams = {path.stem: read(path) for path in sorted(folder.glob("*.json"))}
    return streams | (tag_streams(tags) if tags else {})


def curve(streams: dict[str, Stream]) -> None:
    for name, stream in streams.items():
        differ = f", {check(stream)} changes differ from the program's" if stream.changes else ""
        print(f"{name}: {len(stream.pieces)} pieces, {stream.pieces[-1][1] / 3600:.2f} h{differ}")
    settings = [("defaults", of(Config()))]
    for key, values in SWEEPS.items():
        settings += [(f"`{key}` {value}", of(replace(Config(), **{key: value}))) for value in values]
    for values in AVERAGES:
        name = "average of {} s, enter {}, leave {}, margin {}, {} s".format(*values)
        settings.append((name, lambda stream, values=values: average(stream, *values)))
    settings.append(("best label of each patch", lambda stream: stream.patches.argmax(axis=1)))
    for half in HALVES:
        print(f"\n<!-- half {half} -->\n{HEADER}")
        for name, decisions in settings:
            print(operating(streams, half, decisions).row(name), flush=True)


AVERAGES = ((8.0, 0.5, 0.35, 0.2, 4.0), (8.0, 0.3, 0.2, 0.15, 4.0))
SWEEPS = {
    "change_distance": (0.4, 0.5, 0.65, 0.75),
    "change_seconds": (0.75, 1.0, 2.5, 4.0),
    "lead": (0.4, 1.25, 2.0),
    "clear": (0.0, 0.5, 0.9),
    "replace": (50.0, 100.0, 250.0),
    "memory": (150.0, 300.0, 1200.0),
}


def search(streams: dict[str, Stream], trials: int, seed: int, goal: float) -> None:
    """Settings with at most `goal` false changes an hour on half `a`, and little delay and much that is right there."""
    chance = np.random.default_rng(seed)
    ranges = {"change_distance": (0.35, 0.85), "change_seconds": (0.3, 4.0), "lead": (0.4, 2.5), "replace": (40.0, 300.0), "memory": (100.0, 900.0)}

    def cost(found: Operating) -> float:
        parts = [part for part in (found.long, found.gtzan, found.joined, found.tagged) if part]
        value = -sum(part.right / part.seconds for part in parts)
        for part in (found.long, found.gtzan):
            if part:
                value += 3 * max(np.log(max(part.false_per_hour, 0.1) / goal), 0)
                value += 10 * max(part.uncertain / part.seconds - 0.15, 0)
        for part in (found.joined, found.tagged):
            if part:
                value += 0.2 * max(min(part.delay(0.5), 30.0) - 5.0, 0) + 2 * part.missed
        return value

    best: list[tuple[float, Config]] = []
    for trial in range(trials):
        if trial < trials // 3:
            values = {key: float(np.exp(chance.uniform(*np.log(bounds)))) for key, bounds in ranges.items()}
        else:
            parent = best[chance.integers(0, min(5, len(best)))][1]
            values = {key: getattr(parent, key) for key in ranges}
            for key in chance.choice(list(ranges), 2, replace=False):
                values[key] *= float(np.exp(chance.normal(0, 0.2)))
        values["change_distance"] = min(values["change_distance"], 0.95)
        config = replace(Config(), **values)
        best.append((cost(operating(streams, "a", of(config))), config))
        best.sort(key=lambda found: found[0])
        best = best[:20]
    print(HEADER)
    for found, config in best[:3]:
        print(f"{found:.3f} {config}")
        for half in HALVES:
            print(operating(streams, half, of(config)).row(half))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    lists = commands.add_parser("lists")
    lists.add_argument("--music", type=Path, required=True)
    lists.add_argument("--out", type=Path, required=True)
    lists.add_argument("--longest", type=float, default=300.0, help="seconds of a track that are played at most")
    lists.add_argument("--seed", type=int, default=1)
    playing = commands.add_parser("play")
    playing.add_argument("folder", type=Path)
    playing.add_argument("--genred", default="genred")
    playing.add_argument("--head")
    drawing = commands.add_parser("curve")
    drawing.add_argument("folder", type=Path)
    drawing.add_argument("--tags", type=Path, help="tag activations of GTZAN tracks")
    searching = commands.add_parser("search")
    searching.add_argument("folder", type=Path)
    searching.add_argument("--tags", type=Path, help="tag activations of GTZAN tracks")
    searching.add_argument("--trials", type=int, default=150)
    searching.add_argument("--goal", type=float, default=2.0)
    searching.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if args.command == "lists":
        write_lists(args.music, args.out, args.seed, args.longest)
    elif args.command == "play":
        play(args.folder, args.genred, args.head)
    elif args.command == "curve":
        curve(load(args.folder, args.tags))
    else:
        search(load(args.folder, args.tags), args.trials, args.seed, args.goal)


if __name__ == "__main__":
    main()
