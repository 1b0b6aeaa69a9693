#!/usr/bin/env bash
# ffmpeg does not read back the AIFF, Wave64 and RF64 that it writes to a pipe.
#
# Guess: a demuxer reads the output of the muxer of the same program, so one second of audio can be
# read back from every container, whether it was written to a file or to a pipe.
# Version: ffmpeg 5.1.9 (Debian 12, package `ffmpeg`).
# Behaviour: a pipe is not seekable, so the muxers leave the sizes at 0 or at a maximum. The WAV,
# AU and CAF demuxers read to the end. AIFF (`SSND` of size 0) and Wave64 (`data` of size
# 2^63 - 1) are rejected as invalid data; RF64 (`ds64` all zero) gives no audio and exit status 0.
# Consequence: a size in a header is a hint, and ffmpeg is no reference for these three.
#
# Output seen:
#   ffmpeg version 5.1.9-0+deb12u1
#   wav: 44100 samples from a file, 44100 through a pipe
#   au: 44100 samples from a file, 44100 through a pipe
#   caf: 44100 samples from a file, 44100 through a pipe
#   aiff: 44100 samples from a file, 0 through a pipe
#   w64: 44100 samples from a file, 0 through a pipe
#   rf64: 44100 samples from a file, 0 through a pipe
set -euo pipefail
command -v ffmpeg >/dev/null || { echo "ffmpeg is missing: apt-get install ffmpeg" >&2; exit 2; }
ffmpeg -version | sed -n '1s/ Copyright.*//p'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
tone() { ffmpeg -nostdin -v error -f lavfi -i sine=440:d=1:r=44100 -c:a "$1" "${@:2}"; }
count() { echo $(($({ ffmpeg -nostdin -v error -i "$1" -f s16le - 2>/dev/null || true; } | wc -c) / 2)); }
status=0
while read -r name codec format expected; do
  read -ra options <<<"-f ${format//,/ }"
  tone "$codec" "${options[@]}" "file.$name"
  tone "$codec" "${options[@]}" - | cat >"pipe.$name"
  seen="$(count "file.$name") $(count "pipe.$name")"
  echo "$name: ${seen% *} samples from a file, ${seen#* } through a pipe"
  [ "$seen" = "44100 $expected" ] || status=1
done <<'LIST'
wav pcm_s16le wav 44100
au pcm_s16be au 44100
caf pcm_s16be caf 44100
aiff pcm_s16be aiff 0
w64 pcm_s16le w64 0
rf64 pcm_s16le wav,-rf64,always 0
LIST
exit $status
