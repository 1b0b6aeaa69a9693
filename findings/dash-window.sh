#!/usr/bin/env bash
# A live DASH manifest in ffmpeg: the window is played again after each update of the manifest.
#
# Guess:     `ffmpeg -i manifest.mpd -f wav -` outputs each segment once, so a stream that is
#            packaged in real time is output at about real time after an initial burst.
# Tool:      ffmpeg 5.1.9 of Debian 12 as packager and as player, python3's http.server.
# Behaviour: with `<SegmentTimeline>` (the packager's default) the player repeats the window
#            after each update of the manifest: five segments of 2 s were output every 2 s, five
#            times real time. The repeated segments keep their timestamps, so a filter that drops
#            frames that are not newer than the last one restores real time:
#            -copyts … -af "aselect='isnan(prev_selected_t)+gt(t,prev_selected_t)'".
# Output:    audio in 20 s: 99.0 s; with the filter: 28.3 s
#
# Needs ffmpeg and python3 (apt). Takes about a minute. Exits with 1 if ffmpeg behaves otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p); wait; rm -rf "$folder"' EXIT
ffmpeg -version | head -n 1
cd "$folder"
ffmpeg -nostdin -v error -re -f lavfi -i sine=440:r=44100 -ac 2 -t 90 -c:a aac -b:a 96k \
  -f dash -seg_duration 2 -window_size 5 -extra_window_size 5 manifest.mpd &
python3 -u -m http.server 0 --bind 127.0.0.1 >server.log 2>&1 &
for _ in $(seq 100); do grep -q port server.log && break; sleep 0.1; done
port=$(sed -n 's/.*port \([0-9]*\).*/\1/p' server.log | head -n 1)
sleep 12

# Seconds of audio that ffmpeg writes in 20 s, with the given arguments before and behind the input.
seconds() {
  timeout 20 ffmpeg -nostdin -v error $1 -i "http://127.0.0.1:$port/manifest.mpd" ${2:+-af "$2"} \
    -ac 2 -ar 44100 -f s16le - 2>/dev/null | wc -c | awk '{ printf "%.1f", $1 / 176400 }' || true
}
plain=$(seconds "")
newer=$(seconds -copyts "aselect='isnan(prev_selected_t)+gt(t,prev_selected_t)'")
echo "audio in 20 s: $plain s; with the filter: $newer s"
awk -v plain="$plain" -v newer="$newer" 'BEGIN { exit !(plain > 50 && newer > 15 && newer < 40) }'
