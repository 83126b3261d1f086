//! The row: one price of one symbol at the start of one minute; its order; and which quotes become rows.

use std::cmp::{Ordering, Reverse};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::calendar::Session;
use crate::minute::{Minute, Timestamp, serde_as_text};
use crate::symbol::Symbol;

/// How long after the start of its minute a quote may be answered and still be a sample of that minute. At 15 s the mean
/// distance from the price at the minute is twice what it is at 2 s.
pub const SAMPLE_WINDOW_MS: i64 = 10_000;

/// How far a provider's clock may run ahead of ours.
pub const PROVIDER_AHEAD_MS: i64 = 5_000;

/// A quote older than this at the start of its minute is suspect: providers serve frozen prices as fresh ones.
pub const SUSPECT_AFTER_MS: i64 = 180_000;

/// What a row's price is. The order is that of preference between rows of one revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// A live sample.
    Quote,
    /// The close of the newest candle of the session that ended at or before the minute.
    Close,
    /// The open of the candle of the session's first minute.
    Open,
    /// The session before's last price, for minutes before a session's first candle.
    PreviousClose,
}

impl Basis {
    /// Every basis, in order of preference.
    pub const ALL: [Self; 4] = [Self::Quote, Self::Close, Self::Open, Self::PreviousClose];

    /// The basis as it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quote => "quote",
            Self::Close => "close",
            Self::Open => "open",
            Self::PreviousClose => "previous_close",
        }
    }
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Basis {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|b| b.as_str() == text).ok_or_else(|| format!("not a basis: `{text}`"))
    }
}

/// Who answered: `finnhub`, `alpaca:sip`. Lower case letters, digits, `:`, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceName(Arc<str>);

impl SourceName {
    /// The name's spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SourceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ":-_".contains(c);
        if text.is_empty() || text.len() > 32 || !text.chars().all(allowed) {
            return Err(format!("not a source's name (lower case letters, digits, `:`, `-`, `_`): `{text}`"));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

serde_as_text!(SourceName);

/// A price that can be stored: finite and above zero, in the currency of the listing, unadjusted.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Price(f64);

impl Price {
    /// The price, or `None` where it is zero, negative, infinite or no number.
    pub fn new(price: f64) -> Option<Self> {
        (price.is_finite() && price > 0.0).then_some(Self(price))
    }

    /// The price as a number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let price = f64::deserialize(deserializer)?;
        Self::new(price).ok_or_else(|| de::Error::custom(format!("not a price above zero: `{price}`")))
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The day's figures a live quote carries; a healed row has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Day {
    /// The day's first price.
    #[serde(rename = "day_open")]
    pub open: Option<Price>,
    /// The day's highest price so far.
    #[serde(rename = "day_high")]
    pub high: Option<Price>,
    /// The day's lowest price so far.
    #[serde(rename = "day_low")]
    pub low: Option<Price>,
    /// The close of the session before.
    #[serde(rename = "prev_close")]
    pub prev_close: Option<Price>,
}

/// The price of one symbol at the start of one minute, as a stream record carries it.
///
/// Identity is `(symbol, minute)`; everything upstream is at least once, so several rows may share it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// As in the watchlist.
    pub symbol: Symbol,
    /// The minute whose start the price is of.
    pub minute: Minute,
    /// The price, in the currency of the listing, unadjusted.
    pub price: Price,
    /// What the price is.
    pub basis: Basis,
    /// Whose answer it comes from.
    pub source: SourceName,
    /// When the trade behind the price happened; an upper bound for `close`, null for `open` and `previous_close`.
    pub traded_at: Option<Timestamp>,
    /// The day's figures.
    #[serde(flatten)]
    pub day: Day,
    /// When the source's answer was received.
    pub observed_at: Timestamp,
    /// 0, or for a correction the epoch second of its request.
    pub revision: i64,
}

impl Row {
    /// Whether this is a quote so old at its minute that the provider may have been frozen.
    pub fn is_suspect(&self) -> bool {
        self.basis == Basis::Quote
            && self.traded_at.is_some_and(|traded| self.minute.start().ms_since(traded) > SUSPECT_AFTER_MS)
    }
}

/// A row with the stream's arrival time of its record: what the lake holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredRow {
    /// The row.
    #[serde(flatten)]
    pub row: Row,
    /// The stream's arrival time: fixed, so that retries write the same rows.
    pub stored_at: Timestamp,
}

impl StoredRow {
    /// The order of rows: the least row of a symbol-minute is its current one.
    ///
    /// Revision descending; basis by preference; `observed_at` ascending, but descending where the revision is above 0;
    /// `traded_at` descending, null last; source; price. `stored_at` and the day's figures come last, so that rows which
    /// differ at all never tie: SQL's `row_number` and this function then agree on every lake.
    pub fn order(&self, other: &Self) -> Ordering {
        let (a, b) = (&self.row, &other.row);
        let observed = |row: &Row| {
            if row.revision > 0 { -row.observed_at.epoch_ms() } else { row.observed_at.epoch_ms() }
        };
        Reverse(a.revision)
            .cmp(&Reverse(b.revision))
            .then(a.basis.cmp(&b.basis))
            .then(observed(a).cmp(&observed(b)))
            .then(b.traded_at.cmp(&a.traded_at))
            .then(a.source.cmp(&b.source))
            .then(a.price.get().total_cmp(&b.price.get()))
            .then(self.stored_at.cmp(&other.stored_at))
            .then_with(|| a.day.key().cmp(&b.day.key()))
    }

    /// The current row of each symbol-minute, sorted by symbol and minute.
    pub fn current(mut rows: Vec<Self>) -> Vec<Self> {
        let identity = |stored: &Self| (stored.row.symbol.clone(), stored.row.minute);
        rows.sort_by(|a, b| identity(a).cmp(&identity(b)).then_with(|| a.order(b)));
        rows.dedup_by(|later, first| identity(later) == identity(first));
        rows
    }
}

impl Day {
    /// Ascending with nulls last, as the view's `ORDER BY … NULLS LAST` has it.
    fn key(&self) -> [(bool, u64); 4] {
        // The bits of positive floats are in the order of the floats.
        [self.open, self.high, self.low, self.prev_close].map(|p| (p.is_none(), p.map_or(0, |p| p.get().to_bits())))
    }
}

/// A provider's current price, as its answer had it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quote {
    /// The current price; may be anything a number can be.
    pub price: f64,
    /// The provider's time of it. Its meaning has changed over the years: it is judged here and never names a minute.
    pub traded_at: Timestamp,
    /// The day's figures; zeros of the provider are already null.
    pub day: Day,
}

/// Why a quote is no sample of its minute. Each is counted, and the minute is left to the reconciler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Asked before the minute began.
    Early,
    /// Answered at or after the minute's first ten seconds.
    Late,
    /// No price above zero.
    NoPrice,
    /// No provider time above zero.
    NoTime,
    /// The provider's time is more than five seconds ahead of reception.
    Ahead,
    /// The provider's time is before today's open: yesterday's price served as today's.
    Stale,
}

/// When a quote was asked for and answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// When the request was sent.
    pub at: Timestamp,
    /// When the answer was received.
    pub answered_at: Timestamp,
}

/// Judges one answer alone: whether it is a sample of `minute` of `session`.
pub fn accept(
    symbol: &Symbol,
    minute: Minute,
    session: &Session,
    source: &SourceName,
    quote: &Quote,
    asked: Asked,
) -> Result<Row, Refusal> {
    if asked.at < minute.start() {
        return Err(Refusal::Early);
    }
    if asked.answered_at.ms_since(minute.start()) >= SAMPLE_WINDOW_MS || asked.answered_at < asked.at {
        return Err(Refusal::Late);
    }
    let price = Price::new(quote.price).ok_or(Refusal::NoPrice)?;
    if quote.traded_at <= Timestamp::default() {
        return Err(Refusal::NoTime);
    }
    if quote.traded_at.ms_since(asked.answered_at) > PROVIDER_AHEAD_MS {
        return Err(Refusal::Ahead);
    }
    if quote.traded_at < session.open.start() {
        return Err(Refusal::Stale);
    }
    Ok(Row {
        symbol: symbol.clone(),
        minute,
        price,
        basis: Basis::Quote,
        source: source.clone(),
        traded_at: Some(quote.traded_at),
        day: quote.day,
        observed_at: asked.answered_at,
        revision: 0,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPEN: i64 = 1_795_185_000; // 2026-11-20T14:30:00Z

    fn at(s: i64) -> Timestamp {
        Timestamp::from_epoch_s(OPEN + s)
    }

    fn session() -> Session {
        let open = at(0).minute();
        Session { on: open.date(), open, close: open + 390 }
    }

    fn quote(price: f64, traded_s: i64) -> Quote {
        Quote { price, traded_at: at(traded_s), day: Day::default() }
    }

    /// Judges a quote of the session's tenth minute, answered 1.6 s in.
    fn judge(quote: Quote, asked_ms: i64, answered_ms: i64) -> Result<Row, Refusal> {
        let minute = session().open + 10;
        let asked = Asked { at: minute.start().plus_ms(asked_ms), answered_at: minute.start().plus_ms(answered_ms) };
        let (symbol, source) = ("AAPL".parse().expect("symbol"), "finnhub".parse().expect("source"));
        accept(&symbol, minute, &session(), &source, &quote, asked)
    }

    #[test]
    fn a_sample_taken_in_its_window_is_a_row() {
        let row = judge(quote(101.5, 598), 1000, 1600).expect("accepted");
        assert_eq!((row.price.get(), row.basis, row.revision), (101.5, Basis::Quote, 0));
        assert_eq!(row.minute, session().open + 10);
        assert!(judge(quote(101.5, 598), 0, 9_999).is_ok(), "asked at M, answered just before M + 10 s");
    }

    #[test]
    fn each_refusal_has_its_own_cause_and_boundary() {
        assert_eq!(judge(quote(1.0, 598), -1, 1600), Err(Refusal::Early));
        assert_eq!(judge(quote(1.0, 598), 1000, 10_000), Err(Refusal::Late));
        for price in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(judge(quote(price, 598), 1000, 1600), Err(Refusal::NoPrice));
        }
        let timeless = Quote { traded_at: Timestamp::default(), ..quote(1.0, 0) };
        assert_eq!(judge(timeless, 1000, 1600), Err(Refusal::NoTime));
        assert_eq!(judge(quote(1.0, 607), 1000, 1600), Err(Refusal::Ahead));
        assert!(judge(quote(1.0, 606), 1000, 1600).is_ok(), "4.4 s ahead of reception");
        assert_eq!(judge(quote(1.0, -1), 1000, 1600), Err(Refusal::Stale));
        assert!(judge(quote(1.0, 0), 1000, 1600).is_ok(), "a trade at the very open is today's");
    }

    #[test]
    fn a_clock_that_ran_backwards_between_asking_and_answering_is_refused() {
        assert_eq!(judge(quote(1.0, 598), 2000, 1600), Err(Refusal::Late));
    }

    #[test]
    fn a_quote_is_suspect_from_more_than_three_minutes_on() {
        let row = judge(quote(1.0, 420), 1000, 1600).expect("accepted");
        assert!(!row.is_suspect(), "exactly three minutes");
        let older = Row { traded_at: Some(at(420).plus_ms(-1)), ..row.clone() };
        assert!(older.is_suspect());
        assert!(!Row { basis: Basis::Close, ..older }.is_suspect(), "a healed row is as old as its candle");
    }

    fn rows() -> impl Strategy<Value = StoredRow> {
        let few = |values: [f64; 2]| prop::sample::select(values.to_vec()).prop_map(Price::new);
        let fields = (
            0_i64..3,
            prop::sample::select(Basis::ALL.to_vec()),
            0_i64..3,
            prop::option::of(0_i64..2),
            prop::sample::select(vec!["alpaca:sip", "finnhub"]),
            few([1.0, 2.0]),
            0_i64..2,
            prop::option::of(few([0.5, 3.0])),
        );
        fields.prop_map(|(revision, basis, observed, traded, source, price, stored, open)| StoredRow {
            row: Row {
                symbol: "A".parse().expect("symbol"),
                minute: Minute::from_index(1),
                price: price.expect("price"),
                basis,
                source: source.parse().expect("source"),
                traded_at: traded.map(Timestamp::from_epoch_ms),
                day: Day { open: open.flatten(), ..Day::default() },
                observed_at: Timestamp::from_epoch_ms(observed),
                revision,
            },
            stored_at: Timestamp::from_epoch_ms(stored),
        })
    }

    proptest! {
        #[test]
        fn the_order_is_total(a in rows(), b in rows(), c in rows()) {
            prop_assert_eq!(a.order(&b), b.order(&a).reverse());
            prop_assert_eq!(a.order(&b) == Ordering::Equal, a == b, "rows that differ never tie");
            if a.order(&b).is_le() && b.order(&c).is_le() {
                prop_assert!(a.order(&c).is_le());
            }
        }

        #[test]
        fn one_row_is_current_whatever_the_order_of_arrival(mut all in prop::collection::vec(rows(), 1..8), by in 0_usize..8) {
            let first = StoredRow::current(all.clone());
            let len = all.len();
            all.rotate_left(by % len);
            prop_assert_eq!(first.len(), 1);
            prop_assert_eq!(first, StoredRow::current(all));
        }
    }

    #[test]
    fn a_correction_beats_a_quote_and_the_latest_answer_of_a_correction_wins() {
        let quoted = judge(quote(1.0, 598), 1000, 1600).expect("accepted");
        let stored = |row: Row| StoredRow { row, stored_at: at(700) };
        let correction = Row { basis: Basis::Close, revision: OPEN + 900, observed_at: at(901), ..quoted.clone() };
        let again = Row { observed_at: at(960), ..correction.clone() };
        let earlier = Row { observed_at: at(599), ..quoted.clone() };
        let current = |rows: Vec<Row>| StoredRow::current(rows.into_iter().map(stored).collect())[0].row.clone();
        assert_eq!(current(vec![quoted.clone(), correction.clone()]), correction);
        assert_eq!(current(vec![correction.clone(), again.clone()]), again);
        assert_eq!(current(vec![quoted, earlier.clone()]), earlier);
    }
}
