"""Runs the benches and their peer alternately and writes `docs/measurements/performance.md`.

The peer is MusiCNN as published (`training/reference.onnx`) in Python's onnxruntime, one
thread, one patch at a time. Turns alternate, so that a busy moment of the machine meets all; medians count.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import textwrap
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GENRED = ROOT / "target/release/genred"
REFERENCE = ROOT / "training/reference.onnx"
# A script that measures the same peer, where somebody has put one beside the project.
SHARED_PEER = ROOT.parent / "shared/peers/score.py"
ONE_CORE = {
    "streamed, hop 1 s": ["--hop", "1"],
    "streamed, hop 0.25 s": ["--hop", "0.25"],
    "windowed, hop 1 s": ["--trunk", "windowed", "--hop", "1"],
}
PEER = "MusiCNN in Python's onnxruntime"
STREAMS = {
    "1 MP3": ["--sources", "1"],
    "300 MP3": ["--sources", "300"],
    "300 WAV": ["--sources", "300", "--codec", "wav"],
    "100 MP3, hop 0.25 s": ["--sources", "100", "--hop", "0.25"],
}


def genred(*arguments):
    command = [GENRED, "bench", *arguments, "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peer(seconds):
    """Milliseconds per patch of the peer: measured here, or by the external script if present."""
    if SHARED_PEER.exists():
        command = [sys.executable, SHARED_PEER, REFERENCE, str(seconds)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        return found["ms_per_patch_batch_1"]
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(REFERENCE, options, providers=["CPUExecutionProvider"])
    patch = np.random.default_rng(0).random((1, 187, 96), dtype=np.float32)
    session.run(None, {"log_mel": patch})
    spent, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        session.run(None, {"log_mel": patch})
        spent.append(1e3 * (time.perf_counter() - start))
    return statistics.median(spent)


def machine():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")
    flags = next((line for line in lines if line.startswith("flags")), "")
    wide = next((kind for kind in ("avx512f", "avx2") if f" {kind}" in flags), "no AVX2")
    return f"{name}, {os.cpu_count()} cores ({wide}), {platform.system()} {platform.release()}"


def one_core(rounds):
    found = {name: [] for name in (*ONE_CORE, PEER)}
    for number in range(rounds):
        for name, arguments in ONE_CORE.items():
            found[name].append(genred(*arguments))
        found[PEER].append(peer(6))
        print(f"one core: round {number + 1} of {rounds}", file=sys.stderr)
    return found


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def one_core_table(found):
    python = statistics.median(found[PEER])
    rows = ["| | front end and model, ms per second of audio | lowest … highest round | of MusiCNN in Python |",
            "|---|---|---|---|"]  # fmt: skip
    for name in ONE_CORE:
        values = [run["stream_second_ms"] for run in found[name]]
        middle = statistics.median(values)
        rows.append(f"| {name} | {middle:.2f} | {min(values):.2f} … {max(values):.2f} | 1/{python / middle:.1f} |")
    values = found[PEER]
    rows.append(f"| {PEER}, hop 1 s, model alone | {python:.1f} | {min(values):.1f} … {max(values):.1f} | 1 |")
    first = found["streamed, hop 1 s"]
    ratios = [b["stream_second_ms"] / a["stream_second_ms"] for a, b in zip(first, found["streamed, hop 0.25 s"])]
    rows += [
        "",
        f"Hop 0.25 s costs {statistics.median(ratios):.2f} times as much as hop 1 s ({min(ratios):.2f} … {max(ratios):.2f}). "
        f"A stream at 44.1 kHz also needs resampling, {median(first, 'resample_ms'):.2f} ms per second of audio, "
        f"loudness, {median(first, 'loudness_ms'):.2f} ms, and decoding. "
        f"The look-ahead of the streamed trunk is {first[0]['lookahead_ms']:.0f} ms.",
    ]
    return rows


def streams_table(seconds):
    rows = ["| sources | patches | dropped | latency, ms: median, p99 | memory, MiB | cores |", "|---|---|---|---|---|---|"]
    for name, arguments in STREAMS.items():
        run = genred("streams", "--seconds", str(seconds), *arguments)
        rows.append(
            f"| {name} | {run['produced']} | {run['dropped']} | {run['latency_ms_p50']:.1f}, {run['latency_ms_p99']:.1f} "
            f"| {run['rss_mb']:.0f} | {run['cpu_cores']:.2f} |"
        )
        print(f"streams: {name}: {run}", file=sys.stderr)
    return rows


def overload_text(sources, seconds):
    run = genred("streams", "--sources", str(sources), "--seconds", str(seconds))
    print(f"overload: {run}", file=sys.stderr)
    return [
        f"With {sources} MP3 sources, more than the machine can analyse, {run['produced']} patches = {run['scored']} scored + "
        f"{run['dropped']} dropped. The least-served source got {run['scored_least']} scores. Memory was "
        f"{run['rss_mb_half_way']:.0f} MiB half-way and {run['rss_mb']:.0f} MiB at the end of {seconds} s.",
    ]


def wrapped(page):
    """The page with its prose at 100 columns; headings and tables are not changed."""
    paragraphs = [
        part if part.startswith(("#", "|")) else textwrap.fill(part, 100, break_long_words=False, break_on_hyphens=False)
        for part in page.strip().split("\n\n")
    ]
    return "\n\n".join(paragraphs) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="rounds on one core")
    parser.add_argument("--seconds", type=int, default=60, help="duration of each run of streams")
    parser.add_argument("--overload", type=int, default=1200, help="number of sources in the overload run")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/measurements/performance.md")
    arguments = parser.parse_args()
    rounds, seconds = arguments.rounds, arguments.seconds
    template = (ROOT / "benches/performance.md").read_text()
    parts = {
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "seconds": str(seconds),
        "rounds": str(rounds),
        "one_core": "\n".join(one_core_table(one_core(rounds))),
        "streams": "\n".join(streams_table(seconds)),
        "overload": "\n".join(overload_text(arguments.overload, seconds)),
    }
    for name, text in parts.items():
        template = template.replace(f"{{{name}}}", text)
    arguments.out.write_text(wrapped(template))
    print(arguments.out)


if __name__ == "__main__":
    main()
