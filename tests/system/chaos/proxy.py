"""TCP proxy between daemon and broker that records every event and acknowledgement."""

import json
import socket
import threading

import packets

PATIENCE = 0.1
"""Seconds after which a blocking call looks whether it is to end."""


def parse_event(topic, payload):
    """`(source, run, seq, event type)`, or `None` for other topics."""
    if not topic.endswith("/event"):
        return None
    event = json.loads(payload)
    return topic.split("/")[-2], event["run"], event["seq"], event["event_type"]


class Connection:
    """A connection of the daemon and its connection to the broker."""

    def __init__(self, number, daemon, broker):
        self.number, self.daemon, self.broker = number, daemon, broker
        self.established = False
        self.level = 4
        """Protocol level of its CONNECT."""
        self.publishes = False
        """It leaves a last will; before it the daemon has one without, to ask what the broker
        keeps."""
        self.deaf = False
        """Nothing of the broker's gets through any more; the daemon's does."""

    def close(self):
        for end in (self.daemon, self.broker):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Proxy:
    """Records to `ledger` and, as JSON lines, to the text file `trace`."""

    def __init__(self, port, broker_port, ledger, trace, clock):
        self.port, self.broker_port = port, broker_port
        self.ledger, self.trace, self.clock = ledger, trace, clock
        self.lock = threading.RLock()
        self.connections, self.opened, self.established = {}, 0, 0
        self.failure = None
        self.listening = None
        self.trap = None
        """`(moment, count, action)`: what to do once so many events are `sent`, `delivered` or
        `acknowledged`."""

    def open(self):
        """Accepts connections."""
        listener = socket.create_server(("127.0.0.1", self.port))
        listener.settimeout(PATIENCE)
        stop = threading.Event()
        thread = threading.Thread(target=self._accept, args=(listener, stop), daemon=True)
        thread.start()
        self.listening = (stop, thread)

    def refuse(self):
        """Refuses connections, as without a broker."""
        if self.listening:
            stop, thread = self.listening
            stop.set()
            thread.join()
            self.listening = None

    def is_connected(self):
        """Returns whether a connection for events exists."""
        with self.lock:
            return any(each.established and each.publishes and not each.deaf for each in self.connections.values())

    def deafen(self):
        """Blocks data from the broker on all connections. Returns their number."""
        with self.lock:
            found = [each for each in self.connections.values() if each.established and not each.deaf]
            for each in found:
                each.deaf = True
            return len(found)

    def cut(self):
        """Closes all connections."""
        with self.lock:
            for each in self.connections.values():
                each.close()

    def set_trap(self, moment, count, action):
        with self.lock:
            self.trap = (moment, count, action)

    def take_trap(self):
        """Disarms the trap. Returns whether it was still armed."""
        with self.lock:
            armed, self.trap = self.trap is not None, None
            return armed

    def _spring(self, moment):
        if not self.trap or self.trap[0] != moment:
            return
        _, count, action = self.trap
        self.trap = (moment, count - 1, action) if count > 1 else None
        if not self.trap:
            action()

    def _accept(self, listener, stop):
        with listener:
            while not stop.is_set():
                try:
                    daemon, _ = listener.accept()
                except TimeoutError:
                    continue
                daemon.settimeout(None)
                try:
                    broker = socket.create_connection(("127.0.0.1", self.broker_port))
                except OSError:
                    daemon.close()
                    continue
                for end in (daemon, broker):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self.lock:
                    self.opened += 1
                    connection = Connection(self.opened, daemon, broker)
                    self.connections[connection.number] = connection
                threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection):
        from_broker = (connection, connection.broker, self._from_broker)
        back = threading.Thread(target=self._pump, args=from_broker, daemon=True)
        back.start()
        self._pump(connection, connection.daemon, self._from_daemon)
        back.join()
        with self.lock:
            self.connections.pop(connection.number, None)
            self.ledger.closed(connection.number)
            self._write("closed", connection)
        connection.daemon.close()
        connection.broker.close()

    def _pump(self, connection, source, handle):
        parser = packets.Packets()
        try:
            while data := source.recv(65536):
                for packet in parser.feed(data):
                    handle(connection, *packet)
        except OSError:
            pass
        except Exception as error:
            self.failure = self.failure or f"connection {connection.number}: {error!r}"
        connection.close()

    def _from_daemon(self, connection, kind, flags, body, raw):
        event = None
        if kind == packets.CONNECT:
            connection.publishes = packets.has_will(body)
            connection.level = packets.level(body)
        if kind == packets.PUBLISH:
            topic, qos, packet_id, _, retained, payload = packets.publication(flags, body, connection.level)
            event = parse_event(topic, payload)
        if event:
            source, run, seq, event_type = event
            if qos != 1 or retained or event_type == "events_dropped":
                self.failure = self.failure or f"{topic}: {payload!r} with QoS {qos}, retain {retained}"
            with self.lock:
                self._spring("sent")
                when = f"{self.clock():.3f} s"
                self.ledger.publish(connection.number, packet_id, source, run, seq, payload.decode(), when)
                self._write("sent", connection, packet_id, source=source, run=run, seq=seq)
        connection.broker.sendall(raw)
        if event:
            with self.lock:
                self._spring("delivered")

    def _from_broker(self, connection, kind, _flags, body, raw):
        with self.lock:
            if connection.deaf:
                return
            connection.daemon.sendall(raw)
            if kind == packets.CONNACK and body[1] == 0:
                connection.established = True
                self.established += connection.publishes
                self._write("connected", connection)
            if kind == packets.PUBACK and not packets.refuses(body):
                packet_id = packets.packet_id(body)
                event = self.ledger.acknowledge(connection.number, packet_id)
                if event:
                    self._write("acknowledged", connection, packet_id, source=event[0], seq=event[1])
                    self._spring("acknowledged")

    def _write(self, what, connection, packet=None, **more):
        line = {"at": round(self.clock(), 4), "what": what, "connection": connection.number, "packet": packet}
        self.trace.write(json.dumps(line | more) + "\n")
