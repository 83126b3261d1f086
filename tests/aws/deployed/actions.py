"""What each function's role allows, beside what the function was seen to do."""

# Actions that other calls need too, or that have another name than their calls.
CALLS = {
    "sqs:SendMessage": ["SendMessage", "SendMessageBatch"],
    "s3:ListBucket": ["ListObjectsV2", "ListObjects", "HeadBucket"],
    "s3:GetObject": ["GetObject", "HeadObject"],
    "s3:DeleteObject": ["DeleteObject", "DeleteObjects"],
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


def used(stack, roles, keys):
    """Of the actions of each function's role, those it was seen to use. The stand-in's trail has the calls that were allowed, by
    the key that made them; it gives no more than fifty at once, so each call is asked for."""
    names = {stack.output(f"{function}Function"): function for function in roles}
    trail = stack.client("cloudtrail")

    def has(key, action):
        service = action.split(":")[0]
        for call in CALLS.get(action, [action.split(":")[1]]):
            wanted = {"AccessKeyId": key, "EventName": call, "EventSource": f"{service}.amazonaws.com"}
            attributes = [{"AttributeKey": name, "AttributeValue": value} for name, value in wanted.items()]
            if trail.lookup_events(LookupAttributes=attributes, MaxResults=1)["Events"]:
                return True
        return False

    seen = {function: set() for function in roles}
    for key, function in ((key, names.get(name)) for key, name in keys.items()):
        if function:
            seen[function] |= {action for action in roles[function] - seen[function] if has(key, action)}
    return seen


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
        by_function.setdefault(entry["function"], {})[entry["action"]] = entry.get("page") or entry["case"]
    for function, actions in sorted(roles.items()):
        assert seen[function], f"no call of `{function}` was recorded"
        needed = by_function.get(function, {})
        for action in sorted(actions - seen[function] - needed.keys()):
            complaints.append(f"`{function}` may {action}, which no run used and required-actions.toml does not name")
        for action in sorted(needed.keys() - actions):
            complaints.append(f"`{function}` lacks {action}, which is needed: {needed[action]}")
    return complaints
