#!/usr/bin/env bash
# ffmpeg decodes 24-bit integers in 32-bit containers as floats.
#
# Guess: a WAV file with `WAVE_FORMAT_EXTENSIBLE`, the sub-format PCM, 32 bits per sample and 24
# valid bits contains integers that are aligned to the most significant bit (Microsoft,
# WAVEFORMATEXTENSIBLE), and ffmpeg decodes them as `pcm_s32le`.
# Version: ffmpeg 5.1.9 (Debian 12, package `ffmpeg`).
# Behaviour: ffmpeg selects the codec `pcm_f24le` (the "24.0 float" of Cool Edit), so a sine of
# amplitude 0.5 becomes unbounded values. With 32 valid bits the same samples are decoded correctly.
# Consequence: if fewer bits are valid than the container has, the specification is the reference.
#
# Output seen:
#   ffmpeg version 5.1.9-0+deb12u1
#   32 valid bits: pcm_s32le, peak 0.500
#   24 valid bits: pcm_f24le, peak above 1
set -euo pipefail
for tool in ffmpeg:ffmpeg python3:python3; do
  command -v "${tool%:*}" >/dev/null || { echo "${tool%:*} is missing: apt-get install ${tool#*:}" >&2; exit 2; }
done
ffmpeg -version | sed -n '1s/ Copyright.*//p'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 - <<'PYTHON'
import math, struct
guid = bytes.fromhex("0100000000001000800000aa00389b71")
samples = [round(0.5 * 2**23 * math.sin(2 * math.pi * 441 * n / 44100)) << 8 for n in range(44100)]
data = struct.pack(f"<{len(samples)}i", *samples)
for valid in (32, 24):
    form = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 44100, 176400, 4, 32, 22, valid, 4) + guid
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    open(f"{valid}.wav", "wb").write(b"RIFF" + struct.pack("<I", len(body)) + body)
PYTHON
codec() { ffprobe -v error -show_entries stream=codec_name -of csv=p=0 "$1"; }
peak() { ffmpeg -nostdin -v error -i "$1" -f f32le - | python3 -c '
import array, sys
samples = array.array("f", sys.stdin.buffer.read())
peak = max(map(abs, samples))
print("%.3f" % peak if peak <= 1 else "above 1")'; }
status=0
while read -r valid codec peak; do
  seen="$(codec "$valid.wav"), peak $(peak "$valid.wav")"
  echo "$valid valid bits: $seen"
  [ "$seen" = "$codec, peak $peak" ] || status=1
done <<'LIST'
32 pcm_s32le 0.500
24 pcm_f24le above 1
LIST
exit $status
