use proptest::prelude::*;

use super::*;
use crate::case::{Case, LEN, at_s, close, close_of, minute, price, session, set, traded};

/// The rows of these minutes, each showing the trade of so many seconds after the open, and answers to judge them by.
fn frozen_at(traded_s: i64, minutes: impl IntoIterator<Item = i64>) -> Case {
    minutes.into_iter().fold(Case::new(), |case, m| case.quote(m, traded_s))
}

/// Judges with every suspect row of the case named as one.
fn judged(case: &Case) -> Verdicts {
    let suspect = case.current.iter().filter(|stored| stored.row.is_suspect());
    let suspects = suspect.map(|stored| stored.row.minute).collect();
    case.with(|facts| judge(facts, &suspects))
}

fn corrected(verdicts: &Verdicts) -> MinuteSet {
    verdicts.corrected.iter().map(|(minute, _)| *minute).collect()
}

/// The minutes with any verdict, each as often as it has one.
fn spoken_of(verdicts: &Verdicts) -> Vec<Minute> {
    let corrected = verdicts.corrected.iter().map(|(minute, _)| *minute);
    let waiting = verdicts.waiting.iter().map(|(minute, _)| *minute);
    let kept = verdicts.quiet.iter().chain(verdicts.undecidable.iter());
    let mut all: Vec<Minute> = corrected.chain(waiting).chain(kept).collect();
    all.sort();
    all
}

#[test]
fn a_suspect_row_is_corrected_where_a_candle_started_after_its_trade_and_ended_by_its_minute() {
    // The trade is 30 s into minute 10; the row is that of minute 20.
    let with = |minutes: Vec<i64>| judged(&frozen_at(630, [20]).read("a", 35, 30, minutes));
    let verdicts = with((0..30).collect());
    assert_eq!(verdicts.corrected, [(minute(20), healed(19))]);
    assert_eq!(spoken_of(&verdicts), [minute(20)]);
    assert_eq!(corrected(&with((0..12).chain(19..30).collect())), set([20]));
    assert!(corrected(&with((0..=10).chain(20..30).collect())).is_empty(), "candle 20 ends after it");
}

fn healed(of_session: i64) -> Healed {
    let Decision::Heal(healed) = close_of("a", of_session, 35) else { unreachable!() };
    healed
}

#[test]
fn a_candle_that_started_at_the_trade_or_before_does_not_convict() {
    // Only candle 11 trades after minute 10, so only a trade before it is an old one.
    let with = |traded: Timestamp| {
        let case = frozen_at(0, [15]).but(|row| row.traded_at = Some(traded));
        judged(&case.quiet_limit(9).read("a", 35, 30, (0..12).chain(15..30)))
    };
    assert_eq!(corrected(&with(at_s(660).plus_ms(-1))), set([15]), "the candle started after it");
    assert_eq!(with(at_s(660)).quiet, set([15]), "started with it: the trade may be the candle's last");
    assert_eq!(with(at_s(660).plus_ms(1)).quiet, set([15]));
}

#[test]
fn a_suspect_row_that_nothing_traded_after_stays_once_that_is_proved() {
    let case = |next: i64| frozen_at(630, [14]).read("a", 35, 30, (0..=10).chain(next..30));
    let verdicts = judged(&case(14).quiet_limit(3));
    assert_eq!(verdicts.quiet, set([14]));
    assert_eq!(spoken_of(&verdicts), [minute(14)]);
    let unproven = [(minute(14), OpenReason::UnprovenQuiet)];
    assert_eq!(judged(&case(15)).waiting, unproven, "four minutes without a candle");
    assert_eq!(judged(&case(15).earlier("b", 36, 30, (0..=10).chain(15..30))).quiet, set([14]), "agreed");
}

#[test]
fn an_earlier_answers_candle_after_the_trade_denies_that_the_row_was_right() {
    let case = frozen_at(630, [14]).read("a", 35, 30, (0..=10).chain(14..30));
    let case = case.earlier("b", 36, 30, (0..=10).chain([12]));
    assert_eq!(judged(&case).waiting, [(minute(14), OpenReason::UnprovenQuiet)]);
}

#[test]
fn a_suspect_row_waits_until_an_answer_is_whole_up_to_its_minute() {
    let to = |complete_to| judged(&frozen_at(630, [20]).read("a", 35, complete_to, 0..=10).open_market());
    assert_eq!(to(19).waiting, [(minute(20), OpenReason::Waiting)]);
    assert_eq!(to(20).waiting, [(minute(20), OpenReason::UnprovenQuiet)]);
    assert_eq!(judged(&frozen_at(630, [20])).waiting, [(minute(20), OpenReason::Waiting)], "nobody was asked");
}

#[test]
fn a_wrong_row_waits_for_its_price_like_a_gap() {
    let wrong = |minutes: Vec<i64>| judged(&frozen_at(630, [20]).read("a", 35, 30, minutes).open_market());
    let hole = wrong((0..=12).chain(21..30).collect());
    assert_eq!(hole.waiting, [(minute(20), OpenReason::UnprovenQuiet)], "wrong, but by what?");
    assert_eq!(wrong((0..=16).chain(20..30).collect()).corrected, [(minute(20), healed(16))]);
}

#[test]
fn a_row_that_depends_on_the_market_asks_for_it() {
    let quiet = |market| judged(&frozen_at(630, [25]).read("a", 45, 40, 0..=10).market(market));
    assert!(quiet(crate::price::Market::NotAsked).ask_market);
    let absent = quiet(traded(0..=10, 40));
    assert_eq!(absent.waiting, [(minute(25), OpenReason::MarketAbsent)]);
    assert!(!absent.ask_market && !absent.ask_previous);
    let wrong = frozen_at(630, [25]).read("a", 45, 40, 0..=13);
    let wrong = judged(&wrong);
    assert!(wrong.ask_market && spoken_of(&wrong).is_empty());
}

#[test]
fn every_other_row_of_a_wrong_ones_trade_is_judged_though_it_is_not_suspect() {
    // Frozen from 10:30 on; rows 11 to 20 show that trade, of which 14 to 20 are suspect.
    let case = frozen_at(630, 11..=20).quote(21, 1_255).read("a", 35, 30, 0..30);
    let verdicts = judged(&case);
    assert_eq!(corrected(&verdicts), set(12..=20));
    assert_eq!(verdicts.undecidable, set([11]), "no whole candle lies between its trade and its minute");
    assert_eq!(spoken_of(&verdicts), (11..=20).map(minute).collect::<Vec<_>>(), "21 shows another trade");
    for (minute, healed) in &verdicts.corrected {
        assert_eq!(healed.traded_at, Some(minute.start()));
    }
}

#[test]
fn other_rows_of_a_trade_are_looked_at_only_when_one_was_wrong() {
    let case = frozen_at(630, [11, 12, 13, 14]).read("a", 35, 30, (0..=10).chain(14..30));
    assert_eq!(spoken_of(&judged(&case)), [minute(14)]);
}

#[test]
fn rows_of_a_wrong_ones_trade_from_before_the_next_candle_stay() {
    // Nothing traded in 11 and 12: the rows of 12 and 13 were right, that of 14 was not.
    let case = frozen_at(630, 11..=14).read("a", 35, 30, (0..=10).chain(13..30));
    let verdicts = judged(&case);
    assert_eq!(corrected(&verdicts), set([14]));
    assert_eq!((verdicts.quiet, verdicts.undecidable), (set([12, 13]), set([11])));
}

#[test]
fn a_row_a_whole_minute_after_its_trade_is_undecidable_and_one_more_is_not() {
    let siblings = frozen_at(660, [11, 12, 20]).read("a", 35, 30, 0..30);
    let verdicts = judged(&siblings);
    assert_eq!(verdicts.undecidable, set([11, 12]), "the trade is the first instant of 11");
    assert_eq!(corrected(&verdicts), set([20]));
}

#[test]
fn quotes_do_not_vouch_for_each_other() {
    // Row 21 is wrong. Of row 12 no candle can tell yet, though row 13 shows an older trade still.
    let case = frozen_at(630, [12, 21]).quote(13, 625).read("a", 35, 30, (0..=10).chain(20..30));
    let verdicts = judged(&case.open_market());
    assert_eq!(corrected(&verdicts), set([21]));
    assert_eq!(verdicts.waiting, [(minute(12), OpenReason::UnprovenQuiet)]);
}

#[test]
fn suspects_not_named_are_not_judged_unless_they_share_a_wrong_trade() {
    let case = frozen_at(630, [20]).quote(25, 700).read("a", 35, 30, 0..30);
    let only = |minutes| case.with(|facts| spoken_of(&judge(facts, &minutes)));
    assert_eq!(only(set([20])), [minute(20)]);
    assert_eq!(only(set([])), []);
    let shared = frozen_at(630, [20, 25]).read("a", 35, 30, 0..30);
    assert_eq!(shared.with(|facts| spoken_of(&judge(facts, &set([25])))), [minute(20), minute(25)]);
}

#[test]
fn a_row_named_though_it_is_not_suspect_is_judged_only_for_the_trade_it_shares() {
    let case = frozen_at(630, [12, 25]).quote(16, 850).read("a", 35, 30, 0..30);
    let named = case.with(|facts| judge(facts, &set([12, 16, 25])));
    assert_eq!(spoken_of(&named), [minute(12), minute(25)]);
}

#[test]
fn healed_and_corrected_rows_and_quotes_without_a_time_are_no_suspects() {
    for change in
        [(|row: &mut Row| row.basis = Basis::Close) as fn(&mut Row), |row| row.revision = 1, |row| row.traded_at = None]
    {
        let case = frozen_at(630, [20]).but(change).read("a", 35, 30, 0..30);
        let verdicts = case.with(|facts| judge(facts, &set([20])));
        assert_eq!(verdicts, Verdicts::default());
    }
}

#[test]
fn a_row_that_is_three_minutes_old_is_not_judged_by_itself() {
    let case = |ms| {
        let traded = at_s(17 * 60).plus_ms(ms);
        frozen_at(0, [20]).but(|row| row.traded_at = Some(traded)).read("a", 35, 30, 0..30)
    };
    assert_eq!(case(0).with(|facts| judge(facts, &set([20]))), Verdicts::default());
    assert_eq!(corrected(&case(-1).with(|facts| judge(facts, &set([20])))), set([20]));
}

#[test]
fn rows_that_an_overlay_took_out_of_the_session_are_left_alone() {
    // The session closed at 210; the provider went on answering, and sold bars of the hour after.
    let mut case = frozen_at(209 * 60 + 50, [209, 213, 215, 230]).read("a", 275, 270, 0..270);
    case.session = session(210);
    assert_eq!(judged(&case), Verdicts::default());
    case.session = session(LEN);
    assert_eq!(corrected(&judged(&case)), set([213, 215, 230]));
}

#[test]
fn candles_before_the_open_do_not_convict() {
    let case = frozen_at(-630, [3]).read("a", 35, 30, [-5, -1].into_iter().chain(3..30));
    assert_eq!(judged(&case.previous(99.0)).quiet, set([3]));
}

#[test]
fn suspects_of_a_session_without_any_candle_are_undecidable_once_that_is_proved() {
    let case = || frozen_at(630, [20]).read("a", LEN + 65, LEN + 60, []).open_market();
    assert_eq!(judged(&case()).waiting, [(minute(20), OpenReason::Empty)]);
    assert_eq!(judged(&case().earlier("a", LEN + 6, LEN, [])).waiting, [(minute(20), OpenReason::Empty)]);
    let verdicts = judged(&case().earlier("a", LEN + 5, LEN, []));
    assert_eq!(verdicts.undecidable, set([20]));
    assert_eq!(spoken_of(&verdicts), [minute(20)]);
}

#[test]
fn the_last_rows_of_a_session_are_judged_by_its_tail() {
    let case = |apart| {
        let case = frozen_at(300 * 60 + 30, [310, LEN - 1]).earlier("a", LEN + 5, LEN, 0..=300);
        case.read("a", LEN + 5 + apart, LEN + 60, 0..=300).open_market()
    };
    assert_eq!(judged(&case(59)).waiting.len(), 2);
    assert_eq!(judged(&case(60)).quiet, set([310, LEN - 1]));
}

/// Minutes of the session that the property is tried on.
const SHORT: i64 = 60;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Two honest answers past the close: every suspect gets one verdict, the one that the candles alone give.
    #[test]
    fn every_suspect_is_decided_once_and_as_the_candles_say(
        trades in prop::collection::btree_set(0..SHORT, 1..50),
        rows in prop::collection::btree_map(1..SHORT, 0..SHORT * 60_000, 0..30),
    ) {
        let case = Case { session: session(SHORT), ..Case::new() };
        let mut case = case
            .earlier("a", SHORT + 5, SHORT, trades.clone())
            .read("a", SHORT + 65, SHORT + 60, trades.clone())
            .open_market();
        for (m, traded_ms) in rows.iter().filter(|(m, traded_ms)| **traded_ms < **m * 60_000) {
            case = case.quote(*m, 0).but(|row| row.traded_at = Some(at_s(0).plus_ms(*traded_ms)));
        }
        let verdicts = judged(&case);
        prop_assert!(verdicts.waiting.is_empty() && !verdicts.ask_market && !verdicts.ask_previous);
        let spoken = spoken_of(&verdicts);
        prop_assert!(spoken.windows(2).all(|pair| pair[0] < pair[1]), "one verdict a minute");
        for stored in case.current.iter().filter(|stored| stored.row.is_suspect()) {
            prop_assert!(spoken.contains(&stored.row.minute));
        }
        for m in spoken {
            let of_session = m.since(minute(0));
            let traded_ms = rows[&of_session];
            let newer = trades.iter().rev().find(|t| **t < of_session && **t * 60_000 > traded_ms);
            match verdicts.corrected.iter().find(|(minute, _)| *minute == m) {
                Some((_, healed)) => prop_assert_eq!(newer.map(|t| price(close("a", *t))), Some(healed.price)),
                None => prop_assert_eq!(newer, None, "row {}", of_session),
            }
        }
    }
}
