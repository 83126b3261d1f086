use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::case::{Case, LEN, at_s, candle, close, close_of, minute, open, price, session, source, traded};

const HOUR: i64 = 60;

fn waits(reason: OpenReason) -> Decision {
    Decision::Wait(reason)
}

fn gives_up(reason: Unrecoverable) -> Decision {
    Decision::GiveUp(reason)
}

/// The decision to heal with a close before of this price, received seven seconds into the session.
fn before(value: f64) -> Decision {
    Decision::Heal(Healed {
        price: price(value),
        basis: Basis::PreviousClose,
        source: source("before"),
        traded_at: None,
        observed_at: at_s(7),
    })
}

/// A symbol whose first trade is so many minutes into the session, then one a minute, read once 30 minutes in.
fn first_trade_at(of_session: i64) -> Case {
    Case::new().read("a", 35, 30, of_session..30)
}

// 1. close

#[test]
fn a_minute_is_priced_by_the_candle_that_ended_exactly_at_it() {
    let case = Case::new().read("a", 35, 30, 0..30);
    assert_eq!(case.decide(10), close_of("a", 9, 35), "not by candle 10, which starts at it");
}

#[test]
fn the_candle_of_the_minute_itself_and_later_ones_never_price() {
    let case = Case::new().read("a", 35, 30, [5, 7, 8]);
    assert_eq!(case.decide(7), close_of("a", 5, 35));
    assert_eq!(case.decide(8), close_of("a", 7, 35));
}

#[test]
fn a_minute_after_quiet_ones_has_the_price_of_the_newest_candle_and_its_time() {
    let case = Case::new().read("a", 35, 30, [0, 5, 8]);
    assert_eq!(case.decide(8), close_of("a", 5, 35));
    let Decision::Heal(healed) = case.decide(8) else { panic!("healed") };
    assert_eq!(healed.traded_at, Some(minute(6).start()), "the end of its candle");
}

#[test]
fn a_healed_row_carries_no_figures_of_the_day() {
    let Decision::Heal(healed) = Case::new().read("a", 35, 30, 0..30).decide(10) else { panic!("healed") };
    let row = healed.row(&"AAPL".parse().expect("symbol"), minute(10), 7);
    assert_eq!((row.minute, row.basis, row.revision), (minute(10), Basis::Close, 7));
    assert_eq!((row.day, row.source), (Day::default(), source("a")));
    assert_eq!((row.price, row.observed_at), (price(close("a", 9)), at_s(35 * 60)));
}

#[test]
fn candles_before_the_open_never_price() {
    let case = Case::new().read("a", 35, 30, [-9, -3, 2]).previous(99.0);
    assert_eq!(case.decide(0), before(99.0));
    assert_eq!(case.decide(1), before(99.0));
    assert_eq!(case.decide(3), close_of("a", 2, 35));
}

#[test]
fn candles_after_the_close_never_price_and_a_minute_outside_the_session_has_none() {
    let case = Case::new().read("a", LEN + 65, LEN + 60, 0..LEN + 60);
    assert_eq!(case.decide(LEN - 1), close_of("a", LEN - 2, LEN + 65));
    for outside in [-1, LEN, LEN + 1, LEN + 30] {
        assert_eq!(case.decide(outside), waits(OpenReason::Waiting), "{outside}");
    }
}

#[test]
fn a_candle_whose_close_is_no_price_heals_nothing() {
    for broken in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let mut candles = vec![candle("a", 8), candle("a", 9), candle("a", 12)];
        candles[1].close = broken;
        let mut case = Case::new();
        case.reads = vec![CandleRead::new(source("a"), at_s(2_100), minute(30), candles)];
        assert!(matches!(case.decide(10), Decision::Wait(_)), "{broken}");
        assert!(matches!(case.decide(11), Decision::Wait(_)), "{broken}: nor does an older one");
        let case = case.read("b", 35, 30, 0..30);
        assert_eq!(case.decide(10), close_of("b", 9, 35), "another source's does");
    }
}

#[test]
fn nothing_is_said_before_an_answer_is_whole_up_to_the_minute() {
    assert_eq!(Case::new().decide(10), waits(OpenReason::Waiting));
    let to = |complete_to| Case::new().read("a", 35, complete_to, [0, 7, 10]).decide(10);
    assert_eq!(to(9), waits(OpenReason::Waiting));
    assert_eq!(to(10), waits(OpenReason::UnprovenQuiet), "it speaks, and has no candle after");
    assert_eq!(to(11), close_of("a", 7, 35));
}

#[test]
fn an_earlier_answer_alone_says_nothing() {
    let case = Case::new().earlier("a", 95, 90, 0..30).read("b", 35, 9, 0..9);
    assert_eq!(case.decide(10), waits(OpenReason::Waiting));
}

// Two sources

#[test]
fn of_two_sources_with_the_candle_the_one_configured_first_prices() {
    let case = Case::new().read("b", 36, 30, 0..30).read("a", 35, 30, 0..30);
    assert_eq!(case.decide(10), close_of("b", 9, 36));
    let quiet = Case::new().read("b", 36, 30, [5, 8]).read("a", 35, 30, [5, 8]);
    assert_eq!(quiet.decide(8), close_of("b", 5, 36));
}

#[test]
fn of_two_sources_the_newest_candle_prices_whatever_their_order() {
    for swapped in [false, true] {
        let mut case = Case::new().read("a", 35, 30, [3, 8]).read("b", 36, 30, [5, 8]);
        if swapped {
            case.reads.reverse();
        }
        assert_eq!(case.decide(8), close_of("b", 5, 36));
        assert_eq!(case.decide(6), close_of("b", 5, 36), "a candle from any source beats absence");
        assert_eq!(case.decide(5), close_of("a", 3, 35));
    }
}

#[test]
fn the_first_minute_takes_the_open_of_the_first_source_that_has_it() {
    let case = Case::new().read("a", 35, 30, 1..30).read("b", 36, 30, 0..30);
    let Decision::Heal(healed) = case.decide(0) else { panic!("healed") };
    assert_eq!((healed.source, healed.price), (source("b"), price(open("b", 0))));
}

// 2. open

#[test]
fn the_sessions_first_minute_is_priced_by_the_open_of_its_own_candle() {
    let case = Case::new().read("a", 35, 30, 0..30).previous(99.0);
    let expected = Healed {
        price: price(open("a", 0)),
        basis: Basis::Open,
        source: source("a"),
        traded_at: None,
        observed_at: at_s(35 * 60),
    };
    assert_eq!(case.decide(0), Decision::Heal(expected));
    assert_eq!(case.decide(1), close_of("a", 0, 35), "only the first: the second has a close");
}

#[test]
fn the_first_minute_waits_until_its_own_candle_is_whole() {
    let to = |complete_to| Case::new().read("a", 35, complete_to, 0..30).decide(0);
    assert_eq!(to(0), waits(OpenReason::Waiting));
    assert!(matches!(to(1), Decision::Heal(Healed { basis: Basis::Open, .. })));
}

// 3. previous_close

#[test]
fn minutes_before_the_first_ended_candle_have_the_close_before() {
    let case = first_trade_at(3).previous(99.0);
    for m in 0..=3 {
        assert_eq!(case.decide(m), before(99.0), "{m}");
    }
    assert_eq!(case.decide(4), close_of("a", 3, 35));
}

#[test]
fn the_first_minutes_are_quiet_by_the_same_rule_as_others() {
    let case = first_trade_at(4).previous(99.0);
    assert_eq!(case.decide(0), waits(OpenReason::UnprovenQuiet), "four minutes, and no one agrees");
    assert_eq!(case.decide(3), waits(OpenReason::UnprovenQuiet));
    assert_eq!(case.earlier("b", 30, 25, 4..25).decide(3), before(99.0));
}

#[test]
fn the_close_before_is_asked_for_only_when_it_would_price() {
    assert_eq!(first_trade_at(2).decide(1), Decision::AskPrevious);
    assert_eq!(first_trade_at(4).decide(1), waits(OpenReason::UnprovenQuiet));
    assert_eq!(first_trade_at(2).decide(3), close_of("a", 2, 35));
}

#[test]
fn the_close_before_is_that_of_an_accepted_quote_of_the_session_if_there_is_one() {
    let quoted = |case: Case| case.quote(20, 1_190).but(|row| row.day.prev_close = Price::new(98.0));
    let expected = Healed {
        price: price(98.0),
        basis: Basis::PreviousClose,
        source: source("live"),
        traded_at: None,
        observed_at: minute(20).start().plus_ms(1_600),
    };
    assert_eq!(quoted(first_trade_at(2)).decide(1), Decision::Heal(expected.clone()), "nobody is asked");
    assert_eq!(quoted(first_trade_at(2).previous(99.0)).decide(1), Decision::Heal(expected));
}

#[test]
fn a_suspect_quote_a_healed_row_and_a_quote_without_it_have_no_close_before() {
    let quoted = || first_trade_at(2).quote(20, 1_190).but(|row| row.day.prev_close = Price::new(98.0));
    let suspect = quoted().but(|row| row.traded_at = Some(at_s(1_020).plus_ms(-1)));
    assert_eq!(suspect.decide(1), Decision::AskPrevious);
    assert_eq!(quoted().but(|row| row.basis = Basis::Close).decide(1), Decision::AskPrevious);
    let without = quoted().but(|row| row.day.prev_close = None);
    assert_eq!(without.decide(1), Decision::AskPrevious);
    assert!(matches!(
        without.quote(21, 1_250).but(|row| row.day.prev_close = Price::new(97.0)).decide(1),
        Decision::Heal(healed) if healed.price == price(97.0)
    ));
}

#[test]
fn where_no_session_before_has_a_candle_minutes_are_given_up_after_two_reads_past_the_close() {
    let mut case = Case::new().read("a", LEN + 65, LEN, 2..LEN);
    case.previous = Previous::None;
    assert_eq!(case.decide(1), waits(OpenReason::Empty));
    let after = |read_at, complete_to| {
        let mut case = Case::new().read("a", LEN + 65, LEN, 2..LEN).earlier("a", read_at, complete_to, 2..LEN);
        case.previous = Previous::None;
        case.decide(1)
    };
    assert_eq!(after(LEN + 6, LEN), waits(OpenReason::Empty), "59 minutes apart");
    assert_eq!(after(LEN + 5, LEN), gives_up(Unrecoverable::NoData), "60");
    assert_eq!(after(LEN + 4, LEN - 1), waits(OpenReason::Empty), "that one was not past the close");
}

#[test]
fn an_open_more_than_a_quarter_from_the_close_before_breaks_the_price() {
    let mut candles = vec![candle("a", 2), candle("a", 3)];
    let mut opened = |value: f64| {
        candles[0].open = value;
        let mut case = Case::new().previous(80.0);
        case.reads = vec![CandleRead::new(source("a"), at_s(2_100), minute(30), candles.clone())];
        case.decide(1)
    };
    for inside in [100.0, 60.0, 80.0] {
        assert_eq!(opened(inside), before(80.0), "{inside}");
    }
    for outside in [100.01, 59.99, 160.0, 8.0] {
        assert_eq!(opened(outside), gives_up(Unrecoverable::PriceBreak), "{outside}");
    }
}

#[test]
fn a_quarter_is_a_quarter_in_cents_too() {
    for cents in (4..40_000).step_by(4) {
        let (before, open) = (f64::from(cents) / 100.0, f64::from(cents + cents / 4) / 100.0);
        let mut first = candle("a", 2);
        first.open = open;
        let mut case = Case::new().previous(before);
        case.reads = vec![CandleRead::new(source("a"), at_s(2_100), minute(30), vec![first])];
        assert!(matches!(case.decide(1), Decision::Heal(_)), "{before} {open}");
        first.open = f64::from(cents + cents / 4 + 1) / 100.0;
        case.reads = vec![CandleRead::new(source("a"), at_s(2_100), minute(30), vec![first])];
        assert_eq!(case.decide(1), gives_up(Unrecoverable::PriceBreak), "{before} {}", first.open);
    }
}

#[test]
fn a_break_is_judged_by_the_first_open_of_all_sources_and_not_by_bars_before_the_session() {
    let broken = |name: &str, m: i64| Candle { open: 200.0, ..candle(name, m) };
    let answer = |name, candles| CandleRead::new(source(name), at_s(2_100), minute(30), candles);
    let mut case = Case::new().previous(99.0);
    case.reads = vec![answer("a", vec![candle("a", 3)]), answer("b", vec![broken("b", 2)])];
    assert_eq!(case.decide(1), gives_up(Unrecoverable::PriceBreak));
    case.reads = vec![answer("a", vec![broken("a", -1), candle("a", 2), broken("a", 3)])];
    assert_eq!(case.decide(1), before(99.0));
}

#[test]
fn a_break_is_of_the_quoted_close_as_of_any() {
    let case = first_trade_at(2).quote(20, 1_190).but(|row| row.day.prev_close = Price::new(50.0));
    assert_eq!(case.decide(1), gives_up(Unrecoverable::PriceBreak));
}

#[test]
fn no_close_before_is_used_while_only_an_earlier_answer_has_candles_to_tell_a_break_by() {
    let case = Case::new().read("a", 35, 30, []).earlier("a", 30, 25, 2..25).previous(99.0);
    assert_eq!(case.decide(1), waits(OpenReason::UnprovenQuiet));
    assert_eq!(case.read("b", 36, 30, 2..30).decide(1), before(99.0));
}

// A session without any candle

/// Source `a` answered empty at the close, and again so many minutes later.
fn empty_twice(apart: i64) -> Case {
    Case::new().earlier("a", LEN + 5, LEN, []).read("a", LEN + 5 + apart, LEN + 60, []).open_market()
}

#[test]
fn a_session_without_any_candle_is_given_up_after_two_empty_answers_an_hour_apart() {
    let once = Case::new().read("a", LEN + 65, LEN + 60, []).open_market();
    assert_eq!(once.decide(10), waits(OpenReason::Empty));
    assert_eq!(empty_twice(59).decide(10), waits(OpenReason::Empty));
    for m in [0, 1, 10, LEN - 1] {
        assert_eq!(empty_twice(60).decide(m), gives_up(Unrecoverable::NoData), "{m}");
    }
}

#[test]
fn a_session_without_any_candle_is_never_healed_by_the_close_before() {
    let quoted = empty_twice(60).quote(20, 1_190).but(|row| row.day.prev_close = Price::new(98.0));
    assert_eq!(quoted.previous(99.0).decide(10), gives_up(Unrecoverable::NoData));
    let once = Case::new().read("a", LEN + 65, LEN + 60, []).previous(99.0).open_market();
    assert_eq!(once.decide(10), waits(OpenReason::Empty));
}

#[test]
fn an_empty_answer_counts_only_when_it_speaks_of_the_whole_session() {
    let early = |complete_to| {
        let case = Case::new().earlier("a", LEN + 5, complete_to, []).read("a", LEN + 65, LEN + 60, []);
        case.open_market().decide(10)
    };
    assert_eq!(early(LEN - 1), waits(OpenReason::Empty));
    assert_eq!(early(LEN), gives_up(Unrecoverable::NoData));
    let first = Case::new().earlier("a", LEN + 5, LEN, []).read("a", LEN + 65, LEN - 1, []).open_market();
    assert_eq!(first.decide(10), waits(OpenReason::Empty));
}

#[test]
fn every_entitled_source_must_have_been_empty_twice() {
    let both = |case: Case| case.must_agree(&["a", "b"]).decide(10);
    assert_eq!(both(empty_twice(60)), waits(OpenReason::Empty), "b is denied, or down, and proves nothing");
    let once = || empty_twice(60).read("b", LEN + 66, LEN + 60, []);
    assert_eq!(both(once()), waits(OpenReason::Empty));
    assert_eq!(both(once().earlier("b", LEN + 7, LEN, [])), waits(OpenReason::Empty), "59 minutes");
    assert_eq!(both(once().earlier("b", LEN + 6, LEN, [])), gives_up(Unrecoverable::NoData));
    let crossed = Case::new().earlier("a", LEN + 5, LEN, []).read("b", LEN + 65, LEN + 60, []);
    assert_eq!(both(crossed.open_market()), waits(OpenReason::Empty), "one each are not two");
}

#[test]
fn where_no_source_is_entitled_nothing_is_given_up() {
    assert_eq!(empty_twice(60).must_agree(&[]).decide(10), waits(OpenReason::Empty));
}

#[test]
fn a_candle_from_any_source_beats_absence() {
    let any = empty_twice(60).earlier("b", 100, 90, [50]);
    assert!(matches!(any.decide(10), Decision::Wait(_)), "an earlier read had one");
    let in_hand = empty_twice(60).read("b", LEN + 66, LEN + 60, [50]);
    assert_eq!(in_hand.decide(51), close_of("b", 50, LEN + 66));
}

#[test]
fn candles_outside_the_session_are_none_of_it() {
    let outside = [-3, -1, LEN, LEN + 5];
    let case = Case::new().earlier("a", LEN + 20, LEN + 15, outside).read("a", LEN + 80, LEN + 60, outside);
    assert_eq!(case.open_market().decide(10), gives_up(Unrecoverable::NoData));
}

#[test]
fn an_empty_session_is_given_up_only_in_minutes_in_which_the_market_was_there() {
    assert_eq!(empty_twice(60).market(Market::NotAsked).decide(10), Decision::AskMarket);
    assert_eq!(empty_twice(60).market(Market::NoWitness).decide(10), gives_up(Unrecoverable::NoData));
    let none = empty_twice(60).market(traded([], LEN));
    assert_eq!(none.decide(10), waits(OpenReason::MarketAbsent), "a holiday nobody announced");
    let closed_early = empty_twice(60).market(traded(0..210, LEN));
    assert_eq!(closed_early.decide(209), gives_up(Unrecoverable::NoData));
    assert_eq!(closed_early.decide(210), waits(OpenReason::MarketAbsent));
}

#[test]
fn a_first_empty_answer_does_not_ask_for_the_market() {
    let once = Case::new().read("a", LEN + 65, LEN + 60, []);
    assert_eq!(once.decide(10), waits(OpenReason::Empty));
}

// Properties

/// Minutes of the sessions that properties are tried on: enough for runs of every kind, few enough to try many.
const SHORT: i64 = 90;

/// The true minutes with a trade, from nearly all to nearly none.
fn trades() -> impl Strategy<Value = BTreeSet<i64>> {
    let len = usize::try_from(SHORT).expect("positive");
    (prop::sample::select(vec![2_u8, 20, 70, 97]), prop::collection::vec(0_u8..100, len)).prop_map(
        |(percent, draws)| {
            let drawn = (0..SHORT).zip(draws);
            drawn.filter(|(_, draw)| *draw < percent).map(|(m, _)| m).collect()
        },
    )
}

/// One answer: from whom, when, how far behind, and which of the candles it should have it lacks.
#[derive(Clone, Debug)]
struct Answer {
    name: &'static str,
    read_at: i64,
    late: i64,
    holes: BTreeSet<i64>,
}

impl Answer {
    fn minutes(&self, trades: &BTreeSet<i64>) -> Vec<i64> {
        trades.difference(&self.holes).copied().collect()
    }

    fn complete_to(&self) -> i64 {
        (self.read_at - self.late).min(SHORT + 60)
    }
}

fn answers(holes: bool) -> impl Strategy<Value = Vec<Answer>> {
    let single = prop::collection::btree_set(0..SHORT, 0..8);
    let stretch = (0..SHORT, 0_i64..30).prop_map(|(from, len)| (from..from + len).collect());
    let holes = if holes { prop_oneof![single, stretch].boxed() } else { Just(BTreeSet::new()).boxed() };
    let answer =
        (prop::sample::select(vec!["a", "b"]), 1..SHORT + 200, prop::sample::select(vec![0_i64, 5, 17]), holes);
    let answer = answer.prop_map(|(name, read_at, late, holes)| Answer { name, read_at, late, holes });
    prop::collection::vec(answer, 1..5)
}

/// The case of these answers, the first so many of them in hand.
fn case_of(trades: &BTreeSet<i64>, answers: &[Answer], in_hand: usize) -> Case {
    let mut case = Case { session: session(SHORT), ..Case::new() };
    for (i, answer) in answers.iter().enumerate() {
        let minutes = answer.minutes(trades);
        let add = if i < in_hand { Case::read } else { Case::earlier };
        case = add(case, answer.name, answer.read_at, answer.complete_to(), minutes);
    }
    case
}

/// The reference model: walks the session once and knows what traded last.
fn truth(trades: &BTreeSet<i64>, before: f64) -> Vec<Option<(Basis, f64)>> {
    let first = trades.first().map_or(0.0, |first| open("a", *first));
    let broken = first > before * 1.25 || first < before * 0.75;
    let mut last = (!broken).then_some((Basis::PreviousClose, before));
    let mut prices = Vec::new();
    for m in 0..SHORT {
        let opens = m == 0 && trades.contains(&0);
        prices.push(if opens { Some((Basis::Open, open("a", 0))) } else { last });
        if trades.contains(&m) {
            last = Some((Basis::Close, close("a", m)));
        }
    }
    prices
}

fn markets() -> impl Strategy<Value = Market> {
    prop_oneof![
        Just(Market::NotAsked),
        Just(Market::NoWitness),
        Just(traded(0..SHORT, SHORT)),
        (trades(), 0..SHORT + 10).prop_map(|(minutes, to)| traded(minutes.into_iter().filter(|m| *m < to), to)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever providers withhold, a healed price is the newest that any answer in hand had by then.
    #[test]
    fn a_healed_close_is_that_of_the_newest_candle_ended_by_the_minute(
        trades in trades(),
        answers in answers(true),
        in_hand in 1_usize..4,
        market in markets(),
        limit in 0_i64..20,
    ) {
        let case = case_of(&trades, &answers, in_hand).market(market).previous(99.0).quiet_limit(limit);
        for m in 0..SHORT {
            let had = |answer: &Answer, at: i64| at < answer.complete_to() && answer.minutes(&trades).contains(&at);
            let by = |at: i64| answers.iter().take(in_hand).find(|answer| had(answer, at));
            let newest = (0..m).rev().find_map(|at| Some((at, by(at)?)));
            let Decision::Heal(healed) = case.decide(m) else { continue };
            prop_assert!(healed.traded_at.is_none_or(|traded| traded <= minute(m).start()), "look-ahead at {}", m);
            match healed.basis {
                Basis::Close => {
                    let (at, answer) = newest.expect("a candle ended by the minute");
                    prop_assert_eq!(&healed.source, &source(answer.name));
                    prop_assert_eq!(healed.price.get(), close(answer.name, at));
                    prop_assert_eq!(healed.traded_at, Some(minute(at + 1).start()));
                    prop_assert_eq!(healed.observed_at, at_s(answer.read_at * 60));
                }
                Basis::Open => {
                    let answer = by(0).expect("the first candle");
                    prop_assert_eq!((m, healed.price.get()), (0, open(answer.name, 0)));
                }
                Basis::PreviousClose => {
                    prop_assert!(newest.is_none(), "a candle had ended by {}", m);
                    prop_assert_eq!(healed.price.get(), 99.0);
                }
                Basis::Quote => prop_assert!(false, "a quote is not healed"),
            }
        }
    }

    /// No source lacks a candle that it says it would have: then no price is wrong, however early it was asked.
    #[test]
    fn honest_answers_never_heal_a_wrong_price(
        trades in trades(),
        answers in answers(false),
        in_hand in 1_usize..4,
        market in markets(),
        limit in 0_i64..20,
    ) {
        let answers: Vec<Answer> = answers.into_iter().map(|answer| Answer { name: "a", ..answer }).collect();
        let case = case_of(&trades, &answers, in_hand).market(market).previous(99.0).quiet_limit(limit);
        let truth = truth(&trades, 99.0);
        for (m, expected) in (0..SHORT).zip(truth) {
            if let Decision::Heal(healed) = case.decide(m) {
                prop_assert_eq!(Some((healed.basis, healed.price.get())), expected, "minute {}", m);
            }
        }
    }

    /// A source that is further behind than it says, each time by another stretch, while the session lasts: that is no
    /// quiet.
    #[test]
    fn answers_that_end_earlier_than_they_say_never_heal_a_wrong_price(
        trades in trades(),
        reads in prop::collection::vec((1..SHORT, 0..SHORT), 1..5),
        in_hand in 1_usize..4,
        limit in 0_i64..20,
    ) {
        let answers: Vec<Answer> = reads
            .into_iter()
            .map(|(read_at, ends)| Answer { name: "a", read_at, late: 0, holes: (ends..SHORT).collect() })
            .collect();
        let case = case_of(&trades, &answers, in_hand).previous(99.0).quiet_limit(limit);
        let case = case.market(traded(0..SHORT, SHORT));
        for (m, expected) in (0..SHORT).zip(truth(&trades, 99.0)) {
            if let Decision::Heal(healed) = case.decide(m) {
                prop_assert_eq!(Some((healed.basis, healed.price.get())), expected, "minute {}", m);
            }
        }
    }

    /// Two honest answers past the close, an hour apart, decide every minute of a session that has a candle.
    #[test]
    fn two_whole_answers_an_hour_apart_decide_every_minute_and_rightly(
        trades in trades().prop_filter("a candle", |trades| !trades.is_empty()),
        late in 0_i64..30,
        apart in 60_i64..3_000,
        before in prop::sample::select(vec![99.0, 60.0, 200.0]),
    ) {
        let read_at = SHORT + late;
        let case = Case { session: session(SHORT), ..Case::new() };
        let case = case
            .earlier("a", read_at, SHORT, trades.clone())
            .read("a", read_at + apart, SHORT + 60, trades.clone())
            .open_market()
            .previous(before);
        for (m, expected) in (0..SHORT).zip(truth(&trades, before)) {
            match case.decide(m) {
                Decision::Heal(healed) => prop_assert_eq!(Some((healed.basis, healed.price.get())), expected),
                Decision::GiveUp(Unrecoverable::PriceBreak) => prop_assert_eq!(expected, None),
                other => prop_assert!(false, "minute {}: {:?}", m, other),
            }
        }
    }

    /// The same of a session without a candle: every minute is given up.
    #[test]
    fn two_whole_empty_answers_an_hour_apart_give_every_minute_up(apart in HOUR..3_000) {
        let case = empty_twice(apart);
        for m in 0..LEN {
            prop_assert_eq!(case.decide(m), gives_up(Unrecoverable::NoData));
        }
    }
}
