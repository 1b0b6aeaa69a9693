"""What the daemon keeps on disk, read while it does not run."""

import shutil
import sqlite3
import tempfile
from pathlib import Path

from servers import Failure


def read(folder):
    """`(events that wait, last seq by source)`, from a copy: the daemon's own file is left as it is."""
    file = Path(folder) / "outbox.sqlite"
    if not file.exists():
        raise Failure(f"`{file}` does not exist: this genred keeps no events on disk")
    with tempfile.TemporaryDirectory() as copy:
        for ending in ("", "-wal"):
            part = file.with_name(file.name + ending)
            if part.exists():
                shutil.copy(part, copy)
        connection = sqlite3.connect(Path(copy) / file.name)
        try:
            waiting = connection.execute("SELECT count(*) FROM event").fetchone()[0]
            return waiting, dict(connection.execute("SELECT source, last FROM seq"))
        finally:
            connection.close()
