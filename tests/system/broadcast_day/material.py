"""Recordings for the day: music with a genre tag and recorded speech, from Debian packages."""

import csv
import random
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
TALK = {
    "asterisk-core-sounds-ru-g722": "**/*.g722",
    "fillets-ng-data-nl": "**/nl/*.ogg",
}
"""Packages of speech that the gate was not trained on, and where it lies in them."""
NO_TALK = re.compile(r"/(silence|digits|letters|phonetic)/|beep|/tt-|tone")
LEAST_BYTES = 14_000
"""Smaller files hold a word or two."""
CLIPS = 240
BATCH = 40
FLOOR_DB = -45.0
"""Sound whose peaks stay below this for a second is a pause: a track is played from one to the
next."""


@dataclass
class Track:
    """A recording and the genre of its file tag."""

    name: str
    path: Path
    genre: str
    seconds: float = 0.0
    mean_db: float = 0.0
    pauses: dict = field(default_factory=dict)
    """Of each floor that was asked for."""

    def loud(self, gain_db=0.0):
        """Start and end of the longest part without a pause, after a gain of `gain_db`."""
        floor = FLOOR_DB - gain_db
        if floor not in self.pauses:
            self._probe(floor)
        edges = [0.0, *(edge for pause in self.pauses[floor] for edge in pause), self.seconds]
        return max(zip(edges[::2], edges[1::2]), key=lambda part: part[1] - part[0])

    def _probe(self, floor):
        filters = f"silencedetect=noise={floor}dB:duration=1,volumedetect"
        found = ffmpeg(["-v", "info", "-i", self.path, "-af", filters, "-f", "null", "-"], text=True)
        self.seconds = seconds(self.path)
        self.mean_db = float(re.search(r"mean_volume: (-?[\d.]+) dB", found)[1])
        starts = [max(float(at), 0.0) for at in re.findall(r"silence_start: (-?[\d.]+)", found)]
        ends = [float(at) for at in re.findall(r"silence_end: (-?[\d.]+)", found)]
        ends += [self.seconds] * (len(starts) - len(ends))
        self.pauses[floor] = list(zip(starts, ends))


def ffmpeg(arguments, text=False):
    """Runs ffmpeg. Returns standard output, or with `text` its messages."""
    made = subprocess.run(["ffmpeg", "-nostdin", *arguments], capture_output=True, check=False)
    if made.returncode:
        raise SystemExit(f"broadcast_day: ffmpeg failed: {made.stderr.decode()[-800:]}")
    return made.stderr.decode(errors="replace") if text else made.stdout


def seconds(path):
    command = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", path]
    return float(subprocess.run(command, capture_output=True, check=True).stdout)


def tracks(folder, everything):
    """Tracks of `tracks.csv` whose tag `classify` predicts, or all."""
    with open(HERE / "tracks.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if everything or row["clear"] == "yes"]
    packages = sorted({row["package"] for row in rows})
    have(packages, folder)
    return [Track(f"{row['package']}/{row['path']}", folder / row["package"] / row["path"], row["genre"]) for row in rows]


def have(packages, folder):
    """Downloads missing packages, unless the folder was given by the user."""
    missing = [package for package in packages if not (folder / package / "usr").is_dir()]
    if not missing:
        return
    if not (folder / ".ours").exists():
        raise SystemExit(
            f"broadcast_day: `{folder}` has no {', '.join(missing)}: `apt-get download PACKAGE` and "
            f"`dpkg -x PACKAGE.deb {folder}/PACKAGE`, or leave the folder out and they are fetched"
        )
    for package in missing:
        print(f"broadcast_day: fetching {package}", flush=True)
        command = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", package]
        if subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode:
            raise SystemExit(f"broadcast_day: `apt-get download {package}` failed; check the network, and run `apt-get update`")
        file = next(folder.glob(f"{package}_*.deb"))
        unpacked = folder / f"{package}.part"
        subprocess.run(["dpkg", "-x", file, unpacked], check=True)
        unpacked.rename(folder / package)
        file.unlink()


def talk(folder, work, seed):
    """Minutes of talk: the clips of each package, joined with pauses to one WAV file."""
    have(TALK, folder)
    made = []
    for number, (package, pattern) in enumerate(TALK.items()):
        clips = [
            path
            for path in sorted((folder / package).glob(pattern))
            if path.stat().st_size >= LEAST_BYTES and not NO_TALK.search(str(path))
        ]
        random.Random(seed).shuffle(clips)
        target = work / f"talk-{number}.wav"
        target.write_bytes(b"")
        parts = []
        for first in range(0, min(len(clips), CLIPS), BATCH):
            part = work / f"talk-{number}-{first}.wav"
            _join(clips[first : first + BATCH], part)
            parts.append(part)
        listed = work / "talk.txt"
        listed.write_text("".join(f"file '{part}'\n" for part in parts))
        ffmpeg(["-v", "error", "-y", "-f", "concat", "-safe", "0", "-i", listed, "-c", "copy", target])
        for part in parts:
            part.unlink()
        made.append(Track(package, target, "speech", seconds(target)))
    return made


def _join(clips, target):
    """Joins clips with pauses of a third of a second, with the level control of a station."""
    inputs = [argument for clip in clips for argument in ("-i", clip)]
    each = "aresample=44100,aformat=sample_fmts=fltp:channel_layouts=mono,apad=pad_dur=0.3"
    graph = "".join(f"[{i}:a]{each}[a{i}];" for i in range(len(clips)))
    graph += "".join(f"[a{i}]" for i in range(len(clips)))
    graph += f"concat=n={len(clips)}:v=0:a=1,speechnorm=p=0.5:e=6:r=0.0005:f=0.0005"
    ffmpeg(["-v", "error", "-y", *inputs, "-filter_complex", graph, "-c:a", "pcm_s16le", target])
