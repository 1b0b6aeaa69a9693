#!/usr/bin/env bash
# ffmpeg does not decode free-format MP3.
#
# Guess:     ffmpeg decodes free-format MP3 (ISO/IEC 11172-3, 2.4.2.3), as mpg123 does.
# Version:   ffmpeg 5.1.9, mpg123 1.31.2 (Debian 12).
# Behaviour: ffmpeg decodes nothing of the output of `lame --freeformat -b 320`, and exits with an
#            error; mpg123 decodes all 10 s, with delay and padding removed.
# Input:     a sine from sox, encoded by LAME 3.100, so the file is valid.
#
# Exits with 1 if ffmpeg decodes it, or if mpg123 no longer does.
# Packages: apt-get install ffmpeg mpg123 lame sox
set -euo pipefail
dpkg-query -W -f '${Package} ${Version}\n' ffmpeg mpg123 lame sox
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
sox -n -r 44100 -c 2 -b 16 in.wav synth 10 sine 440 vol 0.5
lame --quiet --freeformat -b 320 in.wav free.mp3
samples() { ffprobe -v error -show_entries stream=duration_ts -of csv=p=0 "$1"; }
mpg123 -q -w mpg123.wav free.mp3
ffmpeg -nostdin -v quiet -i free.mp3 -f s16le ffmpeg.s16 || true
theirs=$(stat -c %s ffmpeg.s16 2>/dev/null || echo 0)
echo "mpg123: $(samples mpg123.wav) samples; ffmpeg: $((theirs / 4)) samples"
[ "$(samples mpg123.wav)" = 441000 ] && [ "$theirs" -lt 17640 ]
