"""Automations and shell commands of the guide `docs/guide/home-assistant.md`."""

import re
import subprocess
from pathlib import Path

GUIDE = Path(__file__).parents[3] / "docs/guide/home-assistant.md"
#: The entities that its examples name.
EXAMPLE = "den_fm1"


def blocks(language):
    """The guide's code blocks in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


def automations(entities):
    """The guide's automations, for entity ids that begin with `entities`."""
    found = [block for block in blocks("yaml") if block.startswith("- id:")]
    assert len(found) == 2, f"{GUIDE} has {len(found)} automations"
    return "".join(found).replace(EXAMPLE, entities)


def remove(node, port):
    """Runs the commands that remove a node's retained messages."""
    [commands] = [block for block in blocks("sh") if "old=den" in block]
    commands = re.sub("^login=.*$", f'login="-h 127.0.0.1 -p {port}"', commands, flags=re.MULTILINE)
    subprocess.run(["sh", "-c", commands.replace("old=den", f"old={node}")], check=False, capture_output=True, timeout=60)
