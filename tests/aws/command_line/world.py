"""A stack on the stand-in, made of the template and of built functions, and the binary beside it."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import boto3
import botocore.config
import botocore.exceptions
from samcli.yamlhelper import yaml_dump, yaml_parse

TOP = Path(__file__).resolve().parents[3]
# The folder of the environment this runs in, and of those beside it.
STANDINS = Path(sys.prefix).parent
BINARY = TOP / "target" / "release" / "mendlake"
REGION = "us-east-1"
STACK = "lake"
KEY = "command-line-test-key"

# The least that the settings allow: a minute counts as missing so long after it began.
LANDING_S = 1
SETTLE_S = 122


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class World:
    """The stand-in, the simulated vendor and the stack, for as long as the block lasts."""

    def __init__(self, bootstraps):
        self.bootstraps = bootstraps

    def __enter__(self):
        self.home = tempfile.TemporaryDirectory(prefix="mendlake-command-line-")
        self.folder, self.children = Path(self.home.name), []
        self.port, self.vendor = free_port(), free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        try:
            self._stand_in()
            self._simulator()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for child in self.children:
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            child.wait()
        self.home.cleanup()

    def _start(self, name, command, env):
        log = open(self.folder / f"{name}.log", "wb")
        self.children.append(subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True))

    def _stand_in(self):
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "IOT_MTLS_PORT": "0",
            "AWS_ENDPOINT_URL": self.endpoint,
            "S3_DATA_DIR": str(self.folder / "s3"),
            "STATE_DIR": str(self.folder / "state"),
            "TMPDIR": str(self.folder),
            "LOG_LEVEL": "WARNING",
            "AUTH": "true",
            "AWS_DEFAULT_REGION": REGION,
            **self.credentials,
        }
        self._start("ministack", [STANDINS / "python" / "bin" / "ministack"], env)
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                self.client("s3").list_buckets()
                return
            except botocore.exceptions.EndpointConnectionError:
                time.sleep(0.1)
        raise AssertionError((self.folder / "ministack.log").read_text())

    def _simulator(self):
        command = [BINARY, "simulate", "--listen", f"127.0.0.1:{self.vendor}", "--calendar", "always"]
        self._start("simulator", [*command, "--seed", "7", "--key", KEY, "--plan", "premium"], {"PATH": os.environ["PATH"]})

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=botocore.config.Config(retries={"max_attempts": 0}, read_timeout=200),
        )

    def deploy(self):
        """Creates the stack; gives its outputs."""
        self.client("s3").create_bucket(Bucket="artifacts")
        template = yaml_parse((TOP / "infra/aws/template.yaml").read_text())
        self._for_the_stand_in(template)
        chosen = {"Calendar": "always", "SettleSeconds": SETTLE_S, "LandingWindowSeconds": LANDING_S}
        chosen["FinnhubBaseUrl"] = f"http://127.0.0.1:{self.vendor}"
        cloudformation = self.client("cloudformation")
        cloudformation.create_stack(
            StackName=STACK,
            TemplateBody=yaml_dump(template),
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[{"ParameterKey": key, "ParameterValue": str(value)} for key, value in chosen.items()],
        )
        stack = self.settled(STACK)
        assert stack["StackStatus"] == "CREATE_COMPLETE", stack
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def settled(self, name):
        until = time.monotonic() + 60
        while time.monotonic() < until:
            stack = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
            if not stack["StackStatus"].endswith("IN_PROGRESS"):
                return stack
            time.sleep(0.2)
        raise AssertionError(stack)

    def _for_the_stand_in(self, template):
        """Leaves out what the stand-in cannot hold (metric math, TLS, a parameter as its poller's number, a secret's ARN in
        a role), and the schedules: nothing runs here but what a command asks for."""
        resources = template["Resources"]
        for name in [name for name, it in resources.items() if "Metrics" in it.get("Properties", {})] + ["LakePolicy"]:
            del resources[name]
        secret = {"Fn::Sub": "arn:aws:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${FinnhubKey}-*"}
        for name, resource in resources.items():
            properties = resource.get("Properties", {})
            if resource["Type"] == "AWS::Serverless::Function":
                events = properties["Events"]
                properties["Events"] = {key: it for key, it in events.items() if it["Type"] != "ScheduleV2"}
                for event in properties["Events"].values():
                    if "ScalingConfig" in event["Properties"]:
                        event["Properties"]["ScalingConfig"] = {"MaximumConcurrency": 2}
                properties["CodeUri"] = {"Bucket": "artifacts", "Key": self._zip(name)}
            if resource["Type"] == "AWS::IAM::Role":
                for policy in properties["Policies"]:
                    for statement in policy["PolicyDocument"]["Statement"]:
                        if "secretsmanager:GetSecretValue" in statement["Action"]:
                            statement["Resource"] = secret
        del template["Globals"]["Function"]["CodeUri"]

    def _zip(self, function):
        binary = self.bootstraps / function / "bootstrap"
        file = zipfile.ZipInfo("bootstrap")
        file.external_attr = 0o755 << 16
        body = io.BytesIO()
        with zipfile.ZipFile(body, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(file, binary.read_bytes())
        self.client("s3").put_object(Bucket="artifacts", Key=f"{function}.zip", Body=body.getvalue())
        return f"{function}.zip"

    def run(self, *arguments, env=None):
        """Runs the binary; gives its exit code, and what it printed on both streams. No output ever holds the key."""
        surroundings = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            **self.credentials,
        }
        for name, value in (env or {}).items():
            surroundings.pop(name, None)
            if value is not None:
                surroundings[name] = value
        command = [BINARY, *map(str, arguments)]
        done = subprocess.run(command, env=surroundings, cwd=self.folder, capture_output=True, text=True, timeout=300)
        for text in (done.stdout, done.stderr):
            assert KEY not in text, (arguments, "the key is shown")
        return done.returncode, done.stdout, done.stderr

    def on_stack(self, *arguments, expect=0, stack=STACK, env=None):
        """Runs the binary on the stack; gives what it printed."""
        code, out, err = self.run(*arguments, "--stack", stack, env=env)
        assert code == expect, (arguments, code, out, err)
        return out if expect in (0, 3) else err

    def json(self, *arguments, expect=0):
        return json.loads(self.on_stack(*arguments, "--json", expect=expect))
