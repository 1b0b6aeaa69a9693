#!/usr/bin/env bash
# Fetches freely licensed recordings for tests and demos, from Debian packages, into
# .cache/test-audio/:
#   metal.ogg classical.ogg electronic.ogg   whole songs, 44.1 kHz stereo
#   clips/*.wav                              ten clips of 5 s, 16 kHz mono, 16 bit
# Needs apt-get (no root), dpkg, ffmpeg and, for the first run, the network (89 MB).
#
# Music: Muldjord, metal, CC-BY-SA 3.0 (fretsonfire-songs-muldjord); soundtracks of FreeDink
# (freedink-data) and Trackballs, GPL-2+ (trackballs-data). Details are in each package's copyright
# file.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cache=.cache/test-audio
songs=$cache/songs

fail() {
    echo "fetch_audio: $*" >&2
    exit 1
}

# name, package, path inside it, sha256
recordings() {
    local fof=usr/share/games/fretsonfire/data/songs/muldjord dink=usr/share/games/dink/dink/Sound
    local balls=usr/share/games/trackballs/music
    cat <<LIST
armygeddon fretsonfire-songs-muldjord $fof/armygeddon/song.ogg 3912690dfdf264df3c0e6ce4057e1ef2617d159e3fe873172762ebe3b8a15dd2
chaos_god fretsonfire-songs-muldjord $fof/chaos_god/song.ogg e3ea47b66cfcacc853aa03e4dd5aa3262a73468b4a8aab240de9e00b13373127
degeneration fretsonfire-songs-muldjord $fof/internal_degeneration/song.ogg 37c8afa938c155af45645af94d61eebeba11e975b4c8be8f61a04a2f97e1327d
dink_1 freedink-data $dink/1.ogg 457438b931a7120a6d52379ca186652973b13cd26666a870fa5ecd4fc73520e8
dink_5 freedink-data $dink/5.ogg a7de190dc75d74dcb4cc65fd2c060dc72ae5a10d93ca7e3fbb1af4a4b729b25f
dink_lovin freedink-data $dink/lovin.ogg 46ba524a5a96c33b382b8222ef8188e6e1b8e7b79041f57f29a42304e4d74231
dink_denube freedink-data $dink/denube.ogg de9149f712654c355396f10d2c380ceecb4e2bb479f1e1676a443c5aaf1aa94c
genesis trackballs-data $balls/tb_genesis.ogg 13e84b5e057c872cd3cb1550c01178d789bcbb4e5c9441d3d2e3af9cf1f4fe4e
plinkeplanke trackballs-data $balls/tb_plinkeplanke.ogg 9a9692284c82fa9b62512ef2444d05a68f0167a1818b893f5715d2bcb02c8406
sorrow trackballs-data $balls/tb_sorrow.ogg 157a3ec506af0778434d4a49f69e47ab1a0656d64b8d5330f366bd7472d0d007
LIST
}

complete() {
    local name
    for name in metal classical electronic; do [[ -s $cache/$name.ogg ]] || return 1; done
    while read -r name _; do [[ -s $cache/clips/$name.wav ]] || return 1; done < <(recordings)
}

complete && exit 0

for tool in apt-get dpkg ffmpeg sha256sum; do
    command -v "$tool" >/dev/null || fail "\`$tool\` is missing; install it (on Debian or Ubuntu: apt-get install apt dpkg ffmpeg coreutils)"
done

mkdir -p "$songs" "$cache/clips"
work=$(mktemp -d "$cache/unpack.XXXXXX")
trap 'rm -rf "$work"' EXIT

for package in $(recordings | cut -d' ' -f2 | sort -u); do
    missing=0
    while read -r name from _; do
        [[ $from != "$package" || -s $songs/$name.ogg ]] || missing=1
    done < <(recordings)
    ((missing)) || continue
    echo "fetch_audio: fetching $package" >&2
    (cd "$work" && apt-get -q -o APT::Sandbox::User=root download "$package" >apt.log 2>&1) || {
        cat "$work/apt.log" >&2
        fail "cannot download \`$package\`; check the network, and that \`apt-get update\` was run"
    }
    dpkg -x "$work/$package"_*.deb "$work/$package"
    while read -r name from path sum; do
        [[ $from == "$package" ]] || continue
        [[ -f $work/$package/$path ]] || fail "\`$package\` holds no \`$path\`; its version is not the one that this script knows"
        echo "$sum  $work/$package/$path" | sha256sum --quiet --check - || fail "\`$path\` of \`$package\` is not the recording that this script knows"
        mv "$work/$package/$path" "$songs/$name.ogg"
    done < <(recordings)
    rm -rf "${work:?}/$package" "$work/$package"_*.deb
done

# 5 s from 40 s on. Without SIMD (-cpuflags 0), so that every machine produces the same samples.
while read -r name _; do
    ffmpeg -nostdin -v error -y -cpuflags 0 -i "$songs/$name.ogg" -map 0:a:0 -map_metadata -1 -bitexact \
        -af 'atrim=start=40:duration=5,asetpts=PTS-STARTPTS,aresample=16000,aformat=sample_fmts=s16:channel_layouts=mono' \
        -c:a pcm_s16le "$work/clip.wav" || fail "ffmpeg cannot cut \`$songs/$name.ogg\`; delete it and run this again"
    mv "$work/clip.wav" "$cache/clips/$name.wav"
done < <(recordings)

ln -f "$songs/armygeddon.ogg" "$cache/metal.ogg"
ln -f "$songs/dink_1.ogg" "$cache/classical.ogg"
ln -f "$songs/genesis.ogg" "$cache/electronic.ogg"
echo "fetch_audio: $cache is complete" >&2
