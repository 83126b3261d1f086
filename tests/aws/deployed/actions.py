"""What each function's role allows, beside what the function was seen to do."""

import json

# Calls whose permission has another name than the call.
PERMISSIONS = {
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListObjects": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:DeleteObjects": "s3:DeleteObject",
}


def allowed(template):
    """The actions of each function's role, by the function's logical name."""
    roles = {}
    for name, resource in template["Resources"].items():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        role = template["Resources"][resource["Properties"]["Role"]["Fn::GetAtt"][0]]
        actions = set()
        for policy in role["Properties"]["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                actions |= set(statement["Action"])
        roles[name] = actions
    return roles


def used(stack, functions, keys):
    """The actions each function was seen to use: the stand-in's trail has the calls that were allowed, and by whose key."""
    names = {stack.output(f"{function}Function"): function for function in functions}
    seen, token = {function: set() for function in functions}, {}
    trail = stack.client("cloudtrail")
    while True:
        page = trail.lookup_events(MaxResults=50, **token)
        for event in page["Events"]:
            identity = json.loads(event["CloudTrailEvent"])["userIdentity"]
            if function := names.get(keys.get(identity["accessKeyId"])):
                call = f"{event['EventSource'].split('.')[0]}:{event['EventName']}"
                seen[function].add(PERMISSIONS.get(call, call))
        if "NextToken" not in page:
            return seen
        token = {"NextToken": page["NextToken"]}


def refused(stack):
    """What functions logged of calls that their roles do not allow."""
    return sorted({message for _, _, message in stack.lines() if "is not authorized to perform" in message})


def check(stack, template, required, keys):
    """Complaints: refused calls, unused actions that nothing requires, required ones that a role lacks. `keys` are the names of
    functions by access key."""
    roles = allowed(template)
    seen, complaints = used(stack, roles, keys), refused(stack)
    by_function = {}
    for entry in required["required"]:
        by_function.setdefault(entry["function"], {})[entry["action"]] = entry["page"]
    for function, actions in sorted(roles.items()):
        assert seen[function], f"no call of `{function}` was recorded"
        needed = by_function.get(function, {})
        for action in sorted(actions - seen[function] - needed.keys()):
            complaints.append(f"`{function}` may {action}, which no run used and required-actions.toml does not name")
        for action in sorted(needed.keys() - actions):
            complaints.append(f"`{function}` lacks {action}: {needed[action]} demands it")
    return complaints
