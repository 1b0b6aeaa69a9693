"""Parser of MQTT 3.1.1 and 5 for the recording proxy, and of 3.1.1 for the subscriber."""

import struct

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 14


class Packets:
    """Splits a byte stream into packets."""

    def __init__(self):
        self.buffer = b""

    def feed(self, data):
        """Yields `(type, flags, body, raw)` of every complete packet."""
        self.buffer += data
        while (packet := self._next()) is not None:
            yield packet

    def _next(self):
        length, shift = 0, 0
        for index, byte in enumerate(self.buffer[1:5], 1):
            length |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                end = index + 1 + length
                if len(self.buffer) < end:
                    return None
                raw, self.buffer = self.buffer[:end], self.buffer[end:]
                return raw[0] >> 4, raw[0] & 15, raw[index + 1 :], raw
        if len(self.buffer) >= 5:
            raise ValueError("no MQTT: a remaining length of more than four bytes")
        return None


def publication(flags, body, level=4):
    """`(topic, QoS, packet id or None, duplicate, retained, payload)` of a PUBLISH, at a protocol
    level."""
    qos = flags >> 1 & 3
    end = 2 + struct.unpack_from(">H", body)[0]
    packet_id = struct.unpack_from(">H", body, end)[0] if qos else None
    payload = body[end + (2 if qos else 0) :]
    if level == 5:
        # Properties are preceded by their length, which the daemon keeps below 128.
        payload = payload[1 + payload[0] :]
    return body[2:end].decode(), qos, packet_id, bool(flags & 8), bool(flags & 1), payload


def level(body):
    """Protocol level of a CONNECT: 4 is MQTT 3.1.1, 5 is MQTT 5."""
    return body[struct.unpack_from(">H", body)[0] + 2]


def has_will(body):
    """Returns whether a CONNECT has a last will."""
    return bool(body[struct.unpack_from(">H", body)[0] + 3] & 4)


def refuses(body):
    """Returns whether a PUBACK has an error code of MQTT 5."""
    return len(body) > 2 and body[2] >= 0x80


def packet_id(body):
    """Packet id of a PUBACK or SUBACK."""
    return struct.unpack_from(">H", body)[0]


def _packet(kind, flags, body):
    length, head = len(body), bytes([kind << 4 | flags])
    while True:
        length, low = length >> 7, length & 0x7F
        head += bytes([low | (0x80 if length else 0)])
        if not length:
            return head + body


def _string(text):
    return struct.pack(">H", len(text.encode())) + text.encode()


def connect(client_id, clean, keep_alive):
    """Returns a CONNECT. `keep_alive` in seconds; a session that is not `clean` is persistent."""
    head = _string("MQTT") + bytes([4, 2 if clean else 0]) + struct.pack(">H", keep_alive)
    return _packet(CONNECT, 0, head + _string(client_id))


def subscribe(packet_id, topic, qos):
    return _packet(SUBSCRIBE, 2, struct.pack(">H", packet_id) + _string(topic) + bytes([qos]))


def acknowledge(packet_id):
    return _packet(PUBACK, 0, struct.pack(">H", packet_id))


PING = _packet(PINGREQ, 0, b"")
GOOD_BYE = _packet(DISCONNECT, 0, b"")
