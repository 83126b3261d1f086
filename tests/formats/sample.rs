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
        let at = self.0.next_u32() as usize % values.len();
        values[at].clone()
    }
}

pub(crate) fn price(price: f64) -> Price {
    Price::new(price).expect("a price")
}

pub(crate) fn minute(text: &str) -> Minute {
    text.parse().expect("a minute")
}

/// A row of a minute, each field one of few values, so that rows of one minute tie in any of them.
fn row(draw: &mut Draw, symbol: &str, minute: Minute) -> StoredRow {
    let at = |ms: i64| minute.start().plus_ms(ms);
    let basis = draw.of(&[
        Basis::Quote,
        Basis::Quote,
        Basis::Close,
        Basis::Open,
        Basis::PreviousClose,
    ]);
    let maybe = |draw: &mut Draw| draw.of(&[None, Price::new(99.5), Price::new(0.1 + 0.2)]);
    let row = Row {
        symbol: symbol.parse().expect("symbol"),
        minute,
        price: draw.of(&[price(100.25), price(100.26), price(1e-9)]),
        basis,
        source: draw.of(&["finnhub", "alpaca:sip"]).parse().expect("source"),
        traded_at: draw.of(&[
            None,
            Some(at(-700)),
            Some(at(-180_000)),
            Some(at(-180_001)),
            Some(at(-4_000_000)),
        ]),
        day: Day {
            open: maybe(draw),
            high: maybe(draw),
            low: maybe(draw),
            prev_close: maybe(draw),
        },
        observed_at: at(draw.of(&[1_600, 1_601, 900_000])),
        revision: draw.of(&[0, 0, 0, minute.epoch_s() + 900, minute.epoch_s() + 901]),
    };
    StoredRow {
        row,
        stored_at: at(draw.of(&[1_700, 1_701, 900_100])),
    }
}

/// Objects of two dates, the hour around midnight included: duplicates, corrections, suspects, nulls.
pub(crate) fn objects(seed: u64) -> Vec<NewObject> {
    let mut draw = Draw::new(seed);
    let mut objects = Vec::new();
    for (from, minutes) in [
        ("2026-11-20T14:30:00Z", 100),
        ("2026-11-20T23:40:00Z", 20),
        ("2026-11-21T00:00:00Z", 90),
    ] {
        let from = minute(from);
        for batch in 0..6 {
            let mut rows = Vec::new();
            for minute in from.until(from + minutes) {
                for symbol in ["AAPL", "BRK.B", "^GSPC"] {
                    rows.extend((0..draw.of(&[0, 0, 1, 2])).map(|_| row(&mut draw, symbol, minute)));
                }
            }
            let first_sequence = (objects.len() * 100 + batch).to_string();
            let [stream_id, shard] = ["4f2c", "shardId-000000000000"].map(str::to_owned);
            let object = NewObject {
                dt: from.date(),
                stream_id,
                shard,
                first_sequence,
                rows,
            };
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

/// Statuses of two days, several of one instant.
pub(crate) fn statuses(seed: u64) -> Vec<SessionStatus> {
    let mut draw = Draw::new(seed);
    let mut statuses = Vec::new();
    for open in ["2026-11-20T14:30:00Z", "2026-11-23T14:30:00Z"].map(minute) {
        for symbol in ["AAPL", "BRK.B", "^GSPC"] {
            for _ in 0..40 {
                statuses.push(status(&mut draw, symbol, open));
            }
        }
    }
    statuses
}

fn status(draw: &mut Draw, symbol: &str, open: Minute) -> SessionStatus {
    let mut count = |_| draw.of(&[0_u32, 1, 2]);
    let present: BTreeMap<Basis, u32> = Basis::ALL.into_iter().map(|basis| (basis, count(0))).collect();
    let reasons = [
        Unrecoverable::NoData,
        Unrecoverable::PriceBreak,
        Unrecoverable::UnknownSymbol,
    ];
    let unrecoverable: BTreeMap<Unrecoverable, u32> = reasons.into_iter().map(|why| (why, count(0))).collect();
    SessionStatus {
        on: open.date(),
        symbol: symbol.parse().expect("symbol"),
        open,
        close: open + draw.of(&[210, 390]),
        expected: draw.of(&[210, 390]),
        present: present.into_iter().filter(|(_, count)| *count > 0).collect(),
        longest_quiet_run: draw.of(&[None, Some(0), Some(3)]),
        gaps: draw.of(&[0, 1]),
        unrecoverable: unrecoverable.into_iter().filter(|(_, count)| *count > 0).collect(),
        oldest_price_age_s: draw.of(&[None, Some(-1), Some(60)]),
        outside: draw.of(&[0, 7]),
        is_final: draw.of(&[false, true]),
        as_of: open.start().plus_ms(draw.of(&[300_000, 300_001])),
    }
}
