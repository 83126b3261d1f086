"""What holds of this template beyond what any linter knows: it agrees with the code, the runbooks and itself."""

import json
import re
import tomllib

STACK = "${AWS::StackName}"

# The dimensions under which AWS's services publish the metrics that alarms and dashboard read, by AWS's pages on each.
AWS_METRICS = {
    ("AWS/Lambda", "Invocations"): {"FunctionName"},
    ("AWS/Lambda", "Errors"): {"FunctionName"},
    ("AWS/Lambda", "Throttles"): {"FunctionName"},
    ("AWS/Lambda", "Duration"): {"FunctionName"},
    ("AWS/Lambda", "IteratorAge"): {"FunctionName"},
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): {"QueueName"},
}

# The longest delay a message can be sent with: SQS takes no more. Replay tasks are sent with at most half a minute.
LONGEST_DELAY_S = 900

# Of resources whose name another stack of the account and region must not have. Names left out are made by CloudFormation.
NAMES = {
    "AWS::Athena::WorkGroup": ["Name"],
    "AWS::CloudWatch::Alarm": ["AlarmName"],
    "AWS::CloudWatch::Dashboard": ["DashboardName"],
    "AWS::DynamoDB::Table": ["TableName"],
    "AWS::Glue::Database": ["DatabaseInput", "Name"],
    "AWS::IAM::Role": ["RoleName"],
    "AWS::Kinesis::Stream": ["Name"],
    "AWS::Lambda::Function": ["FunctionName"],
    "AWS::Logs::LogGroup": ["LogGroupName"],
    "AWS::S3::Bucket": ["BucketName"],
    "AWS::SNS::Topic": ["TopicName"],
    "AWS::SQS::Queue": ["QueueName"],
    "AWS::Scheduler::Schedule": ["Name"],
    "AWS::SecretsManager::Secret": ["Name"],
}


# Resources that CloudFormation gives no ARN of: those of Athena and Glue, named from the template's own. Of Glue's catalog, and of the
# database that Athena looks at in each query, there is one an account.
NAMED = re.compile(
    r"arn:\$\{AWS::Partition\}:(?:athena|glue):\$\{AWS::Region\}:\$\{AWS::AccountId\}:"
    r"(catalog|database/default|(?:workgroup|database)/\$\{\w+\}|table/\$\{\w+\}/\$\{\w+\})"
)


def aliases(project):
    return [f"line {line}: an anchor or an alias; write it out" for line in project.aliases()]


def names(project):
    found = []
    for name, resource in project.plain["Resources"].items():
        value = resource.get("Properties", {})
        for key in NAMES.get(resource["Type"], ["no name"]):
            value = value.get(key, {}) if isinstance(value, dict) else {}
        if value and "AWS::StackName" not in json.dumps(value):
            found.append(f"{name}: it is called {json.dumps(value)} in every stack; a second one could not be deployed")
    return found


def runbooks(project):
    found = []
    alarms = project.of_type("AWS::CloudWatch::Alarm")
    for name, alarm in alarms.items():
        properties = alarm["Properties"]
        if not project.has(f"runbooks/{name}.md"):
            found.append(f"{name}: there is no runbooks/{name}.md")
        description = properties.get("AlarmDescription", "")
        if f"runbooks/{name}.md" not in description:
            found.append(f"{name}: its description does not lead to runbooks/{name}.md")
        found += [f"{name}: there is no {page}" for page in re.findall(r"runbooks/\w+\.md", description) if not project.has(page)]
        if properties.get("AlarmName") != {"Fn::Sub": f"{STACK}-{name}"}:
            found.append(f"{name}: its name is to be {STACK}-{name}, as the runbook is called")
    return found


def functions(project):
    binaries = {binary["name"] for binary in tomllib.loads(project.text("infra/aws/Cargo.toml"))["bin"]}
    found, built = [], set()
    for name, function in project.sam["Resources"].items():
        if function["Type"] != "AWS::Serverless::Function":
            continue
        metadata = function.get("Metadata", {})
        binary = metadata.get("BuildProperties", {}).get("Binary")
        built.add(binary)
        if metadata.get("BuildMethod") != "rust-cargolambda" or binary not in binaries:
            found.append(f"{name}: infra/aws/Cargo.toml has no binary `{binary}`")
    return found + [f"infra/aws/Cargo.toml: `{binary}` is no function" for binary in sorted(binaries - built)]


def environment(project):
    """The functions get what `config.rs` reads, all of it. A key's own variable is the other way to give it, not the template's."""
    code = project.text("infra/aws/src/config.rs").split("#[cfg(test)]")[0]
    read = set(re.findall(r'"([A-Z][A-Z0-9_]+)"', code))
    keys = {variable for pair in re.findall(r'\.key\("(\w+)", "(\w+)"\)', code) for variable in pair[1:]}
    found = []
    for name, function in project.of_type("AWS::Lambda::Function").items():
        given = set(function["Properties"]["Environment"]["Variables"])
        found += [f"{name}: it gets {variable}, which config.rs does not read" for variable in sorted(given - (read - keys))]
        found += [f"{name}: it does not get {variable}, which config.rs reads" for variable in sorted(read - keys - given)]
    return found


def roles(project):
    """No action with a star, no resource that is not this stack's, no managed policy, nothing for everybody but the Deny."""
    found = []
    for name, role in project.of_type("AWS::IAM::Role").items():
        if role["Properties"].get("ManagedPolicyArns"):
            found.append(f"{name}: a managed policy allows more than is needed")
        for policy in role["Properties"].get("Policies", []):
            for statement in listed(policy["PolicyDocument"]["Statement"]):
                found += [f"{name}: the action `{action}`" for action in listed(statement["Action"]) if "*" in action]
                for resource in resources(statement["Resource"]):
                    if not is_scoped(resource, project.plain["Resources"]):
                        found.append(f"{name}: {statement['Action']} on {json.dumps(resource)}")
    for name, policy in project.of_type("AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy").items():
        for statement in listed(policy["Properties"]["PolicyDocument"]["Statement"]):
            starred = [text for text in listed(statement["Action"]) + [json.dumps(statement["Principal"])] if "*" in text]
            if statement["Effect"] != "Deny" and starred:
                found.append(f"{name}: allows {starred}")
    for name, function in project.of_type("AWS::Lambda::Function").items():
        role = function["Properties"]["Role"]
        shared = [n for n, other in project.of_type("AWS::Lambda::Function").items() if other["Properties"]["Role"] == role]
        if shared != [name]:
            found.append(f"{name}: its role is that of {shared}")
    return found


def resources(value):
    if isinstance(value, dict) and "Fn::If" in value:
        return [one for branch in value["Fn::If"][1:] for one in resources(branch)]
    return [one for part in value for one in resources(part)] if isinstance(value, list) else [value]


def is_scoped(resource, ours):
    """Whether it is one of the template's own, or named from one; a star stands only behind a `/`."""
    if not isinstance(resource, dict):
        return False
    (function, argument), = resource.items()
    if function == "Fn::Sub":
        if named := NAMED.fullmatch(argument):
            return set(re.findall(r"\$\{(\w+)\}", named[1])) <= set(ours)
        begins = re.match(r"\$\{(\w+)\.Arn\}(/.*)?$", argument)
        return bool(begins) and begins[1] in ours and not re.fullmatch(r"/\*+", begins[2] or "")
    name = argument[0] if function == "Fn::GetAtt" else argument
    return function in ("Ref", "Fn::GetAtt") and name in ours


def queues(project):
    """A message that crashes whoever takes it is a dead letter before it expires; nobody gets it while somebody has it."""
    found = []
    all_queues = project.of_type("AWS::SQS::Queue")
    samples = int(re.search(r"const SAMPLE_SECONDS: usize = (\d+);", project.text("shared/domain/src/settings.rs"))[1])
    delays = {"LiveQueue": 60 + samples + 1}  # from the tick's earliest instant to the last message's, rounded up
    for name, queue in all_queues.items():
        properties = queue["Properties"]
        if not (redrive := properties.get("RedrivePolicy")):
            continue
        visibility, retention = properties["VisibilityTimeout"], properties["MessageRetentionPeriod"]
        least = delays.get(name, LONGEST_DELAY_S) + 3 * visibility
        if retention < least:
            found.append(f"{name}: its messages are kept {retention} s; a crash loop takes up to {least} s")
        if redrive["maxReceiveCount"] > 2:
            found.append(f"{name}: three times the visibility covers 2 receives, not {redrive['maxReceiveCount']}")
        letters = all_queues[redrive["deadLetterTargetArn"]["Fn::GetAtt"][0]]["Properties"]
        if letters["MessageRetentionPeriod"] <= retention:
            found.append(f"{name}: its dead letters are kept no longer than its messages; their age counts from the first day")
    for name, mapping in project.of_type("AWS::Lambda::EventSourceMapping").items():
        source = mapping["Properties"]["EventSourceArn"]["Fn::GetAtt"][0]
        if source in all_queues:
            timeout = project.plain["Resources"][mapping["Properties"]["FunctionName"]["Ref"]]["Properties"]["Timeout"]
            visibility = all_queues[source]["Properties"]["VisibilityTimeout"]
            if visibility < 6 * timeout:
                found.append(f"{name}: {source} hides a message for {visibility} s, less than 6 x {timeout} s")
    return found


def ticks(project):
    """A tick names its instant; ticks are not tried again, by Scheduler nor by Lambda."""
    wanted = (0, 60)
    limits = lambda policy: (policy.get("MaximumRetryAttempts"), policy.get("MaximumEventAgeInSeconds"))
    lambdas = {
        config["Properties"]["FunctionName"]["Ref"]: limits(config["Properties"])
        for config in project.of_type("AWS::Lambda::EventInvokeConfig").values()
    }
    found = []
    for name, schedule in project.of_type("AWS::Scheduler::Schedule").items():
        target = schedule["Properties"]["Target"]
        function = target["Arn"]["Fn::GetAtt"][0]
        if function != "Request":
            continue
        if json.loads(target.get("Input", "{}")) != {"time": "<aws.scheduler.scheduled-time>"}:
            found.append(f"{name}: a tick names the instant it was scheduled for")
        if limits(target.get("RetryPolicy", {})) != wanted:
            found.append(f"{name}: a tick is delivered once, within 60 s")
        if lambdas.get(function) != wanted:
            found.append(f"{function}: Lambda tries a failed event twice again, minutes later; set its EventInvokeConfig")
    return found


def metrics(project):
    """Alarms and dashboard read what is emitted: the exact name, the exact dimensions."""
    code = project.text("infra/aws/src/metrics.rs").split("#[cfg(test)]")[0]
    emitted = set(re.findall(r'(?:count|seconds)\("(\w+)"|name: "(\w+)"', code))
    emitted = {one or other for one, other in emitted}
    namespace = re.search(r'const NAMESPACE: &str = "(\w+)"', code)[1]
    dimension = re.search(r'const DIMENSION: &str = "(\w+)"', code)[1]
    found = []
    for who, (space, metric, dimensions) in [*read_by_alarms(project), *read_by_dashboard(project)]:
        if space == namespace:
            if metric not in emitted:
                found.append(f"{who}: nobody emits `{metric}`")
            if dimensions != {dimension: STACK}:
                found.append(f"{who}: `{metric}` has the dimension {dimension} = the stack's name, not {dimensions}")
        elif set(dimensions) != AWS_METRICS.get((space, metric)):
            found.append(f"{who}: AWS does not publish {space} `{metric}` under {sorted(dimensions)}")
    return found


def read_by_alarms(project):
    for name, alarm in project.of_type("AWS::CloudWatch::Alarm").items():
        properties = alarm["Properties"]
        queries = properties.get("Metrics", [{"MetricStat": {"Metric": properties}}])
        for metric in (query["MetricStat"]["Metric"] for query in queries if "MetricStat" in query):
            texts = {d["Name"]: text_of(d["Value"]) for d in metric.get("Dimensions", [])}
            yield name, (metric["Namespace"], metric["MetricName"], texts)


def read_by_dashboard(project):
    for name, dashboard in project.of_type("AWS::CloudWatch::Dashboard").items():
        for widget in json.loads(dashboard["Properties"]["DashboardBody"]["Fn::Sub"])["widgets"]:
            for space, metric, *rest in widget["properties"].get("metrics", []):
                pairs = [part for part in rest if isinstance(part, str)]
                yield name, (space, metric, dict(zip(pairs[::2], pairs[1::2])))


def alarms(project):
    """Alarms tell the topic when they go and when they come, say what missing data means, and fit CloudWatch's limits."""
    found = []
    for name, alarm in project.of_type("AWS::CloudWatch::Alarm").items():
        properties = alarm["Properties"]
        for actions in ("AlarmActions", "OKActions"):
            if properties.get(actions) != [{"Ref": "Alarms"}]:
                found.append(f"{name}: its {actions} are not the topic")
        if "TreatMissingData" not in properties or "DatapointsToAlarm" not in properties:
            found.append(f"{name}: say what missing data means, and how many points of how many raise it")
        periods = {q["MetricStat"]["Period"] for q in properties.get("Metrics", []) if "MetricStat" in q}
        periods |= {properties["Period"]} if "Period" in properties else set()
        if len(periods) != 1:
            found.append(f"{name}: an expression is of metrics of one period, not of {sorted(periods)}")
        span, most = max(periods) * properties["EvaluationPeriods"], 604_800 if max(periods) >= 3600 else 86_400
        if span > most or properties.get("DatapointsToAlarm", 0) > properties["EvaluationPeriods"]:
            found.append(f"{name}: CloudWatch looks back {most} s at most, at no more points than there are")
    return found


def text_of(value):
    return f"${{{value['Ref']}}}" if isinstance(value, dict) and "Ref" in value else json.dumps(value)


def listed(value):
    return value if isinstance(value, list) else [value]
