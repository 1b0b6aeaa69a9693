#!/usr/bin/env bash
# Measures, in one run, the cost of genred relative to the published network in Python's onnxruntime
# and the number of streams that one machine can analyse; writes docs/measurements/performance.md.
#
#   benches/performance.sh [--rounds N] [--seconds N] [--out FILE]
#
# Takes about eight minutes on an otherwise idle machine.
set -euo pipefail
cd "$(dirname "$0")/.."

[ -x target/release/genred ] || scripts/setup.sh
export ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$PWD/.cache/onnxruntime/libonnxruntime.so}
venv=.cache/bench-venv
[ -x $venv/bin/python ] || python3 -m venv $venv
$venv/bin/pip install -q numpy onnxruntime==1.31.1
exec $venv/bin/python benches/performance.py "$@"
