#!/usr/bin/env bash
# Installs what the tests need and runs them, in three stages:
#
#   scripts/test.sh            all stages; what continuous integration runs
#   scripts/test.sh lint       formatting, lints, documentation, features, dependencies, scripts
#   scripts/test.sh test       Rust tests (real brokers, sound servers and music) and training code
#   scripts/test.sh system     demo, chaos, players, page, API, Prometheus, Home Assistant (root)
#
# Arguments after `--` go to `cargo test`: scripts/test.sh test -- cli::
set -euo pipefail
cd "$(dirname "$0")/.."

stages=() arguments=()
while [ $# -gt 0 ]; do
    case "$1" in
        lint | test | system) stages+=("$1"); shift ;;
        --) shift; arguments=("$@"); break ;;
        -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "test: unknown argument $1; see --help" >&2; exit 2 ;;
    esac
done
[ ${#stages[@]} -gt 0 ] || stages=(lint test system)

scripts/setup.sh --tests
scripts/fetch_audio.sh
# shellcheck source=/dev/null
[ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"
venv=.cache/test-venv

step() { printf '\n== %s: %s\n' "$stage" "$*" >&2; }

lint() {
    step "format"
    cargo fmt --check
    step "clippy"
    cargo clippy --locked --all-targets -- -D warnings
    step "documentation"
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items
    step "each feature alone"
    .cache/tools/bin/cargo-hack hack check --locked --lib --each-feature --exclude-all-features
    step "dependencies"
    # The advisory database is on GitHub.
    if .cache/tools/bin/cargo-deny fetch db >/dev/null 2>&1; then
        .cache/tools/bin/cargo-deny --locked check
    else
        echo "test: the advisory database cannot be reached; advisories are not checked" >&2
        .cache/tools/bin/cargo-deny --locked check bans licenses sources
    fi
    step "scripts"
    $venv/bin/shellcheck --severity=warning scripts/*.sh benches/*.sh fuzz/*.sh findings/*.sh tests/system/*.sh \
        tests/system/*/*.sh training/*.sh .ci/run
    $venv/bin/ruff check -q training tests benches fuzz
    step "page"
    tests/system/web.sh --lint
}

tests() {
    step "Rust"
    # Most integration tests wait for audio in real time: two per core leave none idle.
    RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((2 * $(nproc)))} \
        cargo test --locked --no-fail-fast -- "${arguments[@]}"
    step "training"
    (cd training && "../$venv/bin/python" -m pytest -q)
}

system() {
    step "demo"
    scripts/demo.sh --check --bin target/debug/genred --seconds 16
    step "chaos"
    tests/system/chaos.sh --rounds 5 --bin target/debug/genred
    step "players"
    tests/system/players.sh --bin target/debug/genred
    # Both wait most of their time.
    step "page, and Home Assistant beside it"
    local log home_assistant
    log=$(mktemp)
    tests/system/home_assistant.sh --bin target/debug/genred >"$log" 2>&1 &
    home_assistant=$!
    tests/system/web.sh --bin target/debug/genred || { kill "$home_assistant"; return 1; }
    wait "$home_assistant" || { cat "$log"; return 1; }
    tail -n 3 "$log"
    rm -f "$log"
    step "API"
    tests/system/web_api.sh --bin target/debug/genred
    step "Prometheus"
    tests/system/prometheus.sh --bin target/debug/genred
}

for stage in "${stages[@]}"; do
    case $stage in
        test) tests ;;
        *) $stage ;;
    esac
done
