use mendlake_ports::secrets::Key;
use proptest::prelude::*;

use super::*;
use crate::http::keyed::fakes::response;

fn keys() -> KeyPair {
    KeyPair::read(&Key::new("PKIDPKID:open+sesame/7").expect("a key")).expect("a pair")
}

fn spy() -> Symbol {
    "SPY".parse().expect("symbol")
}

fn minute(text: &str) -> Minute {
    text.parse().expect("minute")
}

fn read_200(body: &str) -> Result<Page, SourceError> {
    read_page(
        &response(200, &[], body),
        &spy(),
        minute("2021-02-01T16:00:00Z"),
        minute("2021-02-01T16:03:00Z"),
        &keys(),
    )
    .outcome
}

fn class(status: u16, body: &str) -> &'static str {
    let reply = read_page(&response(status, &[], body), &spy(), Minute::from_index(0), Minute::from_index(1), &keys());
    reply.outcome.map_or_else(|error| error.class(), |_| "ok")
}

fn bar(t: &str) -> String {
    format!(r#"{{"t":"{t}","o":2,"h":4,"l":1.5,"c":3,"v":100,"n":7,"vw":2.5}}"#)
}

#[test]
fn a_range_is_asked_for_with_both_bounds_inclusive_and_the_keys_in_headers_alone() {
    let (from, to) = (minute("2021-02-01T14:30:00Z"), minute("2021-02-01T21:00:00Z"));
    let request = bars_request(&"BRK.B".parse().expect("symbol"), from, to, None, &keys());
    assert_eq!(
        request.path_and_query,
        "/v2/stocks/bars?symbols=BRK.B&timeframe=1Min&start=2021-02-01T14%3A30%3A00Z&end=2021-02-01T20%3A59%3A00Z\
         &limit=10000&adjustment=raw&feed=sip&sort=asc"
    );
    let names: Vec<_> = request.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(names, [("apca-api-key-id", "PKIDPKID"), ("apca-api-secret-key", "open+sesame/7")]);
}

#[test]
fn bars_are_read_by_symbol_and_of_one_symbol() {
    let (one, two) = (bar("2021-02-01T16:01:00Z"), bar("2021-02-01T16:00:00Z"));
    let by_symbol = format!(r#"{{"bars":{{"QQQ":[{{}}],"SPY":[{one},{two}]}},"next_page_token":null}}"#);
    assert_eq!(class(200, &by_symbol), "corrupt", "a bar of whatever symbol that is no bar is a wrong shape");
    let by_symbol = by_symbol.replace("[{}]", "null");
    let page = read_200(&by_symbol).expect("a page");
    assert_eq!(
        page.candles.iter().map(|c| c.minute.to_string()).collect::<Vec<_>>(),
        ["2021-02-01T16:00:00Z", "2021-02-01T16:01:00Z"]
    );
    let Candle { open, high, low, close, volume, .. } = page.candles[0];
    assert_eq!((open, high, low, close, volume), (2.0, 4.0, 1.5, 3.0, 100.0));
    let of_one = format!(r#"{{"bars":[{two},{one}],"symbol":"SPY","next_page_token":null}}"#);
    assert_eq!(read_200(&of_one).expect("a page"), page);
    assert!(read_200(&of_one.replace("SPY", "QQQ")).is_err(), "another symbol's bars");
}

#[test]
fn no_bars_are_no_candles() {
    for bars in ["null", "[]", "{}", r#"{"SPY":null}"#, r#"{"SPY":[]}"#] {
        let page = read_200(&format!(r#"{{"bars":{bars},"next_page_token":null}}"#)).expect(bars);
        assert_eq!(page, Page { candles: vec![], next: None });
    }
    assert_eq!(read_200(r#"{"bars":{},"next_page_token":"more"}"#).expect("a page").next, Some("more".to_owned()));
    assert_eq!(read_200(r#"{"bars":{},"next_page_token":""}"#).expect("a page").next, None);
}

#[test]
fn bars_outside_the_range_are_left_out() {
    let bars = ["15:59", "16:00", "16:02", "16:03"].map(|t| bar(&format!("2021-02-01T{t}:00Z"))).join(",");
    let page = read_200(&format!(r#"{{"bars":[{bars}],"next_page_token":null}}"#)).expect("a page");
    assert_eq!(page.candles.len(), 2);
}

#[test]
fn each_refusal_has_its_class() {
    let recent = r#"{"message":"subscription does not permit querying recent SIP data"}"#;
    for (status, body, expected) in [
        (403, recent, "recent"),
        (422, r#"{"code":42210000,"message":"end is too late for subscription"}"#, "recent"),
        (403, r#"{"message":"subscription does not permit querying SIP data"}"#, "not_entitled"),
        (403, r#"{"message":"forbidden."}"#, "denied"),
        (401, r#"{"message":"unauthorized"}"#, "denied"),
        (403, "", "denied"),
        (400, r#"{"message":"invalid symbol: SPX"}"#, "rejected"),
        (404, r#"{"message":"endpoint not found."}"#, "rejected"),
        (422, r#"{"message":"end should not be before start"}"#, "rejected"),
        (429, r#"{"message":"too many requests."}"#, "throttled"),
        (504, "<html>", "unavailable"),
        (200, "<html>", "unavailable"),
        (200, r#"{"bars":{"SPY":[{"t":"2021-02-01T16:0"#, "unavailable"),
        (200, "", "unavailable"),
        (200, r#"{"message":"forbidden."}"#, "corrupt"),
        (200, "{}", "corrupt"),
        (200, "[[],null,null]", "corrupt"),
        (200, r#"{"bars":[["1970-01-01T00:00:00Z",1,1,1,1,1]]}"#, "corrupt"),
        (200, r#"{"bars":7,"next_page_token":null}"#, "corrupt"),
        (200, r#"{"bars":[{"t":"2021-02-01T16:00:01Z","o":1,"h":1,"l":1,"c":1,"v":1}]}"#, "corrupt"),
        (200, r#"{"bars":[{"t":"yesterday","o":1,"h":1,"l":1,"c":1,"v":1}]}"#, "corrupt"),
        (200, r#"{"bars":[{"t":"1970-01-01T00:00:00Z","o":1,"h":1,"l":1,"c":2,"v":1}]}"#, "corrupt"),
        (200, r#"{"bars":[{"t":"1970-01-01T00:00:00Z","o":1,"h":1,"l":1,"v":1}]}"#, "corrupt"),
    ] {
        assert_eq!(class(status, body), expected, "{status} {body}");
    }
}

#[test]
fn a_throttled_answer_tells_when_the_window_ends() {
    let headers = [("x-ratelimit-limit", "200"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1612195260")];
    let reply = read_page(&response(429, &headers, ""), &spy(), Minute::from_index(0), Minute::from_index(1), &keys());
    assert_eq!(reply.outcome, Err(SourceError::Throttled { reset_at: Some(Timestamp::from_epoch_s(1_612_195_260)) }));
    assert_eq!(reply.rate.map(|r| (r.limit, r.remaining)), Some((200, 0)));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_never_print_a_key(status in 100_u16..600, head in any::<Vec<u8>>(), tail in any::<Vec<u8>>()) {
        let body = [head.as_slice(), b"open+sesame/7 PKIDPKID open%2Bsesame%2F7", &tail].concat();
        let answer = crate::http::Response { status, headers: vec![], body };
        let reply = read_page(&answer, &spy(), Minute::from_index(0), Minute::from_index(1), &keys());
        let text = format!("{reply:?}");
        prop_assert!(!text.contains("sesame") && !text.contains("PKIDPKID"), "{text}");
    }

    #[test]
    fn a_damaged_answer_never_panics_and_its_candles_are_in_range(at in 0_usize..200, byte: u8, len in 0_usize..200) {
        let mut body = format!(r#"{{"bars":{{"SPY":[{}]}},"next_page_token":null}}"#, bar("2021-02-01T16:01:00Z")).into_bytes();
        if let Some(there) = body.get_mut(at) {
            *there = byte;
        }
        body.truncate(200 - len);
        let (from, to) = (minute("2021-02-01T16:00:00Z"), minute("2021-02-01T16:03:00Z"));
        let answer = crate::http::Response { status: 200, headers: vec![], body };
        if let Ok(page) = read_page(&answer, &spy(), from, to, &keys()).outcome {
            prop_assert!(page.candles.iter().all(|c| from <= c.minute && c.minute < to && c.low > 0.0));
        }
    }
}
