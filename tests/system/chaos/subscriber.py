"""Subscriber with a persistent session: QoS 1, acknowledged only after recording."""

import socket
import threading
import time

import packets
from proxy import PATIENCE, parse_event

CLIENT_ID = "chaos-subscriber"
KEEP_ALIVE = 60
PING_EVERY = 20


class Subscriber(threading.Thread):
    """Runs until `leave` and reconnects after broker failures."""

    def __init__(self, port, topic, ledger, clock):
        super().__init__(daemon=True)
        self.port, self.topic, self.ledger, self.clock = port, topic, ledger, clock
        self.lock, self.stop = threading.Lock(), threading.Event()
        self.subscribed = threading.Event()
        self.connections, self.failure = 0, None

    def run(self):
        while not self.stop.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                    self._listen(connection)
            except OSError:
                pass
            except Exception as error:
                self.failure = f"the subscriber failed: {error!r}"
                return
            self.stop.wait(PATIENCE)

    def leave(self):
        """Stops the subscriber and deletes its session."""
        self.stop.set()
        self.join()
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(packets.connect(CLIENT_ID, clean=True, keep_alive=KEEP_ALIVE))
            connection.recv(4)
            connection.sendall(packets.GOOD_BYE)

    def _listen(self, connection):
        parser, pinged = packets.Packets(), time.monotonic()
        connection.sendall(packets.connect(CLIENT_ID, clean=False, keep_alive=KEEP_ALIVE))
        connection.settimeout(PATIENCE)
        while not self.stop.is_set():
            if time.monotonic() - pinged >= PING_EVERY:
                connection.sendall(packets.PING)
                pinged = time.monotonic()
            try:
                data = connection.recv(65536)
            except TimeoutError:
                continue
            if not data:
                return
            for kind, flags, body, _ in parser.feed(data):
                self._take(connection, kind, flags, body)

    def _take(self, connection, kind, flags, body):
        if kind == packets.CONNACK:
            if body[1]:
                raise ConnectionError(f"the broker refuses the subscriber with code {body[1]}")
            self.connections += 1
            connection.sendall(packets.subscribe(1, self.topic, 1))
        elif kind == packets.SUBACK:
            self.subscribed.set()
        elif kind == packets.PUBLISH:
            topic, _, packet_id, redelivery, _, payload = packets.publication(flags, body)
            source, run, seq, _ = parse_event(topic, payload)
            with self.lock:
                self.ledger.receive(source, run, seq, payload.decode(), redelivery, f"{self.clock():.3f} s")
            if packet_id is not None:
                connection.sendall(packets.acknowledge(packet_id))
