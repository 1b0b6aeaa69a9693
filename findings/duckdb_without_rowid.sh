#!/usr/bin/env bash
# DuckDB's SQLite scanner cannot count the rows of a WITHOUT ROWID table.
#
# Guess:     `SELECT count(*)` over an attached SQLite file gives the number of rows for every kind
#            of table, as in SQLite.
# Version:   duckdb 1.5.5 and duckdb-extension-sqlite-scanner 1.5.5 (PyPI); 1.4.4 and 1.2.2 behave
#            in the same way.
# Behaviour: count(*) on a WITHOUT ROWID table fails; reading its columns works; a table with rowids
#            works.
# Output:    without rowid: Failed to prepare query "SELECT ROWID FROM "t"": no such column: ROWID
#            with rowid: 3
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check duckdb==1.5.5 duckdb-extension-sqlite-scanner==1.5.5
"$folder/venv/bin/python" - "$folder" <<'PY'
import glob, os, sqlite3, sys
import duckdb, duckdb_extension_sqlite_scanner as scanner

folder = sys.argv[1]
print("duckdb", duckdb.__version__)
[extension] = glob.glob(os.path.dirname(scanner.__file__) + "/extensions/**/*.duckdb_extension", recursive=True)
duck = duckdb.connect(config={"allow_unsigned_extensions": "true"})
duck.execute(f"LOAD '{extension}'")

def count(form):
    path = f"{folder}/{len(form)}.sqlite"
    file = sqlite3.connect(path)
    file.execute(f"CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT) {form}")
    file.executemany("INSERT INTO t VALUES (?, ?)", [(1, "x"), (2, "y"), (3, "z")])
    file.commit()
    name = f"f{len(form)}"
    duck.execute(f"ATTACH '{path}' AS {name} (TYPE sqlite)")
    assert len(duck.execute(f"SELECT a, b FROM {name}.t").fetchall()) == 3
    try:
        return duck.execute(f"SELECT count(*) FROM {name}.t").fetchone()[0]
    except duckdb.Error as error:
        return str(error).splitlines()[0]

without, rowid = count("WITHOUT ROWID"), count("")
print("without rowid:", without)
print("with rowid:", rowid)
sys.exit(0 if "no such column: ROWID" in str(without) and rowid == 3 else 1)
PY
