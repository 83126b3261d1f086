use super::*;
use crate::case::{Case, LEN, at_s, close_of, minute, read, traded};
use crate::price::Decision;

const UNPROVEN: Decision = Decision::Wait(OpenReason::UnprovenQuiet);
const ABSENT: Decision = Decision::Wait(OpenReason::MarketAbsent);

/// Candles of every minute up to so many into the session, but none in `[from, to)`.
fn but(from: i64, to: i64, end: i64) -> impl Iterator<Item = i64> {
    (0..end).filter(move |m| !(from..to).contains(m))
}

/// One answer, whole to minute 60, with a run of so many minutes without candles from minute 20 on.
fn run_of(len: i64) -> Case {
    Case::new().read("a", 65, 60, but(20, 20 + len, 60))
}

/// The same run, and a market that traded throughout.
fn long_run() -> Case {
    run_of(15).open_market()
}

// A run with a candle after it

#[test]
fn a_run_of_three_is_quiet_and_one_of_four_is_not() {
    for m in 21..=23 {
        assert_eq!(run_of(3).decide(m), close_of("a", 19, 65), "{m}");
    }
    for m in 21..=24 {
        assert_eq!(run_of(4).decide(m), UNPROVEN, "{m}: the whole run counts, not its part before the minute");
    }
}

#[test]
fn a_run_as_long_as_the_symbols_longest_quiet_one_is_quiet() {
    assert_eq!(run_of(6).quiet_limit(6).decide(21), close_of("a", 19, 65));
    assert_eq!(run_of(7).quiet_limit(6).decide(21), UNPROVEN);
    assert_eq!(run_of(3).quiet_limit(0).decide(21), close_of("a", 19, 65), "three whatever the history says");
    assert_eq!(run_of(4).quiet_limit(0).decide(21), UNPROVEN);
}

#[test]
fn a_run_without_a_candle_after_it_is_not_quiet_however_short() {
    let case = Case::new().read("a", 65, 60, 0..20);
    assert_eq!(case.decide(21), Decision::AskMarket, "40 minutes: perhaps nothing traded at all");
    assert_eq!(case.open_market().decide(21), UNPROVEN);
    assert_eq!(Case::new().read("a", 65, 21, 0..20).open_market().decide(21), UNPROVEN);
}

#[test]
fn the_candle_of_the_minute_itself_proves_that_the_run_before_it_is_over() {
    let to = |complete_to| Case::new().read("a", 65, complete_to, but(20, 22, 60)).decide(22);
    assert_eq!(to(23), close_of("a", 19, 65), "candle 22");
    assert_eq!(to(22), UNPROVEN, "not yet whole");
}

#[test]
fn a_bar_after_the_close_proves_quiet_within_the_hour_it_is_asked_for() {
    let bar = |at| Case::new().read("a", LEN + 70, LEN + 65, (0..LEN - 2).chain([at])).quiet_limit(200);
    let priced = close_of("a", LEN - 3, LEN + 70);
    assert_eq!(bar(LEN).decide(LEN - 1), priced);
    assert_eq!(bar(LEN + 59).decide(LEN - 1), priced);
    assert_eq!(bar(LEN + 60).decide(LEN - 1), UNPROVEN, "with a calendar around the clock that is the next day");
}

#[test]
fn minutes_after_the_close_count_in_the_length_of_a_run() {
    let bar = |at| Case::new().read("a", LEN + 65, LEN + 60, (0..LEN - 2).chain([at])).decide(LEN - 1);
    assert_eq!(bar(LEN), close_of("a", LEN - 3, LEN + 65));
    assert_eq!(bar(LEN + 1), close_of("a", LEN - 3, LEN + 65), "three");
    assert_eq!(bar(LEN + 2), UNPROVEN, "four");
}

#[test]
fn a_late_source_does_not_make_the_other_ones_hole_look_short() {
    // Source `a` has a hole from 20 to 40; `b` is complete to 38 only and had every candle.
    let case = Case::new().read("a", 65, 60, but(20, 40, 60)).read("b", 65, 38, 0..38).open_market();
    assert_eq!(case.decide(38), close_of("b", 37, 65));
    assert_eq!(case.decide(39), UNPROVEN, "what `b` will say of 38 is not known, and `a` knows nothing there");
    let own = Case::new().read("a", 65, 60, but(36, 39, 60)).read("b", 65, 38, 0..38);
    assert_eq!(own.decide(39), close_of("b", 37, 65), "here its own run is short");
}

// Agreement

#[test]
fn a_longer_run_is_quiet_when_a_second_source_has_it_too() {
    assert_eq!(long_run().decide(30), UNPROVEN);
    let agreeing = |minutes: Vec<i64>, to| long_run().read("b", 66, to, minutes).decide(30);
    assert_eq!(agreeing(but(20, 35, 60).collect(), 60), close_of("a", 19, 65));
    assert_eq!(agreeing(but(20, 50, 60).collect(), 60), close_of("a", 19, 65), "its own run may be longer");
    assert_eq!(agreeing((0..20).collect(), 60), UNPROVEN, "it holds no candle at or after the minute");
    assert_eq!(agreeing(but(20, 35, 60).collect(), 35), UNPROVEN, "nor does this one, being late");
    assert_eq!(agreeing(vec![], 60), UNPROVEN, "an empty answer agrees to nothing");
}

#[test]
fn a_second_source_agrees_at_the_candle_of_the_minute_itself_too() {
    let earlier = |m: i64| long_run().earlier("b", 66, 60, (0..20).chain([m])).decide(30);
    assert_eq!(earlier(30), close_of("a", 19, 65));
    assert_eq!(earlier(29), UNPROVEN, "that denies it");
    let in_hand = long_run().read("b", 66, 60, (0..20).chain([29])).decide(30);
    assert_eq!(in_hand, close_of("b", 29, 66), "in hand it prices");
}

#[test]
fn a_longer_run_is_quiet_when_read_again_an_hour_later() {
    let again = |read_at| long_run().earlier("a", read_at, 40, but(20, 35, 40)).decide(30);
    assert_eq!(again(6), UNPROVEN, "59 minutes before");
    assert_eq!(again(5), close_of("a", 19, 65), "60");
    let short = long_run().earlier("a", 5, 35, 0..20);
    assert_eq!(short.decide(30), UNPROVEN, "that read held no candle after the minute");
}

#[test]
fn an_earlier_read_with_a_candle_in_the_run_denies_it() {
    let contradicting = |m: i64| run_of(3).earlier("b", 40, 30, (0..20).chain([m])).decide(22);
    assert_eq!(contradicting(20), UNPROVEN);
    assert_eq!(contradicting(21), UNPROVEN);
    assert_eq!(contradicting(22), close_of("a", 19, 65), "the minute's own candle is not in the run before it");
    let agreed = long_run().read("b", 66, 60, but(20, 35, 60)).earlier("a", 5, 30, (0..20).chain([25]));
    assert_eq!(agreed.decide(30), UNPROVEN, "even where two others agree");
    assert_eq!(agreed.decide(25), close_of("a", 19, 65), "minutes before that candle are not concerned");
}

// A later quote

#[test]
fn a_later_quote_that_shows_a_trade_before_the_run_proves_it_quiet() {
    // Minute 22, of which candle 21 is missing; priced by candle 20, which ended at 21:00.
    let case = || Case::new().read("a", 65, 22, 0..21).open_market();
    assert_eq!(case().decide(22), UNPROVEN);
    let priced = close_of("a", 20, 65);
    assert_eq!(case().quote(23, 21 * 60 - 1).decide(22), priced);
    assert_eq!(case().quote(23, 21 * 60).decide(22), UNPROVEN, "a trade at the candle's end is after it");
    assert_eq!(case().quote(22, 21 * 60 - 1).decide(22), UNPROVEN, "not a later one");
    assert_eq!(case().quote(21, 21 * 60 - 1).decide(22), UNPROVEN, "not a later one");
    assert_eq!(case().quote(23, 20 * 60).decide(22), priced, "exactly three minutes old");
    assert_eq!(case().quote(23, 20 * 60 - 1).decide(22), UNPROVEN, "suspect, so it proves nothing");
    assert_eq!(case().quote(23, 21 * 60 - 1).but(|row| row.basis = Basis::Close).decide(22), UNPROVEN);
    assert_eq!(case().quote(23, 21 * 60 - 1).but(|row| row.traded_at = None).decide(22), UNPROVEN);
}

#[test]
fn a_later_quote_proves_nothing_once_a_suspect_one_shows_the_same_trade() {
    let case = || Case::new().read("a", 65, 22, 0..21).open_market().quote(23, 1_250);
    assert_eq!(case().quote(24, 1_251).decide(22), close_of("a", 20, 65), "suspect, but another trade's");
    assert_eq!(case().quote(24, 1_250).decide(22), UNPROVEN, "perhaps frozen since that trade");
    let healed = case().quote(24, 1_250).but(|row| row.basis = Basis::Close);
    assert_eq!(healed.decide(22), close_of("a", 20, 65), "no quote, so no suspect");
}

#[test]
fn a_later_quote_proves_nothing_of_minutes_before_the_first_candle() {
    let case = Case::new().read("a", 65, 2, []).earlier("a", 66, 60, [30]).open_market().previous(99.0);
    assert_eq!(case.quote(2, 59).decide(1), UNPROVEN);
}

#[test]
fn a_later_quote_does_not_override_a_candle_in_the_run() {
    let case = Case::new().read("a", 65, 22, 0..21).earlier("b", 40, 30, 0..22).open_market();
    assert_eq!(case.quote(23, 21 * 60 - 1).decide(22), UNPROVEN);
}

#[test]
fn a_quote_just_after_an_unannounced_close_proves_nothing_until_the_market_is_known() {
    let case = || Case::new().read("a", 65, 22, 0..21).quote(23, 21 * 60 - 1);
    assert_eq!(case().decide(22), Decision::AskMarket);
    assert_eq!(case().market(traded(0..21, 22)).decide(22), Decision::AskMarket, "a minute of silence");
    assert_eq!(case().market(traded(0..21, 30)).decide(22), Decision::AskMarket, "nine minutes");
    assert_eq!(case().market(traded(0..21, 31)).decide(22), ABSENT, "ten");
    assert_eq!(case().market(traded((0..21).chain([22]), 23)).decide(22), close_of("a", 20, 65), "it went on");
}

// The tail

/// Reads of a session whose last candle is at minute 300, at the close and so many minutes later.
fn tail_read_again(apart: i64) -> Case {
    let first = LEN + 5;
    Case::new().earlier("a", first, LEN, 0..=300).read("a", first + apart, LEN + 60, 0..=300).open_market()
}

#[test]
fn a_tail_is_quiet_once_two_reads_past_the_close_agree_an_hour_apart() {
    let once = Case::new().read("a", LEN + 65, LEN + 60, 0..=300).open_market();
    assert_eq!(once.decide(302), UNPROVEN);
    assert_eq!(tail_read_again(59).decide(302), UNPROVEN);
    for m in [302, 350, LEN - 1] {
        assert_eq!(tail_read_again(60).decide(m), close_of("a", 300, LEN + 65), "{m}");
    }
}

#[test]
fn a_tail_is_not_quiet_by_two_sources_at_once() {
    let both = Case::new().read("a", LEN + 65, LEN + 60, 0..=300).read("b", LEN + 65, LEN + 60, 0..=300);
    assert_eq!(both.open_market().decide(302), UNPROVEN);
}

#[test]
fn both_reads_of_a_tail_are_past_the_close_and_hold_other_candles_of_the_session() {
    let first = |complete_to, minutes: Vec<i64>| {
        let case = Case::new().earlier("a", LEN + 5, complete_to, minutes).read("a", LEN + 65, LEN + 60, 0..=300);
        case.open_market().decide(302)
    };
    assert_eq!(first(LEN - 1, (0..=300).collect()), UNPROVEN);
    assert_eq!(first(LEN, vec![]), UNPROVEN);
    assert_eq!(first(LEN, vec![-5, LEN + 5]), UNPROVEN, "none of the session");
    assert_eq!(first(LEN, vec![7]), close_of("a", 300, LEN + 65));
}

#[test]
fn a_candle_of_an_earlier_read_in_the_tail_denies_it_from_there_on() {
    let case = tail_read_again(60).earlier("b", 345, 340, 0..=320);
    assert_eq!(case.decide(320), UNPROVEN, "the run before 301 is denied by 301");
    let case = tail_read_again(60).earlier("b", 345, 340, (0..=300).chain([320]));
    assert_eq!(case.decide(320), close_of("a", 300, LEN + 65));
    assert_eq!(case.decide(321), UNPROVEN);
}

#[test]
fn bars_after_the_close_in_a_tails_reads_do_not_price_and_change_nothing() {
    let bars: Vec<i64> = (0..=300).chain([LEN + 3, LEN + 40]).collect();
    let case = Case::new().earlier("a", LEN + 50, LEN + 45, bars.clone()).read("a", LEN + 110, LEN + 60, bars);
    for m in [302, LEN - 1] {
        assert_eq!(case.decide(m), Decision::AskMarket, "90 minutes");
    }
    let case = case.open_market();
    for m in [302, LEN - 1] {
        assert_eq!(case.decide(m), close_of("a", 300, LEN + 110), "{m}");
    }
}

#[test]
fn the_last_nine_minutes_of_a_session_need_no_market_and_the_last_ten_do() {
    let tail = |last: i64| {
        let case = Case::new().earlier("a", LEN + 5, LEN, 0..=last).read("a", LEN + 65, LEN + 60, 0..=last);
        case.decide(LEN - 1)
    };
    assert_eq!(tail(LEN - 10), close_of("a", LEN - 10, LEN + 65));
    assert_eq!(tail(LEN - 11), Decision::AskMarket);
}

// The market

#[test]
fn a_run_of_nine_minutes_needs_no_market_and_one_of_ten_does() {
    assert_eq!(run_of(9).quiet_limit(20).decide(21), close_of("a", 19, 65));
    assert_eq!(run_of(10).quiet_limit(20).decide(21), Decision::AskMarket);
    assert_eq!(run_of(10).decide(21), Decision::AskMarket, "also to say why it stays open");
    assert_eq!(run_of(10).quiet_limit(20).open_market().decide(21), close_of("a", 19, 65));
}

#[test]
fn a_market_absent_for_ten_minutes_overrides_every_proof_and_nine_do_not() {
    let agreed = |from, to| {
        let case = run_of(15).quiet_limit(99).read("b", 66, 60, but(20, 35, 60));
        case.market(traded(but(from, to, 60), 60)).decide(30)
    };
    assert_eq!(agreed(20, 29), close_of("a", 19, 65));
    assert_eq!(agreed(20, 30), ABSENT);
    assert_eq!(agreed(29, 39), ABSENT, "one minute of it is in the run before the minute");
    assert_eq!(agreed(30, 40), close_of("a", 19, 65), "none is");
    assert_eq!(agreed(10, 20), close_of("a", 19, 65), "it was over when the run began");
    assert_eq!(agreed(11, 21), ABSENT);
}

#[test]
fn a_market_absent_in_a_tail_is_a_close_nobody_announced() {
    let closed = |at| tail_read_again(60).market(traded(0..at, LEN)).decide(LEN - 1);
    assert_eq!(closed(301), ABSENT);
    assert_eq!(closed(LEN - 10), ABSENT);
    assert_eq!(closed(LEN - 9), close_of("a", 300, LEN + 65), "nine minutes to the close are none");
}

#[test]
fn a_known_absence_overrides_a_short_run_too() {
    let case = run_of(2).market(traded(but(15, 30, 60), 60));
    assert_eq!(case.decide(21), ABSENT);
}

#[test]
fn a_market_that_is_not_known_far_enough_stops_only_runs_that_need_it() {
    assert_eq!(run_of(3).market(traded(0..10, 10)).decide(22), close_of("a", 19, 65));
    assert_eq!(run_of(12).quiet_limit(20).market(traded(0..21, 21)).decide(22), Decision::AskMarket);
    assert_eq!(run_of(12).quiet_limit(20).market(traded(0..22, 22)).decide(22), close_of("a", 19, 65));
}

#[test]
fn without_a_witness_the_symbols_own_answers_decide() {
    assert_eq!(run_of(12).quiet_limit(20).market(Market::NoWitness).decide(21), close_of("a", 19, 65));
    assert_eq!(tail_read_again(60).market(Market::NoWitness).decide(302), close_of("a", 300, LEN + 65));
    assert_eq!(run_of(12).market(Market::NoWitness).decide(21), UNPROVEN);
}

#[test]
fn a_candle_just_before_the_minute_needs_no_proof_whatever_the_market_did() {
    assert_eq!(run_of(12).market(traded([], LEN)).decide(20), close_of("a", 19, 65));
}

#[test]
fn what_is_known_of_the_market_is_said_and_nothing_else() {
    let absent =
        |market, from, to| Case::new().market(market).with(|facts| market_absent(facts, minute(from), minute(to)));
    assert_eq!(absent(Market::NotAsked, 0, 5), None);
    assert_eq!(absent(Market::NoWitness, 0, 5), Some(false));
    assert_eq!(absent(traded(0..20, 20), 10, 20), Some(false));
    assert_eq!(absent(traded(0..20, 20), 10, 21), None, "not asked so far");
    assert_eq!(absent(traded(0..20, 25), 10, 25), None, "five minutes that may become ten");
    assert_eq!(absent(traded(0..20, 25), 10, 20), Some(false), "which do not concern these");
    assert_eq!(absent(traded(0..20, 30), 10, 25), Some(true));
    assert_eq!(absent(traded(0..20, 30), 10, 100), Some(true), "whatever follows");
    assert_eq!(absent(traded(0..LEN - 9, LEN), 0, LEN), Some(false), "the close ends it");
    assert_eq!(absent(traded(0..LEN - 10, LEN + 30), 0, LEN), Some(true));
    assert_eq!(absent(traded(10..LEN, LEN), 0, 1), Some(true), "the first ten minutes");
    assert_eq!(absent(traded(9..LEN, LEN), 0, 1), Some(false), "the first nine: before the open is not the session");
}

// Reads past the close

#[test]
fn a_session_is_read_twice_after_its_close_by_one_source_or_by_any() {
    let case = Case::new().earlier("a", LEN + 5, LEN, []).read("b", LEN + 65, LEN, []);
    assert!(case.with(|facts| read_twice_after_close(facts, None)));
    for name in ["a", "b"] {
        assert!(!case.with(|facts| read_twice_after_close(facts, Some(&crate::case::source(name)))));
    }
    let case = case.read("a", LEN + 65, LEN, []);
    assert!(case.with(|facts| read_twice_after_close(facts, Some(&crate::case::source("a")))));
}

#[test]
fn a_first_minute_is_its_own_run() {
    let judge = |complete_to, minutes: Vec<i64>| {
        let mut case = Case::new();
        case.reads = vec![read("a", 65, complete_to, minutes)];
        case.with(|facts| proof(facts, minute(0), minute(0), None))
    };
    assert_eq!(judge(10, vec![1]), Proof::Quiet);
    assert_eq!(judge(10, vec![3]), Proof::Quiet);
    assert_eq!(judge(10, vec![4]), Proof::Not(OpenReason::UnprovenQuiet));
    assert_eq!(judge(10, vec![0]), Proof::Not(OpenReason::UnprovenQuiet), "it has a candle");
    assert_eq!(at_s(0), minute(0).start());
}
