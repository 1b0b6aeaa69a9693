#!/usr/bin/env bash
# ffmpeg decodes big-endian WAV (RIFX) in the wrong byte order, without a warning.
#
# Guess: ffmpeg recognises RIFX (it reports "wav"), so it decodes the samples in their byte order;
# the RMS of a sine of amplitude 0.5 is 0.354 from RIFF and from RIFX.
# Versions: ffmpeg 5.1.9, sox 14.4.2 (Debian 12, packages `ffmpeg` and `sox`).
# Behaviour: the header is read as big-endian, the samples as little-endian (`pcm_s16le`): noise.
# sox reads its own file correctly.
# Consequence: sox is the reference for RIFX.
#
# Output seen:
#   ffmpeg version 5.1.9-0+deb12u1
#   sox:      SoX v14.4.2
#   RIFF: ffmpeg pcm_s16le, RMS 0.354
#   RIFX: ffmpeg pcm_s16le, RMS 0.487
#   RIFX: sox, RMS 0.354
set -euo pipefail
for tool in ffmpeg sox; do
  command -v "$tool" >/dev/null || { echo "$tool is missing: apt-get install $tool" >&2; exit 2; }
done
ffmpeg -version | sed -n '1s/ Copyright.*//p'
sox --version
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
sox -n -r 44100 -b 16 riff.wav synth 1 sine 441 vol 0.5
sox -D riff.wav -B rifx.wav
rms() { sox "$@" -n stat 2>&1 | awk '/RMS.*amplitude/ { printf "%.3f", $3 }'; }
codec() { ffprobe -v error -show_entries stream=codec_name -of csv=p=0 "$1"; }
for name in riff rifx; do ffmpeg -nostdin -v error -i "$name.wav" "by-ffmpeg-$name.wav"; done
plain=$(rms by-ffmpeg-riff.wav) swapped=$(rms by-ffmpeg-rifx.wav) right=$(rms rifx.wav)
echo "RIFF: ffmpeg $(codec riff.wav), RMS $plain"
echo "RIFX: ffmpeg $(codec rifx.wav), RMS $swapped"
echo "RIFX: sox, RMS $right"
[ "$plain" = 0.354 ] && [ "$right" = 0.354 ] && [ "$swapped" != 0.354 ] && [ "$(codec rifx.wav)" = pcm_s16le ]
