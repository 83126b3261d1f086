"""Glue's tables and view: they are what the lake's objects are, and what the queries say."""

import base64
import json
import re
import subprocess

from project import STANDINS, TOP

# As Hive spells a column's type in Glue, as Presto does in a view, as DuckDB does what it finds in a file.
TYPES = [
    ("string", "varchar", "VARCHAR"),
    ("timestamp", "timestamp(3)", "TIMESTAMP WITH TIME ZONE"),
    ("double", "double", "DOUBLE"),
    ("bigint", "bigint", "BIGINT"),
    ("boolean", "boolean", "BOOLEAN"),
    ("date", "date", "DATE"),
]
PRESTO = {hive: presto for hive, presto, _ in TYPES}
HIVE = {duckdb: hive for hive, _, duckdb in TYPES}

GOLDEN = "tests/formats/golden/lake-v1"

COLUMNS = """
import duckdb, glob, json, sys
files = sorted(glob.glob(sys.argv[1] + "/*/*.parquet"))
read = "DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning = false)"
print(json.dumps({file: [row[:2] for row in duckdb.execute(read, [file]).fetchall()] for file in files}))
"""


def tables(project):
    """The tables' columns are those of the golden samples, in their order; dt is projected from the calendar's first day."""
    found = []
    for name, table in tables_of(project).items():
        golden = stored(TOP / GOLDEN / name)
        if not golden:
            found.append(f"{name}: there is no golden sample of it")
        for file, columns in golden.items():
            found += different(f"{name}: its columns and those of {file}", columns_of(table), columns)
        if table.get("PartitionKeys") != [{"Name": "dt", "Type": "date"}]:
            found.append(f"{name}: it is parted by dt, a date")
        parameters = table["Parameters"]
        first = first_day(project)
        if not parameters["projection.dt.range"].startswith(f"{first},"):
            found.append(f"{name}: dt is projected from {parameters['projection.dt.range']}; the calendar begins on {first}")
        at = {"Fn::Sub": f"s3://${{Lake}}/{name}/"}
        if table["StorageDescriptor"]["Location"] != at:
            found.append(f"{name}: it lies at {table['StorageDescriptor']['Location']}, not at {at}")
        parts = {"Fn::Sub": f"s3://${{Lake}}/{name}/dt=${{!dt}}/"}
        if parameters["storage.location.template"] != parts:
            found.append(f"{name}: its parts lie at {parameters['storage.location.template']}, not at {parts}")
    return found


def view(project):
    """The view decoded: its text is the query's, its columns are the table's, in Glue's spelling and in Presto's."""
    resource = project.plain["Resources"]["QuotesCurrentView"]["Properties"]
    shown = resource["TableInput"]
    original = shown["ViewOriginalText"]["Fn::Join"]
    before, encoded, after = original[1]
    if (original[0], before, after) != ("", "/* Presto View: ", " */"):
        return ["quotes_current: Athena wants `/* Presto View: <base64> */`"]
    # What CloudFormation does: the text with its names put in, then Base64. Read back as Athena does.
    text = encoded["Fn::Base64"]["Fn::Sub"].replace("${Database}", "the_database")
    decoded = json.loads(base64.b64decode(base64.b64encode(text.encode())))
    table = tables_of(project)["quotes"]
    columns = columns_of(table) + [(key["Name"], key["Type"]) for key in table["PartitionKeys"]]
    presto = [(name, PRESTO[kind]) for name, kind in columns]
    query = plain_sql(project.text("infra/aws/queries/quotes_current.sql"))
    found = different("quotes_current: its SQL and the query", decoded["originalSql"], query)
    found += different("quotes_current: the columns in its text", [(c["name"], c["type"]) for c in decoded["columns"]], presto)
    found += different("quotes_current: its columns in Glue", columns_of(shown), columns)
    found += different("quotes_current: its catalog", decoded["catalog"], "awsdatacatalog")
    found += different("quotes_current: its database", decoded["schema"], "the_database")
    found += different("quotes_current: its type", shown["TableType"], "VIRTUAL_VIEW")
    return found + different("quotes_current: `presto_view`", shown["Parameters"].get("presto_view"), "true")


def database(project):
    """The database has a name that Athena takes without quotes, made from the stack's: no hyphen."""
    name = project.plain["Resources"]["Database"]["Properties"]["DatabaseInput"].get("Name")
    wanted = {"Fn::Join": ["_", {"Fn::Split": ["-", {"Ref": "AWS::StackName"}]}]}
    return different("Database: its name", name, wanted)


def tables_of(project):
    found = {}
    for resource in project.of_type("AWS::Glue::Table").values():
        table = resource["Properties"]["TableInput"]
        if table["TableType"] == "EXTERNAL_TABLE":
            found[table["Name"]] = table
    return found


def columns_of(table):
    return [(column["Name"], column["Type"]) for column in table["StorageDescriptor"]["Columns"]]


def stored(folder):
    """The columns of every golden object of a table, by file, in Glue's spelling."""
    python = STANDINS / "python/bin/python"
    read = subprocess.run([python, "-c", COLUMNS, folder], capture_output=True, text=True, check=True).stdout
    hive = lambda columns: [(name, HIVE.get(kind, kind)) for name, kind in columns]
    return {file.removeprefix(f"{TOP}/"): hive(columns) for file, columns in json.loads(read).items()}


def plain_sql(text):
    return " ".join(re.sub(r"--.*", "", text).split())


def first_day(project):
    """The first day of XNYS, as the calendar's own text has it."""
    return re.search(r'"(\d{4}-\d\d-\d\d) to \d{4}-\d\d-\d\d"', project.text("shared/domain/src/calendar.rs"))[1]


def different(what, found, wanted):
    return [] if found == wanted else [f"{what}: {found} is not {wanted}"]
