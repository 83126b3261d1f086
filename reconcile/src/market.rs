//! What the market as a whole did in a session: the witness that tells a quiet run from a closure nobody announced.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use mendlake_domain::calendar::Session;
use mendlake_domain::coverage::MinuteSet;
use mendlake_domain::gap::{Evidence, Gap};
use mendlake_domain::price::{ASKED_PAST_CLOSE_MIN, Market};
use mendlake_domain::quiet::LIQUID_QUIET_RUN;
use mendlake_domain::settings::Settings;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::error::Result;
use mendlake_ports::gaps::{Gaps, VersionedGap, Write};
use mendlake_ports::place::Place;

use crate::calls::{Called, Calls};
use crate::context::{Context, History};
use mendlake_ports::clock::Clock;

/// How often a witness's item is written again after another writer changed it.
const WRITE_TRIES: usize = 3;

/// Witnesses of one session.
pub(crate) struct Witnesses<'a> {
    pub(crate) session: Session,
    pub(crate) context: &'a Context,
    pub(crate) history: &'a History,
    pub(crate) settings: &'a Settings,
}

impl Witnesses<'_> {
    /// What is known without asking anybody: reads kept of other liquid symbols and of the reference symbol, and `of`'s
    /// own fresh reads.
    ///
    /// `NotAsked` where none of the others was read up to where `own` speaks.
    pub(crate) async fn known(&self, place: &impl Place, of: &Symbol, own: &[Evidence]) -> Result<Market> {
        let items = place.ledger().of_session(self.session.on).await?;
        let mut witnesses = self.liquid(of);
        witnesses.push(self.settings.reference.clone());
        let mut others: Vec<&Evidence> = Vec::new();
        for item in items.iter().filter(|item| item.gap.symbol != *of && witnesses.contains(&item.gap.symbol)) {
            others.extend(&item.gap.reads);
        }
        Ok(self.judge(of, own, &others, &items))
    }

    /// Asks one witness: another liquid watched symbol, or the reference symbol.
    pub(crate) async fn ask<P: Place>(
        &self,
        place: &P,
        calls: &mut Calls<'_, P>,
        asked: &mut BTreeSet<(NaiveDate, Symbol)>,
        of: &Symbol,
        own: &[Evidence],
    ) -> Result<Market> {
        let other = self.liquid(of).into_iter().find(|symbol| symbol != of);
        let witness = other.unwrap_or_else(|| self.settings.reference.clone());
        self.read(place, calls, asked, of, &witness).await?;
        self.known(place, of, own).await
    }

    /// Asks the reference symbol, whoever else was heard: a symbol that was liquid until yesterday may be halted today,
    /// and its silence is not the market's.
    pub(crate) async fn ask_reference<P: Place>(
        &self,
        place: &P,
        calls: &mut Calls<'_, P>,
        asked: &mut BTreeSet<(NaiveDate, Symbol)>,
        of: &Symbol,
        own: &[Evidence],
    ) -> Result<Market> {
        self.read(place, calls, asked, of, &self.settings.reference).await?;
        self.known(place, of, own).await
    }

    /// Reads a witness, each at most once a replay, and keeps what it says as evidence.
    async fn read<P: Place>(
        &self,
        place: &P,
        calls: &mut Calls<'_, P>,
        asked: &mut BTreeSet<(NaiveDate, Symbol)>,
        of: &Symbol,
        witness: &Symbol,
    ) -> Result<()> {
        if witness == of || !asked.insert((self.session.on, witness.clone())) {
            return Ok(());
        }
        for source in place.candles() {
            let to = self.session.close + ASKED_PAST_CLOSE_MIN;
            if let Called::Read(read) = calls.candles(source, witness, self.session.open, to).await? {
                return keep(place, self.session.on, witness, Evidence::of(&read)).await;
            }
        }
        Ok(())
    }

    /// Watched symbols whose history says they trade every few minutes. Without history nothing is known to be liquid;
    /// where nothing other than `of` itself is, the reference symbol is the witness.
    fn liquid(&self, of: &Symbol) -> Vec<Symbol> {
        let expected = |symbol: &Symbol| !self.context.expected(&self.session, symbol, self.session.close).is_empty();
        let trades = |symbol: &Symbol| self.history.longest(symbol).is_some_and(|run| run <= LIQUID_QUIET_RUN);
        let mut liquid: Vec<Symbol> =
            self.context.watchlist.ever().into_iter().filter(|symbol| trades(symbol) && expected(symbol)).collect();
        if liquid.iter().all(|symbol| symbol == of) && self.settings.reference != *of {
            liquid.push(self.settings.reference.clone());
        }
        liquid
    }

    fn judge(&self, of: &Symbol, own: &[Evidence], others: &[&Evidence], items: &[VersionedGap]) -> Market {
        let needed = own.iter().map(|read| read.complete_to).max().unwrap_or(self.session.open).min(self.session.close);
        let Some(complete_to) = others.iter().map(|read| read.complete_to).max().filter(|to| *to >= needed) else {
            return if *of == self.settings.reference { self.of_reference(own) } else { Market::NotAsked };
        };
        let counts_itself = self.liquid(of).contains(of);
        let itself = own.iter().filter(|_| counts_itself);
        let minutes = itself.chain(others.iter().copied()).fold(MinuteSet::new(), |all, read| all.union(&read.candles));
        let minutes = minutes.within(self.session.open, self.session.close);
        if minutes.is_empty() && self.anybody_traded(own, items) {
            // A witness without any candle of a session that others traded in is none.
            return Market::NoWitness;
        }
        Market::Traded { minutes, complete_to }
    }

    /// The reference symbol is its own witness where nothing else liquid is watched.
    fn of_reference(&self, own: &[Evidence]) -> Market {
        match own.iter().map(|read| read.complete_to).max() {
            None => Market::NotAsked,
            Some(complete_to) => {
                let minutes = own.iter().fold(MinuteSet::new(), |all, read| all.union(&read.candles));
                Market::Traded { minutes: minutes.within(self.session.open, self.session.close), complete_to }
            }
        }
    }

    fn anybody_traded(&self, own: &[Evidence], items: &[VersionedGap]) -> bool {
        let traded = |read: &Evidence| !read.candles.within(self.session.open, self.session.close).is_empty();
        own.iter().any(traded) || items.iter().any(|item| item.gap.reads.iter().any(traded))
    }
}

/// Keeps a read with the symbol's item. Losing one costs a call.
pub(crate) async fn keep(place: &impl Place, on: NaiveDate, symbol: &Symbol, read: Evidence) -> Result<()> {
    for _ in 0..WRITE_TRIES {
        let stored = place.ledger().gap(on, symbol).await?;
        let version = stored.as_ref().map_or(0, |item| item.version);
        let mut gap = stored.map_or_else(|| Gap::new(on, symbol.clone(), place.clock().now()), |item| item.gap);
        gap.note_read(read.clone());
        if let Write::Stored(_) = place.ledger().write(&gap, version).await? {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use mendlake_domain::calendar::Calendar;
    use mendlake_domain::overlay::{Overlay, Schedule};
    use mendlake_domain::watchlist::{Edit, Version, Watchlist};

    use super::*;

    fn symbol(text: &str) -> Symbol {
        text.parse().expect("a symbol")
    }

    /// The witnesses for `of`, where these are watched and have these longest quiet runs.
    fn witnesses(watched: &[(&str, i64)], of: &str) -> Vec<String> {
        let session = Calendar::Xnys.session_on("2026-11-20".parse().expect("a day"));
        let session = session.expect("in range").expect("a session");
        let add = watched.iter().map(|(text, _)| symbol(text)).collect();
        let edit = Edit::Change { from: session.open, add, remove: BTreeSet::new() };
        let (who, why) = (String::new(), String::new());
        let version = Version { v: 1, edit, who, why, made_at: session.open.start() };
        let schedule = Schedule { calendar: Calendar::Xnys, overlay: Overlay::default() };
        let context = Context::of(schedule, Watchlist::new(&[version]));
        let history = History::of(watched.iter().map(|(text, run)| (symbol(text), *run)));
        let settings = Settings::default();
        let witnesses = Witnesses { session, context: &context, history: &history, settings: &settings };
        witnesses.liquid(&symbol(of)).iter().map(Symbol::to_string).collect()
    }

    #[test]
    fn watched_symbols_that_trade_every_few_minutes_are_witnesses_for_the_others() {
        assert_eq!(witnesses(&[("AAPL", 0), ("FXY", 40), ("INDA", 3)], "FXY"), ["AAPL", "INDA"]);
        assert_eq!(witnesses(&[("AAPL", 0), ("INDA", 3)], "INDA"), ["AAPL", "INDA"]);
    }

    #[test]
    fn the_reference_symbol_is_the_witness_where_no_other_liquid_one_is_watched() {
        assert_eq!(witnesses(&[("FXY", 40)], "FXY"), ["SPY"]);
        assert_eq!(witnesses(&[("INDA", 1), ("FXY", 40)], "INDA"), ["INDA", "SPY"], "its own word alone is none");
        assert!(witnesses(&[("FXY", 40)], "SPY").is_empty(), "the reference symbol judges itself");
    }
}
