//! Refusals in each service's own words.

use bytes::Bytes;
use serde_json::json;

use super::Answer;
use super::asked::Service;

/// The service takes no more for now.
pub(super) fn throttled(service: Service) -> Answer {
    match service {
        Service::S3 => xml(503, "SlowDown"),
        Service::Sqs => json_error(400, "com.amazonaws.sqs#RequestThrottled"),
        Service::Kinesis => json_error(400, "ProvisionedThroughputExceededException"),
        Service::DynamoDb => json_error(400, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"),
        Service::Secrets => json_error(400, "ThrottlingException"),
    }
}

/// The service fails.
pub(super) fn down(service: Service, status: u16) -> Answer {
    let is_unavailable = status == 503;
    match service {
        Service::S3 => xml(status, if is_unavailable { "ServiceUnavailable" } else { "InternalError" }),
        _ => json_error(status, if is_unavailable { "ServiceUnavailable" } else { "InternalServerError" }),
    }
}

/// Done, with this to tell.
pub(super) fn done(told: &serde_json::Value) -> Answer {
    let headers = vec![("content-type".to_owned(), "application/x-amz-json-1.0".to_owned())];
    Answer { status: 200, headers, body: Bytes::from(told.to_string()) }
}

fn json_error(status: u16, code: &str) -> Answer {
    Answer { status, ..done(&json!({ "__type": code, "message": "told to" })) }
}

fn xml(status: u16, code: &str) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>told to</Message></Error>"
    );
    let headers = vec![("content-type".to_owned(), "application/xml".to_owned())];
    Answer { status, headers, body: Bytes::from(body) }
}
