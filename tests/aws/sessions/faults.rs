//! What goes wrong on the way to AWS on a bad day.

use mendlake_domain::calendar::Session;
use mendlake_domain::minute::Timestamp;

use crate::proxy::Service::{DynamoDb, Kinesis, S3, Secrets, Sqs};
use crate::proxy::{Fault, What};

/// Everything, on each of these sessions.
pub(crate) fn all(sessions: &[Session], lander_dies: &[Timestamp]) -> Vec<Fault> {
    let mut faults = lander(lander_dies);
    faults.extend(sessions.iter().flat_map(of_a_session));
    faults.extend(always());
    faults.extend(deaths());
    faults
}

/// The lander is killed at its next publication: in turn just before it and just after it.
pub(crate) fn lander(dies: &[Timestamp]) -> Vec<Fault> {
    let kill = |(nth, at): (usize, &Timestamp)| {
        let what = if nth % 2 == 0 { What::KilledBefore } else { What::KilledAfter };
        Fault::on(S3, "PutObject", what).of("land").within("/quotes/").from(*at).most(1)
    };
    dies.iter().enumerate().map(kill).collect()
}

/// What has its time: services that are gone for minutes, functions that die half way.
fn of_a_session(session: &Session) -> Vec<Fault> {
    let at = |minute: i64| (session.open + minute).start();
    let during = |fault: Fault, from: i64, minutes: i64| fault.from(at(from)).to(at(from + minutes));
    let die = |service, operation, what, function, minute| {
        Fault::on(service, operation, what).of(function).from(at(minute)).most(1)
    };
    vec![
        during(Fault::on(Kinesis, "PutRecords", What::Down(500)), 70, 3),
        during(Fault::on(S3, "PutObject", What::Down(503)).of("land"), 150, 4),
        during(Fault::on(DynamoDb, "", What::Down(500)), 190, 2),
        during(Fault::on(Sqs, "SendMessageBatch", What::Throttled), 250, 3),
        die(Kinesis, "PutRecords", What::KilledAfter, "collect", 20),
        die(Kinesis, "PutRecords", What::KilledBefore, "collect", 30),
        // The reservation is made, and nobody is asked.
        die(DynamoDb, "PutItem", What::KilledAfter, "request", 100),
        die(Sqs, "SendMessageBatch", What::KilledAfter, "request", 105),
        // A gap is claimed, and no task is sent.
        die(Sqs, "SendMessageBatch", What::KilledBefore, "reconcile", 75),
        die(DynamoDb, "PutItem", What::KilledAfter, "reconcile", 135),
        die(Kinesis, "PutRecords", What::KilledAfter, "replay", 60),
        die(DynamoDb, "PutItem", What::KilledAfter, "replay", 180),
    ]
}

/// What may hit any call.
fn always() -> Vec<Fault> {
    vec![
        Fault::on(Kinesis, "PutRecords", What::HalfFailed).by_chance(0.15),
        Fault::on(Kinesis, "PutRecords", What::Throttled).by_chance(0.05),
        Fault::on(Kinesis, "PutRecords", What::AnswerLost).by_chance(0.05),
        Fault::on(Kinesis, "PutRecords", What::Reset).by_chance(0.03),
        Fault::on(Kinesis, "PutRecords", What::Slow(12_000)).by_chance(0.02),
        Fault::on(Kinesis, "GetRecords", What::Redelivered(0)).by_chance(0.1),
        Fault::on(Sqs, "SendMessageBatch", What::HalfFailed).by_chance(0.1),
        Fault::on(Sqs, "SendMessageBatch", What::AnswerLost).by_chance(0.05),
        Fault::on(Sqs, "SendMessageBatch", What::Down(500)).by_chance(0.02),
        // Soon enough that the quotes are sampled twice.
        Fault::on(Sqs, "DeleteMessageBatch", What::Redelivered(2_000)).by_chance(0.1),
        Fault::on(DynamoDb, "PutItem", What::AnswerLost).by_chance(0.05),
        Fault::on(DynamoDb, "PutItem", What::Throttled).by_chance(0.05),
        Fault::on(DynamoDb, "PutItem", What::Slow(12_000)).by_chance(0.01),
        Fault::on(DynamoDb, "Query", What::Down(500)).by_chance(0.02),
        Fault::on(DynamoDb, "GetItem", What::Reset).by_chance(0.02),
        Fault::on(S3, "PutObject", What::AnswerLost).by_chance(0.05),
        Fault::on(S3, "PutObject", What::Slow(12_000)).by_chance(0.04),
        Fault::on(S3, "GetObject", What::Down(503)).by_chance(0.02),
        Fault::on(S3, "GetObject", What::Reset).by_chance(0.01),
        Fault::on(S3, "ListObjectsV2", What::Throttled).by_chance(0.02),
        Fault::on(Secrets, "GetSecretValue", What::Throttled).by_chance(0.1),
    ]
}

/// Any function may die in any call.
fn deaths() -> Vec<Fault> {
    let services = [Kinesis, Sqs, DynamoDb, S3];
    let functions = [("request", 0.004), ("collect", 0.004), ("land", 0.004), ("reconcile", 0.0005), ("replay", 0.001)];
    let of = |service| functions.map(move |(function, chance)| (service, function, chance));
    let die =
        |what| move |(service, function, chance)| Fault::on(service, "", what).of(function).by_chance(chance / 2.0);
    let all = services.into_iter().flat_map(of);
    all.clone().map(die(What::KilledBefore)).chain(all.map(die(What::KilledAfter))).collect()
}
