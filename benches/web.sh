#!/usr/bin/env bash
# Measures the wall of the web pages in headless Chromium: first paint, transferred bytes, and
# frames per second while it scrolls.
#
#   benches/web.sh                      300 sources, with target/release/genred
#   benches/web.sh --bin PATH           with another one
#   benches/web.sh --sources 50         fewer sources
#   benches/web.sh --url URL            a running daemon
#   benches/web.sh --out FILE           figures as one line of JSON
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/.."
bin=$PWD/target/release/genred arguments=()
while [ $# -gt 0 ]; do
    case "$1" in
        --bin) case "$2" in /*) bin=$2 ;; *) bin=$here/$2 ;; esac; shift 2 ;;
        --out) case "$2" in /*) arguments+=(--out "$2") ;; *) arguments+=(--out "$here/$2") ;; esac; shift 2 ;;
        --sources | --url) arguments+=("$1" "$2"); shift 2 ;;
        -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "web: unknown argument $1; see --help" >&2; exit 2 ;;
    esac
done
tests/system/web.sh --install
scripts/fetch_audio.sh
export GENRED_MODELS=${GENRED_MODELS:-$PWD/models}
runtime=$PWD/.cache/onnxruntime/libonnxruntime.so
if [ -z "${ORT_DYLIB_PATH:-}" ] && [ -e "$runtime" ]; then export ORT_DYLIB_PATH=$runtime; fi
export GENRED_BIN=$bin GENRED_AUDIO=${GENRED_AUDIO:-$PWD/.cache/test-audio}
exec node tests/system/web/bench.mjs "${arguments[@]}"
