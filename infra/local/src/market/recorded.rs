//! A market from recorded files.
//!
//! A folder holds `bars_*.csv.gz` (symbol, minute_epoch_utc, open, high, low, close, volume, session) and
//! `trades_*.csv.gz` (symbol, epoch_ms_utc, price, size, session, bar_eligible, and maybe cond_hex and suspicious), each
//! with a header. Minutes without trades have no bar. Other files in the folder are left alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{NaiveDate, NaiveTime};
use mendlake_domain::calendar::{Calendar, Session, days_before};
use mendlake_domain::candle::Candle;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::symbol::Symbol;

use super::lines::{Fields, Lines};
use super::tape::{Print, Tape};
use super::{LOOK_BACK_DAYS, Listing, Trade};

/// How many of the recorded days a message names.
const NAMED_DAYS: usize = 5;

/// Which part of a folder to load. Whatever is not loaded is skipped before it is parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Only these symbols; all where it is `None`.
    pub symbols: Option<BTreeSet<Symbol>>,
    /// Only the trading days from the first to the last; all where it is `None`. Bars of the two weeks before are loaded
    /// too, for the previous close.
    pub days: Option<(NaiveDate, NaiveDate)>,
}

/// Why recorded files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordedError {
    /// The folder or a file cannot be opened.
    #[error("cannot open `{path}`: give a folder with recorded market files that can be read")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder has no recorded files.
    #[error(
        "no `bars_*.csv.gz` and no `trades_*.csv.gz` in `{path}`: give a folder that holds some, or use `generated`"
    )]
    NoFiles {
        /// The folder.
        path: PathBuf,
    },
    /// A line or a header is not what it should be.
    #[error("`{file}` line {line}: {why}")]
    Broken {
        /// The file.
        file: String,
        /// The line, from 1, which is the header.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// A symbol was asked for that no file has.
    #[error("`{symbol}` is not among the recorded symbols, which are {has}: choose of these")]
    NoSymbol {
        /// The symbol.
        symbol: Symbol,
        /// Those that are there.
        has: String,
    },
    /// Days were asked for in which none of the symbols traded.
    #[error("nothing is recorded in the sessions from {first} to {last}: {has}")]
    NoSession {
        /// The first day asked for.
        first: NaiveDate,
        /// The last day asked for.
        last: NaiveDate,
        /// The sessions that are there, or some of them with their range.
        has: String,
    },
}

/// A market from recorded files, in memory.
#[derive(Debug)]
pub struct RecordedMarket {
    calendar: Calendar,
    symbols: Vec<Symbol>,
    tapes: HashMap<(usize, NaiveDate), Arc<Tape>>,
    days: BTreeSet<NaiveDate>,
}

impl RecordedMarket {
    /// Loads what is wanted of a folder. Days on which the calendar has no session are left out.
    pub fn load(folder: &Path, calendar: Calendar, wanted: &Wanted) -> Result<Self, RecordedError> {
        let mut loading = Loading::new(calendar, wanted);
        let (bars, trades) = files(folder)?;
        for path in bars {
            loading.read_bars(&path)?;
        }
        for path in trades {
            loading.read_trades(&path)?;
        }
        loading.finish()
    }

    pub(super) fn calendar(&self) -> Calendar {
        self.calendar
    }

    pub(super) fn listings(&self) -> Vec<Listing> {
        let listing = |s: &Symbol| Listing { symbol: s.clone(), description: format!("recorded: {s}") };
        self.symbols.iter().map(listing).collect()
    }

    /// The days in which some symbol traded in regular hours.
    pub(super) fn days(&self) -> impl Iterator<Item = NaiveDate> {
        self.days.iter().copied()
    }

    pub(super) fn tape(&self, index: usize, on: NaiveDate) -> Option<Arc<Tape>> {
        self.tapes.get(&(index, on)).cloned()
    }
}

/// The bars' and the trades' files of a folder, each by name.
fn files(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), RecordedError> {
    let unreadable = |source| RecordedError::Unreadable { path: folder.to_owned(), source };
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(unreadable)?;
    let (mut bars, mut trades) = (Vec::new(), Vec::new());
    for path in entries.into_iter().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match name.strip_suffix(".csv.gz") {
            Some(stem) if stem.starts_with("bars_") => bars.push(path),
            Some(stem) if stem.starts_with("trades_") => trades.push(path),
            _ => {}
        }
    }
    if bars.is_empty() && trades.is_empty() {
        return Err(RecordedError::NoFiles { path: folder.to_owned() });
    }
    bars.sort();
    trades.sort();
    Ok((bars, trades))
}

/// What has been read of a symbol's trading day.
#[derive(Default)]
struct Day {
    bars: BTreeMap<Minute, Candle>,
    prints: Vec<Print>,
}

struct Loading<'a> {
    calendar: Calendar,
    wanted: &'a Wanted,
    read: HashMap<(Symbol, NaiveDate), Day>,
    symbols: BTreeSet<Symbol>,
    /// The trading day of the line before, and the instants it spans: the next line is nearly always of it.
    on: NaiveDate,
    span: (Timestamp, Timestamp),
    /// Its session, until a line was seen that lies in it.
    unseen: Option<Session>,
    /// The days of whose sessions something was seen, wanted or not.
    seen: BTreeSet<NaiveDate>,
}

impl<'a> Loading<'a> {
    fn new(calendar: Calendar, wanted: &'a Wanted) -> Self {
        let span = (Timestamp::default(), Timestamp::default());
        let (read, symbols) = (HashMap::new(), BTreeSet::new());
        Self { calendar, wanted, read, symbols, on: NaiveDate::MIN, span, unseen: None, seen: BTreeSet::new() }
    }

    fn read_bars(&mut self, path: &Path) -> Result<(), RecordedError> {
        let columns = ["symbol", "minute_epoch_utc", "open", "high", "low", "close", "volume", "session"];
        let (mut lines, [symbol, minute, open, high, low, close, volume, session]) = Lines::open(path, columns, &[])?;
        let mut names = Names::default();
        while let Some(fields) = lines.next()? {
            let Some(name) = names.of(&fields, symbol, self)? else {
                continue;
            };
            let epoch_s = fields.whole(minute)?;
            let wrong = || fields.line.broken(format!("not a multiple of 60: `{epoch_s}`"));
            let minute = Minute::from_epoch_s(epoch_s).ok_or_else(wrong)?;
            let Some(on) = self.day_of(minute.start(), LOOK_BACK_DAYS) else {
                continue;
            };
            check_session(&fields, session)?;
            let [open, high, low, close] =
                [fields.price(open)?, fields.price(high)?, fields.price(low)?, fields.price(close)?];
            if high < open.max(close) || low > open.min(close) {
                return Err(fields.line.broken("the high is not the highest or the low not the lowest"));
            }
            let candle = Candle { minute, open, high, low, close, volume: fields.amount(volume)? };
            if self.read.entry((name.clone(), on)).or_default().bars.insert(minute, candle).is_some() {
                return Err(fields.line.broken(format!("a second bar of `{name}` for {minute}")));
            }
        }
        Ok(())
    }

    fn read_trades(&mut self, path: &Path) -> Result<(), RecordedError> {
        let columns = ["symbol", "epoch_ms_utc", "price", "size", "session", "bar_eligible"];
        let (mut lines, [symbol, at, price, size, session, eligible]) =
            Lines::open(path, columns, &["cond_hex", "suspicious"])?;
        let mut names = Names::default();
        while let Some(fields) = lines.next()? {
            let Some(name) = names.of(&fields, symbol, self)? else {
                continue;
            };
            let traded_at = Timestamp::from_epoch_ms(fields.whole(at)?);
            let Some(on) = self.day_of(traded_at, 0) else { continue };
            check_session(&fields, session)?;
            let eligible = match fields.bytes(eligible) {
                b"0" => false,
                b"1" => true,
                _ => return Err(fields.line.broken("`bar_eligible` is neither 0 nor 1")),
            };
            let trade = Trade { price: fields.price(price)?, traded_at };
            let print = Print { trade, size: fields.amount(size)?, eligible };
            match self.read.get_mut(&(name.clone(), on)) {
                Some(day) => day.prints.push(print),
                None => drop(self.read.insert((name, on), Day { prints: vec![print], ..Day::default() })),
            }
        }
        Ok(())
    }

    /// The trading day of an instant; `None` where it is not wanted, or up to `before` days before what is.
    fn day_of(&mut self, at: Timestamp, before: u64) -> Option<NaiveDate> {
        if at < self.span.0 || at >= self.span.1 {
            self.on = self.calendar.day_of(at.minute());
            let midnight = |day| self.calendar.at_wall_time(day, NaiveTime::MIN).start();
            self.span = (midnight(self.on), midnight(self.on.succ_opt().unwrap_or(NaiveDate::MAX)));
            self.unseen = self.calendar.session_on(self.on).ok().flatten();
        }
        if self.unseen.is_some_and(|session| session.contains(at.minute())) {
            self.unseen = None;
            self.seen.insert(self.on);
        }
        let wanted = |(first, last): (NaiveDate, NaiveDate)| (days_before(first, before)..=last).contains(&self.on);
        self.wanted.days.is_none_or(wanted).then_some(self.on)
    }

    fn finish(self) -> Result<RecordedMarket, RecordedError> {
        let has = |symbols: &BTreeSet<Symbol>| symbols.iter().map(Symbol::as_str).collect::<Vec<_>>().join(", ");
        for symbol in self.wanted.symbols.iter().flatten() {
            if !self.symbols.contains(symbol) {
                return Err(RecordedError::NoSymbol { symbol: symbol.clone(), has: has(&self.symbols) });
            }
        }
        let wanted = |symbol: &&Symbol| self.wanted.symbols.as_ref().is_none_or(|symbols| symbols.contains(*symbol));
        let symbols: Vec<Symbol> = self.symbols.iter().filter(wanted).cloned().collect();
        let mut market =
            RecordedMarket { calendar: self.calendar, symbols, tapes: HashMap::new(), days: BTreeSet::new() };
        for ((symbol, on), day) in self.read {
            let session = self.calendar.session_on(on).ok().flatten();
            let (Some(session), Ok(index)) = (session, market.symbols.binary_search(&symbol)) else {
                continue;
            };
            let tape = tape(&session, day);
            if tape.regular_close(None).is_some() {
                market.days.insert(on);
            }
            market.tapes.insert((index, on), Arc::new(tape));
        }
        if let Some((first, last)) = self.wanted.days
            && market.days.range(first..=last).next().is_none()
        {
            return Err(RecordedError::NoSession { first, last, has: told(&self.seen, first) });
        }
        Ok(market)
    }
}

/// The days there are in words: those next to the day that was asked for, and the range of all.
fn told(days: &BTreeSet<NaiveDate>, asked: NaiveDate) -> String {
    let (Some(first), Some(last)) = (days.first(), days.last()) else {
        return "of these symbols nothing is recorded on any day: choose others".to_owned();
    };
    let mut near: Vec<NaiveDate> = days.iter().copied().collect();
    near.sort_by_key(|day| day.signed_duration_since(asked).num_days().abs());
    near.truncate(NAMED_DAYS);
    near.sort();
    let named = near.iter().map(NaiveDate::to_string).collect::<Vec<_>>().join(", ");
    match days.len() {
        count if count <= NAMED_DAYS => format!("choose of {named}"),
        count => format!("choose of the {count} days from {first} to {last}, such as {named}"),
    }
}

fn tape(session: &Session, day: Day) -> Tape {
    let bars: Vec<Candle> = day.bars.into_values().collect();
    if day.prints.iter().any(|print| print.eligible) {
        Tape::of_trades(session, day.prints, (!bars.is_empty()).then_some(bars))
    } else {
        Tape::of_bars(session, bars)
    }
}

/// Regular, extended or continuous. Which minutes are regular is the calendar's to say; another letter is another format.
fn check_session(fields: &Fields<'_>, place: usize) -> Result<(), RecordedError> {
    match fields.bytes(place) {
        b"R" | b"X" | b"C" => Ok(()),
        _ => Err(fields.line.broken("`session` is none of R, X and C")),
    }
}

/// The symbol of the line before: the next line nearly always has it too.
#[derive(Default)]
struct Names {
    bytes: Vec<u8>,
    symbol: Option<Symbol>,
}

impl Names {
    /// The line's symbol, `None` where it is not wanted.
    fn of(
        &mut self,
        fields: &Fields<'_>,
        place: usize,
        loading: &mut Loading<'_>,
    ) -> Result<Option<Symbol>, RecordedError> {
        if self.bytes != fields.bytes(place) || self.bytes.is_empty() {
            let symbol: Symbol = fields.text(place)?.parse().map_err(|error| fields.line.broken(format!("{error}")))?;
            self.bytes = fields.bytes(place).to_owned();
            let wanted = loading.wanted.symbols.as_ref().is_none_or(|symbols| symbols.contains(&symbol));
            loading.symbols.insert(symbol.clone());
            self.symbol = wanted.then_some(symbol);
        }
        Ok(self.symbol.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::Market;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    const BARS: &str = "symbol,minute_epoch_utc,open,high,low,close,volume,session\n";
    const TRADES: &str = "symbol,epoch_ms_utc,price,size,session,cond_hex,suspicious,bar_eligible\n";

    fn folder(files: &[(&str, String)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("folder");
        for (name, text) in files {
            let file = std::fs::File::create(folder.path().join(name)).expect("file");
            let mut gz = GzEncoder::new(file, Compression::fast());
            gz.write_all(text.as_bytes()).expect("write");
            gz.finish().expect("finish");
        }
        folder
    }

    fn load(folder: &tempfile::TempDir, wanted: &Wanted) -> Result<Market, RecordedError> {
        RecordedMarket::load(folder.path(), Calendar::Xnys, wanted).map(Market::from)
    }

    fn refused(files: &[(&str, String)]) -> String {
        load(&folder(files), &Wanted::default()).expect_err("a refusal").to_string()
    }

    /// 2013-10-07 13:30Z is 1381152600.
    fn two_symbols() -> tempfile::TempDir {
        folder(&[
            (
                "bars_a.csv.gz",
                format!(
                    "{BARS}T,1380893400,9,9,9,9,1,R\nT,1381152600,10,12,9,11,300,R\nB,1381152600,5,6,4,5.5,10,R\nB,1381152720,5,5,5,5,10,R\n"
                ),
            ),
            (
                "trades_a.csv.gz",
                format!(
                    "{TRADES}T,1381152601500,10,100,R,0,0,1\nT,1381152630000,99,100,R,20,0,0\nT,1381152659000,11,100,R,0,0,1\n"
                ),
            ),
            ("seconds_a.csv.gz", "not read".to_owned()),
        ])
    }

    fn at(text: &str) -> Timestamp {
        format!("2013-10-07T{text}Z").parse().expect("an instant")
    }

    #[test]
    fn quotes_come_from_eligible_trades_where_a_session_has_some_else_from_bars() {
        let market = load(&two_symbols(), &Wanted::default()).expect("a market");
        let price = |symbol, time| market.standing(symbol, at(time)).map(|s| (s.last.price, s.last.traded_at));
        assert_eq!(price("T", "13:30:01.499").map(|p| p.0), Some(9.0), "Friday's last");
        assert_eq!(price("T", "13:30:31"), Some((10.0, at("13:30:01.500"))));
        assert_eq!(price("T", "13:31:00"), Some((11.0, at("13:30:59"))));
        assert_eq!(price("B", "13:30:59"), None);
        assert_eq!(price("B", "13:31:00"), Some((5.5, at("13:30:59.999"))));
        let standing = market.standing("T", at("13:31:00")).expect("standing");
        assert_eq!(
            (standing.open, standing.high, standing.low, standing.previous_close),
            (10.0, 11.0, 10.0, Some(9.0))
        );
        let candles = market.candles("T", at("13:30:00").minute(), at("20:00:00").minute());
        assert_eq!(
            candles.iter().map(|c| (c.open, c.high, c.volume)).collect::<Vec<_>>(),
            [(10.0, 12.0, 300.0)],
            "the bar's"
        );
    }

    #[test]
    fn only_what_is_wanted_is_loaded_and_the_close_before_it() {
        let day: NaiveDate = "2013-10-07".parse().expect("day");
        let symbols = Some(["T".parse().expect("symbol")].into());
        let market = load(&two_symbols(), &Wanted { symbols, days: Some((day, day)) }).expect("a market");
        assert_eq!(market.symbols().len(), 1);
        assert_eq!(market.standing("T", at("13:30:31")).expect("standing").previous_close, Some(9.0));
        assert_eq!(market.sessions(day, day).len(), 1);
        assert_eq!(market.standing("B", at("15:00:00")), None);
    }

    #[test]
    fn what_is_not_there_is_named_with_what_is() {
        let symbols = Some(["X".parse().expect("symbol")].into());
        let error = load(&two_symbols(), &Wanted { symbols, days: None }).expect_err("no such symbol").to_string();
        assert!(error.contains("`X`") && error.contains("B, T"), "{error}");
        let day: NaiveDate = "2013-10-08".parse().expect("day");
        let error =
            load(&two_symbols(), &Wanted { symbols: None, days: Some((day, day)) }).expect_err("none").to_string();
        assert!(error.contains("2013-10-08") && error.ends_with("choose of 2013-10-04, 2013-10-07"), "{error}");
        let day: NaiveDate = "2020-03-02".parse().expect("day");
        let far = Wanted { symbols: Some(["B".parse().expect("symbol")].into()), days: Some((day, day)) };
        let error = load(&two_symbols(), &far).expect_err("none").to_string();
        assert!(error.ends_with("choose of 2013-10-07"), "of this symbol, and though it is not loaded: {error}");
    }

    #[test]
    fn of_many_days_a_few_are_named_with_the_range_of_all() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("day");
        let days = day("2013-10-01").iter_days().take(31).collect();
        assert_eq!(
            told(&days, day("2013-10-20")),
            "choose of the 31 days from 2013-10-01 to 2013-10-31, such as 2013-10-18, 2013-10-19, 2013-10-20, 2013-10-21, \
             2013-10-22"
        );
        assert!(told(&BTreeSet::new(), day("2013-10-20")).contains("nothing is recorded on any day"));
    }

    #[test]
    fn a_folder_without_recorded_files_says_what_to_give() {
        let error = refused(&[("readme.csv.gz", String::new())]);
        assert!(error.contains("bars_*.csv.gz") && error.contains("generated"), "{error}");
        let missing = RecordedMarket::load(Path::new("no/such/folder"), Calendar::Xnys, &Wanted::default());
        assert!(missing.expect_err("missing").to_string().contains("no/such/folder"));
    }

    #[test]
    fn a_broken_line_is_refused_with_its_file_and_number() {
        for (line, says) in [
            ("T,1381152600,10,12,9,11,300", "8 columns"),
            ("T,1381152600,10,12,9,11,300,R,1", "8 columns"),
            ("T,1381152601,10,12,9,11,300,R", "multiple of 60"),
            ("T,soon,10,12,9,11,300,R", "`soon`"),
            ("T,1381152600,0,12,9,11,300,R", "price above 0"),
            ("T,1381152600,NaN,12,9,11,300,R", "`NaN`"),
            ("T,1381152600,10,10,9,11,300,R", "high"),
            ("T,1381152600,10,12,9,11,-3,R", "`-3`"),
            ("T,1381152600,10,12,9,11,300,Q", "R, X and C"),
            ("t,1381152600,10,12,9,11,300,R", "`t`"),
            ("", "8 columns"),
        ] {
            let error = refused(&[("bars_a.csv.gz", format!("{BARS}T,1380893400,9,9,9,9,1,R\n{line}\n"))]);
            assert!(error.contains("`bars_a.csv.gz` line 3") && error.contains(says), "{line}: {error}");
        }
        let twice = "T,1380893400,9,9,9,9,1,R\n".repeat(2);
        assert!(refused(&[("bars_a.csv.gz", format!("{BARS}{twice}"))]).contains("second bar"));
        let error = refused(&[("trades_a.csv.gz", format!("{TRADES}T,1381152601500,10,100,R,0,0,2\n"))]);
        assert!(error.contains("`trades_a.csv.gz` line 2") && error.contains("bar_eligible"), "{error}");
    }

    #[test]
    fn an_unknown_or_missing_column_is_refused_with_those_that_are_known() {
        let error = refused(&[("bars_a.csv.gz", BARS.replace("volume", "vol"))]);
        assert!(error.contains("`vol`") && error.contains("minute_epoch_utc") && error.contains("line 1"), "{error}");
        let error = refused(&[("trades_a.csv.gz", TRADES.replace(",bar_eligible", ""))]);
        assert!(error.contains("no column `bar_eligible`"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_whole_gzip_is_refused_with_its_name() {
        let whole = two_symbols();
        let path = whole.path().join("bars_a.csv.gz");
        let bytes = std::fs::read(&path).expect("read");
        std::fs::write(&path, &bytes[..bytes.len() - 12]).expect("write");
        let error = load(&whole, &Wanted::default()).expect_err("cut").to_string();
        assert!(error.contains("`bars_a.csv.gz`") && error.contains("whole gzip"), "{error}");
    }

    #[expect(clippy::disallowed_methods, reason = "the folder of real data is named by the environment, in tests only")]
    fn real(symbols: &[&str], first: &str, last: &str) -> Option<Market> {
        let Some(folder) = std::env::var_os("MENDLAKE_MARKET") else {
            println!("NOT RUN: MENDLAKE_MARKET is not set");
            return None;
        };
        let symbols = Some(symbols.iter().map(|symbol| symbol.parse().expect("symbol")).collect());
        let days = Some((first.parse().expect("day"), last.parse().expect("day")));
        let wanted = Wanted { symbols, days };
        Some(RecordedMarket::load(Path::new(&folder), Calendar::Xnys, &wanted).expect("a market").into())
    }

    #[test]
    fn on_real_data_the_last_trade_of_a_minute_is_its_bars_close() {
        let Some(market) = real(&["AIG", "SPY"], "2013-10-07", "2013-10-07") else {
            return;
        };
        let session = market.sessions("2013-10-07".parse().expect("day"), "2013-10-07".parse().expect("day"))[0];
        for (symbol, bars) in [("AIG", 389), ("SPY", 390)] {
            let candles = market.candles(symbol, session.open, session.close);
            assert_eq!(candles.len(), bars, "{symbol}");
            let same = |c: &&Candle| market.last_trade(symbol, c.end().plus_ms(-1)).is_some_and(|t| t.price == c.close);
            let same = candles.iter().filter(same).count();
            assert!(same * 1000 >= bars * 995, "{symbol}: {same} of {bars}");
        }
        let standing = market.standing("SPY", session.close.start().plus_ms(-1)).expect("standing");
        assert!(standing.previous_close.is_some(), "Friday's bars are loaded too");
    }

    #[test]
    fn on_real_data_an_illiquid_symbol_has_bars_and_an_early_close() {
        let Some(market) = real(&["DBB"], "2023-11-20", "2023-11-24") else {
            return;
        };
        let day: NaiveDate = "2023-11-24".parse().expect("day");
        let session = market.sessions(day, day)[0];
        assert_eq!(session.len(), 210);
        let candles = market.candles("DBB", session.open, session.close);
        assert!(!candles.is_empty() && candles.len() < session.len() * 2 / 3, "{}", candles.len());
        let first = candles[0];
        let standing = market.standing("DBB", first.end()).expect("standing");
        assert_eq!((standing.last.price, standing.last.traded_at), (first.close, first.end().plus_ms(-1)));
    }
}
