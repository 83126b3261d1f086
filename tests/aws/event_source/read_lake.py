"""Reads the Parquet of a folder `quotes/` and prints its rows as JSON, and how many rows are current. Run by the Python of
build/standins/python, which has DuckDB: read_lake.py <folder> <quotes_current.sql>"""

import json
import sys
from pathlib import Path

import duckdb

folder, query = Path(sys.argv[1]), Path(sys.argv[2]).read_text()
files = list(folder.glob("quotes/*/*.parquet"))
answer = {"objects": len(files), "rows": [], "current": []}
if files:
    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'")
    database.execute(
        f"CREATE VIEW quotes AS SELECT * FROM read_parquet('{folder}/quotes/*/*.parquet', hive_partitioning = true)"
    )
    row = "symbol, epoch_ms(minute), price, basis, source, epoch_ms(observed_at), revision, epoch_ms(stored_at)"
    answer["rows"] = database.execute(f"SELECT {row} FROM quotes").fetchall()
    answer["current"] = database.execute(f"SELECT symbol, epoch_ms(minute) FROM ({query}) AS current_rows").fetchall()
json.dump(answer, sys.stdout)
