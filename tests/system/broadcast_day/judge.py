"""Comparison of the report with the truth. Pure."""

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass

from plan import BELONGS_FOR, FORMAT, OFF_FORMAT_AFTER, TALK_LIMIT

STATES = ("speech", "noise", "uncertain", "silence")
SETTLES = 15.0
ENDS_WITHIN = 12.0
"""Seconds after a planted stretch within which its end has to be said."""


def truth_shares(day, labels):
    """Seconds by label; by `None` where the truth is undefined; by `outage` for outages."""
    found = defaultdict(float)
    for stretch, label in zip(day.stretches, labels):
        name = "outage" if stretch.kind == "outage" else label
        found[name] += stretch.end - stretch.start
    return found


def spans(changes, runs):
    """Start, end and genre of published segments, from changes `(time, genre)`. A run begins as
    `uncertain`."""
    found = []
    for begin, stop in runs:
        start, genre = begin, "uncertain"
        for at, to in changes:
            # The last patch of a run may end slightly after it.
            if begin <= at <= stop + 0.5:
                found.append((start, at, genre))
                start, genre = at, to
        found.append((start, max(stop, start), genre))
    return found


class Published:
    """Genre over time, as published or logged."""

    def __init__(self, segments):
        """`segments` are start, end and label, in seconds of the day, in order."""
        self.at, self.what = [0.0], ["uncertain"]
        end = 0.0
        for start, stop, label in segments:
            if start > end + 0.5:
                self._from(end, "unheard")
            self._from(start, label)
            end = stop

    def _from(self, time, label):
        if self.what[-1] != label:
            self.at.append(time)
            self.what.append(label)

    def before(self, time):
        return self.what[max(bisect_left(self.at, time), 1) - 1]

    def within(self, start, end):
        first, after = max(bisect_left(self.at, start), 1), max(bisect_left(self.at, end), 1)
        return list(zip(self.at[first:after], self.what[first:after]))


@dataclass
class Figures:
    """Figures as of `genred eval --stream` (docs/guide/evaluation.md), over the selected stretches.

    A change to `uncertain` at the end of planned dead air is not a false change."""

    hours: float
    false_changes: int
    delays: list
    uncertain: float
    right: float
    late: int
    """False changes more than `SETTLES` seconds into a stretch."""
    worst: list

    @property
    def false_per_hour(self):
        return self.false_changes / max(self.hours, 1e-9)

    @property
    def missed(self):
        return sum(delay == float("inf") for delay in self.delays)

    def delay(self, share):
        ordered = sorted(self.delays)
        return ordered[max(-int(-share * len(ordered) // 1), 1) - 1] if ordered else float("nan")


def figures(published, stretches, labels, asked):
    """Computes the figures of the stretches that `asked` accepts."""
    seconds = false = late = uncertain = right_time = 0
    delays, worst, last = [], [], None
    was_dead = None
    for stretch, right in zip(stretches, labels):
        if right is None:
            # After a jingle, a change begins at its end; after an outage, no state is carried over.
            last = None if stretch.kind == "outage" else last
            continue
        changes = published.within(stretch.start, stretch.end)
        before = published.before(stretch.start)
        hit = next((at for at, label in changes if label == right), None)
        heard = None
        if stretch.alarm != "dead_air" and was_dead and before == was_dead and changes and changes[0][1] == "uncertain" and changes[0][0] - stretch.start <= SETTLES:
            heard = changes[0][0]
        was_dead = stretch.label if stretch.alarm == "dead_air" else None
        if asked(stretch):
            wrong = max(len(changes) - int(before != right and hit is not None) - int(heard is not None), 0)
            false += wrong
            real = hit if before != right else None
            late += sum(at not in (real, heard) and at - stretch.start > SETTLES for at, _ in changes)
            worst.append((wrong, stretch))
            seconds += stretch.end - stretch.start
            if before != right and last not in (None, right):
                delays.append(float("inf") if hit is None else hit - stretch.start)
            edges = [stretch.start, *(at for at, _ in changes), stretch.end]
            for label, start, end in zip([before, *(label for _, label in changes)], edges, edges[1:]):
                uncertain += (end - start) * (label == "uncertain")
                right_time += (end - start) * (label == right)
        last = right
    worst.sort(key=lambda found: -found[0])
    return Figures(seconds / 3600, false, delays, uncertain / max(seconds, 1e-9), right_time / max(seconds, 1e-9), late, worst)


@dataclass
class Alarms:
    planted: int
    missed: list
    late_ends: list
    false_alarms: list
    delays: list


def alarms(events, stretches, kind):
    """Checks that every planned stretch is detected exactly once, begins and ends in time, and that
    there are no false alarms. `events` are `(time, type)`."""
    starts = [at for at, event in events if event == f"{kind}_started"]
    ends = [at for at, event in events if event == f"{kind}_ended"]
    planted = [stretch for stretch in stretches if stretch.alarm == kind]
    found = Alarms(len(planted), [], [], [], [])
    taken = set()
    for stretch in planted:
        # Loudness covers three seconds, so a short event may be reported just after its end.
        short = stretch.end - stretch.start <= stretch.within
        inside = [at for at in starts if stretch.start <= at <= stretch.end + short]
        taken.update(inside)
        first = next((at for at in inside if short or at <= stretch.start + stretch.within), None)
        if first is None:
            found.missed.append(stretch)
            continue
        found.delays.append(first - stretch.start)
        if len(inside) > 1 or not any(stretch.end - 1.0 <= at <= stretch.end + ENDS_WITHIN for at in ends):
            found.late_ends.append(stretch)
    found.false_alarms = [at for at in starts if at not in taken]
    return found


def watch(day, labels):
    """Seconds off format and times of excessive talk, by the rules of docs/reference/mqtt.md on the
    truth."""
    off_total, alarms = 0.0, []
    for begin, stop in run_bounds(day):
        off, off_since, belonging, talk, too_much = 0.0, None, 0.0, [], False
        for stretch, label in zip(day.stretches, labels):
            start, end = max(stretch.start, begin), min(stretch.end, stop)
            if start >= end or stretch.kind == "outage":
                continue
            if label not in (None, *STATES):
                if label in FORMAT:
                    belonging += end - start
                    if belonging >= BELONGS_FOR:
                        if off_since is not None:
                            off_total += end - (belonging - BELONGS_FOR) - off_since
                        off, off_since = 0.0, None
                else:
                    belonging = 0.0
                    if off + end - start >= OFF_FORMAT_AFTER and off_since is None:
                        off_since = start + max(OFF_FORMAT_AFTER - off, 0.0)
                    off += end - start
            if label == "speech":
                talk.append((start, end))
            for minute in range(int(start // 60), int(end // 60) + 1):
                now = min(max(minute * 60.0, start), end)
                spoken = sum(max(min(b, now) - max(a, now - 3600.0), 0.0) for a, b in talk) / 3600.0
                if not too_much and spoken > TALK_LIMIT:
                    too_much = True
                    alarms.append(now)
                elif too_much and spoken < 0.9 * TALK_LIMIT:
                    too_much = False
        if off_since is not None:
            off_total += stop - off_since
    return off_total, alarms


def run_bounds(day):
    """Start and end of each run, in seconds of the day."""
    starts = [start for start, _ in day.runs]
    return [(start, start + sum(sound.seconds for sound in sounds)) for start, (_, sounds) in zip(starts, day.runs)]
