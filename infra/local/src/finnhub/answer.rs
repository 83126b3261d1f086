//! An answer as a value: what it says and how it is delivered.

use bytes::Bytes;
use chrono::DateTime;
use mendlake_domain::minute::Timestamp;

use super::asked::Provider;
use super::limits::Verdict;

/// How the delivery of an answer ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// With the whole body.
    #[default]
    Whole,
    /// After so many bytes of the body the connection breaks.
    Truncated(usize),
    /// The connection is reset before anything is sent.
    Reset,
    /// Nothing is ever sent.
    Never,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers by lower-case name.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
    /// How long it is kept before it is sent.
    pub delay_ms: i64,
    /// How its delivery ends.
    pub ending: Ending,
}

impl Answer {
    /// A JSON body.
    pub(super) fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self::of(status, "application/json; charset=utf-8", body.into())
    }

    /// What a proxy in front of the vendor says: HTML, no JSON.
    pub(super) fn html(status: u16, now: Timestamp) -> Self {
        let words = match status {
            404 => "Not Found",
            500 => "Internal Server Error",
            502 => "Bad Gateway",
            503 => "Service Temporarily Unavailable",
            504 => "Gateway Time-out",
            _ => "Error",
        };
        let page = format!(
            "<html>\r\n<head><title>{status} {words}</title></head>\r\n<body>\r\n\
             <center><h1>{status} {words}</h1></center>\r\n</body>\r\n</html>\r\n"
        );
        Self::of(status, "text/html", page.into()).dated(now)
    }

    fn of(status: u16, content_type: &str, body: Bytes) -> Self {
        let headers = vec![("content-type", content_type.to_owned())];
        Self { status, headers, body, delay_ms: 0, ending: Ending::Whole }
    }

    /// With another header.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With the vendor's date.
    pub(super) fn dated(mut self, now: Timestamp) -> Self {
        if !self.headers.iter().any(|(name, _)| *name == "date") {
            let date = DateTime::from_timestamp(now.epoch_s(), 0).unwrap_or_default();
            self.headers.push(("date", date.format("%a, %d %b %Y %H:%M:%S GMT").to_string()));
        }
        self
    }

    /// With the headers of the rate limit.
    pub(super) fn limited(self, limit: u32, verdict: Verdict) -> Self {
        let (Verdict::Admitted(left) | Verdict::Refused(left)) = verdict;
        self.with("x-ratelimit-limit", limit.to_string())
            .with("x-ratelimit-remaining", left.remaining.to_string())
            .with("x-ratelimit-reset", left.reset_at.epoch_s().to_string())
    }

    /// The value of a header, by lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }
}

/// A vendor's words for each refusal.
#[derive(Clone, Copy)]
pub(super) struct Refusals(Provider);

impl Provider {
    pub(super) fn refusals(self) -> Refusals {
        Refusals(self)
    }
}

impl Refusals {
    fn say(self, finnhub: (u16, &'static str), alpaca: (u16, &'static str)) -> Answer {
        match self.0 {
            Provider::Finnhub => Answer::json(finnhub.0, format!("{{\"error\":\"{}\"}}", finnhub.1)),
            Provider::Alpaca => Answer::json(alpaca.0, format!("{{\"message\":\"{}\"}}", alpaca.1)),
        }
    }

    pub(super) fn no_key(self) -> Answer {
        self.say((401, "Please use an API key."), (401, "unauthorized"))
    }

    pub(super) fn wrong_key(self) -> Answer {
        self.say((401, "Invalid API key."), (403, "forbidden."))
    }

    pub(super) fn not_entitled(self) -> Answer {
        self.say(
            (403, "You don't have access to this resource."),
            (403, "subscription does not permit querying SIP data"),
        )
    }

    pub(super) fn throttled(self) -> Answer {
        self.say((429, "API limit reached. Please try again later. Remaining Limit: 0"), (429, "too many requests."))
    }

    pub(super) fn malformed(self, why: &str) -> Answer {
        let why = why.replace(['"', '\\'], "'");
        match self.0 {
            Provider::Finnhub => Answer::json(422, format!("{{\"error\":\"{why}\"}}")),
            Provider::Alpaca => Answer::json(400, format!("{{\"message\":\"{why}\"}}")),
        }
    }
}
