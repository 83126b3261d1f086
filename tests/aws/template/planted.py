"""Errors that the checks must find: for each check at least one, a change of one file."""

from dataclasses import dataclass

from project import TEMPLATE, TOP

METRICS = "infra/aws/src/metrics.rs"
CONFIG = "infra/aws/src/config.rs"
SKIPS = "tests/aws/template/checkov-skips.toml"


@dataclass
class Error:
    """A file's `old` is replaced by `new`, once; the check's complaint `says` something of it. Without `old` the file is gone."""

    what: str
    says: str
    old: str | None
    new: str = ""
    path: str = TEMPLATE

    def replaced(self):
        if self.old is None:
            return {self.path: None}
        text = (TOP / self.path).read_text()
        assert self.old in text, f"`{self.path}` has changed: there is no `{self.old}` to replace"
        return {self.path: text.replace(self.old, self.new, 1)}


ERRORS = {
    "aliases": [
        Error("an alias", "anchor", "Timeout: 20\n", "Timeout: &short 20\n"),
    ],
    "names": [
        Error("a schedule called by its logical id", "FirstHalfHour", "            OmitName: true\n"),
        Error("a queue called the same in every stack", "LiveQueue", "VisibilityTimeout: 120", "VisibilityTimeout: 120\n      QueueName: live"),
    ],
    "runbooks": [
        Error("an alarm without a page", "no runbooks/GapsOpen.md", None, path="runbooks/GapsOpen.md"),
        Error("a description that leads nowhere", "no runbooks/Gaps.md", "See runbooks/GapsOpen.md", "See runbooks/Gaps.md"),
        Error("an alarm under another name", "its name is to be", "${AWS::StackName}-GapsOpen", "${AWS::StackName}-Gaps"),
    ],
    "functions": [
        Error("a function nobody builds", "no binary `mendlake-pray`", "Binary: mendlake-replay", "Binary: mendlake-pray"),
        Error("a binary nobody deploys", "`mendlake-more` is no function", "[[bin]]", '[[bin]]\nname = "mendlake-more"\n[[bin]]', "infra/aws/Cargo.toml"),
    ],
    "schemas": [
        Error("a schema that knows no force", "refuses", '"force": {', '"forced": {', "infra/aws/schemas/replay.json"),
        Error("a schema that takes anything", "accepts", '"additionalProperties": false', '"additionalProperties": true', "infra/aws/schemas/replay.json"),
        Error("an example that nobody refuses", "accepts", '"window": "weekly"', '"window": "near"', "infra/aws/schemas/examples/reconcile.refused.json"),
    ],
    "environment": [
        Error("a variable nobody reads", "gets MENDLAKE_WINDOW_S", "MENDLAKE_LANDING_WINDOW_S:", "MENDLAKE_WINDOW_S:"),
        Error("a variable nobody sets", "does not get MENDLAKE_ZONE", '"MENDLAKE_CALENDAR"', '"MENDLAKE_ZONE"', CONFIG),
    ],
    "roles": [
        Error("every action of a service", "`sqs:*`", "Action: [sqs:SendMessage]", 'Action: ["sqs:*"]'),
        Error("every resource", 'on "*"', "Resource: !GetAtt LiveQueue.Arn", 'Resource: "*"'),
        Error("a resource of somebody else", "arn:aws:sqs", "Resource: !GetAtt LiveQueue.Arn", "Resource: arn:aws:sqs:us-east-1:111122223333:q"),
        Error("the whole bucket", "Lake.Arn}/*", "${Lake.Arn}/quarantine/*", "${Lake.Arn}/*"),
        Error("the workgroup of somebody else", "workgroup/primary", "workgroup/${ReconcilerWorkgroup}", "workgroup/primary"),
        Error("every table of the database", "table/${Database}/*", "table/${Database}/${QuotesTable}", "table/${Database}/*"),
        Error("a managed policy", "managed policy", "  LandRole:\n    Type: AWS::IAM::Role\n    Properties:\n",
              "  LandRole:\n    Type: AWS::IAM::Role\n    Properties:\n      ManagedPolicyArns: [arn:aws:iam::aws:policy/AmazonS3FullAccess]\n"),
        Error("a bucket open to everybody", "LakePolicy", "Effect: Deny", "Effect: Allow"),
        Error("two functions of one role", "its role is that of", "Role: !GetAtt CollectRole.Arn", "Role: !GetAtt RequestRole.Arn"),
    ],
    "queues": [
        Error("messages that expire before they are dead letters", "takes up to 429 s", "MessageRetentionPeriod: 600", "MessageRetentionPeriod: 420"),
        Error("a longer stagger of messages", "takes up to 629 s", "SAMPLE_SECONDS: usize = 8", "SAMPLE_SECONDS: usize = 208", "shared/domain/src/settings.rs"),
        Error("a message delivered to two at once", "less than 6 x 20 s", "VisibilityTimeout: 120", "VisibilityTimeout: 110"),
        Error("more receives than the retention covers", "not 5", "maxReceiveCount: 2", "maxReceiveCount: 5"),
        Error("dead letters that expire with their messages", "no longer than", "MessageRetentionPeriod: 1209600", "MessageRetentionPeriod: 600"),
    ],
    "ticks": [
        Error("a tick without its instant", "names the instant", '<aws.scheduler.scheduled-time>', "<aws.scheduler.execution-id>"),
        Error("a tick that Scheduler delivers again", "within 60 s", "RetryPolicy: { MaximumRetryAttempts: 0", "RetryPolicy: { MaximumRetryAttempts: 2"),
        Error("a tick that Lambda runs again", "Lambda tries", "      EventInvokeConfig: { MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 60 }\n"),
    ],
    "metrics": [
        Error("an alarm on a metric nobody emits", "emits `OpenGap`", "MetricName: OpenGaps", "MetricName: OpenGap"),
        Error("a metric renamed in the code", "emits `OldestGap`", '"OldestGap"', '"OldGap"', METRICS),
        Error("an alarm on another dimension", "`LeftOutSymbols` has the dimension", "MetricName: LeftOutSymbols\n      Dimensions: [{ Name: Stack,", "MetricName: LeftOutSymbols\n      Dimensions: [{ Name: stack,"),
        Error("an alarm on all stacks", "`Disagreements` has the dimension", "MetricName: Disagreements\n      Dimensions: [{ Name: Stack, Value: !Ref AWS::StackName }]", "MetricName: Disagreements\n      Dimensions: []"),
        Error("another dimension in the code", "has the dimension Lake", 'DIMENSION: &str = "Stack"', 'DIMENSION: &str = "Lake"', METRICS),
        Error("a dimension AWS does not publish", "under ['Function']", "Dimensions: [{ Name: FunctionName, Value: !Ref Land }]", "Dimensions: [{ Name: Function, Value: !Ref Land }]"),
        Error("a misspelt metric on the dashboard", "Dashboard: nobody emits", '"SampledQuotes"', '"SampleQuotes"'),
    ],
    "alarms": [
        Error("an alarm that tells nobody", "AlarmActions", "AlarmActions: [!Ref Alarms]", "AlarmActions: []"),
        Error("an alarm that is silent on missing data", "missing data means", "      TreatMissingData: notBreaching\n"),
        Error("an expression over two periods", "one period", "MetricName: MissingLive, Dimensions: [{ Name: Stack, Value: !Ref AWS::StackName }] }\n            Period: 300", "MetricName: MissingLive, Dimensions: [{ Name: Stack, Value: !Ref AWS::StackName }] }\n            Period: 60"),
    ],
    "tables": [
        Error("a column of another type", "its columns and those of", "{ Name: revision, Type: bigint }", "{ Name: revision, Type: int }"),
        Error("a column left out", "its columns and those of", "            - { Name: outside, Type: bigint }\n"),
        Error("days that are not projected", "the calendar begins", "2000-01-01,NOW", "2020-01-01,NOW"),
        Error("parts that lie elsewhere", "its parts lie", "s3://${Lake}/sessions/dt=${!dt}/", "s3://${Lake}/session/dt=${!dt}/"),
    ],
    "view": [
        Error("another order of rows", "its SQL", "revision DESC NULLS LAST", "revision ASC NULLS LAST"),
        Error("a query that has changed", "its SQL", "source ASC NULLS LAST", "source DESC NULLS LAST", "infra/aws/queries/quotes_current.sql"),
        Error("a column of another type in its text", "the columns in its text", '"name":"price","type":"double"', '"name":"price","type":"real"'),
        Error("another database", "its database", '"schema":"${Database}"', '"schema":"default"'),
        Error("a table, not a view", "its type", "TableType: VIRTUAL_VIEW", "TableType: EXTERNAL_VIEW"),
    ],
    "database": [
        Error("a database that needs quotes", "its name", '!Join ["_", !Split ["-", !Ref AWS::StackName]]', "!Ref AWS::StackName"),
    ],
    "sam": [
        Error("a property SAM does not know", "sam validate", "MemorySize: 256", "MemorySizes: 256"),
    ],
    "cfn-lint": [
        Error("a property CloudFormation does not know", "cfn-lint", "SqsManagedSseEnabled: true", "SqsManagedEncryption: true"),
    ],
    "cfn-lint-plain": [
        Error("an attribute that is not there, inside an event", "cfn-lint, plain", "Queue: !GetAtt LiveQueue.Arn", "Queue: !GetAtt LiveQueue.Arnn"),
    ],
    "checkov": [
        Error("a bucket without its locks", "CKV_AWS_53", "        BlockPublicAcls: true\n", "        BlockPublicAcls: false\n"),
        Error("a skip without a reason", "no reason", 'reason = "The variables are', 'reason = "Fine." # "', SKIPS),
        Error("a skip of what is mended", "take the skip out", 'check = "CKV_AWS_18" ', 'check = "CKV_AWS_19" ', SKIPS),
    ],
}
