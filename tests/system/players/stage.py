"""Players. Each function starts one program and returns its sources."""

import http.server
import os
import socket
import subprocess
import threading
from dataclasses import dataclass, field
from functools import partial

from processes import free_port, listens, until

TITLE = "Zażółć gęślą — Jaźń"
"""A title beyond Latin-1."""

PASSWORD = "source"


@dataclass
class Source:
    name: str
    uri: str
    command: list = field(default_factory=list)
    title: str | None = None
    """Part of the title that it must announce."""
    pausable: bool = False
    """Whether its player is paused during the test."""


def music(song, folder):
    """20 s of `song` in FLAC, with a title."""
    path = folder / "music" / "song.flac"
    path.parent.mkdir()
    command = ["ffmpeg", "-v", "error", "-ss", "60", "-t", "20", "-i", song, "-map_metadata", "-1"]
    subprocess.run([*command, "-metadata", f"title={TITLE}", "-metadata", "artist=Ensemble", path], check=True)
    return path


class Icecast:
    """An Icecast server."""

    def __init__(self, processes):
        self.port = free_port()
        self.folder = processes.folder / "icecast"
        self.folder.mkdir()
        self.folder.chmod(0o777)
        (self.folder / "icecast.xml").write_text(f"""<icecast><hostname>127.0.0.1</hostname>
            <limits><clients>100</clients><sources>20</sources><burst-size>65535</burst-size></limits>
            <authentication><source-password>{PASSWORD}</source-password><relay-password>x</relay-password>
            <admin-user>admin</admin-user><admin-password>admin</admin-password></authentication>
            <listen-socket><port>{self.port}</port><bind-address>127.0.0.1</bind-address></listen-socket>
            <paths><basedir>/usr/share/icecast2</basedir><logdir>{self.folder}</logdir>
            <webroot>/usr/share/icecast2/web</webroot><adminroot>/usr/share/icecast2/admin</adminroot></paths>
            <logging><accesslog>-</accesslog><errorlog>-</errorlog><loglevel>2</loglevel></logging></icecast>""")
        processes.start("icecast", ["icecast2", "-c", self.folder / "icecast.xml"], user="nobody")
        until("Icecast answers", lambda: listens(self.port))

    def url(self, mount):
        return f"http://127.0.0.1:{self.port}{mount}"


def icecast(processes, song, server):
    """ffmpeg, in formats that Icecast forwards unchanged, so that a late listener begins within a
    frame."""
    sources = []
    for name, options in (
        ("flac", ["-c:a", "flac", "-content_type", "audio/flac", "-f", "flac"]),
        ("aac", ["-c:a", "aac", "-content_type", "audio/aac", "-f", "adts"]),
        ("opus", ["-c:a", "libopus", "-content_type", "application/ogg", "-f", "ogg"]),
    ):
        mount = f"/ffmpeg-{name}"
        target = f"icecast://source:{PASSWORD}@127.0.0.1:{server.port}{mount}"
        command = ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", song, "-vn", *options, target]
        processes.start(f"ffmpeg-{name}", command)
        sources.append(Source(f"icecast-{name}", server.url(mount)))
    return sources


class Mpd:
    """The Music Player Daemon with one `httpd` output per encoder."""

    ENCODERS = {
        "flac": 'encoder "flac"',
        "vorbis": 'encoder "vorbis"\n    quality "5"',
        "opus": 'encoder "opus"\n    bitrate "96000"',
        "mp3": 'encoder "lame"\n    bitrate "128"',
    }

    def __init__(self, processes, song):
        self.folder = processes.folder / "mpd"
        (self.folder / "playlists").mkdir(parents=True)
        self.port = free_port()
        ports = {name: free_port() for name in self.ENCODERS}
        outputs = "".join(
            f"""audio_output {{
    type "httpd"
    name "{name}"
    {encoder}
    port "{ports[name]}"
    bind_to_address "127.0.0.1"
    format "{48000 if name == "opus" else 44100}:16:2"
    always_on "yes"
    tags "yes"
}}
"""
            for name, encoder in self.ENCODERS.items()
        )
        (self.folder / "mpd.conf").write_text(f"""music_directory "{song.parent}"
playlist_directory "{self.folder}/playlists"
db_file "{self.folder}/database"
state_file "{self.folder}/state"
bind_to_address "127.0.0.1"
port "{self.port}"
zeroconf_enabled "no"
auto_update "no"
{outputs}""")
        processes.start("mpd", ["mpd", "--no-daemon", "--stderr", self.folder / "mpd.conf"])
        until("MPD answers", lambda: listens(self.port))
        self.ask("update")
        until("MPD knows the song", lambda: "song.flac" in self.ask("listall"))
        self.ask("add song.flac", "repeat 1", "play")
        self.sources = [
            # The Opus encoder writes no title.
            Source(f"mpd-{name}", f"http://127.0.0.1:{port}/", title=None if name == "opus" else TITLE, pausable=True)
            for name, port in ports.items()
        ]

    def ask(self, *commands):
        with socket.create_connection(("127.0.0.1", self.port), 10) as line:
            text = "".join(f"{command}\n" for command in commands)
            line.sendall(f"command_list_begin\n{text}command_list_end\nclose\n".encode())
            answer = line.makefile().read()
        if "ACK" in answer:
            raise RuntimeError(f"MPD to {commands}: {answer}")
        return answer

    def pause(self, paused):
        self.ask(f"pause {int(paused)}")


class Folder:
    """A web server for segments."""

    def __init__(self, folder):
        class Quiet(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), partial(Quiet, directory=str(folder))
        )
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path):
        return f"http://127.0.0.1:{self.port}/{path}"


def liquidsoap(processes, song, server, web, folder):
    """Liquidsoap: outputs to Icecast, a built-in server (harbor), and HLS with MP3 segments."""
    port = free_port()
    hls = folder / "liquidsoap-hls"
    hls.mkdir()
    to_icecast = f'host="127.0.0.1", port={server.port}, password="{PASSWORD}"'
    script = folder / "station.liq"
    root = "settings.init.allow_root.set(true)" if os.geteuid() == 0 else ""
    script.write_text(f"""{root}
settings.log.stdout.set(true)
settings.log.file.set(false)
song = mksafe(single("{song}"))
output.icecast(%mp3(bitrate=128), {to_icecast}, mount="liquidsoap-mp3", encoding="UTF-8", song)
output.icecast(%vorbis, {to_icecast}, mount="liquidsoap-vorbis", song)
output.icecast(%opus, {to_icecast}, mount="liquidsoap-opus", song)
output.icecast(%ogg(%flac), {to_icecast}, mount="liquidsoap-oggflac", song)
output.harbor(%mp3(bitrate=128), port={port}, mount="harbor", song)
output.file.hls(playlist="live.m3u8", segment_duration=2.0, segments=6, segments_overhead=4,
  "{hls}", [("mp3", %mp3(bitrate=128))], song)
""")
    processes.start("liquidsoap", ["liquidsoap", script])
    until("Liquidsoap writes HLS", lambda: len(list(hls.glob("*.mp3"))) > 2, 60)
    names = [("mp3", TITLE), ("vorbis", TITLE), ("opus", TITLE), ("oggflac", TITLE)]
    return [
        *(Source(f"liquidsoap-{name}", server.url(f"/liquidsoap-{name}"), title=title) for name, title in names),
        Source("liquidsoap-harbor", f"http://127.0.0.1:{port}/harbor"),
        Source("liquidsoap-hls", web.url("liquidsoap-hls/mp3.m3u8")),
    ]


def gstreamer(processes, song, server, web, folder):
    """GStreamer: `shout2send` to Icecast, `hlssink2`, and `tcpserversink`, which a process
    reads."""
    hls = folder / "gstreamer-hls"
    hls.mkdir()
    ports = {name: free_port() for name in ("flac", "opus", "aac")}
    encoders = {
        "flac": "flacenc",
        "opus": "opusenc ! oggmux",
        "aac": "voaacenc bitrate=128000 ! audio/mpeg,stream-format=adts ! aacparse",
    }
    tcp = " ".join(
        f"t. ! queue ! audioconvert ! {encoder} ! tcpserversink host=127.0.0.1 port={ports[name]} sync=false"
        for name, encoder in encoders.items()
    )
    long = folder / "long.wav"
    # `gst-launch-1.0` cannot repeat a file.
    command = ["ffmpeg", "-v", "error", "-stream_loop", "14", "-i", song, "-ar", "48000", "-ac", "2", long]
    subprocess.run(command, check=True)
    pipeline = f"""filesrc location={long} ! wavparse ! audioconvert ! identity sync=true ! tee name=t
        t. ! queue ! audioconvert ! lamemp3enc target=bitrate bitrate=128 ! shout2send ip=127.0.0.1
            port={server.port} password={PASSWORD} mount=/gstreamer-mp3
        t. ! queue ! audioconvert ! voaacenc ! aacparse ! hlssink2 target-duration=2
            location={hls}/segment%05d.ts playlist-location={hls}/live.m3u8
        {tcp}""".split()
    processes.start("gstreamer", ["gst-launch-1.0", "-q", *pipeline])
    for port in ports.values():
        until("GStreamer serves", lambda port=port: listens(port))
    until("GStreamer writes HLS", lambda: (hls / "live.m3u8").exists(), 60)
    reader = "exec cat < /dev/tcp/127.0.0.1/{}"
    return [
        Source("gstreamer-mp3", server.url("/gstreamer-mp3")),
        Source("gstreamer-hls", web.url("gstreamer-hls/live.m3u8")),
        *(
            Source(f"gstreamer-tcp-{name}", "process:", ["bash", "-c", reader.format(port)])
            for name, port in ports.items()
        ),
    ]
