#!/usr/bin/env bash
# Sets up what the tests need and runs all of them. Arguments go to `cargo test`.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh --tests
scripts/test_audio.sh

# Formatting first: it is the cheapest to find and to mend.
if cargo fmt --version >/dev/null 2>&1; then cargo fmt --check; fi

export RUSTFLAGS="${RUSTFLAGS:-} -Dwarnings"
cargo build --locked --all-targets
cargo test --locked "$@"
scripts/demo.sh --check --bin target/debug/genred
