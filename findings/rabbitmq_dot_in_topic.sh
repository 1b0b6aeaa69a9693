#!/usr/bin/env bash
# RabbitMQ delivers an MQTT message on `a.b/x` as one on `a/b/x`.
#
# Guess:     a broker delivers a message on the topic on which it was published; a dot is an
#            ordinary character (MQTT 3.1.1, 4.7).
# Version:   rabbitmq-server 3.10.8 with its MQTT plugin, mosquitto-clients 2.0.11 (Debian 12).
# Behaviour: a subscriber to `a.b/x` gets the message with the topic `a/b/x`; `a-b/x` is unchanged.
# Output:    a.b/x arrives as a/b/x hi
#            a-b/x arrives as a-b/x hi
set -euo pipefail
dpkg-query -W -f '${Package} ${Version}\n' rabbitmq-server mosquitto-clients
folder=$(mktemp -d)
pids=()
finish() {
    [ ! -f "$folder/pid" ] || kill "$(cat "$folder/pid")" 2>/dev/null || true
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait || true
    rm -rf "$folder"
}
trap finish EXIT
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port) epmd=$(free_port)
printf 'listeners.tcp.1 = 127.0.0.1:%s\nmqtt.listeners.tcp.1 = 127.0.0.1:%s\nmqtt.allow_anonymous = true\n' \
    "$(free_port)" "$port" > "$folder/rabbitmq.conf"
echo '[rabbitmq_mqtt].' > "$folder/plugins"
epmd -port "$epmd" -address 127.0.0.1 > /dev/null 2>&1 & pids+=($!)
HOME=$folder ERL_EPMD_PORT=$epmd ERL_EPMD_ADDRESS=127.0.0.1 RABBITMQ_NODENAME="dots$port@localhost" \
    RABBITMQ_DIST_PORT=$(free_port) RABBITMQ_CONFIG_FILE=$folder/rabbitmq.conf \
    RABBITMQ_ENABLED_PLUGINS_FILE=$folder/plugins RABBITMQ_MNESIA_BASE=$folder/db RABBITMQ_LOG_BASE=$folder/logs \
    RABBITMQ_GENERATED_CONFIG_DIR=$folder/generated RABBITMQ_PID_FILE=$folder/pid \
    /usr/lib/rabbitmq/bin/rabbitmq-server > "$folder/out" 2>&1 & pids+=($!)
for _ in $(seq 90); do
    (echo > "/dev/tcp/127.0.0.1/$port") 2> /dev/null && break
    sleep 1
done
arrives() {
    mosquitto_pub -V 311 -h 127.0.0.1 -p "$port" -q 1 -r -t "$1" -m hi
    mosquitto_sub -V 311 -h 127.0.0.1 -p "$port" -t "$1" -C 1 -W 10 -v
}
dot=$(arrives a.b/x) dash=$(arrives a-b/x)
echo "a.b/x arrives as $dot"
echo "a-b/x arrives as $dash"
[ "$dot" = "a/b/x hi" ] && [ "$dash" = "a-b/x hi" ]
