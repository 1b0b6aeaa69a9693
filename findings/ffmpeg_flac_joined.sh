#!/usr/bin/env bash
# A FLAC stream without its beginning: ffmpeg recognises it by the file name, not by its content.
#
# Guess:     FLAC frames begin with a sync code and have two checksums, so ffmpeg recognises a
#            stream without its header by content, from a pipe as well as from a file.
# Version:   ffmpeg 5.1.9 (Debian 12).
# Behaviour: a stream that begins exactly at a frame is recognised. A stream that begins in the
#            middle of a frame, as a client that connects late receives it from Icecast, is
#            `Invalid data found when processing input` from a pipe. `-f flac`, or a file name that
#            ends in `.flac`, decodes the same bytes.
# Consequence: a consumer that pipes such a stream to ffmpeg must specify the format.
set -euo pipefail

command -v ffmpeg >/dev/null || { echo "needs ffmpeg (apt-get install ffmpeg)" >&2; exit 2; }
ffmpeg -version | head -1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
ffmpeg -v error -f lavfi -i anoisesrc=d=5:r=44100:seed=1 -c:a flac whole.flac
python3 - <<'PYTHON'
data = open("whole.flac", "rb").read()
at, last = 4, 0
while not last:
    last, at = data[at] & 0x80, at + 4 + int.from_bytes(data[at + 1 : at + 4], "big")
open("frame.flac", "wb").write(data[at:])
open("middle.flac", "wb").write(data[at + 3000 :])
PYTHON

samples() { ffmpeg -v quiet "$@" -f s16le - </dev/stdin | wc -c | awk '{ print $1 / 2 }'; }
at_frame=$(samples -i - <frame.flac) || true
by_content=$(samples -i - <middle.flac) || true
by_option=$(samples -f flac -i - <middle.flac)
by_name=$(samples -i middle.flac </dev/null)
echo "from a pipe, beginning at a frame:      $at_frame samples"
echo "from a pipe, beginning in a frame:      $by_content samples"
echo "the same with -f flac:                  $by_option samples"
echo "the same from a file called *.flac:     $by_name samples"
[ "$at_frame" = 220500 ] && [ "$by_content" = 0 ] && [ "$by_option" -gt 200000 ] && [ "$by_name" = "$by_option" ]
