//! Both vendors' endpoints against what is known of the real ones.

use super::*;
use crate::market::GeneratedMarket;
use mendlake_domain::calendar::Calendar;
use mendlake_domain::candle::Candle;
use serde_json::{Value, json};

const KEY: &str = "first-key";
const PAIR: [(&str, &str); 2] = [("apca-api-key-id", "id"), ("apca-api-secret-key", "secret")];

fn at(text: &str) -> Timestamp {
    format!("2026-11-20T{text}Z").parse().expect("an instant")
}

fn minute(text: &str) -> Minute {
    format!("2026-11-20T{text}Z").parse().expect("a minute")
}

fn key(text: &str) -> Key {
    Key::new(text).expect("a key")
}

fn with(plan: Plan, script: Script) -> Vendor {
    let market = script.closing(GeneratedMarket::new(7, Calendar::Xnys).into());
    let terms = Terms {
        seed: 7,
        finnhub: vec![Account::finnhub("first", key(KEY), plan), Account::finnhub("second", key("second-key"), plan)],
        alpaca: vec![Account::alpaca("pair", key("id:secret"), plan)],
        candle_late_s: CANDLE_LATE_S,
        script,
    };
    Vendor::new(Arc::new(market), terms).expect("vendors")
}

fn vendor(plan: Plan) -> Vendor {
    with(plan, Script::default())
}

fn faulty(faults: Vec<Fault>) -> Vendor {
    with(Plan::Premium, Script { faults, holidays: vec![] })
}

fn ask_with(vendor: &Vendor, now: Timestamp, path: &str, headers: &[(&'static str, &str)]) -> Answer {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    vendor.answer(now, &Request { path_and_query: path.to_owned(), headers })
}

fn ask(vendor: &Vendor, now: Timestamp, path: &str) -> Answer {
    ask_with(vendor, now, path, &[("x-finnhub-token", KEY)])
}

fn ask_alpaca(vendor: &Vendor, now: Timestamp, path: &str) -> Answer {
    ask_with(vendor, now, path, &PAIR)
}

fn text(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.body).expect("text")
}

fn read(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", text(answer));
    serde_json::from_slice(&answer.body).expect("json")
}

fn quote(vendor: &Vendor, now: Timestamp) -> Value {
    read(&ask(vendor, now, "/api/v1/quote?symbol=SPY"))
}

fn candle_path(from: Minute, to: Minute) -> String {
    format!("/api/v1/stock/candle?symbol=SPY&resolution=1&from={}&to={}", from.epoch_s(), to.epoch_s())
}

/// The times of a candle answer.
fn times(answer: &Answer) -> Vec<i64> {
    let body = read(answer);
    body["t"].as_array().map(|t| t.iter().map(|t| t.as_i64().expect("a time")).collect()).unwrap_or_default()
}

fn candles(vendor: &Vendor, from: &str, to: &str) -> Vec<Candle> {
    vendor.market().candles("SPY", minute(from), minute(to))
}

#[test]
fn a_quote_is_the_last_trade_and_its_day() {
    let vendor = vendor(Plan::Free);
    let now = at("15:00:01.600");
    let standing = vendor.market().standing("SPY", now).expect("standing");
    let quote = quote(&vendor, now);
    assert_eq!(quote["c"], json!(standing.last.price));
    assert_eq!(quote["t"], json!(standing.last.traded_at.epoch_s()));
    assert_eq!(
        (&quote["o"], &quote["h"], &quote["l"]),
        (&json!(standing.open), &json!(standing.high), &json!(standing.low))
    );
    let pc = standing.previous_close.expect("a close");
    assert_eq!(quote["pc"], json!(pc));
    assert!((quote["d"].as_f64().expect("d") - (standing.last.price - pc)).abs() < 0.000_06);
    assert!((quote["dp"].as_f64().expect("dp") - (standing.last.price / pc - 1.0) * 100.0).abs() < 0.000_06);
    assert_eq!(quote.as_object().map(|fields| fields.len()), Some(8));
}

#[test]
fn whole_numbers_have_no_decimal_point_as_on_the_real_wire() {
    let vendor = vendor(Plan::Premium);
    let answer = ask(&vendor, at("21:30:00"), &candle_path(minute("14:30:00"), minute("20:59:00")));
    assert!(!text(&answer).contains(".0,") && !text(&answer).contains(".0]"));
}

#[test]
fn an_unknown_symbol_is_zeros_as_recorded() {
    let answer = ask(&vendor(Plan::Free), at("15:00:00"), "/api/v1/quote?symbol=ZZZNOTASYMBOL");
    assert_eq!((answer.status, text(&answer)), (200, r#"{"c":0,"d":null,"dp":null,"h":0,"l":0,"o":0,"pc":0,"t":0}"#));
}

#[test]
fn off_hours_a_quote_stays_at_the_sessions_last_trade() {
    let vendor = vendor(Plan::Free);
    let at_close = quote(&vendor, at("20:59:59.999"));
    assert_eq!(quote(&vendor, at("23:30:00")), at_close);
    assert_eq!(quote(&vendor, "2026-11-22T12:00:00Z".parse().expect("sunday")), at_close);
    let monday: Timestamp = "2026-11-23T14:29:59Z".parse().expect("monday");
    assert_eq!(quote(&vendor, monday), at_close, "before the open too");
    assert_eq!(quote(&vendor, monday.plus_s(60))["pc"], json!(candles(&vendor, "14:30:00", "21:00:00")[389].close));
}

#[test]
fn a_missing_and_a_wrong_key_get_the_recorded_words() {
    let vendor = vendor(Plan::Free);
    let path = "/api/v1/quote?symbol=SPY";
    let missing = ask_with(&vendor, at("15:00:00"), path, &[]);
    assert_eq!((missing.status, text(&missing)), (401, r#"{"error":"Please use an API key."}"#));
    let wrong = ask_with(&vendor, at("15:00:00"), path, &[("x-finnhub-token", "other")]);
    assert_eq!((wrong.status, text(&wrong)), (401, r#"{"error":"Invalid API key."}"#));
    assert_eq!(wrong.header("x-ratelimit-limit"), None);
    let in_url = ask_with(&vendor, at("15:00:00"), &format!("{path}&token={KEY}"), &[]);
    assert_eq!(in_url.status, 200);
    let calls = vendor.calls();
    let seen: Vec<_> = calls.iter().map(|call| (call.account.as_deref(), call.key_in_url, call.status)).collect();
    assert_eq!(seen, [(None, false, 401), (None, false, 401), (Some("first"), true, 200)]);
}

#[test]
fn a_free_key_gets_403_on_candles_and_it_counts_as_a_call() {
    let vendor = vendor(Plan::Free);
    let answer = ask(&vendor, at("21:30:00"), &candle_path(minute("15:00:00"), minute("15:05:00")));
    assert_eq!((answer.status, text(&answer)), (403, r#"{"error":"You don't have access to this resource."}"#));
    assert_eq!(answer.header("x-ratelimit-remaining"), Some("59"));
    assert_eq!(vendor.calls().counts()[&(Provider::Finnhub, Endpoint::Candle, 403)], 1);
}

#[test]
fn candle_bounds_are_inclusive_on_both_ends() {
    let vendor = vendor(Plan::Premium);
    let answer = ask(&vendor, at("21:30:00"), &candle_path(minute("15:00:00"), minute("15:10:00")));
    let expected: Vec<i64> = minute("15:00:00").until(minute("15:11:00")).map(Minute::epoch_s).collect();
    assert_eq!(times(&answer), expected, "11 candles of 10 minutes");
    let body = read(&answer);
    assert_eq!(body["s"], "ok");
    for (place, candle) in candles(&vendor, "15:00:00", "15:11:00").iter().enumerate() {
        let there = [&body["o"], &body["h"], &body["l"], &body["c"], &body["v"]].map(|list| list[place].as_f64());
        assert_eq!(there, [candle.open, candle.high, candle.low, candle.close, candle.volume].map(Some));
    }
}

#[test]
fn a_candle_is_out_twenty_seconds_after_its_minute_and_never_before() {
    let vendor = vendor(Plan::Premium);
    let path = candle_path(minute("14:59:00"), minute("15:05:00"));
    let last = |now: &str| times(&ask(&vendor, at(now), &path)).last().copied();
    assert_eq!(last("15:01:19.999"), Some(minute("14:59:00").epoch_s()));
    assert_eq!(last("15:01:20"), Some(minute("15:00:00").epoch_s()));
    assert_eq!(last("14:59:30"), None);
    let none = ask(&vendor, at("14:59:30"), &path);
    assert_eq!((none.status, text(&none)), (200, r#"{"s":"no_data"}"#));
}

#[test]
fn candles_include_extended_hours_and_unknown_symbols_and_reversed_ranges_have_none() {
    let vendor = vendor(Plan::Premium);
    let night = times(&ask(&vendor, at("23:59:00"), &candle_path(minute("09:00:00"), minute("14:29:00"))));
    assert!(night.len() > 50);
    for path in [
        candle_path(minute("15:05:00"), minute("15:00:00")),
        candle_path(minute("15:00:00"), minute("15:05:00")).replace("SPY", "NOPE"),
    ] {
        assert_eq!(text(&ask(&vendor, at("21:30:00"), &path)), r#"{"s":"no_data"}"#);
    }
}

#[test]
fn a_long_range_gives_its_newest_month() {
    let vendor = vendor(Plan::Premium);
    let times = times(&ask(&vendor, at("21:30:00"), &candle_path(Minute::from_index(0), minute("21:00:00"))));
    let first = *times.first().expect("candles");
    let month = minute("21:00:00").epoch_s() - first;
    assert!((29 * 86_400..=31 * 86_400).contains(&month), "{month}");
}

#[test]
fn what_is_missing_or_malformed_is_refused_by_name() {
    let vendor = vendor(Plan::Premium);
    for path in [
        "/api/v1/quote",
        "/api/v1/stock/candle?symbol=SPY&resolution=1&from=0",
        "/api/v1/stock/candle?symbol=SPY&resolution=1&from=0&to=soon",
        "/api/v1/stock/candle?symbol=SPY&resolution=D&from=0&to=1",
    ] {
        let answer = ask(&vendor, at("15:00:00"), path);
        assert!(answer.status == 422 && text(&answer).contains("error"), "{path}: {}", text(&answer));
    }
    assert_eq!(ask(&vendor, at("15:00:00"), "/api/v1/news").status, 404);
}

#[test]
fn the_sixty_first_call_of_a_window_is_refused_with_the_recorded_words() {
    let vendor = vendor(Plan::Free);
    for call in 0..60 {
        let answer = ask(&vendor, at("15:00:00").plus_ms(call * 100), "/api/v1/quote?symbol=SPY");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("x-ratelimit-remaining"), Some((59 - call).to_string().as_str()));
    }
    let refused = ask(&vendor, at("15:00:30"), "/api/v1/quote?symbol=SPY");
    assert_eq!(refused.status, 429);
    assert_eq!(text(&refused), r#"{"error":"API limit reached. Please try again later. Remaining Limit: 0"}"#);
    let headers = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"].map(|name| refused.header(name));
    assert_eq!(headers, [Some("60"), Some("0"), Some(at("15:01:00").epoch_s().to_string().as_str())]);
    assert_eq!(ask(&vendor, at("15:01:00"), "/api/v1/quote?symbol=SPY").status, 200);
    assert_eq!(vendor.calls().most_within(Provider::Finnhub, 60_000, |call| call.status == 200), 60);
}

#[test]
fn the_thirty_first_call_of_a_second_is_refused_on_every_plan() {
    let vendor = vendor(Plan::Premium);
    let status = |ms| ask(&vendor, at("15:00:00").plus_ms(ms), "/api/v1/quote?symbol=SPY").status;
    assert!((0..30).all(|call| status(call * 10) == 200));
    assert_eq!((status(900), status(1_000)), (429, 200));
}

#[test]
fn holidays_are_those_recorded_in_july_2025() {
    let now: Timestamp = "2025-07-21T12:00:00Z".parse().expect("instant");
    let body = read(&ask(&vendor(Plan::Free), now, "/api/v1/stock/market-holiday?exchange=US"));
    let rows = body["data"].as_array().expect("rows");
    assert_eq!(rows.len(), 51, "as many as the real vendor told");
    assert_eq!(rows[0], json!({"eventName": "Christmas Day", "atDate": "2026-12-25", "tradingHour": ""}));
    assert_eq!(rows[1], json!({"eventName": "Christmas Day", "atDate": "2026-12-24", "tradingHour": "09:30-13:00"}));
    assert_eq!(rows[50]["atDate"], "2023-01-02");
    assert_eq!((&body["exchange"], &body["timezone"]), (&json!("US"), &json!("America/New_York")));
}

#[test]
fn a_day_the_script_knows_is_told_from_when_it_is_known() {
    let known_from = Some("2026-11-21T12:00:00Z".parse().expect("instant"));
    let (on, hours) = ("2026-11-20".parse().expect("day"), "09:30-13:00".to_owned());
    let holidays = vec![KnownDay { on, event: "Power failure".into(), hours, known_from }];
    let vendor = with(Plan::Free, Script { faults: vec![], holidays });
    let told = |now: Timestamp| {
        let body = read(&ask(&vendor, now, "/api/v1/stock/market-holiday?exchange=US"));
        let rows = body["data"].as_array().expect("rows").clone();
        rows.into_iter().find(|row| row["atDate"] == "2026-11-20")
    };
    assert_eq!(told(at("23:00:00")), None);
    let later = told("2026-11-21T12:00:00Z".parse().expect("instant"));
    assert_eq!(
        later,
        Some(json!({"eventName": "Power failure", "atDate": "2026-11-20", "tradingHour": "09:30-13:00"}))
    );
}

#[test]
fn the_market_status_follows_the_day() {
    let vendor = vendor(Plan::Premium);
    let status = |now: &str| {
        let body = read(&ask(&vendor, now.parse().expect("instant"), "/api/v1/stock/market-status?exchange=US"));
        (body["isOpen"].clone(), body["session"].clone(), body["holiday"].clone())
    };
    assert_eq!(status("2026-11-20T08:59:59Z"), (json!(false), json!(null), json!(null)));
    assert_eq!(status("2026-11-20T09:00:00Z"), (json!(false), json!("pre-market"), json!(null)));
    assert_eq!(status("2026-11-20T14:30:00Z"), (json!(true), json!("regular"), json!(null)));
    assert_eq!(status("2026-11-20T21:00:00Z"), (json!(false), json!("post-market"), json!(null)));
    assert_eq!(status("2026-11-21T01:00:00Z"), (json!(false), json!(null), json!(null)));
    assert_eq!(status("2026-11-26T15:00:00Z"), (json!(false), json!(null), json!("Thanksgiving Day")));
}

#[test]
fn the_directory_is_a_signed_file_elsewhere_that_needs_no_key() {
    let vendor = vendor(Plan::Free);
    let headers = [("x-finnhub-token", KEY), ("host", "127.0.0.1:9")];
    let redirect = ask_with(&vendor, at("15:00:00"), "/api/v1/stock/symbol?exchange=US", &headers);
    assert_eq!(redirect.status, 302);
    let location = redirect.header("location").expect("a location").to_owned();
    let path = location.strip_prefix("http://127.0.0.1:9").expect("a whole address");
    let rows = read(&ask_with(&vendor, at("15:00:10"), path, &[]));
    let symbols: Vec<&str> = rows.as_array().expect("rows").iter().filter_map(|row| row["symbol"].as_str()).collect();
    assert!(symbols.contains(&"SPY") && symbols.len() == vendor.market().listings().len());
    assert_eq!(ask_with(&vendor, at("15:05:01"), path, &[]).status, 403, "its signature has expired");
    assert_eq!(ask_with(&vendor, at("15:00:10"), &path.replace("signature=", "signature=0"), &[]).status, 403);
    assert!(location.find(KEY).is_none());
    let relative = ask(&vendor, at("15:00:00"), "/api/v1/stock/symbol?exchange=US");
    assert!(relative.header("location").is_some_and(|path| path.starts_with("/static/")));
    assert_eq!(ask(&vendor, at("15:00:00"), "/api/v1/stock/symbol?exchange=L").status, 403);
}

#[test]
fn alpaca_answers_bars_of_one_symbol_with_inclusive_bounds() {
    let vendor = vendor(Plan::Free);
    let path = "/v2/stocks/SPY/bars?timeframe=1Min&start=2026-11-20T15:00:00Z&end=2026-11-20T15:10:00Z&feed=sip";
    let body = read(&ask_alpaca(&vendor, at("21:30:00"), path));
    let bars = body["bars"].as_array().expect("bars");
    assert_eq!((bars.len(), &body["symbol"], &body["next_page_token"]), (11, &json!("SPY"), &json!(null)));
    let truth = candles(&vendor, "15:00:00", "15:01:00")[0];
    assert_eq!(bars[0]["t"], "2026-11-20T15:00:00Z");
    let there = ["o", "h", "l", "c", "v"].map(|name| bars[0][name].as_f64());
    assert_eq!(there, [truth.open, truth.high, truth.low, truth.close, truth.volume].map(Some));
}

#[test]
fn alpaca_without_bars_says_null_for_one_symbol_and_nothing_for_several() {
    let vendor = vendor(Plan::Free);
    let range = "timeframe=1Min&start=2026-11-22T15:00:00Z&end=2026-11-22T15:10:00Z";
    let now: Timestamp = "2026-11-23T21:00:00Z".parse().expect("instant");
    let one = ask_alpaca(&vendor, now, &format!("/v2/stocks/SPY/bars?{range}"));
    assert_eq!(text(&one), r#"{"bars":null,"next_page_token":null,"symbol":"SPY"}"#);
    let many = ask_alpaca(&vendor, now, &format!("/v2/stocks/bars?symbols=SPY,AAPL&{range}"));
    assert_eq!(text(&many), r#"{"bars":{},"next_page_token":null}"#);
}

#[test]
fn a_free_alpaca_key_gets_nothing_of_the_last_fifteen_minutes() {
    let path = "/v2/stocks/bars?symbols=SPY&timeframe=1Min&start=2026-11-20T15:00:00Z&end=2026-11-20T15:10:00Z";
    let free = vendor(Plan::Free);
    let recent = ask_alpaca(&free, at("15:24:59.999"), path);
    assert_eq!(recent.status, 403);
    assert_eq!(text(&recent), r#"{"message":"subscription does not permit querying recent SIP data"}"#);
    assert_eq!(ask_alpaca(&free, at("15:25:00"), path).status, 200);
    let paid = read(&ask_alpaca(&vendor(Plan::Premium), at("15:09:01"), path));
    assert_eq!(paid["bars"]["SPY"].as_array().map(Vec::len), Some(9), "a bar is out a second after its minute");
}

#[test]
fn alpacas_pages_hold_together_every_bar_once_symbol_by_symbol() {
    let vendor = vendor(Plan::Free);
    let range = "timeframe=1Min&start=2026-11-20T14:30:00Z&end=2026-11-20T20:59:00Z&limit=97";
    let (mut token, mut seen) = (String::new(), Vec::new());
    for page in 0..100 {
        let path = format!("/v2/stocks/bars?symbols=SPY,DBB,AAPL,NOPE&{range}{token}");
        let body = read(&ask_alpaca(&vendor, at("21:30:00"), &path));
        for (symbol, bars) in body["bars"].as_object().expect("bars") {
            let bars = bars.as_array().expect("bars");
            seen.extend(bars.iter().map(|bar| (symbol.clone(), bar["t"].as_str().expect("t").to_owned())));
        }
        let Some(next) = body["next_page_token"].as_str() else {
            break;
        };
        assert!(page < 50, "the pages never end");
        token = format!("&page_token={}", next.replace('|', "%7C").replace(':', "%3A").replace('=', "%3D"));
    }
    let of = |symbol: &str| {
        let candles = vendor.market().candles(symbol, minute("14:30:00"), minute("21:00:00"));
        candles.into_iter().map(|c| (symbol.to_owned(), c.minute.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(seen, [of("AAPL"), of("DBB"), of("SPY")].concat());
}

#[test]
fn alpaca_refuses_a_wrong_key_in_its_own_words_and_has_its_own_limit() {
    let vendor = vendor(Plan::Free);
    let path = "/v2/stocks/SPY/bars?timeframe=1Min&start=2026-11-19&end=2026-11-20";
    assert_eq!(ask(&vendor, at("21:00:00"), path).status, 401, "Finnhub's key is none here");
    let wrong = ask_with(&vendor, at("21:00:00"), path, &[PAIR[0], ("apca-api-secret-key", "x")]);
    assert_eq!((wrong.status, text(&wrong)), (403, r#"{"message":"forbidden."}"#));
    let statuses: Vec<u16> = (0..201).map(|ms| ask_alpaca(&vendor, at("21:00:00").plus_ms(ms), path).status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 200);
    assert_eq!(statuses[200], 429);
    for bad in ["timeframe=1Day", "timeframe=1Min&feed=iex", "timeframe=1Min&limit=10001", "timeframe=1Min&start=x"] {
        let answer = ask_alpaca(&vendor, at("22:00:00"), &format!("/v2/stocks/SPY/bars?{bad}"));
        assert!(answer.status == 400 && text(&answer).contains("invalid"), "{bad}: {}", text(&answer));
    }
}

fn during(what: What, from: &str, to: &str) -> Fault {
    Fault::between(what, When::Instant(at(from)), When::Instant(at(to)))
}

#[test]
fn a_fault_is_there_in_its_window_for_its_endpoint_and_symbol_only() {
    let fault = Fault {
        symbols: vec!["SPY".parse().expect("symbol")],
        endpoints: vec![Endpoint::Quote],
        ..during(What::Down { status: 502 }, "15:00:00", "15:22:00")
    };
    let vendor = faulty(vec![fault]);
    let status = |now: &str, path: &str| ask(&vendor, at(now), path).status;
    let spy = "/api/v1/quote?symbol=SPY";
    assert_eq!((status("14:59:59.999", spy), status("15:00:00", spy), status("15:21:59", spy)), (200, 502, 502));
    assert_eq!(status("15:22:00", spy), 200);
    assert_eq!(status("15:10:00", "/api/v1/quote?symbol=AAPL"), 200);
    assert_eq!(status("15:10:01", &candle_path(minute("14:30:00"), minute("14:40:00"))), 200);
    let down = ask(&vendor, at("15:10:02"), spy);
    assert!(text(&down).starts_with("<html>") && down.header("content-type") == Some("text/html"));
    assert_eq!(down.header("x-ratelimit-limit"), None, "the proxy knows no limits");
    assert_eq!(vendor.calls().iter().last().and_then(|call| call.fault), Some("down"));
}

#[test]
fn a_time_of_day_is_every_days() {
    let time = |text: &str| Some(text.parse().expect("a time"));
    let vendor = faulty(vec![Fault { from: time("10:00"), to: time("10:22"), ..Fault::always(What::Throttled) }]);
    for (now, status) in [
        ("2026-11-20T15:05:00Z", 429),
        ("2026-11-23T15:05:00Z", 429),
        ("2026-10-29T14:05:00Z", 429),
        ("2026-11-20T15:22:00Z", 200),
    ] {
        assert_eq!(ask(&vendor, now.parse().expect("instant"), "/api/v1/quote?symbol=SPY").status, status, "{now}");
    }
}

#[test]
fn refusals_can_be_scripted_and_only_what_the_vendor_counts_is_counted() {
    for (what, status, remaining) in
        [(What::KeyRefused, 401, None), (What::NotEntitled, 403, Some("299")), (What::Throttled, 429, None)]
    {
        let answer = ask(&faulty(vec![Fault::always(what)]), at("15:00:00"), "/api/v1/quote?symbol=SPY");
        assert_eq!((answer.status, answer.header("x-ratelimit-remaining")), (status, remaining), "{what:?}");
    }
}

#[test]
fn deliveries_can_be_slow_cut_reset_or_never() {
    let delivered = |faults| {
        let answer = ask(&faulty(faults), at("15:00:00"), "/api/v1/quote?symbol=SPY");
        (answer.delay_ms, answer.ending)
    };
    assert_eq!(delivered(vec![Fault::always(What::Slow { seconds: 12.5 })]), (12_500, Ending::Whole));
    assert_eq!(delivered(vec![Fault::always(What::Truncated { bytes: 9 })]), (0, Ending::Truncated(9)));
    assert_eq!(delivered(vec![Fault::always(What::Reset)]), (0, Ending::Reset));
    let both = vec![Fault::always(What::Hang), Fault::always(What::Slow { seconds: 1.0 })];
    assert_eq!(delivered(both), (1_000, Ending::Never));
}

#[test]
fn quotes_can_be_zeros_or_have_a_day_of_zeros() {
    let zeros = quote(&faulty(vec![Fault::always(What::Zeros)]), at("15:00:00"));
    assert_eq!((&zeros["c"], &zeros["t"], &zeros["d"]), (&json!(0), &json!(0), &json!(null)));
    let partial = quote(&faulty(vec![Fault::always(What::PartialZeros)]), at("15:00:00"));
    assert!(partial["c"].as_f64() > Some(0.0) && partial["t"].as_i64() > Some(0));
    assert_eq!(["h", "l", "o", "pc"].map(|name| partial[name].clone()), [json!(0), json!(0), json!(0), json!(0)]);
}

#[test]
fn frozen_quotes_stay_what_they_were_when_it_began_and_thaw() {
    let vendor = faulty(vec![during(What::Frozen, "17:00:00", "17:25:00")]);
    let begun = quote(&vendor, at("17:00:00"));
    assert_eq!(begun, quote(&super::tests::vendor(Plan::Premium), at("17:00:00")));
    assert_eq!(quote(&vendor, at("17:24:59")), begun);
    assert_ne!(quote(&vendor, at("17:25:00")), begun);
}

#[test]
fn stale_quotes_are_of_the_session_before() {
    let vendor = faulty(vec![during(What::Stale, "15:00:00", "16:00:00")]);
    let stale = quote(&vendor, at("15:30:00"));
    let before = "2026-11-19T22:00:00Z".parse().expect("instant");
    assert_eq!(stale, quote(&super::tests::vendor(Plan::Premium), before));
}

#[test]
fn candles_can_be_absent_late_holed_or_lies() {
    let path = candle_path(minute("15:00:00"), minute("15:10:00"));
    let answer = |what| ask(&faulty(vec![Fault::always(what)]), at("15:30:00"), &path);
    assert_eq!(text(&answer(What::NoData)), r#"{"s":"no_data"}"#);
    let honest = read(&ask(&vendor(Plan::Premium), at("15:30:00"), &path));

    let late = times(&answer(What::CandlesLate { minutes: 22 }));
    assert_eq!(late.last(), Some(&minute("15:06:00").epoch_s()), "15:07:00 ends 22 min and 20 s before 15:30:20");

    let [missing_from, missing_to] = ["10:03", "10:06"].map(|time| time.parse().expect("a time"));
    let holed = times(&answer(What::Hole { missing_from, missing_to }));
    let missing: Vec<i64> = minute("15:03:00").until(minute("15:06:00")).map(Minute::epoch_s).collect();
    assert!(holed.len() == 8 && missing.iter().all(|t| !holed.contains(t)));

    let wrong = read(&answer(What::WrongPrices { percent: 10.0 }));
    let ratio = wrong["c"][0].as_f64().expect("c") / honest["c"][0].as_f64().expect("c");
    assert!((ratio - 1.1).abs() < 0.001);

    let unequal = read(&answer(What::Unequal));
    assert_eq!(unequal["c"].as_array().map(Vec::len), Some(10));
    assert_eq!(unequal["t"].as_array().map(Vec::len), Some(11));
    assert!(times(&answer(What::OffMinute)).iter().all(|t| t % 60 != 0));
}

#[test]
fn alpacas_bars_can_be_absent_holed_or_lies_too() {
    let path = "/v2/stocks/bars?symbols=SPY&timeframe=1Min&start=2026-11-20T15:00:00Z&end=2026-11-20T15:10:00Z";
    let answer = |what| read(&ask_alpaca(&faulty(vec![Fault::always(what)]), at("21:00:00"), path));
    assert_eq!(answer(What::NoData)["bars"], json!({}));
    let [missing_from, missing_to] = ["10:03", "10:06"].map(|time| time.parse().expect("a time"));
    let holed = answer(What::Hole { missing_from, missing_to });
    assert_eq!(holed["bars"]["SPY"].as_array().map(Vec::len), Some(8));
    assert_eq!(answer(What::Unequal)["bars"]["SPY"][10].get("c"), None);
    assert_eq!(answer(What::OffMinute)["bars"]["SPY"][0]["t"], "2026-11-20T15:00:17Z");
}

#[test]
fn an_unannounced_close_stops_quotes_and_candles_though_the_status_says_open() {
    let close = Fault { from: Some(When::Instant(at("18:00:00"))), ..Fault::always(What::UnannouncedClose) };
    let vendor = faulty(vec![close]);
    let late = quote(&vendor, at("20:00:00"));
    assert!(late["t"].as_i64() < Some(minute("18:00:00").epoch_s()));
    assert_eq!(late, quote(&vendor, at("17:59:59.999")));
    let times = times(&ask(&vendor, at("23:00:00"), &candle_path(minute("17:50:00"), minute("22:00:00"))));
    assert_eq!(times.last(), Some(&minute("17:59:00").epoch_s()));
    let status = read(&ask(&vendor, at("19:00:00"), "/api/v1/stock/market-status?exchange=US"));
    assert_eq!(status["isOpen"], json!(true));
}

#[test]
fn a_script_whose_close_the_market_has_not_is_refused() {
    let close = Fault { from: Some(When::Instant(at("18:00:00"))), ..Fault::always(What::UnannouncedClose) };
    let market: Market = GeneratedMarket::new(7, Calendar::Xnys).into();
    let script = Script { faults: vec![close], holidays: vec![] };
    let terms = Terms { seed: 7, finnhub: vec![], alpaca: vec![], candle_late_s: 20, script };
    let error = Vendor::new(Arc::new(market), terms).expect_err("refused").to_string();
    assert!(error.contains("2026-11-20T18:00:00Z"), "{error}");
}

#[test]
fn chance_depends_on_the_seed_the_request_and_the_instant_and_not_on_the_order() {
    let fault = || vec![Fault { probability: 0.3, ..Fault::always(What::Zeros) }];
    let hits = |vendor: &Vendor, minutes: &mut dyn Iterator<Item = i64>| {
        let hit = |m: i64| (m, quote(vendor, at("14:30:00").plus_s(60 * m))["c"] == json!(0));
        let mut hits: Vec<_> = minutes.map(hit).collect();
        hits.sort_unstable();
        hits
    };
    let forth = hits(&faulty(fault()), &mut (0..390));
    assert_eq!(forth, hits(&faulty(fault()), &mut (0..390).rev()));
    let count = forth.iter().filter(|(_, hit)| *hit).count();
    assert!((80..160).contains(&count), "{count} of 390");
}

#[test]
fn one_symbol_is_drawn_each_minute_and_not_always_the_same() {
    let symbols: Vec<_> = ["SPY", "AAPL", "BAC", "IBM"].map(|s| s.parse().expect("symbol")).into();
    let fault = Fault { draw_one: true, symbols: symbols.clone(), ..Fault::always(What::Zeros) };
    let vendor = faulty(vec![fault]);
    let mut drawn = std::collections::BTreeMap::<String, usize>::new();
    for m in 0..390 {
        let hit: Vec<_> = symbols
            .iter()
            .filter(|symbol: &&mendlake_domain::symbol::Symbol| {
                let path = format!("/api/v1/quote?symbol={symbol}");
                read(&ask(&vendor, at("14:30:01").plus_s(60 * m), &path))["c"] == json!(0)
            })
            .collect();
        assert_eq!(hit.len(), 1, "minute {m}");
        *drawn.entry(hit[0].to_string()).or_default() += 1;
    }
    assert!(drawn.len() == 4 && drawn.values().all(|count| *count > 60), "{drawn:?}");
}

#[test]
fn each_key_version_is_counted_by_its_name() {
    let vendor = vendor(Plan::Free);
    let path = candle_path(minute("15:00:00"), minute("15:05:00"));
    for key in [KEY, KEY, "second-key"] {
        ask_with(&vendor, at("21:30:00"), &path, &[("x-finnhub-token", key)]);
    }
    let calls = vendor.calls();
    let refused = |version: &str| {
        calls.iter().filter(|call| call.status == 403 && call.account.as_deref() == Some(version)).count()
    };
    assert_eq!((refused("first"), refused("second")), (2, 1));
    assert!(!format!("{vendor:?}").contains(KEY), "no key is printed");
}

#[test]
fn every_answer_carries_the_vendors_date() {
    let vendor = vendor(Plan::Free);
    for path in ["/api/v1/quote?symbol=SPY", "/nowhere"] {
        assert_eq!(ask(&vendor, at("15:00:00"), path).header("date"), Some("Fri, 20 Nov 2026 15:00:00 GMT"));
    }
}
