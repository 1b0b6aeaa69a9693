#!/usr/bin/env python3
"""Makes the seeds of the corpora, which are committed: real files of every kind, a fifth of a second each."""

import pathlib
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parent / "corpus"


def sound(name, *arguments, title="A - B"):
    output = HERE / "decode" / name
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "sine=440:r=16000:d=0.2", "-af", "volume=0.5"]
        + ["-metadata", f"title={title}", "-fflags", "+bitexact", "-flags:a", "+bitexact"]
        + [*arguments, output],
        check=True,
    )
    return output.read_bytes()


def put(target, name, content):
    (HERE / target / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def sounds():
    sound("f32.wav", "-ar", "8000", "-c:a", "pcm_f32le")
    sound("adpcm.wav", "-c:a", "adpcm_ima_wav")
    sound("s24.aiff", "-ar", "8000", "-c:a", "pcm_s24be")
    wav = sound("s16.wav", "-ar", "8000")
    head, audio = wav.split(b"data", 1)
    put("decode", "no-sizes.wav", head[:4] + bytes(4) + head[8:] + b"data" + bytes(4) + audio[4:])
    odd = b"fact\0\0\0\0LIST\x05\0\0\0INFOx"
    put("decode", "chunks.wav", head + odd + b"data" + audio + b"LIST\x04\0\0\0INFO")
    put("decode", "twice.wav", wav + wav)
    sound("rf64.wav", "-ar", "8000", "-rf64", "always")
    sound("mp3.wav", "-b:a", "32k", "-c:a", "libmp3lame")
    sound("ms.wav", "-c:a", "adpcm_ms")
    sound("s16.w64", "-ar", "8000")
    sound("sowt.aiff", "-ar", "8000", "-c:a", "pcm_s16le")
    sound("s16.au", "-ar", "8000")
    sound("f32.caf", "-ar", "8000", "-c:a", "pcm_f32le")
    sound("ima.caf", "-c:a", "adpcm_ima_qt")
    sound("alac.caf", "-c:a", "alac")
    sound("s24.mov", "-ar", "8000", "-c:a", "pcm_s24be", "-movflags", "+faststart")
    sound("ima.mov", "-c:a", "adpcm_ima_qt", "-movflags", "+faststart")
    sound("fragmented.mov", "-ar", "8000", "-c:a", "pcm_s16le", "-movflags", "frag_keyframe+empty_moov")
    sound("transport-stream", "-c:a", "aac", "-b:a", "32k", "-f", "mpegts")
    flac_streams(sound("flac.flac", "-ac", "2"))
    sound("flac.oga", "-c:a", "flac", "-f", "ogg")
    mp3 = sound("mp3.mp3", "-b:a", "32k")
    sound("adts.aac", "-c:a", "aac", "-b:a", "32k", "-f", "adts")
    vorbis = sound("vorbis.ogg", "-ar", "44100", "-c:a", "libvorbis", "-q:a", "-1", title="First")
    opus = sound("opus.ogg", "-c:a", "libopus", "-b:a", "16k", "-ar", "48000", title="Second")
    put("decode", "chain.ogg", vorbis + opus)
    sound("aac.m4a", "-c:a", "aac", "-b:a", "32k", "-movflags", "+faststart")
    sound("alac.m4a", "-c:a", "alac", "-movflags", "+faststart")
    sound("fragmented.mp4", "-c:a", "aac", "-b:a", "32k", "-movflags", "frag_keyframe+empty_moov+default_base_moof")
    sound("opus.webm", "-c:a", "libopus", "-b:a", "16k", "-ar", "48000")
    sound("opus.mp4", "-c:a", "libopus", "-b:a", "16k", "-ar", "48000", "-movflags", "+faststart")
    sound("surround.ogg", "-c:a", "libopus", "-b:a", "64k", "-ar", "48000", "-af", "aformat=channel_layouts=5.1")
    sound("discrete.ogg", "-c:a", "libopus", "-b:a", "64k", "-ar", "48000", "-ac", "4", "-mapping_family", "255")
    sound("alac.mov", "-c:a", "alac", "-movflags", "+faststart")
    sound("layer.mp2", "-ar", "24000", "-ac", "2", "-c:a", "mp2", "-b:a", "32k")
    mono = sound("mono.aac", "-c:a", "aac", "-b:a", "32k", "-f", "adts")
    stereo = sound("stereo.aac", "-ac", "2", "-c:a", "aac", "-b:a", "32k", "-f", "adts")
    for name in ["mono.aac", "stereo.aac"]:
        (HERE / "decode" / name).unlink()
    put("decode", "changes.aac", mono + stereo)
    # Free format: the frames of a constant bit rate, which is no longer stated.
    frames = sound("free.mp3", "-ar", "48000", "-b:a", "64k", "-write_xing", "0", "-id3v2_version", "0")
    put("decode", "free.mp3", b"".join(bytes([*frames[at : at + 2], frames[at + 2] & 15]) + frames[at + 3 : at + 192] for at in range(0, len(frames), 192)))
    laced = HERE / "decode" / "laced.mka"
    merge = ["mkvmerge", "-q", "-o", laced, HERE / "decode" / "adts.aac"]
    subprocess.run(merge, check=True)
    put("decode", "damaged.mp3", mp3[:500] + b"\xff\xfb\x00garbage" * 8 + mp3[500:])


def flac_streams(flac):
    """Native FLAC that was joined in the middle, damaged, tagged, and begun again with other parameters."""
    start = 4
    while True:
        last, length = flac[start] & 0x80, int.from_bytes(flac[start + 1 : start + 4], "big")
        start += 4 + length
        if last:
            break
    # Two frames are enough.
    second = flac.index(b"\xff\xf8", start + 2)
    end = flac.index(b"\xff\xf8", second + 2)
    frames = flac[start:end]
    cue_sheet = bytes(136) + b"\x80" + bytes(258) + b"\x01"
    picture = b"\x06\0\1\0" + b"\xff" * 100
    put("decode", "joined-flac", frames[40:])
    put("decode", "blocks-flac", flac[:42] + b"\x05\0\1\x8c" + cue_sheet + picture + frames + b"TAG" + bytes(125))
    put("decode", "damaged-flac", flac[:42] + frames[:1000] + b"fLaC\xff\xf8" + frames[1000:])
    silence = bytes.fromhex("fff8c91800") + b"\xc2" + bytes(6)
    put("decode", "chain-flac", b"fLaC\x80" + flac[5:42] + frames + b"fLaC\x80" + flac[5:42] + frames + silence)


def cuts(*sizes):
    return bytes([len(sizes), *sizes])


def icy_streams():
    def text(content):
        content = content if isinstance(content, bytes) else content.encode()
        units = -(-len(content) // 16)
        return bytes([units]) + content.ljust(units * 16, b"\0")

    audio = bytes(range(16))
    head = (15).to_bytes(2, "little")
    stream = audio + text("StreamTitle='A - B';") + audio + text("") + audio + text("StreamTitle='';StreamUrl='x';")
    put("icy", "titles", head + cuts() + cuts() + stream)
    put("icy", "short-reads", head + cuts(1, 3, 7) + cuts(2, 5) + stream)
    put("icy", "latin-1", head + cuts(9) + cuts() + audio + text(b"StreamTitle='Gr\xfcn';") + audio)
    put("icy", "quotes", head + cuts() + cuts(1) + audio + text("StreamTitle='It's over'; he said';") + audio)
    put("icy", "longest", head + cuts(255) + cuts() + audio + text(b"StreamTitle='" + b"x" * 4060 + b"';") + audio)
    ad = "StreamTitle='A &#322; B';adw_ad='true';durationMilliseconds='30000';"
    put("icy", "advertising", head + cuts() + cuts() + audio + text(ad) + audio + text('StreamTitle=\'A - text="B" x="M"\';'))
    put("icy", "cut-off", head + cuts() + cuts() + audio + b"\x05StreamTitle='A")


def playlists():
    def pages(*pages):
        return "\n----\n".join("\n".join(page) for page in pages)

    m3u, pls = "audio/x-mpegurl", "audio/x-scpls"
    stream = ("audio/mpeg", "", "ID3\x04\0\0")
    put("playlist", "m3u", pages((m3u, "", "#EXTM3U\n#EXTINF:-1,Title\nhttp://a/1\n/1\nlive.mp3\n"), stream))
    put("playlist", "pls", pages((pls, "", "[playlist]\nFile1=http://a/1\nTitle1=x\nFile2=http://me:x@b/1\n"), stream))
    put("playlist", "itself", pages((m3u, "", "list.m3u?a=b\n/0\n/0\n")))
    put("playlist", "each-other", pages((m3u, "", "/1\n"), (m3u, "", "/2\n"), (m3u, "", "/0\n/1\n/3\n"), stream))
    put("playlist", "moved", pages((m3u, "https://other/dir/x.m3u", "//h:8000/1\n1\n"), ("text/html", "", "<html>")))
    put("playlist", "tree", pages(*[(m3u, "", "".join(f"/{n}\n" for n in range(1, 9)))] * 8))
    put("playlist", "hls", pages((m3u, "", "#EXTM3U\n#EXT-X-TARGETDURATION:10\n1.aac\n")))
    put("playlist", "kodi", pages((m3u, "", "#EXTVLCOPT:http-user-agent=x\nhttp://a/1|User-Agent=B%20C&Referer=d\n"), stream))
    asx = "<ASX><Entry><REF HREF='1'/><ref href=http://a/2?b&c=d></ENTRY><entryref href='mms://a/1'/></asx>"
    put("playlist", "asx", pages(("video/x-ms-asf", "", asx), stream))
    xspf = "<?xml version='1.0'?><playlist><trackList><track><location>&#49;</location></track></trackList></playlist>"
    put("playlist", "xspf", pages(("application/xspf+xml", "http://b/x/", xspf), stream))
    put("playlist", "smil", pages(("", "", "<?wpl?><smil><meta base='/1/'/><media src='1'/><media src=\"file:///a\"/></smil>")))
    put("playlist", "reference", pages(("text/plain", "", "[Reference]\rRef1=http://a/1\rRef2=rtsp://u:hunter2@a/\r"), stream))
    put("playlist", "manifest", pages(("", "", "<?xml version='1.0'?><!-- x --><MPD><BaseURL>1</BaseURL></MPD>")))
    put("playlist", "feed", pages(("text/xml", "", "<rss><item><enclosure url='http://a/1.mp3'/></item></rss>")))
    put("playlist", "utf-16", pages((m3u, "", "")).encode() + "\ufeff#EXTM3U\r\n/1\r\n".encode("utf-16-le") + b"\n----\n" + pages(stream).encode())
    put("playlist", "page", pages(("audio/mpeg", "", "\r\n <!DOCTYPE html>")))


def m3u8s():
    def lists(*texts):
        return "\n----\n".join(texts)

    live = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:{}\n" + "".join(
        f"#EXTINF:3.9{n},A - {n}\n{n}.ts\n" for n in range(5)
    )
    put("m3u8", "live", lists(live.format(7), live.format(9), live.format(40), live.format(3)))
    put(
        "m3u8",
        "master",
        '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",URI="a/64.m3u8",DEFAULT=YES\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=70000,CODECS="mp4a.40.2",AUDIO="a"\n64.m3u8\n'
        '#EXT-X-STREAM-INF:AVERAGE-BANDWIDTH=900000,CODECS="avc1.4d,mp4a.40.5",RESOLUTION=1x1\n//h/900.m3u8\n',
    )
    put(
        "m3u8",
        "tags",
        "#EXTM3U\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP:URI=\"init.mp4\",BYTERANGE=\"700@0\"\n#EXTINF:4,title=\"B\",artist=\"A\"\n"
        "#EXT-X-BYTERANGE:99@7\nall.mp4\n#EXTINF:4\n#EXT-X-BYTERANGE:99\nall.mp4\n#EXT-X-DISCONTINUITY\n"
        "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXT-X-GAP\n#EXTINF:nan,\nx.ts\n#EXT-X-ENDLIST\n",
    )
    put("m3u8", "numbers", lists(live.format(2**64 - 1), live.format(2**64 - 3), live.format(0)))


def segments():
    def length(content, odd):
        # What is too long by a byte does no harm.
        return content if (len(content) % 2 == 1) == odd else content + b"\0"

    def pack(*parts):
        return b"".join(len(part).to_bytes(2, "little") + part for part in parts)

    def made(name, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(
                ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "sine=440:r=32000:d=0.15", "-af", "volume=0.5"]
                + ["-b:a", "32k", "-fflags", "+bitexact", "-flags:a", "+bitexact", *arguments, f"{folder}/{name}"],
                check=True,
            )
            return (pathlib.Path(folder) / name).read_bytes()

    transport = made("a.ts", "-c:a", "aac", "-f", "mpegts")
    mpeg = made("b.ts", "-c:a", "libmp3lame", "-f", "mpegts")
    put("segments", "transport", pack(length(transport, False), length(transport, False)))
    put("segments", "changes", pack(length(transport, False), length(mpeg, False)))
    put("segments", "lost", pack(length(transport[:940] + transport[1128:], False)))
    mp4 = made("c.mp4", "-c:a", "aac", "-movflags", "frag_keyframe+empty_moov+default_base_moof")
    at = mp4.index(b"moof") - 4
    put("segments", "mp4", pack(length(mp4[:at], True), length(mp4[at:], False)))
    adts = made("d.aac", "-c:a", "aac", "-f", "adts")
    tag = b"TIT2\0\0\0\x06\0\0\x03A - B"
    id3 = b"ID3\x04\0\0\0\0\0" + bytes([len(tag)]) + tag
    put("segments", "packed", pack(length(id3 + adts, False)))
    # Cut within frames and packets; lengths that are multiples of four are followed by no reset.
    mp3 = made("e.mp3", "-c:a", "libmp3lame", "-write_xing", "0", "-id3v2_version", "0")
    halves = [id3 + mp3[:400], id3 + mp3[400:]]
    put("segments", "cut-frames", pack(*[half + bytes(-len(half) % 4) for half in halves]))
    put("segments", "cut-packets", pack(transport[:1000], transport[1000 : len(transport) // 4 * 4]))


def heads():
    def answer(name, head, body=b"", sizes=()):
        put("head", name, cuts(*sizes) + head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)

    answer("icecast", "HTTP/1.0 200 OK\nServer: Icecast 2.4\nicy-metaint: 16000\nContent-Type: audio/mpeg", b"ID3")
    answer("shoutcast", "ICY 200 OK\nicy-notice1:<BR>\nicy-metaint:8192\nicy-name:x", b"\xff\xfb\x90", (1, 2))
    answer("length", "HTTP/1.1 200 OK\nContent-Length: 5", b"12345678", (3,))
    answer("chunked", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n", (1,))
    answer("cut-off", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"ff\r\nabc")
    answer("moved", "HTTP/1.1 302 Found\nLocation: http://h/\nContent-Length: 0")
    answer("many", "HTTP/1.1 200 OK" + "\nA: b" * 70)


if __name__ == "__main__":
    sounds()
    icy_streams()
    playlists()
    m3u8s()
    segments()
    heads()
