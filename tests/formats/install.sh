#!/bin/sh
# Makes build/python, the virtual environment in which `cargo test --test formats` runs DuckDB, pandas and pyarrow.
# Does nothing where it is there already with the same requirements.
set -eu
cd "$(dirname "$0")/../.."
wanted=tests/formats/requirements.txt
venv=build/python
if cmp -s "$wanted" "$venv/installed.txt"; then
    echo "build/python is up to date"
    exit 0
fi
rm -rf "$venv"
"${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$wanted"
# Last, so that an installation that broke half way is made again.
cp "$wanted" "$venv/installed.txt"
echo "build/python is ready"
