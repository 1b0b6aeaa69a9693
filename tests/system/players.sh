#!/usr/bin/env bash
# Tests the daemon with real players: MPD, Liquidsoap, GStreamer and ffmpeg, partly through Icecast
# (tests/system/players/). Loopback only, at most three minutes.
#
#   tests/system/players.sh                     with target/debug/genred
#   tests/system/players.sh --bin PATH          with another one
#   tests/system/players.sh --only mpd          only this player, may be repeated: mpd, liquidsoap,
#                                               gstreamer, icecast
#   tests/system/players.sh --keep              keep the folder with logs
#
# One line per source on standard output. Needs what scripts/setup.sh --tests installs.
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/../.."

bin=$PWD/target/debug/genred arguments=()
while [ $# -gt 0 ]; do
    case "$1" in
        --bin) case "$2" in /*) bin=$2 ;; *) bin=$here/$2 ;; esac; shift 2 ;;
        -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) arguments+=("$1"); shift ;;
    esac
done
[ -x "$bin" ] || { echo "players: \`$bin\` is missing; build it (\`cargo build\`) or name one with --bin" >&2; exit 2; }

scripts/fetch_audio.sh
export GENRED_MODELS=${GENRED_MODELS:-$PWD/models}
runtime=$PWD/.cache/onnxruntime/libonnxruntime.so
if [ -z "${ORT_DYLIB_PATH:-}" ] && [ -e "$runtime" ]; then export ORT_DYLIB_PATH=$runtime; fi
exec python3 -B tests/system/players --bin "$bin" --song "$PWD/.cache/test-audio/metal.ogg" "${arguments[@]}"
