#!/usr/bin/env bash
# Log-mel frames of the same kind (16 kHz, 512/256, 96 bands) by genred and its peers, one thread
# each, in one run, on 600 s of sound; prints the figures and the ratios.
#
#   benches/front_end.sh [SECONDS]
#
# Peers that cannot be installed are named, not hidden.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-600}

[ -x target/release/genred ] || scripts/setup.sh
venv=.cache/bench-venv
[ -x $venv/bin/python ] || python3 -m venv $venv
$venv/bin/pip install -q numpy scipy librosa==0.11.0
$venv/bin/pip install -q essentia-tensorflow || echo "bench: essentia-tensorflow cannot be installed here" >&2
# The two must be of one version, or torchaudio refuses to load.
$venv/bin/pip install -q torch==2.11.0 torchaudio==2.11.0 || echo "bench: torchaudio cannot be installed here" >&2

$venv/bin/python benches/front_end.py "$seconds" target/release/genred
