"""Puts a head that `genred train` made into a shipped bundle: its files, golden scores, training list and checksums.

    python -m genred_training.put_head --head genres --from WORK/genres --into ../models/musicnn-msd

The bundle's trunks must provide the embedding that the head is for. `training_material.toml`, from which
`import_musicnn` writes the same list, grows by the same tracks.
"""

from __future__ import annotations

import argparse
import tomllib
from importlib import resources
from pathlib import Path

from .bundle import MANIFEST, MATERIAL_FILE, TRAINING, renew_checksums
from .heads import load_head
from .tensors import load_tensors, save_tensors
from .toml import array, document, string

GOLDEN = "golden/golden.safetensors"


def put_head(head: str, trained: Path, bundle: Path) -> None:
    """Replaces `head` in `bundle` by the one in the bundle `trained`."""
    manifest = tomllib.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    found = load_head(trained / "heads" / f"{head}.toml")
    wanted = manifest["embedding"]["id"]
    if found.name != head or found.embedding_id != wanted:
        raise ValueError(
            f"{trained}: `{found.name}` is for {found.embedding_id}; wanted is `{head}` for {wanted}"
        )
    for suffix in ("toml", "safetensors"):
        name = f"heads/{head}.{suffix}"
        (bundle / name).write_bytes((trained / name).read_bytes())
    golden = load_tensors(bundle / GOLDEN)
    for trunk in manifest["trunk"]:
        golden[f"{trunk}.scores.{head}"] = found.scores(golden[f"{trunk}.embedding"])
    save_tensors(golden, bundle / GOLDEN)
    path = bundle / TRAINING
    known = tomllib.loads(path.read_text(encoding="utf-8"))
    material = {key: array(values) for key, values in joined(known, listed(trained)).items()}
    path.write_text(document({"material": string(known["material"])} | material, {}), encoding="utf-8")
    renew_checksums(bundle)


def listed(bundle: Path) -> dict:
    """What a bundle says of its training material."""
    return tomllib.loads((bundle / TRAINING).read_text(encoding="utf-8"))


def joined(one: dict, other: dict) -> dict[str, list[str]]:
    """Tracks and hashes of both, each once, sorted."""
    return {key: sorted({*one[key], *other[key]}) for key in ("tracks", "pcm_sha256")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--head", required=True)
    parser.add_argument("--from", dest="trained", type=Path, required=True, help="bundle by `genred train`")
    parser.add_argument("--into", type=Path, required=True, help="bundle to change")
    arguments = parser.parse_args()
    put_head(arguments.head, arguments.trained, arguments.into)
    target = Path(str(resources.files(__package__) / MATERIAL_FILE))
    known = tomllib.loads(target.read_text(encoding="utf-8"))
    both = {key: array(values) for key, values in joined(known, listed(arguments.trained)).items()}
    target.write_text(document(both, {}), encoding="utf-8")


if __name__ == "__main__":
    main()
