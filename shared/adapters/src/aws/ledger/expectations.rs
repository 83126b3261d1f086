//! The ledger's expectations on DynamoDB.
//!
//! An expectation of at most 500 symbols is one item, and one write. A longer one has further items, which are written
//! first; the first item comes last and names them by the recording's digest. So a reader sees one recording whole or the
//! other, whichever is longer and wherever a writer died; items of a recording that was replaced are passed over, and expire.

use futures_util::future::try_join_all;
use mendlake_domain::minute::Minute;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::{Kind, PortError, Result};
use mendlake_ports::expectations::{Expectation, Expectations, SYMBOLS_AN_ITEM};

use super::DynamoDbLedger;
use super::item::{Item, text};
use super::schema::{Key, hour, minutes};
use super::table::Expression;

/// How long an expectation is kept after its minute.
const KEPT_MINUTES: i64 = 30 * 24 * 60;

/// Further items outlive the first by a week: it must not be left alone while DynamoDB deletes in an order of its own.
const FURTHER_KEPT_MINUTES: i64 = KEPT_MINUTES + 7 * 24 * 60;

/// Items of one expectation; their sort keys have four digits.
const MOST_ITEMS: usize = 10_000;

/// Hours asked for at once.
const HOURS_AT_ONCE: usize = 8;

const SET: &str = "set";
const ITEMS: &str = "items";

impl<C: Clock> Expectations for DynamoDbLedger<C> {
    async fn record(&self, expectation: &Expectation) -> Result<()> {
        const DOING: &str = "record expectation";
        let (first, further) = items(expectation)?;
        if !further.is_empty() {
            self.table.put_all(&self.clock, further, DOING).await?;
        }
        self.table.put(first, DOING).await
    }

    async fn expectations(&self, from: Minute, to: Minute) -> Result<Vec<Expectation>> {
        // What is older has expired, whether it is deleted yet or not.
        let from = from.max(self.clock.now().minute().plus(-KEPT_MINUTES));
        let mut spans = Vec::new();
        let mut next = from;
        while next < to {
            let after = to.min(next.hour().minute(59) + 1);
            spans.push((next, after + -1));
            next = after;
        }
        let mut read = Vec::new();
        for some in spans.chunks(HOURS_AT_ONCE) {
            let hours = try_join_all(some.iter().map(|(first, last)| self.within_hour(*first, *last))).await?;
            read.extend(hours.into_iter().flatten());
        }
        Ok(read)
    }
}

impl<C> DynamoDbLedger<C> {
    /// The expectations of minutes of one hour, the last one included.
    async fn within_hour(&self, first: Minute, last: Minute) -> Result<Vec<Expectation>> {
        let (low, high) = minutes(first.of_hour(), last.of_hour());
        let values = [(":hour", text(hour(first.hour()))), (":low", text(low)), (":high", text(high))];
        let keys = Expression::new("#pk = :hour AND #sk BETWEEN :low AND :high", values);
        joined(&self.table.query(None, keys, "read expectations").await?)
    }
}

/// The first item of an expectation, and the further ones.
fn items(whole: &Expectation) -> Result<(Item, Vec<Item>)> {
    let json = serde_json::to_vec(whole).expect("an expectation is JSON: it has no map");
    let set = mendlake_domain::digest::short(&json);
    let count = whole.symbols.len().div_ceil(SYMBOLS_AN_ITEM).max(1);
    if count > MOST_ITEMS {
        let most = MOST_ITEMS * SYMBOLS_AN_ITEM;
        let what = format!("record expectation: more than {most} symbols: {}", whole.symbols.len());
        return Err(PortError::new(Kind::Rejected, what));
    }
    let item = |key, symbols: &[Symbol], kept| {
        let part = Expectation { symbols: symbols.to_vec(), ..whole.clone() };
        Item::new(key).body(&part).text(SET, &set).expires(whole.minute.plus(kept).start())
    };
    let mut chunks = whole.symbols.chunks(SYMBOLS_AN_ITEM);
    // No symbol is an item too, or a minute that expects nothing would look dark.
    let first = item(Key::expectation(whole.minute), chunks.next().unwrap_or_default(), KEPT_MINUTES);
    let further = (1..).zip(chunks);
    let further = further.map(|(n, chunk)| item(Key::chunk(whole.minute, n, &set), chunk, FURTHER_KEPT_MINUTES));
    Ok((first.number(ITEMS, count), further.collect()))
}

/// The expectations of items in the order of their keys.
fn joined(items: &[Item]) -> Result<Vec<Expectation>> {
    let mut read: Vec<Expectation> = Vec::new();
    // The expectation that further items belong to, and how many of its items are still to come.
    let mut current: Option<(&Item, usize)> = None;
    for item in items {
        if item.has(ITEMS) {
            whole(current)?;
            read.push(item.get_body()?);
            current = Some((item, item.get_number::<usize>(ITEMS)?.saturating_sub(1)));
        } else if let (Some((first, missing)), Some(last)) = (&mut current, read.last_mut())
            && first.get_text(SET)? == item.get_text(SET)?
        {
            last.symbols.extend(item.get_body::<Expectation>()?.symbols);
            *missing = missing.saturating_sub(1);
        }
    }
    whole(current)?;
    Ok(read)
}

/// An expectation with less in it than was recorded is no answer.
fn whole(current: Option<(&Item, usize)>) -> Result<()> {
    match current {
        Some((first, missing)) if missing > 0 => {
            Err(PortError::new(Kind::Corrupt, format!("read {}: {missing} of its items are gone", first.name())))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use mendlake_domain::minute::Timestamp;

    use super::*;

    fn expectation(minute: i64, symbols: usize) -> Expectation {
        let minute = Minute::from_index(29_000_000 + minute);
        let symbols = (0..symbols).map(|n| format!("S{n:05}").parse().unwrap()).collect();
        Expectation { minute, symbols, requested_at: minute.start().plus_ms(-1) }
    }

    /// All items by key, as a query gives them.
    fn stored(recorded: &[&Expectation]) -> Vec<Item> {
        let mut all = Vec::new();
        for whole in recorded {
            let (first, further) = items(whole).unwrap();
            all.retain(|kept: &Item| kept.get_text("sk").unwrap() != first.get_text("sk").unwrap());
            all.push(first);
            all.extend(further);
        }
        all.sort_by_key(|item| item.get_text("sk").unwrap().to_owned());
        all
    }

    #[test]
    fn an_item_holds_500_symbols_and_no_symbol_is_an_item() {
        for (symbols, count) in [(0, 1), (1, 1), (500, 1), (501, 2), (1_001, 3)] {
            let (first, further) = items(&expectation(0, symbols)).unwrap();
            assert_eq!((1 + further.len(), first.get_number::<usize>(ITEMS).unwrap()), (count, count), "{symbols}");
        }
        assert_eq!(items(&expectation(0, MOST_ITEMS * SYMBOLS_AN_ITEM + 1)).unwrap_err().kind, Kind::Rejected);
    }

    #[test]
    fn what_was_recorded_is_joined_by_minute() {
        let recorded = [expectation(0, 1_200), expectation(1, 0), expectation(3, 2)];
        assert_eq!(joined(&stored(&recorded.each_ref())).unwrap(), recorded);
    }

    #[test]
    fn items_of_a_recording_that_was_replaced_are_passed_over() {
        let (long, short) = ([expectation(7, 1_700)], [expectation(7, 3)]);
        assert_eq!(joined(&stored(&[&long[0], &short[0]])).unwrap(), short);
        assert_eq!(joined(&stored(&[&short[0], &long[0]])).unwrap(), long);
        let again = Expectation { requested_at: Timestamp::from_epoch_ms(0), ..long[0].clone() };
        assert_eq!(joined(&stored(&[&long[0], &again])).unwrap(), [again], "of one length too");
    }

    #[test]
    fn a_recording_whose_first_item_was_never_written_changes_nothing() {
        let (before, broken) = (expectation(7, 600), expectation(7, 1_700));
        let mut all = stored(&[&before]);
        all.extend(items(&broken).unwrap().1);
        all.sort_by_key(|item| item.get_text("sk").unwrap().to_owned());
        assert_eq!(joined(&all).unwrap(), [before]);
        let (_, alone) = items(&broken).unwrap();
        assert_eq!(joined(&alone).unwrap(), [], "dark: nothing was asked");
    }

    #[test]
    fn an_expectation_that_lost_an_item_is_corrupt() {
        let mut all = stored(&[&expectation(6, 1), &expectation(7, 1_200), &expectation(8, 1)]);
        all.remove(2);
        let error = joined(&all).unwrap_err();
        assert_eq!(error.kind, Kind::Corrupt);
        assert!(error.to_string().ends_with("1 of its items are gone"), "{error}");
    }

    #[test]
    fn expectations_expire_after_30_days_and_further_items_later() {
        let recorded = expectation(0, 501);
        let (first, further) = items(&recorded).unwrap();
        let days = |item: &Item| (item.get_number::<i64>("expires_at").unwrap() - recorded.minute.epoch_s()) / 86_400;
        assert_eq!((days(&first), days(&further[0])), (30, 37));
    }
}
