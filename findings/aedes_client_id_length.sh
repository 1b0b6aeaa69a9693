#!/usr/bin/env bash
# aedes and its option `maxClientsIdLength`.
#
# Guess: client ids longer than the option (23 by default) are rejected in MQTT 3.1.1 with return
#        code 2; an MQTT 5 CONNECT is rejected with return code 1 or reason code 0x84.
# Version: aedes 0.51.3 (npm).
# Behaviour: the option applies to MQTT 3.1 only: MQTT 3.1.1 accepts any length. In MQTT 5 the
#        CONNACK is 20 02 00 01, in the format of 3.1.1, which an MQTT 5 client cannot parse (the
#        properties are missing).
# Output:
#   MQTT 3.1,   30 bytes: CONNACK 20 02 00 02
#   MQTT 3.1.1, 30 bytes: CONNACK 20 02 00 00
#   MQTT 5,     10 bytes: CONNACK 20 02 00 01
set -euo pipefail
command -v npm >/dev/null || { apt-get update -q >&2 && apt-get install -q -y --no-install-recommends nodejs npm >&2; }
folder=$(mktemp -d)
broker=
trap '[ -z "$broker" ] || kill "$broker" 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund aedes@0.51.3 >&2
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
node -e 'const aedes = require("aedes")({ maxClientsIdLength: 23 });
aedes.on("clientError", () => {}); aedes.on("connectionError", () => {});
require("net").createServer(aedes.handle).listen(Number(process.argv[1]), "127.0.0.1")' "$port" & broker=$!
python3 - "$port" <<'PYTHON'
import socket, sys, time

def connack(name, level, length, properties=b""):
    for _ in range(100):
        try:
            stream = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
            break
        except OSError:
            time.sleep(0.1)
    body = len(name).to_bytes(2, "big") + name + bytes([level, 2, 0, 60]) + properties
    body += length.to_bytes(2, "big") + b"x" * length
    stream.sendall(bytes([0x10, len(body)]) + body)
    try:
        return stream.recv(64)
    except OSError as error:
        return repr(error).encode()

old, usual, new = connack(b"MQIsdp", 3, 30), connack(b"MQTT", 4, 30), connack(b"MQTT", 5, 10, b"\0")
print("MQTT 3.1,   30 bytes: CONNACK", old.hex(" "))
print("MQTT 3.1.1, 30 bytes: CONNACK", usual.hex(" "))
print("MQTT 5,     10 bytes: CONNACK", new.hex(" "))
wanted = [bytes.fromhex(code) for code in ("20020002", "20020000", "20020001")]
sys.exit(0 if [old, usual, new] == wanted else 1)
PYTHON
