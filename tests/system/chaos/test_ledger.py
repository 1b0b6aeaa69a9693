"""Tests that the checks can fail: `python3 -m unittest discover -s tests/system/chaos`."""

import unittest

from ledger import Problems, Received, Sent
from packets import PUBLISH, Packets, acknowledge, connect, has_will, publication


def received(*messages, assigned=None):
    """Problems of received messages, each `seq`, `(seq, run)` or `(seq, run, redelivery)`."""
    problems = Problems()
    ledger = Received(problems)
    for message in messages:
        given = message if isinstance(message, tuple) else (message,)
        seq, run, redelivery = given + ("r1", False)[len(given) - 1 :]
        ledger.receive("a", run, seq, f"event {seq} of {run}", redelivery, "0 s")
    if assigned:
        ledger.check_complete("missing", {"a": assigned})
    return ledger, problems.counts


class TheSubscriber(unittest.TestCase):
    def test_takes_an_unbroken_row(self):
        ledger, problems = received(1, 2, (3, "r2"), assigned=3)
        self.assertEqual((problems, ledger.duplicates, ledger.total()), ({}, 0, 3))

    def test_takes_the_newest_again(self):
        ledger, problems = received(1, 2, 2, 2, 3, assigned=3)
        self.assertEqual((problems, ledger.duplicates), ({}, 2))

    def test_takes_what_the_broker_redelivers(self):
        ledger, problems = received(1, 2, 3, (2, "r1", True), (3, "r1", True), assigned=3)
        self.assertEqual((problems, ledger.redelivered, ledger.duplicates), ({}, 2, 0))

    def test_sees_a_hole(self):
        self.assertEqual(received(1, 3, assigned=3)[1], {"skipped": 1, "missing": 1})

    def test_sees_that_the_first_or_last_is_missing(self):
        self.assertEqual(received(2, 3, assigned=4)[1], {"skipped": 1, "missing": 2})
        self.assertEqual(received(assigned=2)[1], {"missing": 2})

    def test_sees_a_new_one_after_a_later_one(self):
        self.assertEqual(received(1, 3, 2, assigned=3)[1], {"skipped": 1, "reordered": 1})

    def test_sees_an_old_one_again(self):
        self.assertEqual(received(1, 2, 1, assigned=2)[1], {"replayed": 1})

    def test_sees_a_row_that_begins_again(self):
        self.assertEqual(received(1, 2, (1, "r2"), (2, "r2"), assigned=2)[1], {"conflicting": 2})

    def test_does_not_take_a_redelivery_for_another_event(self):
        self.assertEqual(received(1, (1, "r2", True), assigned=1)[1], {"conflicting": 1})

    def test_sees_a_seq_that_nobody_assigned(self):
        self.assertEqual(received(1, 2, assigned=1)[1], {"conflicting": 1})


class TheProxy(unittest.TestCase):
    def setUp(self):
        self.problems = Problems()
        self.ledger = Sent(self.problems)

    def publish(self, seq, packet_id, connection=1, source="a"):
        self.ledger.publish(connection, packet_id, source, "r", seq, f"event {seq}", "0 s")

    def check(self, **expected):
        self.ledger.check_complete("unsent", {"a": 2})
        self.ledger.check_acknowledged({"a": 2})
        self.assertEqual(self.problems.counts, expected)

    def test_takes_one_after_the_other(self):
        for seq in 1, 2:
            self.publish(seq, 7)
            self.assertEqual(self.ledger.acknowledge(1, 7), ("a", seq))
        self.check()

    def test_takes_another_connection(self):
        self.publish(1, 7)
        self.ledger.closed(1)
        self.publish(1, 9, connection=2)
        self.ledger.acknowledge(2, 9)
        self.publish(2, 9, connection=2)
        self.ledger.acknowledge(2, 9)
        self.check()
        self.assertEqual(self.ledger.duplicates, 1)

    def test_sees_two_in_flight(self):
        self.publish(1, 7)
        self.publish(2, 8)
        self.ledger.acknowledge(1, 8)
        self.ledger.acknowledge(1, 7)
        self.check(reordered=1)

    def test_does_not_mind_other_sources(self):
        for source, packet_id in ("a", 1), ("b", 2):
            self.publish(1, packet_id, source=source)
        self.assertEqual(self.problems.counts, {})

    def test_sees_what_was_never_acknowledged(self):
        self.publish(1, 7)
        self.ledger.acknowledge(1, 7)
        self.publish(2, 7)
        self.ledger.closed(1)
        self.ledger.acknowledge(2, 7)
        self.check(unacknowledged=1)

    def test_sees_what_was_never_sent(self):
        self.publish(1, 7)
        self.ledger.acknowledge(1, 7)
        self.check(unsent=1, unacknowledged=1)

    def test_sees_what_is_sent_again_after_a_later_one(self):
        for connection in 1, 2:
            for seq in 1, 2:
                self.publish(seq, seq, connection)
                self.ledger.acknowledge(connection, seq)
        self.check(replayed=1)
        self.assertEqual(self.ledger.duplicates, 1)

    def test_sees_the_wrong_order_on_a_new_connection(self):
        self.publish(1, 7)
        self.ledger.closed(1)
        self.publish(2, 1, connection=2)
        self.ledger.acknowledge(2, 1)
        self.publish(1, 2, connection=2)
        self.ledger.acknowledge(2, 2)
        self.check(reordered=1)


class Bytes(unittest.TestCase):
    def test_are_cut_into_packets_however_they_come(self):
        body = b"\x00\x01t" + b"\x01\x02" + b"x" * 200
        stream = bytes([0x3A, 0xCD, 0x01]) + body + acknowledge(258)
        packets = Packets()
        found = [packet for byte in stream for packet in packets.feed(bytes([byte]))]
        self.assertEqual([packet[0] for packet in found], [PUBLISH, 4])
        self.assertEqual(publication(*found[0][1:3]), ("t", 1, 258, True, False, b"x" * 200))
        self.assertEqual(b"".join(packet[3] for packet in found), stream)

    def test_tell_whether_there_is_a_last_will(self):
        _, _, body, _ = next(Packets().feed(connect("id", clean=True, keep_alive=15)))
        self.assertFalse(has_will(body))
        self.assertTrue(has_will(body[:7] + bytes([body[7] | 4]) + body[8:]))


if __name__ == "__main__":
    unittest.main()
