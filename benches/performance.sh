#!/usr/bin/env bash
# What genred costs beside the published network in Python's onnxruntime, and how many streams one machine
# follows, in one run; writes docs/measurements/performance.md.
#
#   benches/performance.sh [--rounds N] [--seconds N] [--out FILE]
#
# Some eight minutes, for which the machine should have nothing else to do.
set -euo pipefail
cd "$(dirname "$0")/.."

[ -x target/release/genred ] || scripts/setup.sh
export ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$PWD/.cache/onnxruntime/libonnxruntime.so}
venv=.cache/bench-venv
[ -x $venv/bin/python ] || python3 -m venv $venv
$venv/bin/pip install -q numpy onnxruntime==1.31.1
exec $venv/bin/python benches/performance.py "$@"
