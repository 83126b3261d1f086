"""The JSON schemas of the functions' payloads, against the examples that the code is held to (`payloads.rs`)."""

import json

from jsonschema import Draft202012Validator
from project import FUNCTIONS_WITH_SCHEMAS, SCHEMAS


def examples(project):
    """Schemas that are none, refuse what the code accepts, or accept what it refuses and a schema could have told."""
    found = []
    for function in FUNCTIONS_WITH_SCHEMAS:
        schema = json.loads(project.text(f"{SCHEMAS}/{function}.json"))
        Draft202012Validator.check_schema(schema)
        validator = Draft202012Validator(schema)
        accepted = json.loads(project.text(f"{SCHEMAS}/examples/{function}.accepted.json"))
        refused = json.loads(project.text(f"{SCHEMAS}/examples/{function}.refused.json"))
        for payload in accepted:
            errors = [error.message for error in validator.iter_errors(payload)]
            found += [f"{function}: the schema refuses {json.dumps(payload)}: {errors[0]}"] if errors else []
        for example in refused:
            # `only_code`: what a schema cannot say.
            if validator.is_valid(example["payload"]) != example.get("only_code", False):
                verdict = "refuses" if example.get("only_code") else "accepts"
                found.append(f"{function}: the schema {verdict} {json.dumps(example['payload'])}")
    return found
