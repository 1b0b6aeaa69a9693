"""Puts a head that `genred train` made into shipped bundles: its files, golden scores, training list and checksums.

    python -m genred_training.put_head --head genres --from WORK/genres --into ../models/musicnn-msd-windowed \\
      ../models/musicnn-msd

The bundles' trunks must provide the embedding that the head is for. `training_material.toml`, from which
`import_musicnn` writes the same list, grows by the same tracks.
"""

from __future__ import annotations

import argparse
import tomllib
from importlib import resources
from pathlib import Path

from .bundle import MANIFEST, MATERIAL_FILE, checksums
from .heads import load_head
from .tensors import load_tensors, save_tensors
from .toml import array, document, string

GOLDEN = "golden/golden.safetensors"


def put_head(head: str, trained: Path, bundle: Path) -> None:
    """Replaces `head` in `bundle` by the one in the bundle `trained`."""
    manifest = tomllib.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    found = load_head(trained / "heads" / f"{head}.toml")
    wanted = manifest["trunk"]["embedding_id"]
    if found.name != head or found.embedding_id != wanted:
        raise ValueError(
            f"{trained}: `{found.name}` is for {found.embedding_id}; wanted is `{head}` for {wanted}"
        )
    for suffix in ("toml", "safetensors"):
        name = f"heads/{head}.{suffix}"
        (bundle / name).write_bytes((trained / name).read_bytes())
    golden = load_tensors(bundle / GOLDEN)
    for prefix in ("", "reference."):
        if f"{prefix}embedding" in golden:
            golden[f"{prefix}scores.{head}"] = found.scores(golden[f"{prefix}embedding"])
    save_tensors(golden, bundle / GOLDEN)
    listed = tomllib.loads((trained / MANIFEST).read_text(encoding="utf-8"))["training"]
    rewrite(bundle, joined(manifest["training"], listed), manifest["training"]["material"])


def put_file(bundle: Path, name: str) -> None:
    """Enters a file that lies in a bundle into its checksums."""
    path = bundle / MANIFEST
    before, _, _ = path.read_text(encoding="utf-8").partition("\n[checksums]\n")
    sums = {name: string(digest) for name, digest in checksums(bundle).items()}
    if name not in sums:
        raise ValueError(f"{bundle} has no file {name}")
    path.write_text(before.rstrip("\n") + "\n" + document({}, {"checksums": sums}), encoding="utf-8")


def joined(one: dict, other: dict) -> dict[str, list[str]]:
    """Tracks and hashes of both, each once, sorted."""
    return {key: sorted({*one[key], *other[key]}) for key in ("tracks", "pcm_sha256")}


def rewrite(bundle: Path, material: dict[str, list[str]], sentence: str) -> None:
    """Writes a manifest's last two tables, `[training]` and `[checksums]`; what stands before them stays."""
    path = bundle / MANIFEST
    before, found, _ = path.read_text(encoding="utf-8").partition("\n[training]\n")
    if not found:
        raise ValueError(f"{path} has no table [training]")
    training = {"material": string(sentence), **{key: array(values) for key, values in material.items()}}
    sums = {name: string(digest) for name, digest in checksums(bundle).items()}
    tables = document({}, {"training": training, "checksums": sums}).lstrip("\n")
    path.write_text(before.rstrip("\n") + "\n\n" + tables, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--head", required=True)
    parser.add_argument("--from", dest="trained", type=Path, required=True, help="bundle by `genred train`")
    parser.add_argument("--into", type=Path, nargs="+", required=True, help="bundles to change")
    arguments = parser.parse_args()
    for bundle in arguments.into:
        put_head(arguments.head, arguments.trained, bundle)
    target = Path(str(resources.files(__package__) / MATERIAL_FILE))
    known = tomllib.loads(target.read_text(encoding="utf-8"))
    listed = tomllib.loads((arguments.trained / MANIFEST).read_text(encoding="utf-8"))["training"]
    both = {key: array(values) for key, values in joined(known, listed).items()}
    target.write_text(document(both, {}), encoding="utf-8")


if __name__ == "__main__":
    main()
