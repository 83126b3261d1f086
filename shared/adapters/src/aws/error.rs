//! What AWS's errors mean to whoever called.

use std::error::Error;
use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use mendlake_ports::error::{Kind, NoAnswer, PortError, chain};

/// A failed call as a port's error: `doing` says in the imperative what was being done.
pub fn failed<E>(doing: impl Into<String>, error: SdkError<E, HttpResponse>) -> PortError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let kind = kind_of(&error);
    match &error {
        SdkError::DispatchFailure(why) if why.is_io() || why.is_timeout() => unanswered(doing, &error),
        SdkError::TimeoutError(_) => unanswered(doing, &error),
        _ => PortError::caused(kind, doing, Said::of(&error)),
    }
}

/// A call to which nobody answered, or whose answer broke off: nothing is known of whether it took effect.
pub fn unanswered(doing: impl Into<String>, error: &(dyn Error + 'static)) -> PortError {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    let why = format!("AWS gives no answer ({innermost}): look at the network and at the region, then do it again");
    PortError::caused(Kind::Unavailable, doing, NoAnswer(why))
}

/// The code of a service's refusal, where it was one.
pub fn code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<&str> {
    error.as_service_error().and_then(ProvideErrorMetadata::code)
}

/// What a service's error code calls for; `None` where its status decides.
pub(super) fn kind_of_code(code: &str) -> Option<Kind> {
    const THROTTLED: [&str; 12] = [
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "KMSThrottlingException",
        "SlowDown",
    ];
    const DENIED: [&str; 13] = [
        "AccessDenied",
        "AccessDeniedException",
        "UnrecognizedClientException",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "ExpiredToken",
        "ExpiredTokenException",
        "MissingAuthenticationToken",
        "KMSAccessDeniedException",
        "KMSDisabledException",
        "NotAuthorized",
    ];
    const UNAVAILABLE: [&str; 6] = [
        "InternalFailure",
        "InternalServerError",
        "InternalServiceError",
        "ServiceUnavailable",
        "RequestTimeout",
        "RequestTimeoutException",
    ];
    let is = |codes: &[&str]| codes.contains(&code.rsplit(['.', '#']).next().unwrap_or(code));
    match () {
        () if is(&THROTTLED) => Some(Kind::Throttled),
        () if is(&DENIED) => Some(Kind::Denied),
        () if is(&UNAVAILABLE) => Some(Kind::Unavailable),
        () => None,
    }
}

fn kind_of<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Kind {
    let status = error.raw_response().map(|response| response.status().as_u16());
    match (error, code(error).and_then(kind_of_code)) {
        (SdkError::ConstructionFailure(_), _) => Kind::Rejected,
        (SdkError::ServiceError(_), Some(kind)) => kind,
        (SdkError::ServiceError(_), None) => match status {
            Some(429) => Kind::Throttled,
            Some(401 | 403) => Kind::Denied,
            // A redirect too: a bucket of another region stays there.
            Some(300..=499) => Kind::Rejected,
            _ => Kind::Unavailable,
        },
        _ => Kind::Unavailable,
    }
}

/// What a failed call said, on one line: the service's code and words, or what kept it from answering.
#[derive(Debug)]
struct Said(String);

impl Said {
    fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let Some(refusal) = error.as_service_error() else {
            return Self(chain(error));
        };
        Self(match (refusal.code(), refusal.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.to_owned(),
            (None, _) => {
                let status = error.raw_response().map_or(0, |response| response.status().as_u16());
                format!("status {status}")
            }
        })
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Said {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_decides_and_may_carry_a_namespace() {
        let kind = |code| kind_of_code(code);
        assert_eq!(kind("com.amazonaws.dynamodb.v20120810#ThrottlingException"), Some(Kind::Throttled));
        assert_eq!(kind("ProvisionedThroughputExceededException"), Some(Kind::Throttled));
        assert_eq!(kind("AWS.SimpleQueueService.NonExistentQueue"), None, "its status decides: 400");
        assert_eq!(kind("AccessDenied"), Some(Kind::Denied));
        assert_eq!(kind("InternalServerError"), Some(Kind::Unavailable));
    }
}
