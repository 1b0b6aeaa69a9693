"""Audio rendered by ffmpeg as 16-bit stereo."""

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

RATE = 44_100
FRAME = 4
"""Bytes of a stereo sample."""
CHUNK = 1 << 18
EDGE = 0.02
"""Seconds that every layer takes to come and go, so that nothing clicks."""


@dataclass
class Layer:
    """A part of a recording or, with `made`, of an ffmpeg generator."""

    path: Path | None
    start: float
    gain_db: float = 0.0
    fade_in: float = EDGE
    fade_out: float = EDGE
    made: str = ""
    filters: str = ""


@dataclass
class Sound:
    """`frames` samples of all layers mixed; digital silence without layers."""

    frames: int
    layers: list[Layer] = field(default_factory=list)

    @property
    def seconds(self):
        return self.frames / RATE

    def command(self):
        inputs, graph = [], ""
        for number, layer in enumerate(self.layers):
            length = f"{self.seconds + 0.1:.4f}"
            if layer.made:
                inputs += ["-f", "lavfi", "-t", length, "-i", layer.made]
            else:
                inputs += ["-ss", f"{layer.start:.4f}", "-t", length, "-i", str(layer.path)]
            extra = f",{layer.filters}" if layer.filters else ""
            graph += (
                f"[{number}:a]aresample={RATE},aformat=sample_fmts=fltp:channel_layouts=stereo,volume={layer.gain_db}dB"
                f"{extra},apad,atrim=end_sample={self.frames},afade=t=in:d={layer.fade_in}"
                f",afade=t=out:st={max(self.seconds - layer.fade_out, 0):.4f}:d={layer.fade_out}[l{number}];"
            )
        graph += "".join(f"[l{number}]" for number in range(len(self.layers)))
        graph += f"amix=inputs={len(self.layers)}:normalize=0:duration=first"
        return ["ffmpeg", "-nostdin", "-v", "error", *inputs, "-filter_complex", graph, "-f", "s16le", "-"]

    def pcm(self):
        """Yields the samples as bytes, in chunks, with exactly the declared length."""
        due = self.frames * FRAME
        if not self.layers:
            while due:
                yield bytes(min(due, CHUNK))
                due -= min(due, CHUNK)
            return
        with subprocess.Popen(self.command(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as made:
            while due and (chunk := made.stdout.read(min(due, CHUNK))):
                due -= len(chunk)
                yield chunk
            made.stdout.close()
            said = made.stderr.read().decode().strip()
        if due or made.returncode:
            raise SystemExit(f"broadcast_day: the output of ffmpeg is {due} bytes short: {said}")
