#!/usr/bin/env bash
# Runs the daemon on a day of broadcast made of real recordings and evaluates its report
# (tests/system/broadcast_day/).
#
#   tests/system/broadcast_day.sh                24 hours, about ten minutes on two cores
#   tests/system/broadcast_day.sh --hours 2      a shorter day
#   tests/system/broadcast_day.sh --seed 7       another plan
#   tests/system/broadcast_day.sh --all          also tracks whose tag the model does not predict
#   tests/system/broadcast_day.sh --keep DIR     write log, reports and truth to DIR
#   tests/system/broadcast_day.sh --no-faults    insert no tones, loops or missing channels
#   tests/system/broadcast_day.sh --bin PATH     default: release build, else debug build
#   tests/system/broadcast_day.sh --music DIR --speech DIR
#                                           unpacked packages, DIR/PACKAGE; default: download
#
# Prints one line per criterion, and exits with 1 if one fails. Needs ffmpeg, Python 3 and, for the
# first run, the network (apt-get, 1 GB into .cache/broadcast-day; 2.5 GB with --all).
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/../.."

absolute() { case "$1" in /*) echo "$1" ;; *) echo "$here/$1" ;; esac; }
bin="" arguments=()
while [ $# -gt 0 ]; do
    case "$1" in
        --bin) bin=$(absolute "$2"); shift 2 ;;
        --music | --speech | --keep) arguments+=("$1" "$(absolute "$2")"); shift 2 ;;
        -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) arguments+=("$1"); shift ;;
    esac
done
for built in target/release/genred target/debug/genred; do
    [ -n "$bin" ] || [ ! -x "$built" ] || bin=$PWD/$built
done
[ -n "$bin" ] || { echo "broadcast_day: there is no target/release/genred; run scripts/setup.sh" >&2; exit 2; }
[ -x "$bin" ] || { echo "broadcast_day: \`$bin\` is not a program" >&2; exit 2; }
# Without scripts/setup.sh there is no ONNX Runtime in the program's folder.
runtime=$PWD/.cache/onnxruntime/libonnxruntime.so
if [ -z "${ORT_DYLIB_PATH:-}" ] && [ ! -e "$(dirname "$bin")/lib/libonnxruntime.so" ] && [ -e "$runtime" ]; then
    export ORT_DYLIB_PATH=$runtime
fi

# First, the tests of the criteria.
python3 -B -m unittest discover -q -s tests/system/broadcast_day
exec python3 -B tests/system/broadcast_day --bin "$bin" "${arguments[@]}"
