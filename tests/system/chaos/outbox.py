"""Reads the outbox on disk while the daemon is stopped."""

import shutil
import sqlite3
import tempfile
from pathlib import Path

from servers import Failure


def read(folder):
    """Returns `(number of stored events, last seq by source)`, read from a copy of the file."""
    file = Path(folder) / "outbox.sqlite"
    if not file.exists():
        raise Failure(f"`{file}` does not exist; this genred has no outbox on disk")
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
