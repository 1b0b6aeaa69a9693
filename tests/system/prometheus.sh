#!/usr/bin/env bash
# Tests docs/guide/monitoring.md: the alert rules, and a real Prometheus that scrapes the daemon and
# raises alerts (tests/system/prometheus/).
#
#   tests/system/prometheus.sh              with target/debug/genred
#   tests/system/prometheus.sh --bin PATH   with another one
#
# Takes about a minute. Needs Prometheus with promtool, which scripts/setup.sh --tests installs.
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/../.."

bin=$PWD/target/debug/genred
while [ $# -gt 0 ]; do
    case "$1" in
        --bin) case "$2" in /*) bin=$2 ;; *) bin=$here/$2 ;; esac; shift 2 ;;
        -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "prometheus: unknown argument $1; see --help" >&2; exit 2 ;;
    esac
done
[ -x "$bin" ] || { echo "prometheus: \`$bin\` is missing; build it (\`cargo build\`) or name one with --bin" >&2; exit 2; }
for program in prometheus promtool; do
    command -v $program >/dev/null || { echo "prometheus: \`$program\` is missing: apt-get install prometheus" >&2; exit 2; }
done
export GENRED_MODELS=${GENRED_MODELS:-$PWD/models}
library=$PWD/.cache/onnxruntime/libonnxruntime.so
if [ -z "${ORT_DYLIB_PATH:-}" ] && [ -e "$library" ]; then export ORT_DYLIB_PATH=$library; fi
scripts/fetch_audio.sh

promtool check rules docs/guide/monitoring/alerts.yml
promtool test rules tests/system/prometheus/rules_test.yml
exec python3 -B tests/system/prometheus --bin "$bin" --music "$PWD/.cache/test-audio/classical.ogg" \
    --rules "$PWD/docs/guide/monitoring/alerts.yml"
