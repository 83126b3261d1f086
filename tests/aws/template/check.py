"""Checks infra/aws/template.yaml. Run by the Python of build/standins/sam (tests/aws/install.sh makes it).

check.py                the checks, all of them or those named
check.py --self-test    plants an error for every check and sees that the check finds it
"""

import sys
import time

sys.dont_write_bytecode = True  # nothing beside the sources

import lake
import linters
import planted
import rules
import schemas
from project import Project

CHECKS = {
    "aliases": rules.aliases,
    "names": rules.names,
    "runbooks": rules.runbooks,
    "functions": rules.functions,
    "environment": rules.environment,
    "roles": rules.roles,
    "queues": rules.queues,
    "ticks": rules.ticks,
    "metrics": rules.metrics,
    "schemas": schemas.examples,
    "alarms": rules.alarms,
    "tables": lake.tables,
    "view": lake.view,
    "database": lake.database,
    "sam": linters.sam,
    "cfn-lint": linters.cfn_lint_sam,
    "cfn-lint-plain": linters.cfn_lint_plain,
    "checkov": linters.checkov,
}


def main(arguments):
    unknown = [name for name in arguments if name not in CHECKS and name != "--self-test"]
    if unknown:
        print(f"no such check: {unknown}; there are {', '.join(CHECKS)}", file=sys.stderr)
        return 2
    chosen = {name: CHECKS[name] for name in arguments if name in CHECKS} or CHECKS
    failed = self_test(chosen) if "--self-test" in arguments else check(chosen)
    print(f"FAILED: {failed}" if failed else "the template holds" if "--self-test" not in arguments else "every check can fail")
    return 1 if failed else 0


def check(chosen):
    project, failed = Project(), []
    for name, run in chosen.items():
        begun = time.monotonic()
        found = run(project)
        print(f"{'FAILED' if found else 'ok':<7}{name:<15}{time.monotonic() - begun:6.1f} s")
        for complaint in found:
            print(f"       {complaint}")
        failed += [name] if found else []
    return failed


def self_test(chosen):
    """Names of checks that did not find what was planted for them, or for which nothing is."""
    failed = [f"{name}: nothing is planted for it" for name in chosen if name not in planted.ERRORS]
    for name in chosen:
        for error in planted.ERRORS.get(name, []):
            found = chosen[name](Project(error.replaced()))
            seen = any(error.says in complaint for complaint in found)
            print(f"{'found' if seen else 'MISSED':<7}{name:<15}{error.what}")
            if not seen:
                failed.append(f"{name}: {error.what}: {found}")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
