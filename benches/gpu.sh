#!/usr/bin/env bash
# What a CUDA card does with the trunk, beside the processor: milliseconds a patch by batch, and how
# many streams that makes. For anyone with a card:
#
#   benches/gpu.sh
#
# Fetches ONNX Runtime's CUDA build and its libraries from PyPI (about 3 GB) into
# .cache/onnxruntime-gpu, and leaves everything else as it is. Refuses where there is no card, with
# the driver's own words.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'bench_gpu: %s\n' "$*" >&2; }
command -v nvidia-smi >/dev/null || { say "there is no nvidia-smi, so no driver: nothing to measure"; exit 1; }
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || exit 1

[ -x target/release/genred ] || scripts/setup.sh
venv=.cache/onnxruntime-gpu
[ -x $venv/bin/python ] || python3 -m venv $venv
$venv/bin/pip install -q 'onnxruntime-gpu[cuda,cudnn]==1.31.1' numpy
packages=$($venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
ln -sf "$(ls "$packages"/onnxruntime/capi/libonnxruntime.so.* | head -1)" "$packages/onnxruntime/capi/libonnxruntime.so"
# The provider's plugin finds CUDA and cuDNN by name.
libraries=$(find "$packages/nvidia" -name lib -type d | paste -sd:)
cuda=(env "ORT_DYLIB_PATH=$packages/onnxruntime/capi/libonnxruntime.so" "LD_LIBRARY_PATH=$libraries")

bench() { "$@" --json; }
printf '%-6s %6s %14s %10s\n' provider batch 'ms a patch' streams
for batch in 1 4 16 64 256; do
    for provider in cpu cuda; do
        [ $provider = cpu ] && [ $batch -gt 16 ] && continue
        line=$(bench "${cuda[@]}" target/release/genred bench --provider $provider --batch $batch)
        $venv/bin/python - "$provider" "$batch" "$line" <<'PY'
import json, sys
provider, batch, line = sys.argv[1:]
found = json.loads(line)
assert found["execution_provider"] == provider, found
print(f"{provider:<6} {batch:>6} {found['score_ms_per_patch']:>14.3f} {1e3 / found['score_ms_per_patch']:>10.0f}")
PY
    done
done
say "whole daemon, 300 MP3 sources:"
"${cuda[@]}" target/release/genred bench streams --sources 300 --seconds 30
