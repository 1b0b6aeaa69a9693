#!/usr/bin/env bash
# Fuzzes every parser of network input, ten minutes per target: fuzz/.
#
#   fuzz/fuzz.sh                     every target for 600 seconds
#   fuzz/fuzz.sh 60 icy decode       these for a minute each
#
# Findings are in fuzz/artifacts/TARGET; `cargo +nightly fuzz run -O -s none TARGET FILE`
# repeats it. Needs a nightly toolchain (`rustup toolchain install nightly`) and `cargo install
# cargo-fuzz --locked`; nothing else does.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"

seconds=600
case "${1:-}" in
    -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0 ;;
    [0-9]*) seconds=$1; shift ;;
esac
targets=("$@")
[ $# -gt 0 ] || targets=(icy playlist head m3u8 segments runs decode)
cargo +nightly fuzz --version >/dev/null 2>&1 ||
    { echo "fuzz: \`cargo +nightly fuzz\` is missing: rustup toolchain install nightly; cargo install cargo-fuzz --locked" >&2; exit 2; }

cargo +nightly fuzz build -O -s none
for target in "${targets[@]}"; do
    found=fuzz/target/corpus/$target
    mkdir -p "$found"
    echo "== $target" >&2
    # Without a sanitizer, so that the limit of memory is that of the program: bytes that a reader
    # of half a kilobyte may take.
    cargo +nightly fuzz run -O -s none "$target" "$found" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=512 -max_len=8192 -print_final_stats=1
done
