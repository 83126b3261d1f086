#!/bin/sh
# Makes build/standins, where the tests of what runs on AWS find their tools: in virtual environments of Python, ministack
# (most services; `python`), SAM with cfn-lint and cargo-lambda (`sam`) and checkov (`checkov`); and dynoxide (DynamoDB, the
# stricter one). Each is made anew when its pinned versions change, and left alone otherwise.
#
# install.sh            all of them
# install.sh sam        those named
#
# PYTHON is the Python to use; MENDLAKE_STANDINS another folder to make, so that an installation can be tried beside the first.
set -eu
cd "$(dirname "$0")/../.."
folder=${MENDLAKE_STANDINS:-build/standins}
dynoxide=3.2.0

# Makes the virtual environment $1 of the requirements in the file $2.
environment() {
    if cmp -s "$2" "$folder/$1/installed.txt"; then
        return
    fi
    rm -rf "${folder:?}/$1"
    "${PYTHON:-python3}" -m venv "$folder/$1"
    "$folder/$1/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$2"
    # Last, so that an installation that broke half way is made again.
    cp "$2" "$folder/$1/installed.txt"
}

dynoxide() {
    if [ "$(cat "$folder/dynoxide.version" 2>/dev/null)" = "$dynoxide" ]; then
        return
    fi
    # Its SQLite is another than ours: no build of Cargo's can hold both, so it is a process of its own. Built in a hurry: its own
    # release profile takes twice as long, and no test waits for it.
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
        cargo install --quiet --locked --root "$folder" --target-dir "$folder/target" \
        --no-default-features --features native-sqlite,http-server,cli "dynoxide-rs@$dynoxide"
    rm -rf "${folder:?}/target"
    echo "$dynoxide" >"$folder/dynoxide.version"
}

mkdir -p "$folder"
[ $# -gt 0 ] || set -- python sam checkov dynoxide
for part in "$@"; do
    case $part in
        python) environment python tests/aws/requirements.txt ;;
        sam | checkov) environment "$part" "tests/aws/requirements-$part.txt" ;;
        dynoxide) dynoxide ;;
        *)
            echo "no such part: \`$part\`; there are python, sam, checkov and dynoxide" >&2
            exit 2
            ;;
    esac
done
echo "$folder is ready: $*"
