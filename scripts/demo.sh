#!/usr/bin/env bash
# Demonstration on real music: classifies three recordings at once, prints the results, and shows
# the messages received by an MQTT client.
#
#   scripts/demo.sh                        three freely licensed songs, 30 s
#   scripts/demo.sh song.mp3               your own file
#   scripts/demo.sh device:default         your microphone
#   scripts/demo.sh --page                 keep running, and show the address of the page
#   scripts/demo.sh --seconds 10           shorter
#   scripts/demo.sh --check --bin PATH     for the test suite: fail unless the right genres arrive
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/.."

# Relative paths refer to the caller's folder.
absolute() { case "$1" in /* | -) echo "$1" ;; *) echo "$here/$1" ;; esac; }

seconds=30 bin="" check="" page="" sources=()
while [ $# -gt 0 ]; do
    case "$1" in
        --seconds) seconds=$2; shift 2 ;;
        --bin) bin=$(absolute "$2"); shift 2 ;;
        --check) check=1; shift ;;
        --page) page=1; shift ;;
        -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0 ;;
        -*) echo "demo: unknown argument $1; see --help" >&2; exit 2 ;;
        device:* | stdin:*) sources+=("$1"); shift ;;
        *) sources+=("$(absolute "$1")"); shift ;;
    esac
done

if [ -z "$bin" ]; then
    scripts/setup.sh
    bin=target/release/genred
fi
[ ${#sources[@]} -gt 0 ] || scripts/fetch_audio.sh

work=$(mktemp -d)
daemon="" client=""
clean_up() {
    for pid in $daemon $client; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT

# Without a configured broker genred starts its embedded one; port 0 selects a free port.
{
    echo 'node = "demo"'
    printf 'state_dir = "%s/state"\n' "$work"
    echo '[mqtt]'
    echo 'embedded_port = 0'
    if [ ${#sources[@]} -eq 0 ]; then
        for song in metal classical electronic; do
            # From one minute on, since the metal one begins with noise and explosions.
            ffmpeg -nostdin -v error -ss 60 -i "$PWD/.cache/test-audio/$song.ogg" -c copy "$work/$song.ogg"
            printf '[[source]]\nname = "%s-song"\nuri = "file:%s"\nrepeat = true\n' "$song" "$work/$song.ogg"
        done
    fi
} >"$work/genred.toml"

"$bin" run -c "$work/genred.toml" --output text "${sources[@]}" 2>"$work/log" &
daemon=$!

# The log states the port of the broker.
port=""
for _ in $(seq 600); do
    port=$(sed -n 's/.*`mosquitto_sub -p \([0-9]*\).*/\1/p' "$work/log" | head -n 1)
    [ -n "$port" ] && break
    kill -0 "$daemon" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
    sleep 0.1
done
[ -n "$port" ] || { cat "$work/log" >&2; echo "demo: the broker did not start" >&2; exit 1; }
address=$(sed -n 's/.*the page is \(http[^ ]*\).*/\1/p' "$work/log" | head -n 1)
[ -z "$address" ] || printf 'demo: the page is %s\n' "$address" >&2
if [ -n "$page" ]; then
    [ -n "$address" ] || { cat "$work/log" >&2; echo "demo: there is no page" >&2; exit 1; }
    echo "demo: open it in a browser; Ctrl+C ends the demo" >&2
    wait "$daemon" || true
    exit 0
fi
mosquitto_sub -p "$port" -t 'genred/#' -v >"$work/received" &
client=$!

for _ in $(seq "$seconds"); do
    kill -0 "$daemon" 2>/dev/null || break
    sleep 1
done
kill -TERM "$daemon" 2>/dev/null || true
wait "$daemon" && code=0 || code=$?
daemon=""
# The client may still have to write received messages.
for _ in $(seq 100); do
    tail -n 1 "$work/received" | grep -q '/status offline$' && break
    sleep 0.1
done

if [ "$code" -ne 0 ]; then grep -v ' INFO ' "$work/log" >&2 || true; fi

printf '\nWhat `mosquitto_sub -p %s -t "genred/#" -v` received (%s messages), the events of it:\n' \
    "$port" "$(wc -l <"$work/received")"
grep '/event ' "$work/received" | cut -c1-200 || true
[ -n "$check" ] || exit "$code"

# --- for the test suite -------------------------------------------------------------------------
fail() { echo "demo: $*" >&2; cat "$work/log" "$work/received" >&2; exit 1; }
[ "$code" -eq 0 ] || fail "genred ended with $code"
for song in metal classical electronic; do
    grep -q "^genred/demo/$song-song/state .*\"genre\":\"$song\"" "$work/received" || fail "$song was not recognised"
done
grep -q '^genred/demo/status online$' "$work/received" || fail "no status online"
tail -n 1 "$work/received" | grep -q '^genred/demo/status offline$' || fail "the last message is not status offline"
echo "demo: ok"
