//! A provider's candle of one minute.

use serde::{Deserialize, Serialize};

use crate::coverage::MinuteSet;
use crate::minute::{Minute, Timestamp};
use crate::quote::SourceName;

/// Open, high, low, close and volume of one minute; exists only where something traded in it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candle {
    /// The minute, named by its start, as every known vendor does.
    pub minute: Minute,
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Volume in the vendor's unit.
    pub volume: f64,
}

impl Candle {
    /// The instant the candle's minute is over: no price in it is later.
    pub fn end(&self) -> Timestamp {
        self.minute.end()
    }
}

/// One source's answer to one request for candles of one symbol.
#[derive(Clone, Debug, PartialEq)]
pub struct CandleRead {
    /// Who answered.
    pub source: SourceName,
    /// When the answer was received.
    pub read_at: Timestamp,
    /// The end of what this answer can speak of: candles that end later were not yet whole, and their absence says
    /// nothing. At most `read_at` less the source's lateness.
    pub complete_to: Minute,
    /// Candles ascending by minute, one a minute, none ending after `complete_to`.
    candles: Vec<Candle>,
}

impl CandleRead {
    /// An answer from candles in any order: those not wholly before `complete_to` are left out, of two with one minute
    /// the later in the answer stands.
    pub fn new(source: SourceName, read_at: Timestamp, complete_to: Minute, candles: Vec<Candle>) -> Self {
        let mut by_minute = std::collections::BTreeMap::new();
        by_minute.extend(candles.into_iter().filter(|c| c.minute < complete_to).map(|c| (c.minute, c)));
        Self { source, read_at, complete_to, candles: by_minute.into_values().collect() }
    }

    /// The candles, ascending by minute.
    pub fn candles(&self) -> &[Candle] {
        &self.candles
    }

    /// The newest candle of `[from, ended_by)` that had ended by the start of `ended_by`.
    pub fn newest(&self, from: Minute, ended_by: Minute) -> Option<&Candle> {
        let after = self.candles.partition_point(|c| c.minute < ended_by);
        self.candles[..after].last().filter(|c| c.minute >= from)
    }

    /// The candle of exactly this minute.
    pub fn at(&self, minute: Minute) -> Option<&Candle> {
        self.candles.binary_search_by_key(&minute, |c| c.minute).ok().map(|i| &self.candles[i])
    }

    /// Which minutes have a candle.
    pub fn mask(&self) -> MinuteSet {
        self.candles.iter().map(|c| c.minute).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candle(index: i64, close: f64) -> Candle {
        Candle { minute: Minute::from_index(index), open: 1.0, high: 1.0, low: 1.0, close, volume: 1.0 }
    }

    fn read(candles: Vec<Candle>) -> CandleRead {
        CandleRead::new("finnhub".parse().expect("name"), Timestamp::default(), Minute::from_index(100), candles)
    }

    #[test]
    fn an_answer_is_sorted_deduplicated_and_cut_where_it_is_not_whole_yet() {
        let read = read(vec![candle(7, 3.0), candle(5, 1.0), candle(7, 4.0), candle(100, 9.0)]);
        assert_eq!(read.candles().iter().map(|c| c.minute.index()).collect::<Vec<_>>(), [5, 7]);
        assert_eq!(read.at(Minute::from_index(7)).map(|c| c.close), Some(4.0));
        assert_eq!(read.mask().len(), 2);
    }

    #[test]
    fn the_newest_candle_is_one_that_ended_by_then_and_not_before_the_session() {
        let read = read(vec![candle(5, 1.0), candle(7, 3.0)]);
        let newest = |from, by| read.newest(Minute::from_index(from), Minute::from_index(by)).map(|c| c.minute.index());
        assert_eq!(newest(0, 8), Some(7));
        assert_eq!(newest(0, 7), Some(5));
        assert_eq!(newest(6, 7), None);
        assert_eq!(newest(0, 5), None);
    }
}
