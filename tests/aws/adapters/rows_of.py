"""Prints the rows of a query over a lake as DuckDB gives them: a JSON array of arrays of text, nulls as null.

rows_of.py LAKE QUERY ZONE: the lake's folder, a file with the SQL, and the zone that the session must have.
"""

import json
import sys
from pathlib import Path

import duckdb


def main(lake, query, zone):
    database = duckdb.connect()
    found = database.execute("SELECT current_setting('TimeZone')").fetchone()[0]
    if found != zone:
        raise SystemExit(f"the session's zone: {found!r}, wanted {zone!r}")
    files = f"{lake}/quotes/*/*.parquet"
    database.execute(f"CREATE VIEW quotes AS SELECT * FROM read_parquet('{files}', hive_partitioning = true)")
    rows = database.execute(Path(query).read_text()).fetchall()
    print(json.dumps([[None if cell is None else str(cell) for cell in row] for row in rows]))


main(*sys.argv[1:])
