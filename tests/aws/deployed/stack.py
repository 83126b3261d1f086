"""A deployed stack, asked as a person would ask it."""

import json
import time
from datetime import datetime, timezone

import boto3
import botocore.config
import botocore.exceptions

CONFIG = botocore.config.Config(retries={"max_attempts": 0}, read_timeout=200)


class Stack:
    """A stack by name, at an endpoint on loopback."""

    def __init__(self, name, endpoint, region):
        self.name, self.endpoint, self.region = name, endpoint, region
        self._outputs = None

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=CONFIG,
        )

    def answers(self):
        try:
            self.client("s3").list_buckets()
            return True
        except botocore.exceptions.EndpointConnectionError:
            return False

    def output(self, key):
        if self._outputs is None:
            described = self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"][0]
            self._outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
        return self._outputs[key]

    def watch(self, symbols, since):
        """Enters the first version of the watchlist, as runbooks/change-the-watchlist.md says."""
        entry = {
            "v": 1,
            "edit": "change",
            "from": since,
            "add": symbols,
            "remove": [],
            "who": "deployed test",
            "why": "what the test watches",
            "made_at": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        }
        self.client("s3").put_object(
            Bucket=self.output("Bucket"),
            Key="control/watchlist/00000001.json",
            Body=json.dumps(entry).encode(),
            IfNoneMatch="*",
        )

    def invoke(self, function, payload):
        answer = self._invoke(function, payload)
        assert "FunctionError" not in answer, (function, payload, answer["body"])
        return answer["body"]

    def refusal(self, function, payload):
        """What a payload is refused with."""
        answer = self._invoke(function, payload)
        assert "FunctionError" in answer, (function, payload, answer["body"])
        return answer["body"]["errorMessage"]

    def _invoke(self, function, payload):
        answer = self.client("lambda").invoke(FunctionName=self.output(function), Payload=json.dumps(payload).encode())
        return {**answer, "body": json.loads(answer["Payload"].read() or b"null")}

    def rows(self, query_file, first, last):
        """The current rows of [first, last) by symbol and minute, asked of Athena through the Glue table."""
        days = sorted({first.date(), last.date()})
        lines = [line.split("--")[0] for line in query_file.read_text().splitlines()]
        text = " ".join(lines).replace("FROM quotes", f'FROM {self.output("DatabaseName")}.quotes')
        text = (
            f"SELECT symbol, epoch_ms(minute) AS minute_ms, basis, price, revision FROM ({text}) AS current_rows"
            f" WHERE dt BETWEEN DATE '{days[0]}' AND DATE '{days[-1]}'"
        )
        athena = self.client("athena")
        started = athena.start_query_execution(
            QueryString=text,
            QueryExecutionContext={"Database": self.output("DatabaseName")},
            WorkGroup=self.output("PeopleWorkgroupName"),
        )["QueryExecutionId"]
        while True:
            status = athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"]
            if status["State"] not in ("QUEUED", "RUNNING"):
                break
            time.sleep(0.2)
        assert status["State"] == "SUCCEEDED", status
        rows, header = {}, None
        for page in athena.get_paginator("get_query_results").paginate(QueryExecutionId=started):
            for row in page["ResultSet"]["Rows"]:
                values = [cell.get("VarCharValue") for cell in row["Data"]]
                if header is None:
                    header = values
                    continue
                row = dict(zip(header, values))
                minute = datetime.fromtimestamp(int(row["minute_ms"]) / 1000, timezone.utc)
                if first <= minute < last:
                    rows.setdefault((row["symbol"], minute), []).append(row)
        return rows

    def lines(self):
        """Every line that functions have logged."""
        logs = self.client("logs")
        for group in logs.get_paginator("describe_log_groups").paginate():
            for name in (group["logGroupName"] for group in group["logGroups"]):
                for page in logs.get_paginator("filter_log_events").paginate(logGroupName=name):
                    for event in page["events"]:
                        yield name, event["timestamp"], event["message"]

    def metric(self, name):
        """The values of a metric in the order in which they were emitted, from the lines CloudWatch would read."""
        values = []
        for _, _, message in self.lines():
            if '"_aws"' not in message:
                continue
            line = json.loads(message)
            assert line["Stack"] == self.name, line
            if name in line:
                values.append((line["_aws"]["Timestamp"], line[name]))
        return [value for _, value in sorted(values)]
