#!/usr/bin/env bash
# Fits the shipped heads with the program, and puts them into the bundle: files, golden scores,
# checksums.
#
#     ./fit_heads.sh DATA WORK [HEAD...]
#
# DATA holds real/index.csv (path, label, label_source, group) and gtzan-cuts.csv (path, genre,
# track). WORK holds gate.safetensors for the head `gate` and gtzan.safetensors for `gtzan10`, which
# `gate_rows` and `genre_rows --ten` make, and gets the trained bundles. HEAD is genres, gate or
# gtzan10; `genres` where left out. Needs ../target/release/genred (or GENRED), ONNX Runtime
# (ORT_DYLIB_PATH), and in PYTHON (default: python) what requirements.lock lists.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
data=$(realpath "$1") work=$(realpath -m "$2")
shift 2
cd "$(dirname "$0")"
genred=$(realpath "${GENRED:-../target/release/genred}") python=${PYTHON:-python}
base=$(realpath ../models/musicnn-msd)
mkdir -p "$work"

genres=ambient,blues,classical,country,disco-funk,electronic,folk,hip-hop,jazz,metal,pop,punk,reggae,rnb-soul,rock

# GTZAN with less weight where the other music is plentiful. Its cuts are trusted by half, so that
# they are learned from and not judged: the temperature is that of real music. The weights make up
# for that.
weighted_gtzan() {
  awk -F, -v folder="$data" 'NR == 1 { print "path,genre,track,weight,label_source" } NR > 1 {
    weight = $2 == "pop" ? 0 : $2 == "rock" ? 0.4 : $2 == "classical" || $2 == "hiphop" ? 0.6 : 2
    print folder "/" $1 "," $2 "," $3 "," weight ",cut"
  }' "$data/gtzan-cuts.csv" > "$work/gtzan.csv"
}

# Real music without a clip that is talk under a genre's name.
real_music() {
  awk -F, -v folder="$data/real" 'NR == 1 { print "track," $0 } NR > 1 && $1 !~ /^a65e775dbcfffafeb5e3deb7-/ {
    track = $1
    sub(/\.[^.]*$/, "", track)
    print track "," folder "/" $0
  }' "$data/real/index.csv" > "$work/real.csv"
}

# Every third patch: neighbours overlap by two thirds. All genres weigh the same, and common ones
# are made a little likelier afterwards. No head is started from, but the tags' directions: the
# shipped head must come out the same whatever lay there before. docs/measurements/heads.md has what
# each option is worth.
fit_genres() {
  weighted_gtzan
  real_music
  "$genred" train --model "$base" --out "$work/genres" --force --head-name genres \
    --data "$work/real.csv" --dataset real --data "$work/gtzan.csv" --dataset gtzan \
    --map disco=disco-funk --map hiphop=hip-hop --labels "$genres" --trust weak=0.5,cut=0.5 \
    --l2 0.2 --balance 1 --artist-balance 0 --prior-shift 0.45 --shift rnb-soul=0.3 \
    --folds 3 --from none --directions tags --hop 3 ${AUGMENT:+--augment "$AUGMENT"}
}

fit_gate() {
  "$genred" train --model "$base" --out "$work/gate" --force --head-name gate --embeddings "$work/gate.safetensors" \
    --hidden 64 --balance 0 --artist-balance 0 --limit music:speech=0.004
}

fit_gtzan10() {
  "$genred" train --model "$base" --out "$work/gtzan10" --force --head-name gtzan10 \
    --embeddings "$work/gtzan.safetensors" --balance 0 --artist-balance 0 --from none --directions tags
}

for head in "${@:-genres}"; do
  began=$SECONDS
  "fit_$head"
  "$python" -m genred_training.put_head --head "$head" --from "$work/$head" \
    --into ../models/musicnn-msd
  printf '== %s: %d s\n' "$head" $((SECONDS - began)) >&2
done
