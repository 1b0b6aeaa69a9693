#!/usr/bin/env bash
# mosquitto and a message larger than `message_size_limit`.
#
# Guess: in MQTT 5 the broker sends a PUBACK with 0x97 (quota exceeded) or a DISCONNECT with 0x95
#        (packet too large); in MQTT 3.1.1, which has no code for it, it closes the connection.
# Version: mosquitto 2.0.11 (Debian 12).
# Behaviour: in MQTT 5 it sends a PUBACK with 0x95, which is not a PUBACK code (MQTT 5, table 3-4),
#        so clients report a protocol error instead of the reason; in MQTT 3.1.1 it sends an
#        ordinary PUBACK, and the message is lost.
# Output:
#   mosquitto version 2.0.11
#   MQTT 5:     PUBACK 40 03 00 01 95
#   MQTT 3.1.1: PUBACK 40 02 00 01, delivered: no
set -euo pipefail
command -v mosquitto >/dev/null || export PATH=$PATH:/usr/sbin
command -v mosquitto >/dev/null || { apt-get update -q >&2 && apt-get install -q -y --no-install-recommends mosquitto >&2; }
{ mosquitto -h || true; } | sed -n 1p
folder=$(mktemp -d)
trap 'kill "$broker" 2>/dev/null; rm -rf "$folder"' EXIT
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf 'listener %s 127.0.0.1\nallow_anonymous true\nmessage_size_limit 1000\n' "$port" >"$folder/conf"
mosquitto -c "$folder/conf" 2>"$folder/log" & broker=$!
python3 - "$port" <<'PYTHON'
import socket, sys, time

def connect(level):
    for _ in range(100):
        try:
            stream = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
            break
        except OSError:
            time.sleep(0.05)
    properties = b"\0" if level == 5 else b""
    body = b"\0\4MQTT" + bytes([level, 2, 0, 60]) + properties + b"\0\1" + b"ab"[level - 4 : level - 3]
    stream.sendall(bytes([0x10, len(body)]) + body)
    packet(stream)
    return stream, properties

def packet(stream):
    head = stream.recv(2, socket.MSG_WAITALL)
    return head + (stream.recv(head[1], socket.MSG_WAITALL) if head[1] else b"")

def publish(level, size, packet_id):
    return b"\0\1t" + bytes([0, packet_id]) + (b"\0" if level == 5 else b"") + b"x" * size

def framed(kind, body):
    return bytes([kind]) + bytes([len(body) % 128 | 128, len(body) // 128]) + body

five, _ = connect(5)
five.sendall(framed(0x32, publish(5, 1500, 1)))
answer = packet(five)
print("MQTT 5:     PUBACK", answer.hex(" "))
four, _ = connect(4)
four.sendall(b"\x82\x06\0\7\0\1t\0")
packet(four)
four.sendall(framed(0x32, publish(4, 1500, 1)) + framed(0x32, publish(4, 200, 2)))
packets = [packet(four) for _ in range(2)]
delivered = any(p[0] >> 4 == 3 and len(p) > 1000 for p in packets)
puback = next(p for p in packets if p[0] == 0x40)
print("MQTT 3.1.1: PUBACK", puback.hex(" ") + ", delivered:", "yes" if delivered else "no")
sys.exit(0 if answer == bytes.fromhex("4003000195") and puback == bytes.fromhex("40020001") and not delivered else 1)
PYTHON
