"""Checks of sent, acknowledged and received events. Pure: no I/O, no clock.

Events are identified by source and `seq`, which counts the events of a source from 1 without gaps,
across restarts of the daemon. At most one event per source is in flight, so only the latest can be
repeated.
"""

from dataclasses import dataclass, field

MOST_SHOWN = 20


@dataclass
class Problems:
    """Number of problems by kind, and descriptions of the first ones."""

    counts: dict = field(default_factory=dict)
    shown: list = field(default_factory=list)

    def add(self, kind, text):
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if len(self.shown) < MOST_SHOWN:
            self.shown.append(f"{kind}: {text}")

    def count(self, kind):
        return self.counts.get(kind, 0)


@dataclass
class Line:
    """Events of a source, as first seen."""

    last: int = 0
    events: dict = field(default_factory=dict)
    """By `seq`: `(run, payload)`."""


class Order:
    """Checks that events are in order and that repetitions are identical."""

    def __init__(self, where, problems):
        self.where, self.problems = where, problems
        self.sources, self.duplicates = {}, 0

    def see(self, source, run, seq, payload, when):
        """Records a message. Returns whether it is the first of its event."""
        line = self.sources.setdefault(source, Line())
        at = f"{source} seq {seq} {self.where} at {when}"
        known = line.events.get(seq)
        if known is not None:
            if known != (run, payload):
                self.problems.add("conflicting", f"{at}: {payload}, before {known[1]}")
            elif seq == line.last:
                self.duplicates += 1
            else:
                self.problems.add(self.name_replay(source, seq), f"{at}: comes again after {line.last}")
            return False
        if seq < line.last:
            self.problems.add("reordered", f"{at}: new, after {line.last}")
        elif seq > line.last + 1:
            self.problems.add("skipped", f"{at}: new, directly after {line.last}")
        line.last = max(line.last, seq)
        line.events[seq] = (run, payload)
        return True

    def name_replay(self, _source, _seq):
        """Name of the problem if an event is repeated after a later one."""
        return "replayed"

    def last(self, source):
        line = self.sources.get(source)
        return line.last if line else 0

    def has(self, source, seq):
        line = self.sources.get(source)
        return line is not None and seq in line.events

    def total(self):
        return sum(len(line.events) for line in self.sources.values())

    def check_complete(self, kind, assigned):
        """Checks for missing events. `assigned` is the last `seq` of every source."""
        for source in sorted({*assigned, *self.sources}):
            for seq in range(1, max(assigned.get(source, 0), self.last(source)) + 1):
                if not self.has(source, seq):
                    self.problems.add(kind, f"{source} seq {seq} never {self.where}")
            if self.last(source) > assigned.get(source, 0):
                most = assigned.get(source, 0)
                text = f"{source} seq {self.last(source)} {self.where}, but the outbox assigned {most} at most"
                self.problems.add("conflicting", text)


class Received(Order):
    """Events received by the subscriber."""

    def __init__(self, problems):
        super().__init__("received", problems)
        self.redelivered = 0

    def receive(self, source, run, seq, payload, redelivery, when):
        """Records a received message. `redelivery`: the broker repeats one without
        acknowledgement."""
        line = self.sources.get(source)
        if redelivery and line is not None and line.events.get(seq) == (run, payload):
            self.redelivered += 1
            return
        self.see(source, run, seq, payload, when)


class Sent(Order):
    """Events sent by the daemon, seen by the proxy."""

    def __init__(self, problems):
        super().__init__("sent", problems)
        self.out, self.acknowledged = {}, set()

    def publish(self, connection, packet_id, source, run, seq, payload, when):
        out = self.out.setdefault(connection, {})
        when = f"{when} on connection {connection}"
        for name, earlier in out.values():
            if name == source:
                text = f"{source} seq {seq} sent at {when} before {earlier} is acknowledged"
                self.problems.add("reordered", text)
        if packet_id in out:
            self.problems.add("conflicting", f"packet id {packet_id} used twice at once at {when}")
        out[packet_id] = (source, seq)
        self.see(source, run, seq, payload, when)

    def acknowledge(self, connection, packet_id):
        """Records an acknowledgement. Returns the event's `(source, seq)`; `None` for other
        packets."""
        event = self.out.get(connection, {}).pop(packet_id, None)
        if event is not None:
            self.acknowledged.add(event)
        return event

    def name_replay(self, source, seq):
        """A later event must not be sent before the acknowledgement of an earlier one."""
        return "replayed" if (source, seq) in self.acknowledged else "reordered"

    def closed(self, connection):
        self.out.pop(connection, None)

    def check_acknowledged(self, assigned):
        """Checks for missing events. `assigned` is the last `seq` of every source."""
        for source in sorted({*assigned, *self.sources}):
            for seq in range(1, max(assigned.get(source, 0), self.last(source)) + 1):
                if (source, seq) not in self.acknowledged:
                    how = "sent, but" if self.has(source, seq) else "neither sent nor"
                    self.problems.add("unacknowledged", f"{source} seq {seq} was {how} acknowledged")
