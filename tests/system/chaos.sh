#!/usr/bin/env bash
# Tests that no event is lost or reordered when broker, connection and daemon fail
# (tests/system/chaos/).
#
#   tests/system/chaos.sh                      50 failures of the broker, 10 kills of the daemon
#   tests/system/chaos.sh --rounds 5           fewer: a fifth as many kills, at least one
#   tests/system/chaos.sh --kills 3 --seed 7   repeat an earlier run
#   tests/system/chaos.sh --bin PATH           default: release build, else debug build
#   tests/system/chaos.sh --keep               keep logs and records also on success
#
# Prints one line of JSON as a summary. Needs mosquitto, ffmpeg and Python 3, which
# scripts/setup.sh --tests installs.
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/../.."

bin="" arguments=()
while [ $# -gt 0 ]; do
    case "$1" in
        --bin) bin=$2; shift 2 ;;
        --bin=*) bin=${1#*=}; shift ;;
        -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) arguments+=("$1"); shift ;;
    esac
done
case "$bin" in "" | /*) ;; *) bin=$here/$bin ;; esac
for built in target/release/genred target/debug/genred; do
    [ -n "$bin" ] || [ ! -x "$built" ] || bin=$PWD/$built
done
[ -n "$bin" ] || { echo "chaos: there is no target/release/genred; run scripts/setup.sh" >&2; exit 2; }
[ -x "$bin" ] || { echo "chaos: \`$bin\` is not a program" >&2; exit 2; }
# Without scripts/setup.sh there is no ONNX Runtime in the program's folder.
runtime=$PWD/.cache/onnxruntime/libonnxruntime.so
if [ -z "${ORT_DYLIB_PATH:-}" ] && [ ! -e "$(dirname "$bin")/lib/libonnxruntime.so" ] && [ -e "$runtime" ]; then
    export ORT_DYLIB_PATH=$runtime
fi

scripts/fetch_audio.sh
# First, the tests of the checks.
python3 -B -m unittest discover -q -s tests/system/chaos
exec python3 -B tests/system/chaos --bin "$bin" "${arguments[@]}"
