//! What Finnhub has really answered, brought down to the values that matter; and what it must never get away with.

use mendlake_domain::candle::Candle;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::overlay::Change;
use mendlake_domain::quote::{Price, Quote};
use mendlake_domain::symbol::Symbol;
use mendlake_ports::source::{Holiday, RateLimit};
use proptest::prelude::*;

use super::*;
use crate::http::keyed::fakes::response;

const KEY: &str = "c0ffee+sesame/7";

fn key() -> Key {
    Key::new(KEY).expect("a key")
}

fn symbol(text: &str) -> Symbol {
    text.parse().expect("symbol")
}

fn minute(text: &str) -> Minute {
    text.parse().expect("minute")
}

fn quote(body: &str) -> Option<Quote> {
    read_quote(&response(200, &[], body), &key()).outcome.expect("a quote's answer")
}

/// A quote's price, day (open, high, low, previous close) and time.
fn figures(body: &str) -> (f64, [Option<f64>; 4], String) {
    let quote = quote(body).expect("a value");
    let day = quote.day;
    let day = [day.open, day.high, day.low, day.prev_close].map(|price| price.map(Price::get));
    (quote.price, day, quote.traded_at.to_string())
}

fn candles(body: &str, from: &str, to: &str) -> Result<Vec<Candle>, SourceError> {
    read_candles(&response(200, &[], body), minute(from), minute(to), &key()).outcome
}

fn times(candles: &[Candle]) -> Vec<String> {
    candles.iter().map(|candle| candle.minute.to_string()[11..16].to_owned()).collect()
}

/// The class of an answer to a question for candles.
fn class(status: u16, body: &str) -> &'static str {
    let reply = read_candles(&response(status, &[], body), Minute::from_index(0), Minute::from_index(10), &key());
    reply.outcome.map_or_else(|error| error.class(), |_| "ok")
}

mod quotes {
    use super::*;

    #[test]
    fn aapl_in_session_2026_09_16() {
        let body = r#"{"c":333.27,"d":1.93,"dp":0.58,"h":335.48,"l":331.87,"o":331.96,"pc":331.34,"t":1789580577}"#;
        let day = [Some(331.96), Some(335.48), Some(331.87), Some(331.34)];
        assert_eq!(figures(body), (333.27, day, "2026-09-16T17:42:57.000Z".to_owned()));
    }

    #[test]
    fn aapl_in_session_2026_02_19_with_a_fall() {
        let body = r#"{"c":263.84,"d":-0.51,"dp":-0.19,"h":264.48,"l":262.29,"o":263.21,"pc":264.35,"t":1771519213}"#;
        assert_eq!((figures(body).0, figures(body).2), (263.84, "2026-02-19T16:40:13.000Z".to_owned()));
    }

    #[test]
    fn aapl_after_the_close_2026_05_23_is_of_the_close() {
        let body = r#"{"c":308.82,"d":3.83,"dp":1.26,"h":311.4,"l":305.84,"o":306.12,"pc":304.99,"t":1779480000}"#;
        assert_eq!(figures(body).2, "2026-05-22T20:00:00.000Z");
    }

    #[test]
    fn spy_at_the_close_2022_12_28_is_before_the_close() {
        let body = r#"{"c":376.66,"d":-4.74,"dp":-1.24,"h":383.38,"l":376.42,"o":381.33,"pc":381.4,"t":1672261200}"#;
        assert_eq!(figures(body).2, "2022-12-28T21:00:00.000Z");
    }

    #[test]
    fn aapl_whose_t_is_a_sunday_2025_07_21_is_read_over_lines_and_left_to_acceptance() {
        let body = "{\n \"c\": 211.18,\n \"d\": 1.16,\n \"dp\": 0.55,\n \"h\": 211.79,\n \"l\": 209.7045,\n \"o\": 210.87,\n \"pc\": 210.02,\n \"t\": 1753041600\n}";
        let (price, day, traded_at) = figures(body);
        assert_eq!((price, day[2], traded_at.as_str()), (211.18, Some(209.7045), "2025-07-20T20:00:00.000Z"));
    }

    #[test]
    fn tsla_with_headers_2021_04_24_has_no_change_and_a_rate() {
        let headers =
            [("x-ratelimit-limit", "60"), ("x-ratelimit-remaining", "51"), ("x-ratelimit-reset", "1619234930")];
        let body = r#"{"c":729.4,"h":737.359,"l":715.46,"o":719.8,"pc":719.69,"t":1619208002}"#;
        let reply = read_quote(&response(200, &headers, body), &key());
        let reset_at = "2021-04-24T03:28:50Z".parse().expect("instant");
        assert_eq!(reply.rate, Some(RateLimit { limit: 60, remaining: 51, reset_at }));
        let traded_at = "2021-04-23T20:00:02Z".parse().expect("instant");
        assert_eq!(reply.outcome.expect("read").map(|q| q.traded_at), Some(traded_at));
    }

    #[test]
    fn aapl_2020_whose_t_is_the_time_of_request_on_a_weekend_is_read_as_it_is() {
        let body = r#"{"c":267.99,"h":270.07,"l":264.7,"o":268.7,"pc":266.07,"t":1586611898}"#;
        assert_eq!(figures(body).2, "2020-04-11T13:31:38.000Z");
    }

    #[test]
    fn msft_2020_from_two_stale_nodes_is_two_quotes_of_one_time() {
        let at =
            |c: &str| figures(&format!(r#"{{"c":{c},"h":161.91,"l":140.73,"o":147.5,"pc":139.06,"t":1584072000}}"#));
        let (a, b) = (at("155.25"), at("158.83"));
        assert_eq!((a.0, b.0, a.2 == b.2), (155.25, 158.83, true));
    }

    #[test]
    fn tpic_2020_eight_days_stale_is_read_with_its_old_time() {
        let body = r#"{"c":27.32,"h":27.6,"l":26.32,"o":27.19,"pc":27.12,"t":1600041600}"#;
        assert_eq!(figures(body).2, "2020-09-14T00:00:00.000Z");
    }

    #[test]
    fn csco_2020_all_zero_is_no_value_now() {
        assert_eq!(quote(r#"{"c":0,"h":0,"l":0,"o":0,"pc":0,"t":0}"#), None);
    }

    #[test]
    fn an_unknown_symbol_is_no_value_now() {
        assert_eq!(quote(r#"{"c":0,"d":null,"dp":null,"h":0,"l":0,"o":0,"pc":0,"t":0}"#), None);
    }

    #[test]
    fn tsla_2020_partly_zero_keeps_its_price_and_has_no_day() {
        let body = r#"{"c":517.96,"h":0,"l":0,"o":0,"pc":0,"t":1585296137}"#;
        assert_eq!(figures(body), (517.96, [None; 4], "2020-03-27T08:02:17.000Z".to_owned()));
    }

    #[test]
    fn whole_prices_without_a_point_and_fields_nobody_knows_are_read() {
        let body = r#"{"c":330,"h":331,"l":-1,"o":null,"pc":329.5,"t":1789580577.5,"v":[{}],"x":{"y":null}}"#;
        let (price, day, traded_at) = figures(body);
        assert_eq!((price, day), (330.0, [None, Some(331.0), None, Some(329.5)]));
        assert_eq!(traded_at, "2026-09-16T17:42:57.500Z");
    }

    #[test]
    fn a_zero_price_beside_other_figures_is_a_quote_that_acceptance_refuses() {
        assert_eq!(figures(r#"{"c":0,"h":2,"l":1,"o":1,"pc":1,"t":1789580577}"#).0, 0.0);
    }

    #[test]
    fn a_body_that_is_no_quote_is_corrupt_and_a_part_of_one_is_unavailable() {
        let class =
            |body: &str| read_quote(&response(200, &[], body), &key()).outcome.map_or_else(|e| e.class(), |_| "ok");
        for body in [
            "{}",
            "[]",
            "null",
            "[1,2,3,4,5,6]",
            "7",
            r#"{"c":"1","t":1}"#,
            r#"{"c":null,"t":1}"#,
            r#"{"t":1}"#,
            r#"{"c":1}"#,
        ] {
            assert_eq!(class(body), "corrupt", "{body}");
        }
        for body in
            [r#"{"c":NaN,"t":1}"#, r#"{"c":1e999,"t":1}"#, r#"{"c":1,"t":1e15}"#, r#"{"c":1,"t":1}x"#, "plain text"]
        {
            assert_eq!(class(body), "corrupt", "{body}");
        }
        for body in ["", " ", "{", r#"{"c":333.27,"d":1.93,"dp"#, r#"{"c":333.27,"t":17895"#] {
            assert_eq!(class(body), "unavailable", "{body}");
        }
    }
}

mod bars {
    use super::*;

    #[test]
    fn after_hours_2019_keep_the_hole_between_their_bars() {
        let body = r#"{"c":[257.2,257.21,257.69,257.77,257.75],"h":[257.2,257.21,257.69,257.79,257.8],
            "l":[257.2,257.21,257.3,257.65,257.73],"o":[257.2,257.21,257.3,257.65,257.75],"s":"ok",
            "t":[1572910200,1572910260,1572910440,1572910500,1572910560],"v":[322,625,9894,1480,2250]}"#;
        let all = candles(body, "2019-11-04T23:30:00Z", "2019-11-04T23:37:00Z").expect("candles");
        assert_eq!(times(&all), ["23:30", "23:31", "23:34", "23:35", "23:36"]);
        let Candle { open, high, low, close, volume, .. } = all[2];
        assert_eq!((open, high, low, close, volume), (257.3, 257.69, 257.3, 257.69, 9894.0));
        let session = candles(body, "2019-11-04T14:30:00Z", "2019-11-04T21:00:00Z").expect("candles");
        assert_eq!(session, [], "bars after the session are left out");
    }

    #[test]
    fn ifx_de_2020_has_a_bar_without_volume() {
        let body = r#"{"c":[16.74,17.582,17.608],"h":[16.774,17.604,17.61],"l":[16.74,17.568,17.584],
            "o":[16.774,17.604,17.584],"s":"ok","t":[1588748400,1588771800,1588771860],"v":[0,5820223,22562]}"#;
        let read = candles(body, "2020-05-06T07:00:00Z", "2020-05-06T15:30:00Z").expect("candles");
        assert_eq!(times(&read), ["07:00", "13:30", "13:31"]);
        assert_eq!(read[0].volume, 0.0);
    }

    #[test]
    fn aapl_60m_2020_is_well_formed_and_its_stamps_are_minutes() {
        let body = r#"{"c":[366.5698,366.19],"h":[367.31,367],"l":[366.21,365.93],"o":[366.95,366.59],"s":"ok",
            "t":[1593714600,1593718200],"v":[2113793,656192]}"#;
        let read = candles(body, "2020-07-02T13:30:00Z", "2020-07-02T20:00:00Z").expect("candles");
        assert_eq!((times(&read), read[1].high), (vec!["18:30".to_owned(), "19:30".to_owned()], 367.0));
    }

    #[test]
    fn aapl_daily_2021_is_stamped_at_midnight_and_so_outside_every_session() {
        let body = r#"{"c":[156.69,155.11],"h":[157.26,157.04],"l":[154.39,153.975],"o":[154.97,156.98],"s":"ok",
            "t":[1630972800,1631059200],"v":[82278261,74420207]}"#;
        assert_eq!(candles(body, "2021-09-07T13:30:00Z", "2021-09-07T20:00:00Z"), Ok(vec![]));
    }

    #[test]
    fn no_data_is_no_candles() {
        assert_eq!(class(200, r#"{"s":"no_data"}"#), "ok");
        assert_eq!(candles(r#"{"s":"no_data"}"#, "2020-07-02T13:30:00Z", "2020-07-02T20:00:00Z"), Ok(vec![]));
        assert_eq!(class(200, r#"{"s":"ok","t":[],"o":[],"h":[],"l":[],"c":[],"v":[]}"#), "ok");
    }

    /// One bar with these fields.
    fn bar(t: &str, [o, h, l, c, v]: [&str; 5]) -> String {
        format!(r#"{{"s":"ok","t":[{t}],"o":[{o}],"h":[{h}],"l":[{l}],"c":[{c}],"v":[{v}]}}"#)
    }

    const GOOD: [&str; 5] = ["2", "4", "1", "3", "5"];

    #[test]
    fn a_bar_that_can_be_no_bar_is_corrupt() {
        assert_eq!(class(200, &bar("60", GOOD)), "ok");
        assert_eq!(class(200, &bar("60", ["2", "2", "2", "2", "0"])), "ok", "a single trade without volume");
        for (t, fields) in [
            ("61", GOOD),
            ("60.5", GOOD),
            ("1e300", GOOD),
            ("\"60\"", GOOD),
            ("null", GOOD),
            ("60", ["0", "4", "0", "3", "5"]),
            ("60", ["2", "4", "-1", "3", "5"]),
            ("60", ["5", "4", "1", "3", "5"]),
            ("60", ["2", "4", "1", "0.5", "5"]),
            ("60", ["2", "1", "4", "3", "5"]),
            ("60", ["2", "4", "1", "3", "-5"]),
            ("60", ["NaN", "4", "1", "3", "5"]),
            ("60", ["2", "1e999", "1", "3", "5"]),
            ("60", ["2", "null", "1", "3", "5"]),
            ("60", ["2,2", "4", "1", "3", "5"]),
            ("60", ["2", "4", "1", "3", ""]),
            ("", GOOD),
        ] {
            assert_eq!(class(200, &bar(t, fields)), "corrupt", "{t} {fields:?}");
        }
        for body in [
            r#"{"s":"ok"}"#,
            r#"{"s":"error"}"#,
            "{}",
            "[]",
            r#"{"s":"ok","t":null,"o":[],"h":[],"l":[],"c":[],"v":[]}"#,
        ] {
            assert_eq!(class(200, body), "corrupt", "{body}");
        }
    }

    #[test]
    fn a_bad_price_outside_the_range_is_nobodys_question_and_a_bad_stamp_is_everybodys() {
        assert_eq!(class(200, &bar("6000", ["0", "0", "0", "0", "0"])), "ok");
        assert_eq!(class(200, &bar("6001", GOOD)), "corrupt");
    }

    #[test]
    fn the_range_holds_its_first_minute_and_not_its_end_and_bars_come_in_order_once() {
        let body = r#"{"s":"ok","t":[600,-60,540,0,60,60],"o":[1,1,1,1,1,2],"h":[1,1,1,1,1,2],"l":[1,1,1,1,1,2],
            "c":[1,1,1,1,1,2],"v":[1,1,1,1,1,1]}"#;
        let read = read_candles(&response(200, &[], body), Minute::from_index(0), Minute::from_index(10), &key());
        let read: Vec<_> = read.outcome.expect("candles").iter().map(|c| (c.minute.index(), c.close)).collect();
        assert_eq!(read, [(0, 1.0), (1, 2.0), (9, 1.0)], "of two bars of a minute the later stands");
    }
}

mod refusals {
    use super::*;

    #[test]
    fn an_invalid_key_401_is_denied() {
        assert_eq!(class(401, r#"{"error":"Invalid API key."}"#), "denied");
    }

    #[test]
    fn a_missing_key_401_is_denied() {
        assert_eq!(class(401, r#"{"error":"Please use an API key."}"#), "denied");
        assert_eq!(class(401, ""), "denied");
        assert_eq!(class(403, r#"{"error":"Invalid API key."}"#), "denied");
    }

    #[test]
    fn candles_for_a_free_key_403_are_not_entitled_and_the_plan_is_named() {
        for status in [403, 401] {
            let answer = response(status, &[], r#"{"error":"You don't have access to this resource."}"#);
            let outcome = read_candles(&answer, Minute::from_index(0), Minute::from_index(1), &key()).outcome;
            let plan = "stock candles: `Premium Access Required`".to_owned();
            assert_eq!(outcome, Err(SourceError::NotEntitled { plan }), "until 2021 it was a 401");
            assert_eq!(read_quote(&answer, &key()).outcome.expect_err("refused").class(), "not_entitled");
        }
    }

    #[test]
    fn an_index_without_a_subscription_4xx_is_rejected_for_that_symbol() {
        for status in [400, 401, 403, 404] {
            assert_eq!(class(status, r#"{"error":"Market data subscription required for CFD indices."}"#), "rejected");
        }
        assert_eq!(class(403, r#"{"error":"something else"}"#), "rejected");
        assert_eq!(class(422, r#"{"error":"Wrong symbol."}"#), "rejected");
    }

    #[test]
    fn a_reached_limit_429_is_throttled_until_the_reset_whatever_its_body() {
        for body in
            [r#"{"error":"API limit reached. Please try again later. Remaining Limit: 0"}"#, "API limit reached.", ""]
        {
            let headers =
                [("x-ratelimit-limit", "60"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1619234930")];
            let reply = read_quote(&response(429, &headers, body), &key());
            let reset_at = Some(Timestamp::from_epoch_s(1_619_234_930));
            assert_eq!(reply.outcome, Err(SourceError::Throttled { reset_at }));
            assert_eq!(reply.rate.map(|rate| rate.remaining), Some(0));
            let bare = read_quote(&response(429, &[], body), &key());
            assert_eq!((bare.outcome, bare.rate), (Err(SourceError::Throttled { reset_at: None }), None));
        }
    }

    #[test]
    fn a_limit_is_read_from_errors_too() {
        let headers =
            [("x-ratelimit-limit", "300"), ("x-ratelimit-remaining", "299"), ("x-ratelimit-reset", "1619234930")];
        for (status, body) in [(401, ""), (403, ""), (502, "<html>"), (200, "{}"), (200, "")] {
            let reply = read_quote(&response(status, &headers, body), &key());
            assert!(reply.outcome.is_err() && reply.rate.is_some_and(|rate| rate.limit == 300), "{status} {body}");
        }
    }
}

mod facts {
    use super::*;

    fn holidays(body: &str) -> Result<Vec<Holiday>, SourceError> {
        read_holidays(&response(200, &[], body), &key()).outcome
    }

    fn one_day(date: &str, hours: &str) -> String {
        format!(
            r#"{{"data":[{{"eventName":"Christmas","atDate":"{date}","tradingHour":"{hours}","postMarket":""}}],
            "exchange":"US","timezone":"America/New_York"}}"#
        )
    }

    #[test]
    fn us_holidays_2025_07_21_are_closures_and_early_closes_in_new_york() {
        let day = |text: &str| text.parse().expect("day");
        let closed = Holiday { on: day("2026-12-25"), change: Change::Closed, name: "Christmas".into() };
        assert_eq!(holidays(&one_day("2026-12-25", "")), Ok(vec![closed]));
        for (date, utc) in [("2025-12-24", "2025-12-24T18:00:00Z"), ("2025-07-03", "2025-07-03T17:00:00Z")] {
            let early =
                Holiday { on: day(date), change: Change::ClosesAt { close: minute(utc) }, name: "Christmas".into() };
            assert_eq!(holidays(&one_day(date, "09:30-13:00")), Ok(vec![early]));
        }
    }

    #[test]
    fn holidays_that_cannot_be_read_are_corrupt_as_a_whole() {
        let good = one_day("2025-12-24", "09:30-13:00");
        for body in [
            one_day("2025-12-24", "13:00"),
            one_day("2025-12-24", "13:00-09:30"),
            one_day("2025-12-24", "09:30-25:00"),
            one_day("2025-12-32", ""),
            good.replace("New_York", "Chicago"),
            good.replace("eventName", "name"),
            "[]".into(),
        ] {
            assert_eq!(holidays(&body).expect_err(&body).class(), "corrupt", "{body}");
        }
    }

    const DIRECTORY: &str = r#"[{"currency":"USD","description":"SPOTIFY \"TECHNOLOGY\" SA","displaySymbol":"X","symbol":"SPOT",
        "mic":"XNYS","type":"Common Stock"},{"symbol":"RC.PRE","figi":"","isin":null},{"symbol":"A\u0042C"}]"#;

    fn listed(body: &str, name: &str) -> Result<bool, &'static str> {
        read_listed(&response(200, &[], body), &symbol(name), &key()).outcome.map_err(|error| error.class())
    }

    #[test]
    fn us_symbols_are_looked_up_by_their_symbol_alone() {
        for (name, expected) in
            [("SPOT", true), ("RC.PRE", true), ("ABC", true), ("X", false), ("SPO", false), ("USD", false)]
        {
            assert_eq!(listed(DIRECTORY, name), Ok(expected), "{name}");
        }
    }

    #[test]
    fn a_directory_that_is_empty_or_part_of_one_never_says_that_a_symbol_is_unknown() {
        assert_eq!(listed("[]", "SPOT"), Err("corrupt"));
        assert_eq!(listed(&DIRECTORY[..DIRECTORY.len() - 2], "ZZZ"), Err("unavailable"));
        assert_eq!(listed(r#"{"data":[]}"#, "SPOT"), Err("corrupt"));
        assert_eq!(listed(r#"[{"name":"SPOT"}]"#, "SPOT"), Err("corrupt"));
        assert_eq!(listed("[]]", "SPOT"), Err("corrupt"));
        assert_eq!(listed(r#"[["SPOT"]]"#, "SPOT"), Err("corrupt"));
    }

    #[test]
    fn the_directorys_redirect_is_followed_without_the_key() {
        let to = |status, headers: &[(&str, &str)]| redirect(&response(status, headers, ""));
        let there = to(302, &[("location", "https://files.example/us.json?signature=s")]).expect("a place");
        assert_eq!(
            (there.path_and_query.as_str(), there.headers.len()),
            ("https://files.example/us.json?signature=s", 0)
        );
        assert_eq!(to(302, &[]), None);
        assert_eq!(to(200, &[("location", "https://files.example/")]), None);
    }

    #[test]
    fn the_file_of_the_directory_says_nothing_of_the_key() {
        let read = |status, body: &str| {
            read_directory_file(&response(status, &[], body), &symbol("SPOT")).map_err(|e| e.class())
        };
        assert_eq!(read(200, DIRECTORY), Ok(true));
        for status in [302, 401, 403, 404, 500] {
            assert_eq!(read(status, "<?xml version=\"1.0\"?><Error/>"), Err("unavailable"), "{status}");
            assert_eq!(read(status, "denied"), Err("unavailable"), "{status}");
        }
        assert_eq!(read(200, "<html>"), Err("unavailable"));
    }

    #[test]
    fn other_recorded_answers_are_not_taken_for_facts() {
        // /stock/market-status, closed on 2025-07-21, open on 2026-08-31 and 2026-09-16, and /forex/exchange.
        let status = |open: bool, session: &str, t: u64| {
            format!(
                r#"{{"exchange":"US","holiday":null,"isOpen":{open},"session":{session},"t":{t},"timezone":"America/New_York"}}"#
            )
        };
        let bodies = [
            status(false, "null", 1_753_075_043),
            status(true, r#""regular""#, 1_788_186_510),
            status(true, r#""regular""#, 1_789_580_601),
            r#"["oanda","fxcm","forex.com"]"#.to_owned(),
        ];
        for body in bodies {
            assert_eq!(holidays(&body).expect_err(&body).class(), "corrupt");
            assert_eq!(listed(&body, "SPOT"), Err("corrupt"));
            assert_eq!(class(200, &body), "corrupt");
            let as_quote = read_quote(&response(200, &[], &body), &key()).outcome.expect_err(&body);
            assert_eq!(as_quote.class(), "corrupt");
        }
    }

    #[test]
    fn forex_exchange_with_headers_2021_06_21_still_tells_the_rate() {
        let headers =
            [("x-ratelimit-limit", "60"), ("x-ratelimit-remaining", "59"), ("x-ratelimit-reset", "1624305560")];
        let reply = read_holidays(&response(200, &headers, r#"["oanda"]"#), &key());
        assert_eq!(reply.rate.map(|rate| (rate.remaining, rate.reset_at.epoch_s())), Some((59, 1_624_305_560)));
    }
}

/// Seconds of the answer, calls left, reset: the sequence of 2021, its repetitions left out.
const SEQUENCE: [(i64, u32, i64); 9] = [
    (1_619_234_870, 59, 1_619_234_930),
    (1_619_234_870, 58, 1_619_234_930),
    (1_619_234_870, 56, 1_619_234_930),
    (1_619_234_870, 49, 1_619_234_930),
    (1_619_234_871, 48, 1_619_234_930),
    (1_619_234_871, 46, 1_619_234_930),
    (1_624_302_940, 57, 1_624_302_976),
    (1_624_305_500, 59, 1_624_305_560),
    (1_624_305_983, 58, 1_624_306_005),
];

#[test]
fn the_rate_limit_sequence_2021_is_a_window_of_sixty_seconds_from_its_first_call() {
    let mut opened = None;
    for (at, left, reset) in SEQUENCE {
        let (left_text, reset_text) = (left.to_string(), reset.to_string());
        let headers = [
            ("x-ratelimit-limit", "60"),
            ("x-ratelimit-remaining", left_text.as_str()),
            ("x-ratelimit-reset", &reset_text),
        ];
        let rate = read_quote(&response(200, &headers, r#"{"c":1,"t":1}"#), &key()).rate.expect("a rate");
        assert_eq!((rate.limit, rate.remaining, rate.reset_at), (60, left, Timestamp::from_epoch_s(reset)));
        let to_go = rate.reset_at.ms_since(Timestamp::from_epoch_s(at));
        assert!((0..=60_000).contains(&to_go), "a window is a minute: {to_go} ms to go");
        if rate.remaining == 59 {
            assert_eq!(to_go, 60_000, "the first call opens it");
            opened = Some(rate.reset_at);
        }
        assert!(opened.is_none_or(|opened| rate.reset_at >= opened), "a reset never comes back");
    }
}

#[test]
fn requests_carry_the_key_in_the_header_alone_and_symbols_encoded() {
    let (from, to) = (minute("2026-11-20T14:30:00Z"), minute("2026-11-20T21:00:00Z"));
    let requests = [
        (quote_request(&symbol("BRK.B"), &key()), "/api/v1/quote?symbol=BRK.B"),
        (quote_request(&symbol("^GSPC"), &key()), "/api/v1/quote?symbol=%5EGSPC"),
        (
            candle_request(&symbol("BINANCE:BTC=X"), from, to, &key()),
            "/api/v1/stock/candle?symbol=BINANCE%3ABTC%3DX&resolution=1&from=1795185000&to=1795208340",
        ),
        (holidays_request(&key()), "/api/v1/stock/market-holiday?exchange=US"),
        (directory_request(&key()), "/api/v1/stock/symbol?exchange=US"),
    ];
    for (request, path) in requests {
        assert_eq!(request.path_and_query, path);
        assert_eq!(request.headers, [("x-finnhub-token", KEY.to_owned())]);
        assert!(!format!("{request:?}").contains("sesame"));
    }
}

#[test]
fn a_body_that_echoes_the_key_is_kept_without_it() {
    for body in [
        format!(r#"{{"c":"{KEY}","t":1}}"#),
        format!(r#"{{"s":"{KEY}"}}"#),
        format!(r#"{{"error":"no such key: {KEY}"}}"#),
        r#"{"c":"?token=c0ffee%2Bsesame%2F7","t":1}"#.to_owned(),
        r#"{"c":"c0ffee+sesame\/7","t":1}"#.to_owned(),
    ] {
        let answer = response(200, &[], &body);
        let replies = [
            read_quote(&answer, &key()).outcome.map(drop).expect_err("corrupt"),
            read_candles(&answer, Minute::from_index(0), Minute::from_index(1), &key())
                .outcome
                .map(drop)
                .expect_err("corrupt"),
            read_holidays(&answer, &key()).outcome.map(drop).expect_err("corrupt"),
        ];
        for error in replies {
            let text = format!("{error} {error:?}");
            assert!(error.class() == "corrupt" && !text.contains("sesame"), "{text}");
        }
    }
}

/// Every reader's answer as text.
fn every_answer(answer: &Response) -> String {
    let (from, to) = (Minute::from_index(0), Minute::from_index(10));
    let symbol = symbol("SPY");
    let readers = (
        read_quote(answer, &key()),
        read_candles(answer, from, to, &key()),
        read_holidays(answer, &key()),
        read_listed(answer, &symbol, &key()),
        read_directory_file(answer, &symbol).map_err(|error| error.class()),
    );
    format!("{readers:?}")
}

const BODIES: [&str; 4] = [
    r#"{"c":333.27,"d":null,"h":335.48,"l":331.87,"o":331.96,"pc":331.34,"t":1789580577}"#,
    r#"{"c":[2,2],"h":[4,4],"l":[1,1],"o":[3,3],"s":"ok","t":[60,120],"v":[0,5]}"#,
    r#"{"data":[{"eventName":"x","atDate":"2026-12-24","tradingHour":"09:30-13:00"}],"timezone":"America/New_York"}"#,
    r#"[{"symbol":"SPY","type":"ETP"},{"symbol":"QQQ"}]"#,
];

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_never_print_the_key(status in 100_u16..600, head in any::<Vec<u8>>(), tail in any::<Vec<u8>>()) {
        let body = [head.as_slice(), KEY.as_bytes(), &tail, KEY.as_bytes()].concat();
        let text = every_answer(&Response { status, headers: vec![], body });
        prop_assert!(!text.contains("sesame"), "{text}");
    }

    #[test]
    fn arbitrary_headers_never_panic(name in "x-ratelimit-(limit|remaining|reset)", value in ".*") {
        let headers = [(name.as_str(), value.as_str()), ("x-ratelimit-limit", "60"), ("x-ratelimit-remaining", "1")];
        read_quote(&response(429, &headers, ""), &key());
    }

    #[test]
    fn a_damaged_answer_never_panics_and_its_candles_are_bars(which in 0_usize..4, at in 0_usize..110, byte: u8, len in 0_usize..120) {
        let mut body = BODIES[which].as_bytes().to_vec();
        if let Some(there) = body.get_mut(at) {
            *there = byte;
        }
        body.truncate(len);
        let answer = Response { status: 200, headers: vec![], body };
        every_answer(&answer);
        let (from, to) = (Minute::from_index(0), Minute::from_index(10));
        if let Ok(read) = read_candles(&answer, from, to, &key()).outcome {
            prop_assert!(read.is_sorted_by(|a, b| a.minute < b.minute), "ascending, one a minute");
            for c in read {
                prop_assert!(from <= c.minute && c.minute < to && c.volume >= 0.0);
                prop_assert!(0.0 < c.low && c.low <= c.open.min(c.close) && c.open.max(c.close) <= c.high);
            }
        }
    }

    #[test]
    fn every_beginning_of_an_answer_is_unavailable(which in 0_usize..4, len in 0_usize..110) {
        let whole = BODIES[which];
        let part = &whole[..len.min(whole.len() - 1)];
        let answer = response(200, &[], part);
        let error = match which {
            0 => read_quote(&answer, &key()).outcome.map(drop),
            1 => read_candles(&answer, Minute::from_index(0), Minute::from_index(10), &key()).outcome.map(drop),
            2 => read_holidays(&answer, &key()).outcome.map(drop),
            _ => read_listed(&answer, &symbol("SPY"), &key()).outcome.map(drop),
        };
        prop_assert_eq!(error.expect_err(part).class(), "unavailable");
    }
}
