"""The stack, deployed and run for real minutes on a stand-in.

Deploys infra/aws/template.yaml and the functions in build/sam with SAM onto ministack with policies enforced, lets the schedules
fire while the simulated vendor fails, messages are lost and a function runs out of time, reconciles and
replays, and reads the lake back through the Glue table: every expected minute once, and OpenGaps up and back to 0.

Run by the Python of build/standins/sam, after `bash tests/run functions` and `bash tests/run tests`, whose binary is the simulated
vendor.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path

from samcli.yamlhelper import yaml_dump, yaml_parse

import actions
from identities import Identities
from stack import Stack

ROOT = Path(__file__).resolve().parents[3]
STANDINS = ROOT / "build" / "standins"
SAM = STANDINS / "sam" / "bin"
STACK = "lake"
SYMBOLS = ["AAPL", "BAC", "SPY"]
KEY = "deployed-test-key"
REGION = "us-east-1"

# The least that the settings allow: a minute counts as missing so long after it began.
LANDING_S = 5
SETTLE_S = 130

# How many are played: two good ones, and four of which three go wrong.
MINUTES = 6


def say(text):
    print(f"{datetime.now(timezone.utc):%H:%M:%S}  {text}", flush=True)


def minute_of(instant):
    return instant.replace(second=0, microsecond=0)


def iso(instant):
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def free_port():
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Processes:
    """Children, each in a group of its own, all ended at the end."""

    def __init__(self, folder):
        self.folder, self.children = folder, []

    def start(self, name, command, env=None):
        log = open(self.folder / f"{name}.log", "wb")
        child = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
        self.children.append(child)
        return child

    def end(self):
        for child in self.children:
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            child.wait()


def run(command, env):
    done = subprocess.run(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout[-6000:]}")
    return done.stdout


def for_the_stand_in():
    """The built template as ministack takes it. It refuses metric math: alarms with it are left out of what is deployed, and
    tests/aws/alarms evaluates all of them. It speaks no TLS, and the bucket's policy refuses every call without: it is left
    out too. It hands a schedule's input on as it is, without the instant; what it sends by itself has one. A parameter reaches its queue poller as text: the number is written out. A reference to a secret is its name
    there, and its ARN on AWS: roles name the ARN. It wants a right of its own for a batch of messages, which on AWS is that to send
    one. It does not know of which workgroup a query is, by whose name AWS judges questions about it. Gives the names of what was
    left out."""
    template = yaml_parse((ROOT / "build/sam/template.yaml").read_text())
    resources = template["Resources"]
    left_out = [name for name, it in resources.items() if it["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in it["Properties"]]
    left_out.append("LakePolicy")
    for name in left_out:
        del resources[name]
    concurrency = template["Parameters"]["CollectConcurrency"]["Default"]
    resources["Collect"]["Properties"]["Events"]["Live"]["Properties"]["ScalingConfig"] = {"MaximumConcurrency": concurrency}
    arn = {"Fn::Sub": "arn:aws:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${FinnhubKey}-*"}
    for role in (it for it in resources.values() if it["Type"] == "AWS::IAM::Role"):
        for policy in role["Properties"]["Policies"]:
            statements = policy["PolicyDocument"]["Statement"]
            if any("athena:GetQueryExecution" in statement["Action"] for statement in statements):
                asks = ["athena:GetQueryExecution", "athena:GetQueryResults"]
                statements.append({"Effect": "Allow", "Action": asks, "Resource": "*"})
            for statement in statements:
                if "secretsmanager:GetSecretValue" in statement["Action"]:
                    statement["Resource"] = arn
                if "sqs:SendMessage" in statement["Action"]:
                    statement["Action"] = [*statement["Action"], "sqs:SendMessageBatch"]
    for event in resources["Request"]["Properties"]["Events"].values():
        event["Properties"].pop("Input", None)
    (ROOT / "build/sam/standin.yaml").write_text(yaml_dump(template))
    return left_out


def start_ministack(processes, folder, port):
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_PORT": "0",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "S3_DATA_DIR": str(folder / "s3"),
        "STATE_DIR": str(folder / "state"),
        "TMPDIR": str(folder),
        "LOG_LEVEL": "WARNING",
        "AUTH": "true",
        "CLOUDTRAIL_RECORDING": "1",
        "CLOUDTRAIL_MAX_EVENTS": "1000000",
        # The account's own credentials, with which the stack is deployed.
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
    }
    processes.start("ministack", [STANDINS / "python" / "bin" / "ministack"], env)


def start_simulator(processes, folder, port, faults):
    (folder / "faults.toml").write_text(faults)
    binary = ROOT / "target" / "release" / "mendlake"
    command = [binary, "simulate", "--listen", f"127.0.0.1:{port}", "--calendar", "always"]
    command += ["--seed", "7", "--faults", folder / "faults.toml", "--key", KEY, "--plan", "premium"]
    return processes.start("simulator", command, {"PATH": os.environ["PATH"]})


def wait_for(what, look, timeout_s, every_s=1.0):
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(every_s)
    raise AssertionError(f"no {what} within {timeout_s} s")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--keep", action="store_true", help="keep the logs")
    options = arguments.parse_args()
    for wanted, step in (("build/sam/template.yaml", "functions"), ("target/release/mendlake", "tests")):
        if not (ROOT / wanted).is_file():
            sys.exit(f"there is no {wanted}: `bash tests/run {step}` builds it")
    folder = Path(tempfile.mkdtemp(prefix="mendlake-deployed-"))
    processes = Processes(folder)
    try:
        deployed(folder, processes)
    except BaseException:
        say(f"the logs are in {folder}")
        options.keep = True
        raise
    finally:
        processes.end()
        if not options.keep:
            subprocess.run(["rm", "-rf", folder], check=True)


def deployed(folder, processes):
    port, vendor = free_port(), free_port()
    endpoint = f"http://127.0.0.1:{port}"
    env = {
        **os.environ,
        "PATH": f"{SAM}:{os.environ['PATH']}",
        "SAM_CLI_TELEMETRY": "0",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
    }
    start_ministack(processes, folder, port)
    identities = Identities()
    identities.start()
    stack = Stack(STACK, endpoint, REGION)
    wait_for("stand-in", stack.answers, 30, 0.2)
    stack.client("s3").create_bucket(Bucket="artifacts")

    left_out = for_the_stand_in()
    say(f"deploying the template, but for what the stand-in cannot hold: {' '.join(left_out)}")
    began = time.monotonic()
    overrides = [
        "Calendar=always",
        f"SettleSeconds={SETTLE_S}",
        f"LandingWindowSeconds={LANDING_S}",
        f"FinnhubBaseUrl=http://127.0.0.1:{vendor}",
    ]
    command = [SAM / "sam", "deploy", "--template", "build/sam/standin.yaml", "--stack-name", STACK]
    command += ["--s3-bucket", "artifacts", "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset"]
    run([*command, "--parameter-overrides", *overrides], env)
    say(f"deployed in {time.monotonic() - began:.0f} s")

    # The key, and what is watched. Minutes count from the third one after now: schedules take a minute to fire.
    stack.client("secretsmanager").put_secret_value(SecretId=stack.output("FinnhubSecret"), SecretString=KEY)
    # As runbooks/deploy.md has it: a wish to land nothing makes the lake.
    assert stack.invoke("LandFunction", {"reland": False}) == {"landed": [], "unreadable": [], "left": 0}
    first = minute_of(datetime.now(timezone.utc)) + timedelta(minutes=3)
    at = lambda minutes: first + timedelta(minutes=minutes)
    down = (at(1), at(2))
    lost = at(3)
    slow = (at(4), at(5))
    faults = f"""
[[fault]]
what = {{ down = {{ status = 503 }} }}
endpoints = ["quote"]
from = "{iso(down[0])}"
to = "{iso(down[1])}"

[[fault]]
what = {{ slow = {{ seconds = 4 }} }}
endpoints = ["quote"]
from = "{iso(slow[0])}"
to = "{iso(slow[1])}"
"""
    simulator = start_simulator(processes, folder, vendor, faults)
    time.sleep(1)
    assert simulator.poll() is None, (folder / "simulator.log").read_text()
    stack.watch(SYMBOLS, iso(first))
    say(f"watching {' '.join(SYMBOLS)} from {iso(first)} on")

    last = at(MINUTES)
    say(f"provider down at {down[0]:%H:%M}; messages of {lost:%H:%M} lost; collect out of time at {slow[0]:%H:%M}")
    wait_until(lost - timedelta(seconds=4))
    stack.client("sqs").purge_queue(QueueUrl=stack.output("LiveQueueUrl"))
    say("the live queue is emptied: its messages are lost")
    wait_until(slow[0] - timedelta(seconds=20))
    function = stack.output("CollectFunction")
    stack.client("lambda").update_function_configuration(FunctionName=function, Timeout=1)
    say("collect may run for a second only")
    wait_until(slow[1] - timedelta(seconds=20))
    stack.client("lambda").update_function_configuration(FunctionName=function, Timeout=20)
    say("collect has its time again")

    asked_by_hand(stack, first, last)
    wanted = {(symbol, at(n)) for symbol in SYMBOLS for n in range(MINUTES)}
    whole(stack, first, last, wanted)
    second_opinion(stack)
    forced(stack, first)
    wait_for("reconciliation without open gaps", lambda: settled(stack), 300, 20)
    gaps = stack.metric("OpenGaps")
    say(f"OpenGaps went {[int(value) for value in gaps]}")
    assert max(gaps) >= len(SYMBOLS) and gaps[-1] == 0, gaps
    template = yaml_parse((ROOT / "infra/aws/template.yaml").read_text())
    required = tomllib.loads((ROOT / "infra/aws/required-actions.toml").read_text())
    identities.end()
    complaints = actions.check(stack, template, required, identities.functions)
    assert not complaints, "\n".join(complaints)
    say("every call was allowed by its function's role, and every allowed action was used or is required by AWS")


def task_of(first, last, **more):
    return {"symbols": SYMBOLS, "from": iso(first), "to": iso(last), "mode": "plan", "force": False} | more


def asked_by_hand(stack, first, last):
    """What a person does while the schedules do theirs: reconciles, and prices a replay."""
    wait_until(last + timedelta(seconds=SETTLE_S + 5))
    seen = stack.invoke("ReconcileFunction", {"window": "near"})
    say(f"reconciled: {seen['open_gaps']} open of {seen['expected']}, {seen['open_by_reason']}")
    plan = stack.invoke("ReplayFunction", task_of(first, last))
    say(f"a replay of what is left would take {plan['calls_planned']} calls for {plan['missing']} minutes")
    refused = stack.refusal("ReplayFunction", task_of(first, first))
    assert "`from`" in refused, refused


def second_opinion(stack):
    """The morning's run asks Athena, as its own role, and Athena says what the footers say."""
    report = stack.invoke("ReconcileFunction", {"window": "morning"})
    assert report.get("athena", {}).get("differ") == [], report
    assert report["athena"]["from"] < report["athena"]["to"], report
    say(f"Athena says the same of {report['athena']['from']} to {report['athena']['to']}")


def whole(stack, first, last, wanted):
    """Waits until the schedules have healed everything. A candle is whole five minutes after its minute; what the queue's tasks
    have not healed a run later, a person asks for."""
    wait_until(last + timedelta(seconds=330))
    healed_by = time.monotonic() + 420
    while not wanted <= (rows := current(stack, first, last)).keys() and time.monotonic() < healed_by:
        applied = stack.invoke("ReplayFunction", task_of(first, last, mode="apply"))
        say(f"asked for by hand: healed {applied['healed']}, still open {applied['open']}")
        time.sleep(LANDING_S + 20)
    missing = sorted(wanted - rows.keys())
    assert not missing, f"missing: {missing}"
    assert all(len(found) == 1 for found in rows.values()), "one current row each"
    bases = Counter(found[0]["basis"] for found in rows.values())
    say(f"the lake is whole: {len(wanted)} symbol-minutes, by basis {dict(bases)}")
    assert len(wanted) - bases["quote"] >= 3 * len(SYMBOLS), "an outage, a lost message and a time-out were healed from candles"
    assert bases["quote"] > 0, "the others were sampled"


def forced(stack, first):
    """A minute that is there is corrected on demand: its row is superseded, and the correction is current."""
    task = task_of(first, first + timedelta(minutes=1), symbols=SYMBOLS[:1], mode="apply", force=True)
    applied = stack.invoke("ReplayFunction", task)
    assert applied["corrected"] == 1, applied
    row = lambda: current(stack, first, first + timedelta(minutes=1)).get((SYMBOLS[0], first), [])
    corrected = wait_for("correction in the lake", lambda: [it for it in row() if int(it["revision"]) > 0], 60, 3)
    say(f"a forced correction is current: {corrected[0]['basis']}, revision {corrected[0]['revision']}")


def current(stack, first, last):
    return stack.rows(ROOT / "infra/aws/queries/quotes_current.sql", first, last)


def settled(stack):
    report = stack.invoke("ReconcileFunction", {"window": "near"})
    return report if report["open_gaps"] == 0 else None


def wait_until(instant):
    ahead = (instant - datetime.now(timezone.utc)).total_seconds()
    if ahead > 0:
        time.sleep(ahead)


if __name__ == "__main__":
    main()
