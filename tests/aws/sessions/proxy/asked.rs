//! What a request asks of which service, by the protocols that the SDK speaks.

use hyper::Method;
use hyper::http::request::Parts;

/// A service that stands behind the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Service {
    Sqs,
    Kinesis,
    S3,
    DynamoDb,
    Secrets,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) service: Service,
    /// By AWS's name, such as `PutRecords`.
    pub(crate) operation: String,
    /// The path and query; for S3 the object's key is in it.
    pub(crate) path: String,
}

impl Asked {
    /// Reads it. The services of JSON name the operation in a header; what names none is S3's.
    pub(crate) fn of(request: &Parts) -> Self {
        let path = request.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let target = request.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        let named = target.and_then(|target| target.split_once('.'));
        let (service, operation) = match named {
            Some((service, operation)) => (named_service(service), operation.to_owned()),
            None => (Service::S3, s3_operation(&request.method, request.uri.path()).to_owned()),
        };
        Self { service, operation, path }
    }

    pub(crate) fn is(&self, service: Service, operation: &str) -> bool {
        self.service == service && self.operation == operation
    }
}

fn named_service(target: &str) -> Service {
    match target {
        "AmazonSQS" => Service::Sqs,
        "secretsmanager" => Service::Secrets,
        name if name.starts_with("Kinesis_") => Service::Kinesis,
        name if name.starts_with("DynamoDB_") => Service::DynamoDb,
        name => panic!("no stand-in answers `{name}`"),
    }
}

/// A bucket alone is listed; with a key it is an object.
fn s3_operation(method: &Method, path: &str) -> &'static str {
    let has_key = path.trim_start_matches('/').split_once('/').is_some_and(|(_, key)| !key.is_empty());
    match (method.as_str(), has_key) {
        ("GET", true) => "GetObject",
        ("GET", false) => "ListObjectsV2",
        ("PUT", true) => "PutObject",
        ("PUT", false) => "CreateBucket",
        ("DELETE", _) => "DeleteObject",
        _ => "HeadObject",
    }
}
