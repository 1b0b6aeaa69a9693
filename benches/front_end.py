"""Throughput of log-mel front ends, one thread each, as multiples of real time.

Every implementation is timed three times on the same `seconds` of white noise, alternating with
`genred bench front-end`. Prints medians and their ratios to genred.
"""

import json
import os
import statistics
import subprocess
import sys
import time

for key in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[key] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np

RATE, FFT, HOP, BANDS = 16_000, 512, 256, 96
ROUNDS = 3


def librosa_front_end(audio):
    import librosa

    return lambda: np.log10(
        1 + 10_000 * librosa.feature.melspectrogram(y=audio, sr=RATE, n_fft=FFT, hop_length=HOP, n_mels=BANDS)
    )


def essentia_front_end(audio):
    import essentia
    import essentia.standard as standard

    essentia.log.infoActive = False
    mel = standard.TensorflowInputMusiCNN()
    return lambda: [mel(frame) for frame in standard.FrameGenerator(audio, frameSize=FFT, hopSize=HOP)]


def torchaudio_front_end(audio):
    import torch
    import torchaudio

    torch.set_num_threads(1)
    mel = torchaudio.transforms.MelSpectrogram(
        RATE, n_fft=FFT, hop_length=HOP, n_mels=BANDS, mel_scale="slaney", norm="slaney", pad_mode="constant"
    )
    tensor = torch.from_numpy(audio)
    return lambda: torch.log10(1 + 10_000 * mel(tensor))


def scipy_transforms(audio):
    import scipy.fft

    frames = np.lib.stride_tricks.sliding_window_view(audio, FFT)[::HOP]
    return lambda: scipy.fft.rfft(frames, axis=1)


PEERS = {
    "librosa": librosa_front_end,
    "essentia": essentia_front_end,
    "torchaudio": torchaudio_front_end,
    "scipy, transforms alone": scipy_transforms,
}


def main() -> None:
    seconds, genred = int(sys.argv[1]), sys.argv[2]
    audio = (np.random.default_rng(0).standard_normal(RATE * seconds) * 0.1).astype("f4")
    calls, times = {}, {}
    for name, make in PEERS.items():
        try:
            calls[name] = make(audio)
            calls[name]()  # warm-up: imports, plans, just-in-time compilers
            times[name] = []
        except Exception as error:  # reported as missing
            print(f"{name}: not measured ({type(error).__name__}: {error})", file=sys.stderr)
            calls.pop(name, None)
    ours = {"front_end_x_realtime": [], "fft_only_x_realtime": []}
    for _ in range(ROUNDS):
        command = [genred, "bench", "front-end", "--seconds", str(seconds), "--json"]
        figures = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for key, value in figures.items():
            ours[key].append(value)
        for name, call in calls.items():
            begin = time.perf_counter()
            call()
            times[name].append(seconds / (time.perf_counter() - begin))
    speed = statistics.median(ours["front_end_x_realtime"])
    print(f"{'front end':<26} {'× real time':>12} {'genred is faster by':>20}")
    print(f"{'genred':<26} {speed:>12.0f} {'':>20}")
    bare = statistics.median(ours["fft_only_x_realtime"])
    print(f"{'realfft, transforms alone':<26} {bare:>12.0f} {speed / bare:>20.2f}")
    for name, values in times.items():
        peer = statistics.median(values)
        print(f"{name:<26} {peer:>12.0f} {speed / peer:>20.2f}")


if __name__ == "__main__":
    main()
