//! What there is of each symbol-session, and what must be true of it at any time.

use std::collections::{BTreeMap, BTreeSet};

use mendlake_domain::calendar::{Calendar, Session};
use mendlake_domain::coverage::MinuteSet;
use mendlake_domain::gap::{OpenReason, Unrecoverable, Verdict};
use mendlake_domain::minute::Minute;
use mendlake_domain::quote::{Basis, StoredRow};
use mendlake_domain::symbol::Symbol;
use mendlake_domain::{law, record};
use mendlake_ports::control;
use mendlake_ports::gaps::Gaps;
use mendlake_ports::lake::Lake;

use crate::audit::{broken, told};
use crate::model::{Model, current};
use crate::place::{SimPlace, now};

/// What there is of a symbol-session.
pub(crate) struct State {
    pub(crate) expected: MinuteSet,
    pub(crate) present: MinuteSet,
    pub(crate) open: MinuteSet,
    pub(crate) not_entitled: MinuteSet,
    pub(crate) reasons: BTreeMap<OpenReason, MinuteSet>,
    pub(crate) verdicts: BTreeMap<Unrecoverable, MinuteSet>,
}

impl State {
    /// Every minute given up.
    pub(crate) fn given_up(&self) -> MinuteSet {
        self.verdicts.values().fold(MinuteSet::new(), |all, minutes| all.union(minutes))
    }
}

pub(crate) fn states(place: &SimPlace, model: &Model, horizon: Minute) -> Vec<(Symbol, Session, State)> {
    let verdicts: Vec<Verdict> = now(control::verdicts(place.true_lake()));
    let mut states = Vec::new();
    for session in model.sessions() {
        let calendar = place.truth.calendar().session_on(session.on).ok().flatten().unwrap_or(session);
        let coverage = now(place.true_lake().coverage(calendar.open, calendar.close));
        let items = now(place.true_ledger().of_session(session.on));
        for symbol in model.symbols() {
            let item = items.iter().find(|item| item.gap.symbol == symbol).map(|item| &item.gap);
            let mut given_up: BTreeMap<Unrecoverable, MinuteSet> = BTreeMap::new();
            for verdict in verdicts.iter().filter(|v| v.on == session.on && v.symbol == symbol) {
                given_up.entry(verdict.reason).or_default().extend_set(&verdict.minutes);
            }
            let reasons = item.map(|gap| gap.open.clone()).unwrap_or_default();
            let state = State {
                expected: model.expected(&session, &symbol, horizon),
                present: coverage.present(&symbol),
                open: item.map(|gap| gap.open_minutes()).unwrap_or_default(),
                not_entitled: reasons.get(&OpenReason::NotEntitled).cloned().unwrap_or_default(),
                reasons,
                verdicts: given_up,
            };
            states.push((symbol, session, state));
        }
    }
    states
}

/// Laws 2 and 5, of the tables as readers see them.
pub(crate) fn tables(place: &SimPlace) -> Result<(), String> {
    let model = Model::of(place);
    let symbols = model.symbols();
    for session in model.sessions() {
        let calendar = place.truth.calendar();
        let session = calendar.session_on(session.on).ok().flatten().unwrap_or(session);
        let rows = now(place.seen_lake().rows(&symbols, session.open, session.close));
        let coverage = now(place.seen_lake().coverage(session.open, session.close));
        for symbol in &symbols {
            law::readable(symbol, &coverage.present(symbol), &rows).map_err(told)?;
        }
        let best = current(&rows);
        let mut seen = BTreeSet::new();
        let firsts: Vec<StoredRow> =
            rows.iter().filter(|stored| seen.insert((stored.row.symbol.clone(), stored.row.minute))).cloned().collect();
        law::one_current(&firsts).map_err(told)?;
        for first in firsts {
            let ranked = best[&(first.row.symbol.clone(), first.row.minute)];
            // Rows alike in all that ranks are told apart by what does not.
            if ranked.row != first.row {
                let how = format!(
                    "`{}` {} comes first as {:?}, not as {:?}",
                    first.row.symbol, first.row.minute, first.row, ranked.row
                );
                return Err(broken(5, "one current row", how));
            }
        }
    }
    Ok(())
}

/// Whether every row of a record is in the lake.
pub(crate) fn landed(place: &SimPlace, data: &[u8]) -> bool {
    record::decode(data).rows.iter().all(|row| {
        let rows = now(place.true_lake().rows(&[row.symbol.clone()].into(), row.minute, row.minute + 1));
        rows.iter().any(|stored| stored.row == *row)
    })
}

pub(crate) fn live_symbols(model: &Model, minute: Minute) -> usize {
    let symbols = model.symbols();
    let of = |minute: Minute| {
        let session = model.session(Calendar::Xnys.day_of(minute));
        match session.filter(|session| session.contains(minute)) {
            Some(_) => symbols.iter().filter(|symbol| model.watches(symbol, minute)).count(),
            None => 0,
        }
    };
    of(minute).max(of(minute + 1))
}

/// Law 4 of a healed price: it is that of the trades it claims to be of, not of later ones.
pub(crate) fn price_of_its_trade(place: &SimPlace, stored: &StoredRow) -> Result<(), String> {
    let row = &stored.row;
    let price = row.price.get();
    let fits = match (row.basis, row.traded_at) {
        (Basis::Close, Some(ended_at)) => {
            place.served.told(&row.symbol, ended_at.minute() + -1).iter().any(|candle| candle.close == price)
        }
        (Basis::Open, _) => place.served.told(&row.symbol, row.minute).iter().any(|candle| candle.open == price),
        _ => true,
    };
    if fits {
        return Ok(());
    }
    let how = format!(
        "`{}` {} ({}): {price} is of other trades than those before {:?}",
        row.symbol, row.minute, row.basis, row.traded_at
    );
    Err(broken(4, "no look-ahead", how))
}
