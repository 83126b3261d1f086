"""Plays what a Kinesis event source mapping can do to the real function `land`, and looks whether anything is lost.

`mapping.py` hands batches over by AWS's rules, `runtime.py` runs the function's program as Lambda does, `proxy.py` fails in
front of S3 and DynamoDB (ministack), `accounts.py` compares the lake's Parquet, the quarantine and what the on-failure
destination keeps with what was put into the shard. Hours pass at once: the time is the harness's.

The mapping's parameters, the time-out and the ledger's table are those of infra/aws/template.yaml. Run by the Python of
build/standins/sam (`sh tests/aws/install.sh python sam`), after `sam build --build-dir build/sam`:

run.py                      the rules' own tests, every scenario, and mappings that lose records: each must be found
run.py poison 503           the scenarios with these words in their names
run.py --bootstraps DIR     functions from DIR/<Function>/bootstrap instead of build/sam
"""

import argparse
import sys
import time
import traceback
import unittest
from pathlib import Path

sys.dont_write_bytecode = True  # nothing beside the sources

import test_rules
from scenarios import SCENARIOS
from self_test import broken
from world import TOP, Standin, Template, World


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstraps", type=Path, default=TOP / "build/sam", metavar="DIR")
    parser.add_argument("words", nargs="*", help="of the scenarios' names")
    options = parser.parse_args()
    bootstrap = (options.bootstraps / "Land" / "bootstrap").resolve()
    if not bootstrap.is_file():
        sys.exit(f"there is no {bootstrap}: build it with `sam build --build-dir build/sam`")
    tests = unittest.defaultTestLoader.loadTestsFromModule(test_rules)
    failed = 0 if unittest.TextTestRunner(verbosity=1).run(tests).wasSuccessful() else 1
    chosen = [s for s in SCENARIOS if not options.words or any(word in s[0] for word in options.words)]
    with Standin() as standin:
        template = Template()
        for number, (name, scenario, readings) in enumerate(chosen):
            failed += not play(name, scenario, World(standin, template, bootstrap, number, readings))
        if not options.words:
            failed += broken(lambda *given, **more: World(standin, template, bootstrap, *given, **more))
    print(f"FAILED: {failed}" if failed else f"{len(chosen)} scenarios: nothing is lost")
    return 1 if failed else 0


def play(name, scenario, world):
    began = time.monotonic()
    try:
        further = scenario(world) or {}
        counts = world.check() | further
        text = "  ".join(f"{name} {count}" for name, count in counts.items())
        print(f"ok      {name:<34} {time.monotonic() - began:5.1f} s  {text}", flush=True)
        return True
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        print(f"FAILED  {name}: {Path(where.filename).name}:{where.lineno}: {type(error).__name__}: {error}", flush=True)
        return False
    finally:
        world.end()


if __name__ == "__main__":
    sys.exit(main())
