"""The files the checks read, and the template in its three forms: text, SAM, and the plain one that CloudFormation makes of it."""

import json
import logging
import os
import sys
from functools import cached_property
from pathlib import Path

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")  # the transform wants one; nothing is asked of it

import yaml
from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

# It complains of its own measurements.
logging.getLogger("samtranslator").setLevel(logging.ERROR)

TOP = Path(__file__).resolve().parents[3]
TEMPLATE = "infra/aws/template.yaml"
SCHEMAS = "infra/aws/schemas"

# The functions that a person or a schedule invokes.
FUNCTIONS_WITH_SCHEMAS = ["request", "reconcile", "land", "replay"]

# The folder of the environment this runs in, and of those beside it.
STANDINS = Path(sys.prefix).parent

# Where `sam package` would have put the functions' code.
CODE = {"Bucket": "artifacts", "Key": "code.zip"}


class NoPolicies:
    """What the transform loads its managed policies from: the template names none."""

    @staticmethod
    def load():
        return {}


class Project:
    """The repository, with some files' texts replaced where an error is planted; a text of None is a file that is gone."""

    def __init__(self, replaced=None):
        self.replaced = replaced or {}

    def text(self, path):
        text = self.replaced[path] if path in self.replaced else (TOP / path).read_text()
        if text is None:
            raise FileNotFoundError(path)
        return text

    def has(self, path):
        return self.replaced[path] is not None if path in self.replaced else (TOP / path).is_file()

    @cached_property
    def template(self):
        return self.text(TEMPLATE)

    @cached_property
    def sam(self):
        """The template as written, with intrinsic functions in their long form."""
        return json.loads(json.dumps(yaml_parse(self.template)))

    @cached_property
    def plain(self):
        """The template as CloudFormation runs it: what SAM adds (mappings, schedules, their roles) is in it."""
        sam = json.loads(json.dumps(self.sam))
        sam["Globals"]["Function"]["CodeUri"] = CODE
        return transform(sam, {}, NoPolicies())

    def of_type(self, *types):
        """Resources of the plain template by their logical id."""
        return {name: r for name, r in self.plain["Resources"].items() if r["Type"] in types}

    def aliases(self):
        """Lines with an anchor or an alias: CloudFormation reads aliases, but people who edit one place change another."""
        events = yaml.parse(self.template, Loader=yaml.SafeLoader)
        return [event.start_mark.line + 1 for event in events if getattr(event, "anchor", None)]


def resolve(value, stack, parameters):
    """A value as a deployed stack named `stack` has it: names of resources are `<stack>-<logical id>`."""
    if isinstance(value, dict) and len(value) == 1:
        (function, argument), = value.items()
        if function == "Ref":
            if argument in parameters:
                return parameters[argument]
            return {"AWS::StackName": stack}.get(argument, f"{stack}-{argument}")
        if function == "Fn::GetAtt":
            name, attribute = argument if isinstance(argument, list) else argument.split(".", 1)
            return f"{stack}-{name}" if attribute.endswith("Name") else f"arn:{stack}-{name}"
        if function == "Fn::Sub" and isinstance(argument, str):
            return argument.replace("${AWS::StackName}", stack)
    return value


def defaults(plain):
    """The parameters' default values, numbers as numbers."""
    number = lambda parameter: float(parameter["Default"]) if parameter["Type"] == "Number" else parameter["Default"]
    return {name: number(parameter) for name, parameter in plain["Parameters"].items()}
