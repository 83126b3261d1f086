"""The command line on a stack: the binary as people start it, against the stand-in, with policies enforced.

Makes a stack of infra/aws/template.yaml and of the built functions, watches minutes of the last hour, and has them reconciled,
replayed, verified and examined by commands alone. Nothing of it waits for a schedule.

Run by build/standins/sam's Python:
run.py                      with target/release/mendlake and the functions in build/sam
run.py --bootstraps DIR     functions from DIR/<Function>/bootstrap instead
"""

import argparse
import json
import sys
import time
import traceback
from datetime import datetime, timedelta, timezone
from pathlib import Path

sys.dont_write_bytecode = True  # nothing beside the sources

from world import BINARY, KEY, SETTLE_S, STACK, TOP, World

SYMBOLS = ["AAPL", "SPY"]


def iso(instant):
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def wrong(examined):
    return {finding["check"]: finding for finding in examined["findings"] if finding["grade"] == "wrong"}


def what_is_wrong_with_the_surroundings_is_said_in_a_line(world):
    cases = [
        ("no region", {"AWS_REGION": None}, 2, "`AWS_REGION`"),
        ("no credentials", {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, 4, "`AWS_PROFILE`"),
        ("refused credentials", {"AWS_ACCESS_KEY_ID": "AKIANOBODYS"}, 4, "`AWS_PROFILE`"),
        ("no network", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, 4, "AWS gives no answer"),
    ]
    for what, env, code, says in cases:
        said = world.on_stack("gaps", expect=code, env=env)
        assert says in said and said.count("\n") == 1, (what, said)
    assert "a value is required" in world.on_stack("gaps", expect=2, stack="")
    said = world.on_stack("gaps", expect=2, stack="nowhere")
    assert "`nowhere`" in said and "list-stacks" in said and said.count("\n") == 1, said


def a_stack_of_another_template_is_refused(world):
    template = {"Resources": {"Other": {"Type": "AWS::SQS::Queue"}}, "Outputs": {"Url": {"Value": {"Ref": "Other"}}}}
    world.client("cloudformation").create_stack(StackName="other", TemplateBody=json.dumps(template))
    world.settled("other")
    for command in (["gaps"], ["doctor"], ["reconcile"]):
        said = world.on_stack(*command, expect=2, stack="other")
        assert "no output `Bucket`" in said, said


def flags_that_contradict_a_stack_are_refused(world):
    for flags in (["--lake", "elsewhere"], ["--calendar", "XNYS"], ["--epoch", "2026-11-20T14:30:00Z"]):
        said = world.on_stack("gaps", *flags, expect=2)
        assert "cannot be used with" in said, said


def somebody_without_rights_is_told_which(world):
    iam = world.client("iam")
    iam.create_user(UserName="guest")
    key = iam.create_access_key(UserName="guest")["AccessKey"]
    guest = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    said = world.on_stack("gaps", expect=4, env=guest)
    assert "cloudformation:DescribeStacks" in said and key["SecretAccessKey"] not in said, said
    allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "cloudformation:DescribeStacks", "Resource": "*"}]}
    iam.put_user_policy(UserName="guest", PolicyName="finds", PolicyDocument=json.dumps(allowed))
    for command, action in ((["gaps"], "s3:GetObject"), (["watch", "add", "SPY"], "s3:GetObject")):
        said = world.on_stack(*command, expect=4, env=guest)
        assert action in said or "AccessDenied" in said, said


def before_there_is_a_lake_it_is_said_and_the_first_watch_makes_one(world):
    said = world.on_stack("gaps", expect=2)
    assert "there is no `mendlake.json`" in said and f"--stack {STACK}" in said, said
    examined = world.json("doctor", expect=3)
    assert "lake" in wrong(examined), examined
    # What a person put there by hand, before anything else ran: the marker is made beside it.
    now = datetime.now(timezone.utc)
    entry = {"v": 1, "edit": "change", "from": iso(now.replace(second=0) + timedelta(minutes=30)), "add": ["BAC"]}
    entry |= {"remove": [], "who": "by hand", "why": "", "made_at": now.strftime("%Y-%m-%dT%H:%M:%S.000Z")}
    world.client("s3").put_object(
        Bucket=world.outputs["Bucket"], Key="control/watchlist/00000001.json", Body=json.dumps(entry).encode()
    )
    watched = world.json("watch", "list")
    assert watched["version"] == 1 and watched["symbols"] == [] and len(watched["coming"]) == 1, watched


def an_empty_secret_is_found_and_the_idle_month_is_priced(world):
    examined = world.json("doctor", expect=3)
    assert "finnhub key" in wrong(examined), examined
    # Empty where the stand-in has it, without any value on AWS: what to do is the same.
    assert "rotate-a-key" in wrong(examined)["finnhub key"]["advice"], examined
    found = {finding["check"]: finding["found"] for finding in examined["findings"]}
    assert "USD at list price" in found["idle month"] and "2026-" in found["idle month"], found
    assert "CREATE_COMPLETE" in found["stack"], found
    assert ["Calendar", "always", f"stack {STACK}"] in examined["configuration"], examined["configuration"]
    world.client("secretsmanager").put_secret_value(SecretId=world.outputs["FinnhubSecret"], SecretString=KEY)


def what_is_watched_is_missing_until_it_is_replayed(world):
    first = datetime.now(timezone.utc).replace(second=0, microsecond=0) - timedelta(minutes=60)
    # Within one session, which is one UTC day.
    midnight = (first + timedelta(minutes=20)).replace(hour=0, minute=0)
    first = midnight - timedelta(minutes=20) if first < midnight else first
    last = first + timedelta(minutes=20)
    world.first, world.last, world.session = first, last, first.date().isoformat()
    said = world.on_stack("watch", "backfill", *SYMBOLS, "--from", iso(first), "--to", iso(last), "--why", "the test's hour")
    assert f"{20} minutes" in said and "mendlake run" not in said, said
    said = world.on_stack("gaps", expect=3)
    assert "nothing has been reconciled yet" in said and "mendlake run" not in said, said
    said = world.on_stack("reconcile", "--window", "near", expect=3)
    assert "0 of 40 symbol-minutes present, 40 open" in said, said
    gaps = world.json("gaps", expect=3)
    assert gaps["open"] == 40 and not gaps["stale"] and {run["symbol"] for run in gaps["runs"]} == set(SYMBOLS), gaps
    covered = world.json("coverage", "--session", world.session, expect=3)
    assert covered["symbols"]["AAPL"]["by_state"] == {"open": 20}, covered
    world.on_stack("gaps", "--wait", world.session, "--timeout", "1", expect=3)


def a_replay_is_priced_done_and_has_landed(world):
    asked = ["replay", "--from", iso(world.first), "--to", iso(world.last)]
    plan = world.json(*asked)
    assert plan["done"] is None and plan["price"]["source"] == "finnhub", plan
    assert plan["plan"]["missing"] == 40 and plan["price"]["calls"] == 2, plan
    # Tasks of the queue may have healed some of it: what is asked for here is what is left then.
    done = world.json(*asked, "--mode", "apply")
    assert done["still_missing"] == 0 and sum(done["done"]["healed"].values()) > 0, done
    said = world.on_stack(*asked, "--mode", "plan")
    assert "0 of 40 expected symbol-minutes missing" in said, said
    said = world.on_stack("replay", "--from", iso(world.last), "--to", iso(world.first), expect=2)
    assert "`--from` must be before `--to`" in said, said
    said = world.on_stack("replay", "--symbols", "NOPE", "--session", world.session, expect=2)
    assert "`NOPE` was never watched" in said, said


def a_correction_is_done_and_waited_for(world):
    to = world.first + timedelta(minutes=2)
    asked = ["replay", "--symbols", "AAPL", "--from", iso(world.first + timedelta(minutes=1)), "--to", iso(to), "--force"]
    done = world.json(*asked, "--mode", "apply")
    assert done["done"]["corrected"] == 1 and done["still_missing"] == 0 and done["not_replaced"] == 0, done


def a_task_that_cannot_be_meant_is_refused_by_its_field(world):
    task = {"symbols": ["AAPL"], "from": iso(world.first), "to": iso(world.last), "mode": "apply"}
    refused = [({"requested_at": "2106-01-01T00:00:00Z"}, "field `requested_at`"), ({"Records": []}, "fields `Records` and `symbols`")]
    for more, says in refused:
        answer = world.client("lambda").invoke(FunctionName=world.outputs["ReplayFunction"], Payload=json.dumps(task | more))
        said = answer["Payload"].read().decode()
        assert "FunctionError" in answer and says in said, said


def a_function_that_does_not_start_is_said_with_where_to_look(world):
    function = world.outputs["ReconcileFunction"]
    change = world.client("lambda").update_function_configuration
    change(FunctionName=function, Environment={"Variables": {"MENDLAKE_STACK": STACK}})
    try:
        said = world.on_stack("reconcile", expect=1)
        assert "`MENDLAKE_BUCKET`" in said and "StageFailing" in said and said.count("\n") == 1, said
        assert '{"' not in said, said
    finally:
        change(FunctionName=function, Environment={"Variables": world.variables})


def a_whole_lake_is_whole_by_every_command(world):
    said = world.on_stack("reconcile", "--window", "hourly")
    assert "40 of 40 symbol-minutes present, 0 open" in said, said
    assert world.json("gaps")["open"] == 0
    verified = world.json("verify")
    assert verified["sound"] and verified["athena"]["differ"] == [], verified
    assert verified["audit"]["present"] == 40 and verified["objects"] > 0 and verified["dead_letters"] == 0, verified
    assert verified["athena"]["scanned_bytes"] >= 0, verified
    assert "athena" not in world.json("verify", "--without-athena")
    said = world.on_stack("verify", "--rebuild-ledger", expect=2)
    assert "restore-the-ledger" in said, said
    examined = world.json("doctor", expect=3)
    # Nothing is watched in the next minute: the test's symbols were, in a past hour.
    assert set(wrong(examined)) == {"watchlist"}, wrong(examined)


def a_copy_of_the_lake_in_a_folder_answers_alike(world):
    s3, bucket, copy = world.client("s3"), world.outputs["Bucket"], world.folder / "copy"
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for key in (item["Key"] for item in page.get("Contents", ())):
            if not key.startswith("athena/"):
                (copy / key).parent.mkdir(parents=True, exist_ok=True)
                (copy / key).write_bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    there = world.json("coverage", "--session", world.session)
    local = ["coverage", "--session", world.session, "--lake", copy, "--calendar", "always", "--settle-s", SETTLE_S]
    code, out, err = world.run(*local, "--landing-window-s", "1", "--json")
    assert code == 0, err
    here = json.loads(out)
    there.pop("as_of"), here.pop("as_of")
    assert there == here, (there, here)


def dead_letters_are_counted(world):
    world.client("sqs").send_message(QueueUrl=world.outputs["ReplayDeadLettersUrl"], MessageBody="{}")
    verified = world.json("verify", "--without-athena", expect=3)
    assert verified["dead_letters"] == 1 and not verified["sound"], verified
    assert "put aside" in wrong(world.json("doctor", expect=3))
    said = world.on_stack("verify", "--without-athena", expect=3)
    assert "1 dead letters" in said, said


SENTENCES = [
    what_is_wrong_with_the_surroundings_is_said_in_a_line,
    a_stack_of_another_template_is_refused,
    flags_that_contradict_a_stack_are_refused,
    somebody_without_rights_is_told_which,
    before_there_is_a_lake_it_is_said_and_the_first_watch_makes_one,
    an_empty_secret_is_found_and_the_idle_month_is_priced,
    what_is_watched_is_missing_until_it_is_replayed,
    a_replay_is_priced_done_and_has_landed,
    a_correction_is_done_and_waited_for,
    a_task_that_cannot_be_meant_is_refused_by_its_field,
    a_function_that_does_not_start_is_said_with_where_to_look,
    a_whole_lake_is_whole_by_every_command,
    a_copy_of_the_lake_in_a_folder_answers_alike,
    dead_letters_are_counted,
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstraps", type=Path, default=TOP / "build/sam", metavar="DIR")
    options = parser.parse_args()
    for wanted in (BINARY, options.bootstraps / "Reconcile" / "bootstrap"):
        if not wanted.is_file():
            sys.exit(f"there is no {wanted}: build with `bash tests/run functions`, and the binary with feature `aws`")
    failed = 0
    with World(options.bootstraps.resolve()) as world:
        world.outputs = world.deploy()
        told = world.client("lambda").get_function_configuration(FunctionName=world.outputs["ReconcileFunction"])
        world.variables = told["Environment"]["Variables"]
        for sentence in SENTENCES:
            began = time.monotonic()
            try:
                sentence(world)
                print(f"ok      {sentence.__name__:<66} {time.monotonic() - began:5.1f} s", flush=True)
            except Exception:
                failed += 1
                print(f"FAILED  {sentence.__name__}\n{traceback.format_exc()}", flush=True)
    print(f"FAILED: {failed}" if failed else f"{len(SENTENCES)} sentences hold")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
