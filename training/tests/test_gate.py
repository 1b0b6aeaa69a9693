"""What the gate is made with: composed patches, the fitted network, and where it says speech."""

from __future__ import annotations

import re

import numpy as np
import pytest
from genred_training import speech_material
from genred_training.gate_patches import HOP, PATCH, SLOT, Voices, over_bed, room_tone
from genred_training.golden import HOP as FRAME_HOP
from genred_training.golden import SAMPLE_RATE
from genred_training.heads import Head, load_head
from genred_training.musicnn import FRAMES
from genred_training.speech_material import RATE, SOURCES, Clips, join, packages, queen_voices
from genred_training.teachers import FRAME, mel_matrix


def test_every_source_has_a_package_with_version_licence_and_checksum():
    known = packages()
    for source in SOURCES:
        assert source.package in known
    for package in known.values():
        assert package["registry"] in ("debian", "pypi", "pypi-source")
        assert package["version"] and package["licence"]
        assert re.fullmatch(r"[0-9a-f]{64}", package["sha256"])


def test_sources_are_named_once_and_none_both_trains_and_tests():
    names = [source.name for source in SOURCES]
    assert len(names) == len(set(names))
    uses = {
        use: {s.name for s in SOURCES if s.kind == "speech" and s.use == use} for use in ("train", "test")
    }
    assert uses["train"] and uses["test"]
    assert {"librivox", "sonnet", "asterisk-ru", "stamps-ru", "fillets-nl"} <= uses["test"]
    assert not any("ru" in name.split("-") for name in uses["train"])


def test_a_slot_is_a_patch_and_the_front_end_s_padding():
    assert PATCH == (FRAMES - 1) * FRAME_HOP
    assert SLOT == FRAMES * FRAME_HOP == round(float(HOP) * SAMPLE_RATE)


def test_a_file_that_is_not_what_was_published_is_refused(tmp_path, monkeypatch):
    def download(command, cwd=None, **_):
        (cwd / "pocketsphinx.tar.gz").write_bytes(b"something else")

    monkeypatch.setattr(speech_material.subprocess, "run", download)
    with pytest.raises(ValueError, match="expected [0-9a-f]{64}"):
        speech_material.fetch("pocketsphinx", tmp_path, [])
    assert not (tmp_path / "packages" / "pocketsphinx").exists()


def test_the_lines_of_the_adventure_are_found(tmp_path):
    lines = [("000001.SB", b"first"), ("MUSIC.RL", b"no"), ("000002J1.SB", b"second")]
    body = b"".join(data for _, data in lines)
    start, entries = 15 + 21 * len(lines), b""
    for name, data in lines:
        entries += (
            name.encode().ljust(12, b"\0") + b"\1" + start.to_bytes(4, "big") + len(data).to_bytes(4, "big")
        )
        start += len(data)
    path = tmp_path / "queen.1c"
    path.write_bytes(b"QTBL" + b"CEM10\0\0\0" + b"\1" + len(lines).to_bytes(2, "big") + entries + body)
    assert list(queen_voices(path)) == [("000001.SB", b"first"), ("000002J1.SB", b"second")]
    path.write_bytes(b"QTBL" + bytes(40))
    with pytest.raises(ValueError, match="queen.1c"):
        list(queen_voices(path))


def test_copies_and_scraps_are_left_out(tmp_path):
    sound = np.arange(RATE, dtype=np.int16)
    paths = [tmp_path / n for n in "abcd"]
    clips = join(paths, [sound, sound.copy(), sound[:10], sound[::-1]])
    assert clips.names == ["a", "d"]
    assert np.array_equal(clips[1], sound[::-1].astype(np.float32) / 32768)


def two_clips() -> Clips:
    """A second of noise in the midst of three of silence, and half a second of it alone."""
    rng = np.random.default_rng(0)
    first, second = np.zeros(3 * RATE), rng.uniform(-0.01, 0.01, RATE // 2)
    first[RATE : 2 * RATE] = rng.uniform(-0.5, 0.5, RATE)
    samples = (np.concatenate([first, second]) * 32767).astype(np.int16)
    return Clips(samples, np.array([0, len(first), len(first) + len(second)]), ["one", "two"])


def test_composed_speech_is_voiced_where_its_mask_says_and_of_even_level():
    clips = two_clips()
    voiced = [
        np.array([np.abs(clips[i][at : at + FRAME]).max() > 0 for at in range(0, len(clips[i]), FRAME)])
        for i in range(2)
    ]
    voices = Voices(clips, voiced)
    rng = np.random.default_rng(1)
    for _ in range(20):
        samples, mask = voices.speak(rng)
        assert len(samples) == len(mask) >= PATCH
        assert mask[:PATCH].mean() >= 0.4
        level = 20 * np.log10(np.sqrt((samples[mask] ** 2).mean()))
        assert -26.5 < level < -19.5
        assert mask.all() or np.abs(samples[~mask]).mean() < 0.05 * np.abs(samples[mask]).mean()


def test_talk_lies_over_its_bed_by_the_ratio():
    rng = np.random.default_rng(2)
    voice = np.zeros(PATCH, dtype=np.float32)
    mask = np.zeros(PATCH, dtype=bool)
    mask[: PATCH // 2] = True
    voice[mask] = 0.1 * rng.standard_normal(mask.sum())
    music = 0.3 * rng.standard_normal(PATCH).astype(np.float32)
    bed = over_bed(voice, mask, music, 10.0)[~mask]
    found = 10 * np.log10((voice[mask] ** 2).mean() / (bed**2).mean())
    assert found == pytest.approx(10.0, abs=0.2)


def test_room_tones_are_quiet_and_some_are_silence():
    rng = np.random.default_rng(3)
    tones = [room_tone(rng) for _ in range(60)]
    assert any(not tone.any() for tone in tones)
    assert all(np.isfinite(t).all() and np.sqrt((t**2).mean()) < 10 ** (-14 / 20) for t in tones)


def test_yamnet_s_filters_are_triangles_that_share_every_bin():
    matrix = mel_matrix()
    assert matrix.shape == (257, 64)
    centres = matrix.argmax(axis=0)
    assert (np.diff(centres) >= 0).all()
    assert matrix.sum(axis=1)[centres[0] + 1 : centres[-1]] == pytest.approx(1.0)
    assert not matrix[:4].any() and not matrix[241:].any()


def test_a_head_with_a_hidden_layer_survives_its_files(tmp_path):
    rng = np.random.default_rng(4)
    hidden, weight = (rng.standard_normal(s).astype(np.float32) for s in ((5, 8), (3, 5)))
    bias, hidden_bias = (rng.standard_normal(n).astype(np.float32) for n in (3, 5))
    head = Head("gate", "single", "e", weight, bias, ["a", "b", "c"], temperature=2.0)
    head.hidden_weight, head.hidden_bias = hidden, hidden_bias
    head.save(tmp_path)
    assert "hidden = 5\n" in (tmp_path / "gate.toml").read_text(encoding="utf-8")
    embedding = rng.standard_normal((4, 8)).astype(np.float32)
    rows = []
    for one in embedding:
        inner = [max(0.0, float(h @ one + b)) for h, b in zip(hidden, hidden_bias, strict=True)]
        powers = [np.exp(float(w @ inner + b) / 2.0) for w, b in zip(weight, bias, strict=True)]
        rows.append([p / sum(powers) for p in powers])
    assert load_head(tmp_path / "gate.toml").scores(embedding) == pytest.approx(np.array(rows), abs=1e-6)


def test_every_kind_has_its_share_and_a_room_its_group():
    from genred_training.gate_rows import GTZAN_SHARE, ROOMS, WEIGHTS, stacked

    def made(count, label, group, detail):
        columns = {"label": label, "group": group, "detail": detail}
        return {"embedding": np.zeros((count, 4)), **{k: np.array([v] * count) for k, v in columns.items()}}

    data = stacked({
        "speech/train": made(4, 1, "it", "a"),
        "music/train@clean": made(6, 0, "g.1", "rock:x"),
        "music/more": made(2, 0, "p", "debian:y"),
        "noise/rooms": made(7, 2, "rooms", "z"),
    })  # fmt: skip
    for kind in ("speech", "music", "noise"):
        assert data["weight"][data["kind"] == kind].sum() == pytest.approx(WEIGHTS[kind])
    debian = data["group"] == "p"
    assert data["weight"][debian].sum() == pytest.approx(WEIGHTS["music"] * (1 - GTZAN_SHARE))
    assert len(set(data["source"][data["group"] == "rooms"])) == ROOMS
    assert set(data["condition"]) == {"augmented", "clean"}


def test_another_trunk_asks_for_embeddings_only(tmp_path):
    from genred_training.gate_patches import Patch
    from genred_training.gate_sets import Sets

    made, embedded = [], []
    loud = np.linspace(-1, 1, PATCH, dtype=np.float32)

    def make(rng):
        made.append(rng.random())
        return [Patch(loud, "music", "a", "x"), Patch(1e-4 * loud, "noise", "b")]

    def embed(sounds):
        embedded.append(sounds)
        return np.zeros((len(sounds), 200))

    for trunk in ("one", "one", "two"):
        found = Sets(tmp_path, None, embed, trunk)._made("train/some", make, 0)
        assert found["label"].tolist() == [0, 2]
        assert found["group"].tolist() == ["a", "b"]
    assert len(made) == 1 and len(embedded) == 2
    for sound, wanted in zip(embedded[1], (loud, 1e-4 * loud), strict=True):
        assert np.abs(sound - wanted).max() <= np.abs(wanted).max() / 65534 * 1.01


def test_a_looped_patch_is_its_window_again_and_again():
    from genred_training.gate_patches import Patch
    from genred_training.gate_sets import looped

    sound = np.arange(PATCH, dtype=np.float32)
    found = looped([Patch(sound, "music", "a")], np.random.default_rng(8))[0].samples
    size = int(np.flatnonzero(np.diff(found) != 1)[0]) + 1
    assert 0.9 * RATE <= size <= 2.2 * RATE
    assert np.array_equal(found, np.resize(found[:size], PATCH))
    assert np.array_equal(found[:size], np.arange(found[0], found[0] + size))
