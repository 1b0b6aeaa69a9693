#!/usr/bin/env bash
# Makes a bundle from nothing: downloads, embeddings, heads, golden answers. Prints how long each
# step took.
#
#     ./make_bundle.sh DATA WORK
#
# DATA holds real/, gtzan-cuts.csv and what it lists, gtzan-tags/ and debian-music.csv (README.md
# says of what form). WORK takes 15 GB: packages, decoded sounds, embeddings; what lies there is not
# made again. ../models gets the bundle musicnn-msd; a CARD.md there is kept. Needs apt-get, dpkg,
# ffmpeg, cargo, and in PYTHON (default: python) what requirements.lock lists.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
data=$(realpath "$1") work=$(realpath -m "$2")
models=$(realpath -m "$(dirname "$0")/../models")
bundle=$models/musicnn-msd
cd "$(dirname "$0")"
python=${PYTHON:-python}
mkdir -p "$work/music" "$bundle"

step() {
  local began=$SECONDS name=$1
  shift
  printf '== %s\n' "$name" >&2
  "$@"
  printf '== %s: %d s\n' "$name" $((SECONDS - began)) >&2
}
module() { "$python" -m "genred_training.$1" "${@:2}"; }

fetch_music() {
  local package
  for package in $(tail -n +2 "$data/debian-music.csv" | cut -d, -f1 | sort -u); do
    [ -d "$work/music/$package" ] && continue
    (cd "$work" && apt-get download -q "$package" && dpkg -x "$package"_*.deb "$work/music/$package.part")
    rm -f "$work/$package"_*.deb
    mv "$work/music/$package.part" "$work/music/$package"
  done
}

# Mean and covariance of the embeddings of real music and of the GTZAN cuts.
music_statistics() {
  awk -F, -v folder="$data/real" 'NR > 1 && $2 != "speech" && $2 != "noise" { print folder "/" $1 }' \
    "$data/real/index.csv" > "$work/music.list"
  awk -F, -v folder="$data" 'NR > 1 { print folder "/" $1 }' "$data/gtzan-cuts.csv" >> "$work/music.list"
  ORT_DYLIB_PATH=../.cache/onnxruntime/libonnxruntime.so ../target/release/genred embed --quiet --model "$bundle" \
    --list "$work/music.list" --out "$work/music-embeddings" > /dev/null
  module music_statistics --embeddings "$work/music-embeddings" --into "$bundle"
}

step "the program" ../scripts/setup.sh
common=(--bundle "$bundle" --genred ../target/release/genred --runtime ../.cache/onnxruntime/libonnxruntime.so)
step "Debian music" fetch_music
step "the networks" module import_musicnn --out "$bundle"
step "statistics of music" music_statistics
step "rows of GTZAN" module genre_rows --cuts "$data/gtzan-cuts.csv" --tags "$data/gtzan-tags" --ten \
  --music-index "$data/debian-music.csv" --music "$work/music" --work "$work/genres" --out "$work/gtzan.safetensors" \
  "${common[@]}"
step "rows of the gate" module gate_rows --gtzan "$data/gtzan-cuts.csv" --debian "$data/debian-music.csv" \
  --have "$work/music" --music "$work/music" --work "$work/gate-material" --out "$work/gate.safetensors" "${common[@]}"
export ORT_DYLIB_PATH=$PWD/../.cache/onnxruntime/libonnxruntime.so PYTHON=$python
step "heads" ./fit_heads.sh "$data" "$work" genres gate gtzan10
