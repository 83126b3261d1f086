"""Other people's checks: SAM's own, cfn-lint on both forms, checkov on the plain one."""

import json
import os
import subprocess
import tempfile
import tomllib
from pathlib import Path

from project import STANDINS

SKIPS = "tests/aws/template/checkov-skips.toml"

SAM = STANDINS / "sam/bin/sam"
CFN_LINT = STANDINS / "sam/bin/cfn-lint"
CHECKOV = STANDINS / "checkov/bin/checkov"


def sam(project):
    with as_file(project.template, ".yaml") as path:
        return complaints("sam validate", [SAM, "validate", "--lint", "--template", path])


def cfn_lint_sam(project):
    with as_file(project.template, ".yaml") as path:
        return complaints("cfn-lint", [CFN_LINT, "--format", "parseable", path])


def cfn_lint_plain(project):
    """The plain form too: in the SAM form, a wrong attribute or property inside an event is not seen."""
    with as_file(json.dumps(project.plain, indent=1), ".json") as path:
        return complaints("cfn-lint, plain", [CFN_LINT, "--format", "parseable", path])


def checkov(project):
    """What checkov finds and nobody gave a reason for; and reasons for what it does not find."""
    skips = tomllib.loads(project.text(SKIPS))["skip"]
    with as_file(json.dumps(project.plain, indent=1), ".json") as path:
        command = [CHECKOV, "--file", path, "--framework", "cloudformation", "--skip-download", "--output", "json"]
        run = subprocess.run(command, capture_output=True, text=True, env=environment(path.parent))
    if run.returncode not in (0, 1) or not run.stdout.startswith("{"):
        return [f"checkov: {run.stderr.strip()[-2000:]}"]
    report = json.loads(run.stdout)
    found = [f"checkov: it cannot read the template: {file}" for file in report["results"].get("parsing_errors", [])]
    failed = {(c["check_id"], c["resource"].split(".")[-1]): c["check_name"] for c in report["results"]["failed_checks"]}
    used = set()
    for (check, resource), text in sorted(failed.items()):
        reasons = [s for s in skips if s["check"] == check and resource in s["resources"]]
        used |= {(check, resource)} if reasons else set()
        if not reasons:
            found.append(f"checkov: {check} on {resource}: {text}; mend it, or give the reason in {SKIPS}")
    for skip in skips:
        if len(skip.get("reason", "").split()) < 6:
            found.append(f"{SKIPS}: {skip['check']} has no reason that says anything")
        for resource in skip["resources"]:
            if (skip["check"], resource) not in used:
                found.append(f"{SKIPS}: {skip['check']} passes on {resource}; take the skip out")
    return found


def complaints(tool, command):
    run = subprocess.run(command, capture_output=True, text=True, env=environment(Path(command[-1]).parent))
    return [] if run.returncode == 0 else [f"{tool}: {(run.stdout + run.stderr).strip()[-2000:]}"]


def environment(folder):
    """No telemetry, no look for a newer release, nothing written into somebody's home."""
    quiet = {"SAM_CLI_TELEMETRY": "0", "__SAM_CLI_APP_DIR": str(folder), "AWS_DEFAULT_REGION": "us-east-1", "LOG_LEVEL": "ERROR"}
    return {**os.environ, **quiet, "HOME": str(folder)}


class as_file:
    """A text in a folder of its own, for as long as it takes."""

    def __init__(self, text, ending):
        self.text, self.ending = text, ending

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="mendlake-template-")
        path = Path(self.folder.name, "template" + self.ending)
        path.write_text(self.text)
        return path

    def __exit__(self, *_):
        self.folder.cleanup()
