#!/usr/bin/env bash
# Tests the API of a running daemon: schemathesis against its OpenAPI document, and an nginx proxy
# with a path prefix (tests/system/web_api/). Loopback only, at most four minutes.
#
#   tests/system/web_api.sh                 with target/debug/genred
#   tests/system/web_api.sh --bin PATH      with another one
#   tests/system/web_api.sh --keep          keep the folder with logs
#
# Needs what scripts/setup.sh --tests installs.
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/../.."

bin=$PWD/target/debug/genred keep=""
while [ $# -gt 0 ]; do
    case "$1" in
        --bin) case "$2" in /*) bin=$2 ;; *) bin=$here/$2 ;; esac; shift 2 ;;
        --keep) keep=1; shift ;;
        -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "web_api: unknown argument $1; see --help" >&2; exit 2 ;;
    esac
done
[ -x "$bin" ] || { echo "web_api: \`$bin\` is missing; build it (\`cargo build\`) or name one with --bin" >&2; exit 2; }

scripts/fetch_audio.sh
export GENRED_MODELS=${GENRED_MODELS:-$PWD/models}
runtime=$PWD/.cache/onnxruntime/libonnxruntime.so
if [ -z "${ORT_DYLIB_PATH:-}" ] && [ -e "$runtime" ]; then export ORT_DYLIB_PATH=$runtime; fi

work=$(mktemp -d) daemon="" proxy=""
clean_up() {
    for pid in $proxy $daemon; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    if [ -n "$keep" ]; then echo "web_api: logs are in $work" >&2; else rm -rf "$work"; fi
}
trap clean_up EXIT
fail() { echo "web_api: $*" >&2; tail -n 40 "$work"/*.log >&2 || true; exit 1; }

cat >"$work/genred.toml" <<TOML
node = "api"
state_dir = "$work/state"
runtime_dir = "$work/run"
[mqtt]
enabled = false
[web]
bind = "127.0.0.1:0"
[[source]]
name = "tape"
uri = "file:$PWD/.cache/test-audio/metal.ogg"
repeat = true
[[source]]
name = "other"
uri = "file:$PWD/.cache/test-audio/classical.ogg"
repeat = true
TOML
"$bin" run -c "$work/genred.toml" >"$work/daemon.log" 2>&1 &
daemon=$!
address=""
for _ in $(seq 300); do
    address=$(sed -n 's|.*the page is http://\([^/]*\)/.*|\1|p' "$work/daemon.log" | head -n 1)
    [ -n "$address" ] && break
    kill -0 "$daemon" 2>/dev/null || fail "the daemon ended"
    sleep 0.1
done
[ -n "$address" ] || fail "the daemon does not say where its page is"

# --- schemathesis ---------------------------------------------------------------------------------
# Server-sent events never end, and are tested by tests/integration/web.rs. Some requests that fit
# the document are refused for what they mean, such as a genre with the name of a state.
(cd "$work" && "$OLDPWD/.cache/schemathesis/bin/schemathesis" run "http://$address/api/v1/openapi.json" \
    --exclude-path /api/v1/events --exclude-checks positive_data_acceptance --max-examples 12 --seed 7 \
    --request-timeout 30 --generation-database none --no-color) >"$work/schemathesis.log" 2>&1 ||
    { cat "$work/schemathesis.log"; fail "schemathesis found a fault"; }
kill -0 "$daemon" 2>/dev/null || fail "the daemon ended under schemathesis"
grep -E 'Test cases|Operations' "$work/schemathesis.log" || true

# --- a proxy with a path prefix -----------------------------------------------------------------
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir -p "$work/nginx"
sed -e "s|@WORK@|$work/nginx|g" -e "s|@PORT@|$port|g" -e "s|@DAEMON@|$address|g" \
    tests/system/web_api/nginx.conf >"$work/nginx.conf"
"$(command -v nginx || echo /usr/sbin/nginx)" -p "$work/nginx" -c "$work/nginx.conf" -g 'daemon off;' \
    >"$work/nginx.log" 2>&1 &
proxy=$!
python3 -B tests/system/web_api/check_proxy.py "http://127.0.0.1:$port/radio" || fail "the page does not work behind nginx"

kill -TERM "$daemon"
wait "$daemon" || fail "the daemon ended with an error"
daemon=""
grep -E ' (WARN|ERROR) ' "$work/daemon.log" | grep -v -e 'command refused' -e 'beyond capacity' && fail "the daemon logged warnings"
echo "web_api: ok"
