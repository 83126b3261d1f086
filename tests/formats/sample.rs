//! Rows that differ, tie and repeat at every level of the order of rows; statuses likewise.

use std::collections::BTreeMap;

use mendlake_domain::gap::Unrecoverable;
use mendlake_domain::minute::Minute;
use mendlake_domain::quote::{Basis, Day, Price, Row, StoredRow};
use mendlake_domain::status::SessionStatus;
use mendlake_ports::lake::NewObject;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Numbers from a seed.
pub(crate) struct Draw(ChaCha8Rng);

impl Draw {
    fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// One of these.
    fn of<T: Clone>(&mut self, values: &[T]) -> T {
        pick(self.0.next_u32(), values)
    }
}

fn pick<T: Clone>(number: u32, values: &[T]) -> T {
    values[number as usize % values.len()].clone()
}

pub(crate) fn price(price: f64) -> Price {
    Price::new(price).expect("a price")
}

pub(crate) fn minute(text: &str) -> Minute {
    text.parse().expect("a minute")
}

/// How many levels the order of rows has.
const ROW_LEVELS: u32 = 12;

/// A row of a minute. Rows of one symbol-minute are alike in the levels of the order above `from_level`, so that it is
/// decided there or below; each field is one of few values, so that it often is below.
fn row(draw: &mut Draw, alike: &mut Draw, from_level: u32, symbol: &str, minute: Minute) -> StoredRow {
    let at = |ms: i64| minute.start().plus_ms(ms);
    let mut level = 0;
    let mut next = || {
        level += 1;
        if level > from_level { draw.0.next_u32() } else { alike.0.next_u32() }
    };
    let revision = pick(next(), &[0, 0, 0, minute.epoch_s() + 900, minute.epoch_s() + 901]);
    let basis = pick(next(), &[Basis::Quote, Basis::Quote, Basis::Close, Basis::Open, Basis::PreviousClose]);
    let observed_at = at(pick(next(), &[1_600, 1_601, 900_000]));
    let traded = [None, Some(at(-700)), Some(at(-180_000)), Some(at(-180_001)), Some(at(-4_000_000))];
    let traded_at = pick(next(), &traded);
    let source = pick(next(), &["finnhub", "alpaca:sip"]).parse().expect("source");
    let price = pick(next(), &[price(100.25), price(100.26), price(1e-9)]);
    let stored_at = at(pick(next(), &[1_700, 1_701, 900_100]));
    let mut day_price = || pick(next(), &[None, Price::new(99.5), Price::new(0.1 + 0.2)]);
    let day = Day { open: day_price(), high: day_price(), low: day_price(), prev_close: day_price() };
    let symbol = symbol.parse().expect("symbol");
    StoredRow { row: Row { symbol, minute, price, basis, source, traded_at, day, observed_at, revision }, stored_at }
}

/// Objects of two dates, the hour around midnight included: duplicates, corrections, suspects, nulls.
pub(crate) fn objects(seed: u64) -> Vec<NewObject> {
    let mut draw = Draw::new(seed);
    let mut objects = Vec::new();
    for (from, minutes) in [("2026-11-20T14:30:00Z", 100), ("2026-11-20T23:40:00Z", 20), ("2026-11-21T00:00:00Z", 90)] {
        let from = minute(from);
        for batch in 0..6 {
            let mut rows = Vec::new();
            for minute in from.until(from + minutes) {
                for symbol in ["AAPL", "BRK.B", "^GSPC"] {
                    for _ in 0..draw.of(&[0, 0, 1, 2]) {
                        // The same numbers for every row of the symbol-minute.
                        let seed = minute.index().unsigned_abs() ^ u64::from(symbol.as_bytes()[0]) << 32;
                        let mut alike = Draw::new(seed);
                        let from_level = alike.0.next_u32() % ROW_LEVELS;
                        rows.push(row(&mut draw, &mut alike, from_level, symbol, minute));
                    }
                }
            }
            let first_sequence = (objects.len() * 100 + batch).to_string();
            let [stream_id, shard] = ["4f2c", "shardId-000000000000"].map(str::to_owned);
            let object = NewObject { dt: from.date(), stream_id, shard, first_sequence, rows };
            // The same batch cut differently on retry: its second half once more.
            let half = object.rows[object.rows.len() / 2..].to_vec();
            objects.push(NewObject {
                first_sequence: format!("{}", objects.len() * 100 + 50),
                rows: half,
                ..object.clone()
            });
            objects.push(object);
        }
    }
    objects
}

/// How many levels the order of statuses has.
const STATUS_LEVELS: u32 = 16;

/// Statuses of two days, many of one instant.
pub(crate) fn statuses(seed: u64) -> Vec<SessionStatus> {
    let mut draw = Draw::new(seed);
    let mut statuses = Vec::new();
    for open in ["2026-11-20T14:30:00Z", "2026-11-23T14:30:00Z"].map(minute) {
        for symbol in 0..100_u32 {
            for _ in 0..8 {
                let mut alike = Draw::new(u64::from(symbol));
                statuses.push(status(&mut draw, &mut alike, symbol % STATUS_LEVELS, &format!("S{symbol}"), open));
            }
        }
    }
    // As reconcilers append them: not symbol by symbol.
    statuses.sort_by_key(|status| (status.outside, status.gaps, status.expected));
    statuses
}

/// A status; like those of its symbol-session in the levels of the order above `from_level`.
fn status(draw: &mut Draw, alike: &mut Draw, from_level: u32, symbol: &str, open: Minute) -> SessionStatus {
    let mut level = 0;
    let mut next = || {
        level += 1;
        if level > from_level { draw.0.next_u32() } else { alike.0.next_u32() }
    };
    let as_of = open.start().plus_ms(pick(next(), &[300_000, 300_001]));
    let is_final = pick(next(), &[false, true]);
    let gaps = pick(next(), &[0, 1]);
    let open = open + pick(next(), &[0, 1]);
    let close = open + pick(next(), &[210, 390]);
    let expected = pick(next(), &[210, 390]);
    let mut count = || pick(next(), &[0_u32, 1, 2]);
    let present: BTreeMap<Basis, u32> = Basis::ALL.into_iter().map(|basis| (basis, count())).collect();
    let longest_quiet_run = pick(next(), &[None, Some(0), Some(3)]);
    let reasons = [Unrecoverable::NoData, Unrecoverable::PriceBreak, Unrecoverable::UnknownSymbol];
    let mut count = || pick(next(), &[0_u32, 1, 2]);
    let unrecoverable: BTreeMap<Unrecoverable, u32> = reasons.into_iter().map(|why| (why, count())).collect();
    SessionStatus {
        on: open.date(),
        symbol: symbol.parse().expect("symbol"),
        open,
        close,
        expected,
        present: present.into_iter().filter(|(_, count)| *count > 0).collect(),
        longest_quiet_run,
        gaps,
        unrecoverable: unrecoverable.into_iter().filter(|(_, count)| *count > 0).collect(),
        oldest_price_age_s: pick(next(), &[None, Some(-1), Some(60)]),
        outside: pick(next(), &[0, 7]),
        is_final,
        as_of,
    }
}
