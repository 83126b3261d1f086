//! What is common to reading every vendor's answers: keys taken out, rate limits, and the classes of failure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use mendlake_domain::minute::Timestamp;
use mendlake_ports::source::{RateLimit, Reply, SourceError};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::object::Object;
use super::{Response, TransportError};

/// The most of a body that is set aside. A session of candles is about 40 kB, so it is kept whole.
pub(crate) const MAX_KEPT_BYTES: usize = 64 * 1024;

/// The longest piece of a vendor's words put into an error.
const MAX_WORDS_CHARS: usize = 200;

/// What stands where a key stood. No character of it can be part of a key, so that taking one key out never makes another.
const MASK: &str = "▮▮▮";

/// 9999-12-31T23:59:59Z: a reset later than that is no instant.
const LAST_SECOND: i64 = 253_402_300_799;

/// What can be wrong with a body that should hold an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It ends in the middle.
    CutOff,
    /// It is whole, and not what it should be.
    Wrong(String),
}

impl Fault {
    /// A body of the wrong shape, and how.
    pub(crate) fn wrong(how: impl Into<String>) -> Self {
        Self::Wrong(how.into())
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        match error.classify() {
            serde_json::error::Category::Eof | serde_json::error::Category::Io => Self::CutOff,
            serde_json::error::Category::Syntax | serde_json::error::Category::Data => Self::Wrong(error.to_string()),
        }
    }
}

/// An answer the vendor refused the call with, status 400 to 499.
pub(crate) struct Refused {
    /// The status.
    pub(crate) status: u16,
    /// The vendor's words, without keys and not long.
    pub(crate) words: String,
}

impl Refused {
    /// Whether the words hold this phrase, in whatever case.
    pub(crate) fn says(&self, phrase: &str) -> bool {
        self.words.to_ascii_lowercase().contains(phrase)
    }
}

/// Reads an answer: what a 200's body says, or the class of the failure; and the rate limit, failures included.
///
/// `keys` are taken out of everything kept. `refusal` classes what the vendor's own statuses and words mean.
pub(crate) fn read<T>(
    response: &Response,
    keys: &[&str],
    refusal: impl FnOnce(Refused) -> SourceError,
    body: impl FnOnce(&[u8]) -> Result<T, Fault>,
) -> Reply<T> {
    let outcome = match failure(response, keys, refusal) {
        Some(error) => Err(error),
        None => carried_error(&response.body).and_then(|()| body(&response.body)).map_err(|f| fault(f, response, keys)),
    };
    Reply { outcome, rate: rate_limit(response) }
}

fn failure(response: &Response, keys: &[&str], refusal: impl FnOnce(Refused) -> SourceError) -> Option<SourceError> {
    let unavailable = |why: String| Some(SourceError::Unavailable { why });
    match response.status {
        429 => Some(SourceError::Throttled { reset_at: reset_at(response) }),
        status if is_markup(response) => unavailable(format!("markup instead of JSON, status {status}")),
        200 => None,
        // 408 is a proxy's timeout, and says nothing of the symbol.
        status @ (300..=399 | 408 | 500..) => unavailable(format!("status {status}")),
        status @ 400..=499 => Some(refusal(Refused { status, words: words(&response.body, keys) })),
        status => Some(corrupt(format!("status {status} holds no answer"), response, keys)),
    }
}

/// Maps a body's fault to its class.
fn fault(fault: Fault, response: &Response, keys: &[&str]) -> SourceError {
    match fault {
        Fault::CutOff => SourceError::Unavailable { why: "the answer is cut off".into() },
        Fault::Wrong(why) => corrupt(why, response, keys),
    }
}

fn corrupt(why: String, response: &Response, keys: &[&str]) -> SourceError {
    let body = hide(&String::from_utf8_lossy(&response.body), keys);
    SourceError::Corrupt { why: shorten(&hide(&why, keys)), body: cut(&body, MAX_KEPT_BYTES).to_owned() }
}

/// Classes a call without an answer.
pub(crate) fn no_answer<T>(error: &TransportError) -> Reply<T> {
    let why = error.to_string();
    let error = match error {
        TransportError::TimedOut | TransportError::Broken(_) => SourceError::Unavailable { why },
        // There is no body to keep: it was not read to its end.
        TransportError::TooLong(_) => SourceError::Corrupt { why, body: String::new() },
    };
    Reply { outcome: Err(error), rate: None }
}

/// Both vendors send proxies' pages as HTML; a store's own errors are XML. No JSON begins with `<`.
fn is_markup(response: &Response) -> bool {
    let typed =
        response.header("content-type").is_some_and(|t| t.trim_start().to_ascii_lowercase().starts_with("text/html"));
    typed || response.body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'<')
}

/// A 200 may carry an error instead of an answer, or beside one.
fn carried_error(body: &[u8]) -> Result<(), Fault> {
    // What is no object is for the answer's own reader to judge. A map, since a struct refuses a field that comes twice.
    let fields = serde_json::from_slice::<BTreeMap<String, Option<IgnoredAny>>>(body).unwrap_or_default();
    match ["error", "message"].iter().any(|name| matches!(fields.get(*name), Some(Some(_)))) {
        true => Err(Fault::wrong("status 200 carries an error")),
        false => Ok(()),
    }
}

#[derive(Deserialize)]
struct Words<'a> {
    #[serde(borrow, alias = "message")]
    error: Cow<'a, str>,
}

fn words(body: &[u8], keys: &[&str]) -> String {
    let words = match serde_json::from_slice::<Object<Words<'_>>>(body) {
        Ok(Object(words)) => words.error,
        Err(_) => String::from_utf8_lossy(body),
    };
    shorten(&hide(&words, keys))
}

/// The rate limit an answer names; `None` where a header is missing, is no number, or the limit is zero.
pub(crate) fn rate_limit(response: &Response) -> Option<RateLimit> {
    let number = |name: &str| response.header(name)?.trim().parse::<u32>().ok();
    let limit = number("x-ratelimit-limit").filter(|limit| *limit > 0)?;
    Some(RateLimit { limit, remaining: number("x-ratelimit-remaining")?, reset_at: reset_at(response)? })
}

fn reset_at(response: &Response) -> Option<Timestamp> {
    let epoch_s = response.header("x-ratelimit-reset")?.trim().parse::<i64>().ok()?;
    (1..=LAST_SECOND).contains(&epoch_s).then(|| Timestamp::from_epoch_s(epoch_s))
}

/// Takes every key out of a text: as it is, as JSON writes it, and as a query does.
fn hide(text: &str, keys: &[&str]) -> String {
    let mut hidden = text.to_owned();
    for spelling in keys.iter().filter(|key| !key.is_empty()).flat_map(|key| spellings(key)) {
        if hidden.contains(&spelling) {
            hidden = hidden.replace(&spelling, MASK);
        }
    }
    hidden
}

fn spellings(key: &str) -> [String; 5] {
    let quoted = serde_json::to_string(key).expect("text is JSON");
    let json = quoted[1..quoted.len() - 1].to_owned();
    let query = percent_encoded(key);
    let lower =
        key.bytes().map(|b| if is_unreserved(b) { char::from(b).to_string() } else { format!("%{b:02x}") }).collect();
    [key.to_owned(), json.replace('/', "\\/"), json, query, lower]
}

/// A text as a query's value: all but letters, digits and `-._~` as `%XX`.
pub(crate) fn percent_encoded(text: &str) -> String {
    text.bytes().map(|b| if is_unreserved(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn shorten(text: &str) -> String {
    text.chars().take(MAX_WORDS_CHARS).collect()
}

/// The longest beginning of a text with at most this many bytes.
fn cut(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &str) -> Response {
        Response { status, headers: vec![], body: body.as_bytes().to_vec() }
    }

    fn with_headers(headers: &[(&str, &str)]) -> Response {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Response { status: 200, headers, body: vec![] }
    }

    fn class(response: &Response) -> &'static str {
        let reply = read(response, &[], |r| SourceError::Rejected { status: r.status }, |_| Ok(()));
        reply.outcome.map_or_else(|e| e.class(), |()| "ok")
    }

    #[test]
    fn each_status_has_its_class() {
        for (status, expected) in [
            (200, "ok"),
            (204, "corrupt"),
            (302, "unavailable"),
            (400, "rejected"),
            (408, "unavailable"),
            (422, "rejected"),
            (429, "throttled"),
            (500, "unavailable"),
            (502, "unavailable"),
            (599, "unavailable"),
        ] {
            assert_eq!(class(&response(status, "{}")), expected, "{status}");
        }
    }

    #[test]
    fn markup_is_never_read_as_an_answer_whatever_its_status() {
        for status in [200, 403, 404, 502] {
            assert_eq!(class(&response(status, "\n <!doctype html><title>x</title>")), "unavailable", "{status}");
        }
        let typed = Response {
            headers: vec![("content-type".into(), "Text/HTML; charset=utf-8".into())],
            ..response(200, "x")
        };
        assert_eq!(class(&typed), "unavailable");
        assert_eq!(class(&response(429, "<html>")), "throttled", "too many calls stays that, whoever says it");
    }

    #[test]
    fn an_error_in_a_200_is_corrupt_even_beside_an_answer() {
        for body in [
            r#"{"error":"x"}"#,
            r#"{"c":1,"error":"x"}"#,
            r#"{"message":"forbidden."}"#,
            r#"{"error":{"a":1}}"#,
            r#"{"error":1,"error":2}"#,
        ] {
            assert_eq!(class(&response(200, body)), "corrupt", "{body}");
        }
        assert_eq!(class(&response(200, r#"{"error":null}"#)), "ok");
    }

    #[test]
    fn a_rate_limit_needs_all_three_headers_and_a_limit_above_zero() {
        let all = [("x-ratelimit-limit", "60"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1619234930")];
        let reset_at = Timestamp::from_epoch_s(1_619_234_930);
        assert_eq!(rate_limit(&with_headers(&all)), Some(RateLimit { limit: 60, remaining: 0, reset_at }));
        assert_eq!(rate_limit(&with_headers(&all[..2])), None);
        for (name, bad) in [("x-ratelimit-limit", "0"), ("x-ratelimit-limit", "-1"), ("x-ratelimit-remaining", "many")]
        {
            let headers: Vec<_> = all.iter().map(|(n, v)| (*n, if *n == name { bad } else { *v })).collect();
            assert_eq!(rate_limit(&with_headers(&headers)), None, "{name}: {bad}");
        }
        for reset in ["0", "-5", "soon", "99999999999999999999", "253402300800"] {
            assert_eq!(super::reset_at(&with_headers(&[("x-ratelimit-reset", reset)])), None, "{reset}");
        }
    }

    #[test]
    fn a_key_is_taken_out_in_every_spelling() {
        let key = "a/b+c\"d";
        let text = "a/b+c\"d a/b+c\\\"d a\\/b+c\\\"d a%2Fb%2Bc%22d a%2fb%2bc%22d";
        assert_eq!(hide(text, &[key]), [MASK; 5].join(" "));
        assert_eq!(hide("▮", &["k", ""]), "▮", "an empty key hides nothing");
    }

    #[test]
    fn what_is_set_aside_is_bounded_after_the_keys_are_out() {
        let body = format!("{}sesame{}", "x".repeat(MAX_KEPT_BYTES - 3), "y".repeat(100));
        let SourceError::Corrupt { body, why } =
            fault(Fault::wrong("é".repeat(500)), &response(200, &body), &["sesame"])
        else {
            panic!("not corrupt")
        };
        assert!(body.len() <= MAX_KEPT_BYTES && !body.contains("ses"), "a key across the cut leaves no piece");
        assert_eq!(why.chars().count(), MAX_WORDS_CHARS);
    }

    #[test]
    fn a_cut_off_body_is_no_wrong_body() {
        let fault_of = |body: &str| Fault::from(serde_json::from_str::<Vec<f64>>(body).expect_err(body));
        for body in ["", " ", "[", "[1", "[1.", "[1,", "[nul", "[\"a", "[-", "[1e"] {
            assert_eq!(fault_of(body), Fault::CutOff, "{body}");
        }
        assert!(matches!(fault_of("[NaN]"), Fault::Wrong(_)));
        assert!(matches!(fault_of("[1e999]"), Fault::Wrong(_)));
        assert!(matches!(fault_of("[1]x"), Fault::Wrong(_)));
        assert!(matches!(fault_of("[{}]"), Fault::Wrong(_)));
    }
}
