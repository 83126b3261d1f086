#!/bin/sh
# Makes build/standins, where the tests of what runs on AWS find their stand-ins: ministack (most services) in a virtual
# environment of Python, dynoxide (DynamoDB, the stricter one). Does nothing where both are there in the pinned versions.
set -eu
cd "$(dirname "$0")/../.."
wanted=tests/aws/requirements.txt
dynoxide=3.2.0
venv=build/standins/python
if ! cmp -s "$wanted" "$venv/installed.txt"; then
    rm -rf "$venv"
    mkdir -p build/standins
    "${PYTHON:-python3}" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$wanted"
    # Last, so that an installation that broke half way is made again.
    cp "$wanted" "$venv/installed.txt"
fi
if [ "$(cat build/standins/dynoxide.version 2>/dev/null)" != "$dynoxide" ]; then
    # Its SQLite is another than ours: no build of Cargo's can hold both, so it is a process of its own.
    cargo install --quiet --locked --root build/standins --target-dir build/standins/target \
        --no-default-features --features native-sqlite,http-server,cli "dynoxide-rs@$dynoxide"
    rm -rf build/standins/target
    echo "$dynoxide" >build/standins/dynoxide.version
fi
echo "build/standins is ready"
