#!/usr/bin/env bash
# Sets up what the tests need and runs all of them: formatting, lints, the Rust tests (real brokers, a real
# sound server, real music among them), the training code's tests, the demo, five rounds of chaos,
# real players, and a real Home Assistant, which needs root.
# Arguments go to `cargo test`.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh --tests
scripts/fetch_audio.sh
[ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"

step() { printf '\n== %s\n' "$*" >&2; }

step "formatting and lints"
if cargo fmt --version >/dev/null 2>&1; then cargo fmt --check; fi
if cargo clippy --version >/dev/null 2>&1; then cargo clippy --locked --lib --bins -- -D warnings; fi
# Features are optional: as few as can be, and those of the fuzz targets.
for features in "" net,opus; do cargo check --locked --lib --no-default-features --features "$features"; done

step "tests"
cargo test --locked --no-fail-fast "$@"
# Benches are not run here, but they must not rot.
cargo build --locked --benches

step "training"
venv=.cache/test-venv
[ -x $venv/bin/python ] || python3 -m venv $venv
# The locked versions of what the tests import; TensorFlow is not among it.
grep -E '^(numpy|onnx|onnxruntime|pytest|safetensors|scikit-learn|scipy|soundfile|threadpoolctl)==' training/requirements.lock |
  $venv/bin/python -m pip install -q -r /dev/stdin
(cd training && "../$venv/bin/python" -m pytest -q)

step "demo"
scripts/demo.sh --check --bin target/debug/genred --seconds 16

step "chaos"
tests/system/chaos.sh --rounds 5 --bin target/debug/genred

step "players"
tests/system/players.sh --bin target/debug/genred

step "Home Assistant"
tests/system/home_assistant.sh --bin target/debug/genred
