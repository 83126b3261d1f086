"""Reads a lake with DuckDB, pyarrow and pandas and compares what they read with what the local reader read.

readers.py LAKE QUERIES EXPECTED: the lake's folder, the folder of the SQL files, a JSON file with the local reader's answers.
"""

import json
import os
import re
import sys
from datetime import datetime, timezone
from pathlib import Path

import duckdb
import pandas
import pyarrow
import pyarrow.dataset
import pyarrow.parquet

INSTANTS = ["minute", "traded_at", "observed_at", "stored_at", "open", "close", "as_of", "hour"]
BASES = ["quote", "close", "open", "previous_close"]
REASONS = ["no_data", "price_break", "unknown_symbol"]


def main(lake, queries, expected):
    expected = json.loads(Path(expected).read_text())
    database = connect(lake)
    check_types(database, lake)
    current = run(database, query(queries, "quotes_current"))
    same("quotes_current", current, [row(r) for r in expected["current"]])
    for as_of in expected["as_of"]:
        found = run(database, query(queries, "quotes_as_of"), [as_of["at"]])
        same("quotes_as_of " + as_of["at"], found, [row(r) for r in as_of["rows"]])
    found = run(database, query(queries, "presence_by_hour"))
    same("presence_by_hour", found, [instants(r) for r in expected["presence"]])
    found = run(database, query(queries, "sessions_current"))
    same("sessions_current", found, [status(r) for r in expected["sessions"]])
    check_pruning(database, lake, query(queries, "quotes_current"))
    frame = check_pandas(lake, expected)
    print(f"DuckDB {duckdb.__version__}, pyarrow {pyarrow.__version__}, pandas {pandas.__version__}, zone {os.environ['TZ']}:"
          f" {len(frame)} rows, {len(current)} of them current, {len(found)} statuses")


def connect(lake):
    database = duckdb.connect()
    zone = database.execute("SELECT current_setting('TimeZone')").fetchone()[0]
    expect("the session's zone", zone, os.environ["TZ"])
    for table in ["quotes", "sessions"]:
        files = f"{lake}/{table}/*/*.parquet"
        database.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{files}', hive_partitioning = true)")
    return database


def query(queries, name):
    return Path(queries, name + ".sql").read_text()


def run(database, sql, parameters=()):
    """The rows of a query as dictionaries, instants as milliseconds since the epoch, whatever the zone."""
    columns = [column for column, *_ in database.execute("DESCRIBE " + sql, list(parameters)).fetchall()]
    wrapped = ", ".join(f"{plain(column, columns)} AS {column}" for column in columns)
    cursor = database.execute(f"SELECT {wrapped} FROM ({sql}) AS answer", list(parameters))
    return [dict(zip(columns, values)) for values in cursor.fetchall()]


def plain(column, columns):
    """A column as JSON has it. `presence_by_hour` has masks named as `sessions` names instants."""
    is_mask = column in BASES and "present" in columns
    if column in INSTANTS and not is_mask:
        return f"epoch_ms({column})"
    return f"CAST({column} AS varchar)" if column in ["dt", "session_on"] else column


def check_types(database, lake):
    instant, text, number, count = "TIMESTAMP WITH TIME ZONE", "VARCHAR", "DOUBLE", "BIGINT"
    quotes = {
        "symbol": text, "minute": instant, "price": number, "basis": text, "source": text, "traded_at": instant,
        "day_open": number, "day_high": number, "day_low": number, "prev_close": number,
        "observed_at": instant, "stored_at": instant, "revision": count, "dt": "DATE",
    }
    sessions = {"session_on": "DATE", "symbol": text, "open": instant, "close": instant, "expected": count}
    sessions |= {"present_" + basis: count for basis in BASES} | {"longest_quiet_run": count, "gaps": count}
    sessions |= {"unrecoverable_" + reason: count for reason in REASONS}
    sessions |= {"oldest_price_age_s": count, "outside": count, "final": "BOOLEAN", "as_of": instant, "dt": "DATE"}
    for table, columns in [("quotes", quotes), ("sessions", sessions)]:
        found = database.execute(f"DESCRIBE {table}").fetchall()
        expect("the columns of " + table, [(c, t) for c, t, *_ in found], list(columns.items()))
        check_stored(lake, table, columns)


def check_stored(lake, table, columns):
    """The stored types, their nulls and their compression, as pyarrow has them of one object."""
    types = {
        "TIMESTAMP WITH TIME ZONE": pyarrow.timestamp("ms", tz="UTC"), "VARCHAR": pyarrow.string(), "DATE": pyarrow.date32(),
        "DOUBLE": pyarrow.float64(), "BIGINT": pyarrow.int64(), "BOOLEAN": pyarrow.bool_(),
    }
    nulls = {"traded_at", "day_open", "day_high", "day_low", "prev_close", "longest_quiet_run", "oldest_price_age_s"}
    wanted = [(c, types[t], c in nulls) for c, t in columns.items() if c != "dt"]
    for path in sorted(Path(lake, table).glob("*/*.parquet")):
        file = pyarrow.parquet.ParquetFile(path)
        expect(f"the stored columns of {path.name}", [(f.name, f.type, f.nullable) for f in file.schema_arrow], wanted)
        group = file.metadata.row_group(0)
        expect(f"the codec of {path.name}", {group.column(i).compression for i in range(group.num_columns)}, {"ZSTD"})


def check_pruning(database, lake, sql):
    """A filter on dt reads the files of that date only."""
    plan = database.execute(f"EXPLAIN ANALYZE SELECT * FROM ({sql}) AS answer WHERE dt = '2026-11-21'").fetchall()[0][1]
    found = [int(count) for count in re.findall(r"Total Files Read: (\d+)", plan)]
    expect("the files read of one date", found, [len(list(Path(lake, "quotes", "dt=2026-11-21").iterdir()))])


def check_pandas(lake, expected):
    dataset = pyarrow.dataset.dataset(f"{lake}/quotes", format="parquet", partitioning="hive")
    frame = dataset.to_table().to_pandas()
    expect("the zone of pandas' minutes", str(frame["minute"].dt.tz), "UTC")
    frame["basis_rank"] = frame["basis"].map({basis: rank for rank, basis in enumerate(BASES)})
    for column in ["minute", "traded_at", "observed_at", "stored_at"]:
        since_epoch = frame[column] - pandas.Timestamp(0, tz="UTC")
        frame[column + "_ms"] = (since_epoch / pandas.Timedelta(milliseconds=1)).astype("Int64")
    found = [pandas_row(r) for r in frame.to_dict("records")]
    same("every row, by pandas", found, [row(r) for r in expected["rows"]])
    observed = frame["observed_at_ms"].where(frame["revision"] <= 0, -frame["observed_at_ms"])
    keyed = frame.assign(a=-frame["revision"], b=frame["basis_rank"], c=observed, d=-frame["traded_at_ms"])
    order = ["symbol", "minute", "a", "b", "c", "d", "source", "price", "stored_at_ms", "day_open", "day_high", "day_low", "prev_close"]
    first = keyed.sort_values(order, na_position="last").drop_duplicates(["symbol", "minute"])
    same("current rows, by pandas", [pandas_row(r) for r in first.to_dict("records")], [row(r) for r in expected["current"]])
    return frame


def pandas_row(record):
    names = ["symbol", "price", "basis", "source", "day_open", "day_high", "day_low", "prev_close", "revision"]
    answer = {name: none_of(record[name]) for name in names}
    for name in ["minute", "traded_at", "observed_at", "stored_at"]:
        answer[name] = none_of(record[name + "_ms"])
    return answer | {"dt": str(record["dt"])}


def none_of(value):
    return None if pandas.isna(value) else value


def row(record):
    return instants(record) | {"dt": record["minute"][:10]}


def status(record):
    answer = instants(record)
    answer |= {"session_on": record["on"], "dt": record["on"]}
    answer |= {"present_" + basis: record["present"].get(basis, 0) for basis in BASES}
    answer |= {"unrecoverable_" + reason: record["unrecoverable"].get(reason, 0) for reason in REASONS}
    return {k: v for k, v in answer.items() if k not in ["on", "present", "unrecoverable"]}


def instants(record):
    return {k: epoch_ms(v) if k in INSTANTS and isinstance(v, str) else v for k, v in record.items()}


def epoch_ms(text):
    at = datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)
    return round((at - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds() * 1000)


def same(what, found, wanted):
    """Both hold the same rows, in whatever order."""
    key = lambda record: json.dumps(record, sort_keys=True, default=int)
    found, wanted = sorted(map(key, found)), sorted(map(key, wanted))
    if found != wanted:
        only = [r for r in found if r not in set(wanted)][:3], [r for r in wanted if r not in set(found)][:3]
        raise SystemExit(f"{what}: {len(found)} rows, {len(wanted)} wanted\n only read: {only[0]}\n only wanted: {only[1]}")


def expect(what, found, wanted):
    if found != wanted:
        raise SystemExit(f"{what}: {found!r}, wanted {wanted!r}")


main(*sys.argv[1:])
