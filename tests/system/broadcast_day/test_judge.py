"""Tests that the criteria can fail: `python3 -m unittest discover -s
tests/system/broadcast_day`."""

import unittest
from types import SimpleNamespace

from judge import Published, alarms, figures, spans, truth_shares, watch
from plan import Day, Stretch
from settled import verdict
from sound import RATE, Sound


def stretches(*parts):
    """Consecutive stretches from `(end, kind, label)`."""
    made, start = [], 0.0
    for end, kind, label in parts:
        made.append(Stretch(start, end, kind, label, alarm="dead_air" if kind == "silence" else "", within=12.0, whole=kind == "music"))
        start = end
    return made


def judged(segments, parts, asked=lambda stretch: True):
    made = stretches(*parts)
    return figures(Published(segments), made, [stretch.label for stretch in made], asked)


class Decisions(unittest.TestCase):
    PARTS = [(1000, "music", "rock"), (2000, "music", "jazz"), (3000, "music", "jazz"), (3600, "speech", "speech")]

    def test_counts_as_the_program_does(self):
        # The scripted hour of src/study/stream/figures.rs, where the first label is not a change.
        edges = [
            (0, "uncertain"), (4, "pop"), (10, "rock"), (1006, "pop"), (1009, "jazz"), (1500, "uncertain"),
            (1510, "jazz"), (2100, "blues"), (2700, "jazz"), (3003, "speech"), (3600, ""),
        ]  # fmt: skip
        found = judged([(a, b, what) for (a, what), (b, _) in zip(edges, edges[1:])], self.PARTS)
        self.assertEqual(found.false_changes, 6)
        # Within 15 s of a join are `pop` at 4 and at 1006.
        self.assertEqual(found.late, 4)
        self.assertEqual(found.delays, [9, 3])
        self.assertEqual((found.delay(0.5), found.delay(0.9)), (3, 9))
        self.assertAlmostEqual(found.uncertain * 3600, 14)
        self.assertAlmostEqual(found.right * 3600, 990 + 981 + 400 + 597)

    def test_a_change_that_never_comes_takes_for_ever(self):
        found = judged([(0, 2000, "rock")], [(1000, "music", "rock"), (2000, "music", "jazz")])
        self.assertEqual((found.delays, found.missed, found.false_changes), ([float("inf")], 1, 0))

    def test_nothing_is_said_yet_after_silence(self):
        parts = [(100, "silence", "silence"), (200, "music", "rock"), (300, "music", "jazz")]
        found = judged([(0, 102, "silence"), (102, 104, "uncertain"), (104, 150, "rock"), (150, 160, "uncertain"), (160, 300, "rock")], parts)
        self.assertEqual(found.false_changes, 2)

    def test_what_is_published_follows_from_the_changes(self):
        found = spans([(4, "rock"), (50, "jazz"), (105, "rock")], [(0, 60), (100, 160)])
        self.assertEqual(found, [(0, 4, "uncertain"), (4, 50, "rock"), (50, 60, "jazz"), (100, 105, "uncertain"), (105, 160, "rock")])

    def test_what_is_not_asked_about_does_not_count(self):
        found = judged([(0, 500, "rock"), (500, 2000, "pop")], self.PARTS, lambda stretch: stretch.start == 1000)
        self.assertEqual((found.false_changes, round(found.hours * 3600)), (0, 1000))


class Alarms(unittest.TestCase):
    PARTS = [(100, "music", "rock"), (130, "silence", "silence"), (500, "music", "rock")]

    def found(self, *events):
        air = alarms([(at, f"dead_air_{what}") for at, what in events], stretches(*self.PARTS), "dead_air")
        return len(air.missed), len(air.late_ends), len(air.false_alarms)

    def test_is_found_once_and_ends(self):
        self.assertEqual(self.found((105, "started"), (133, "ended")), (0, 0, 0))

    def test_is_missed_where_nothing_is_said_or_too_late(self):
        self.assertEqual(self.found(), (1, 0, 0))
        self.assertEqual(self.found((129, "started"), (133, "ended")), (1, 0, 0))

    def test_has_to_end(self):
        self.assertEqual(self.found((105, "started")), (0, 1, 0))
        self.assertEqual(self.found((105, "started"), (200, "ended")), (0, 1, 0))

    def test_that_was_not_planted_is_a_false_alarm(self):
        self.assertEqual(self.found((105, "started"), (133, "ended"), (300, "started"), (303, "ended")), (0, 0, 1))

    def test_that_flaps_did_not_end(self):
        self.assertEqual(self.found((105, "started"), (115, "ended"), (118, "started"), (133, "ended")), (0, 1, 0))


class Truth(unittest.TestCase):
    def day(self, *parts):
        made = stretches(*parts)
        return SimpleNamespace(stretches=made, seconds=made[-1].end, runs=[(0.0, [Sound(round(made[-1].end * RATE))])])

    def test_off_format_begins_after_its_time_and_ends_with_fifteen_seconds_of_its_own(self):
        parts = [(400, "music", "metal"), (500, "speech", "speech"), (1000, "music", "metal"), (1100, "music", "classical")]
        day = self.day(*parts)
        # 400 s, and 200 s after the talk.
        self.assertEqual(watch(day, [s.label for s in day.stretches]), (315.0, []))
        parts = [(600, "music", "metal"), (610, "music", "classical"), (1210, "music", "metal"), (1310, "music", "classical")]
        day = self.day(*parts)
        self.assertEqual(watch(day, [s.label for s in day.stretches]), (625.0, []))

    def test_talk_is_too_much_after_its_share_of_an_hour(self):
        day = self.day((600, "music", "classical"), (2000, "speech", "speech"), (9000, "music", "classical"))
        _, alarms = watch(day, [s.label for s in day.stretches])
        self.assertEqual([alarm // 60 for alarm in alarms], [(600 + 1080) // 60 + 1])

    def test_shares_leave_nothing_out(self):
        day = self.day((10, "music", "rock"), (13, "jingle", None), (20, "speech", "speech"), (30, "outage", None))
        self.assertEqual(truth_shares(day, [s.label for s in day.stretches]), {"rock": 10, None: 3, "speech": 7, "outage": 10})


class Plan(unittest.TestCase):
    def test_is_as_long_as_asked_and_without_a_hole(self):
        def track(name, genre, seconds):
            return SimpleNamespace(name=name, path=name, genre=genre, seconds=seconds, mean_db=-18.0, loud=lambda gain=0.0: (1.0, seconds - 1.0))

        music = [track(f"{genre}{n}", genre, 150.0 + 40 * n) for genre in ("classical", "metal", "electronic") for n in range(5)]
        talks = [track("a", "speech", 900.0)]
        day, again = (Day(music, talks, 5, 3) for _ in range(2))
        self.assertEqual(day.stretches, again.stretches)
        self.assertAlmostEqual(day.seconds, 5 * 3600, places=3)
        for before, after in zip(day.stretches, day.stretches[1:]):
            self.assertAlmostEqual(before.end, after.start, places=9)
            self.assertGreater(before.end, before.start)
        self.assertEqual(len(day.runs), 2)
        planted = [s.end - s.start for s in day.stretches if s.kind == "silence"]
        self.assertEqual(len(planted), 10)
        self.assertTrue(min(planted) >= 4.999 and max(planted) <= 120.001, planted)


class Settled(unittest.TestCase):
    def test_is_the_mean_of_the_part_that_was_played(self):
        def window(start, state, **scores):
            return {"start": start, "end": start + 3, "state": state, "scores": scores}

        windows = [window(0, "music", rock=0.9, jazz=0.1), window(3, "music", rock=0.4, jazz=0.6), window(6, "speech", rock=0.9, jazz=0.1), window(9, "music", rock=0.3, jazz=0.7)]
        self.assertEqual(verdict(windows, 0, 12), "rock")
        self.assertEqual(verdict(windows, 3, 9), "jazz")
        self.assertEqual(verdict(windows, 6, 4), "speech")
        self.assertIsNone(verdict(windows, 20, 4))


if __name__ == "__main__":
    unittest.main()
