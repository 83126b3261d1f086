//! Healing one symbol-session: read candles, decide every missing minute and every suspect row, give up what is lost.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use mendlake_domain::calendar::Session;
use mendlake_domain::candle::CandleRead;
use mendlake_domain::coverage::MinuteSet;
use mendlake_domain::frozen::{self, Verdicts};
use mendlake_domain::gap::{Evidence, Gap, OpenReason, Unrecoverable};
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::price::{
    ASKED_PAST_CLOSE_MIN, Decision, Facts, Market, PREVIOUS_SESSIONS, Previous, PreviousClose, decide,
};
use mendlake_domain::quiet::LIQUID_QUIET_RUN;
use mendlake_domain::quote::{Price, Row, SourceName, StoredRow};
use mendlake_domain::settings::Settings;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::Result;
use mendlake_ports::place::Place;
use mendlake_ports::source::CandleSource;

use crate::calls::{Called, Calls};
use crate::context::{Context, History};
use crate::market::Witnesses;

/// What is to be healed of one symbol-session.
pub(crate) struct Wanted {
    pub(crate) symbol: Symbol,
    pub(crate) session: Session,
    /// Missing minutes, or with `force` every settled expected minute.
    pub(crate) minutes: MinuteSet,
    /// Minutes whose current row is suspect and not decided.
    pub(crate) suspects: MinuteSet,
    /// The symbol's current rows of the session.
    pub(crate) current: Vec<StoredRow>,
    /// Replace what is present.
    pub(crate) force: bool,
    /// The revision of corrections.
    pub(crate) revision: i64,
    /// The latest revision that is not of an instant still to come.
    pub(crate) latest_revision: i64,
}

impl Wanted {
    /// The current row of a minute.
    pub(crate) fn current_row(&self, minute: Minute) -> Option<&StoredRow> {
        // The current rows of one symbol are sorted by minute.
        let at = self.current.binary_search_by_key(&minute, |stored| stored.row.minute);
        at.ok().map(|at| &self.current[at])
    }

    /// The revision of a correction of a minute: the request's, or one more than the current row's where that is of an
    /// instant still to come. Some clock was wrong when that row was made, and until then nothing would come before it: the
    /// lake could not be mended for years. Such a correction is one more row each time its task is delivered.
    fn revision_of(&self, minute: Minute) -> i64 {
        let current = self.current_row(minute).map_or(0, |stored| stored.row.revision);
        if current > self.latest_revision { current.saturating_add(1) } else { self.revision }
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct HealedSession {
    pub(crate) rows: Vec<Row>,
    pub(crate) reads: Vec<Evidence>,
    pub(crate) open: BTreeMap<OpenReason, MinuteSet>,
    pub(crate) given_up: BTreeMap<Unrecoverable, MinuteSet>,
    /// With `force`: minutes whose row stays, and why.
    pub(crate) kept: BTreeMap<OpenReason, MinuteSet>,
    pub(crate) frozen: Verdicts,
    /// Some source was really asked and answered or failed: what only lacked budget or entitlement is no attempt.
    pub(crate) attempted: bool,
}

/// Everything that healing needs beside what is wanted.
pub(crate) struct Healer<'a, P: Place> {
    pub(crate) place: &'a P,
    pub(crate) settings: &'a Settings,
    pub(crate) context: &'a Context,
    pub(crate) history: &'a History,
    pub(crate) calls: Calls<'a, P>,
    pub(crate) witnesses_asked: BTreeSet<(NaiveDate, Symbol)>,
}

/// What is known so far of one symbol-session.
struct Known {
    reads: Vec<CandleRead>,
    must_agree: Vec<SourceName>,
    failed: Vec<OpenReason>,
    market: Market,
    previous: Previous,
}

impl<P: Place> Healer<'_, P> {
    /// Heals what can be healed now. Sources are asked in the configured order until nothing is left to ask for.
    pub(crate) async fn heal(&mut self, wanted: &Wanted, item: &Gap) -> Result<HealedSession> {
        let (reads, must_agree, failed) = (Vec::new(), Vec::new(), Vec::new());
        let mut known = Known { reads, must_agree, failed, market: Market::NotAsked, previous: Previous::NotAsked };
        for source in self.place.candles() {
            if !self.calls.not_entitled(source, &wanted.symbol).await? {
                known.must_agree.push(source.name().clone());
            }
        }
        let mut verdicts = Decided::default();
        for source in self.place.candles() {
            let to = wanted.session.close + ASKED_PAST_CLOSE_MIN;
            match self.calls.candles(source, &wanted.symbol, wanted.session.open, to).await? {
                Called::Failed(reason) => known.failed.push(reason),
                Called::Read(read) => {
                    known.reads.push(read);
                    verdicts = self.judge(wanted, item, &mut known).await?;
                    if verdicts.is_settled() {
                        break;
                    }
                }
            }
        }
        Ok(self.conclude(wanted, known, verdicts))
    }

    /// Decides everything, asking for the close before and for what the market did where a decision hangs on it.
    async fn judge(&mut self, wanted: &Wanted, item: &Gap, known: &mut Known) -> Result<Decided> {
        let own: Vec<Evidence> = known.reads.iter().map(Evidence::of).chain(item.reads.iter().cloned()).collect();
        let witnesses = Witnesses {
            session: wanted.session,
            context: self.context,
            history: self.history,
            settings: self.settings,
        };
        let mut decided = self.decide_all(wanted, item, known);
        if decided.ask_market {
            known.market = witnesses.known(self.place, &wanted.symbol, &own).await?;
            decided = self.decide_all(wanted, item, known);
        }
        if decided.ask_market {
            let asked = &mut self.witnesses_asked;
            known.market = witnesses.ask(self.place, &mut self.calls, asked, &wanted.symbol, &own).await?;
            decided = self.decide_all(wanted, item, known);
        }
        if decided.finds_market_absent() {
            let asked = &mut self.witnesses_asked;
            known.market = witnesses.ask_reference(self.place, &mut self.calls, asked, &wanted.symbol, &own).await?;
            decided = self.decide_all(wanted, item, known);
        }
        if decided.ask_previous {
            known.previous = self.previous_close(wanted).await?;
            decided = self.decide_all(wanted, item, known);
        }
        Ok(decided)
    }

    fn decide_all(&self, wanted: &Wanted, item: &Gap, known: &Known) -> Decided {
        let facts = Facts {
            symbol: &wanted.symbol,
            session: wanted.session,
            reads: &known.reads,
            earlier: &item.reads,
            must_agree: &known.must_agree,
            current: &wanted.current,
            quiet_limit: self.history.longest(&wanted.symbol).unwrap_or(LIQUID_QUIET_RUN),
            market: known.market.clone(),
            previous: known.previous.clone(),
        };
        let mut decided = Decided::default();
        for minute in wanted.minutes.iter() {
            match decide(&facts, minute) {
                Decision::AskMarket => decided.ask_market = true,
                Decision::AskPrevious => decided.ask_previous = true,
                ready => drop(decided.minutes.insert(minute, ready)),
            }
        }
        if !wanted.force {
            decided.frozen = frozen::judge(&facts, &wanted.suspects);
            decided.ask_market |= decided.frozen.ask_market;
            decided.ask_previous |= decided.frozen.ask_previous;
        }
        decided
    }

    /// The close of the last regular candle of the sessions before, each its own priced call.
    async fn previous_close(&mut self, wanted: &Wanted) -> Result<Previous> {
        for session in self.context.schedule.sessions_before(wanted.session.on, PREVIOUS_SESSIONS) {
            let mut failed = Vec::new();
            for source in self.place.candles() {
                match self.calls.candles(source, &wanted.symbol, session.open, session.close).await? {
                    Called::Failed(why) => failed.push(why),
                    Called::Read(read) => {
                        let price = read.candles().last().and_then(|candle| Price::new(candle.close));
                        if let Some(price) = price {
                            let (source, read_at) = (read.source, read.read_at);
                            return Ok(Previous::Known(PreviousClose { price, source, read_at }));
                        }
                    }
                }
            }
            if !is_empty_session(&failed, self.place.candles().len()) {
                // A session further back would be the wrong one while a nearer one has not answered.
                return Ok(Previous::NotAsked);
            }
        }
        Ok(Previous::None)
    }

    /// Turns decisions into rows and reasons.
    fn conclude(&self, wanted: &Wanted, known: Known, decided: Decided) -> HealedSession {
        let no_budget = [OpenReason::NoBudget, OpenReason::NotEntitled, OpenReason::Waiting];
        let attempted = !known.reads.is_empty() || known.failed.iter().any(|why| !no_budget.contains(why));
        let mut healed = HealedSession { attempted, ..HealedSession::default() };
        healed.reads = known.reads.iter().map(Evidence::of).collect();
        let undecided = if known.reads.is_empty() { worst(&known.failed) } else { OpenReason::UnprovenQuiet };
        for minute in wanted.minutes.iter() {
            // A source that failed may hold the candle that the others lack: its failure is then the reason.
            let failed = known.failed.iter().copied().find(|why| *why == OpenReason::Unavailable);
            let is_present = wanted.current_row(minute).is_some();
            let why = match decided.minutes.get(&minute) {
                Some(Decision::Heal(price)) => {
                    let revision = if is_present { wanted.revision_of(minute) } else { 0 };
                    healed.rows.push(price.clone().row(&wanted.symbol, minute, revision));
                    continue;
                }
                Some(Decision::GiveUp(why)) if !is_present => {
                    healed.given_up.entry(*why).or_default().insert(minute);
                    continue;
                }
                Some(Decision::GiveUp(_)) => OpenReason::Empty,
                Some(Decision::Wait(why)) => failed.filter(|_| *why != OpenReason::MarketAbsent).unwrap_or(*why),
                _ => undecided,
            };
            let stays = if is_present { &mut healed.kept } else { &mut healed.open };
            stays.entry(why).or_default().insert(minute);
        }
        for (minute, price) in &decided.frozen.corrected {
            healed.rows.push(price.clone().row(&wanted.symbol, *minute, wanted.revision_of(*minute)));
        }
        healed.frozen = decided.frozen;
        healed
    }
}

/// Whether sources that gave no candle of a session have said that there is none: every one that is entitled to speak,
/// and at least one.
fn is_empty_session(failed: &[OpenReason], sources: usize) -> bool {
    failed.len() < sources && failed.iter().all(|why| *why == OpenReason::NotEntitled)
}

/// Decisions by minute; a minute without one waits for what was to be asked.
#[derive(Default)]
struct Decided {
    minutes: BTreeMap<Minute, Decision>,
    frozen: Verdicts,
    ask_market: bool,
    ask_previous: bool,
}

impl Decided {
    /// Whether some of it waits because nothing liquid traded.
    fn finds_market_absent(&self) -> bool {
        let absent = |decision: &Decision| *decision == Decision::Wait(OpenReason::MarketAbsent);
        let suspects = &self.frozen.waiting;
        self.minutes.values().any(absent) || suspects.iter().any(|(_, why)| *why == OpenReason::MarketAbsent)
    }

    /// Whether another source could change nothing.
    fn is_settled(&self) -> bool {
        let open = |decision: &Decision| matches!(decision, Decision::Wait(_));
        !self.ask_market && !self.ask_previous && !self.minutes.values().any(open) && self.frozen.waiting.is_empty()
    }
}

/// Of several sources' reasons, the one a person can do most about.
fn worst(failed: &[OpenReason]) -> OpenReason {
    let order = [
        OpenReason::Denied,
        OpenReason::Unavailable,
        OpenReason::NoBudget,
        OpenReason::Waiting,
        OpenReason::Rejected,
        OpenReason::NotEntitled,
    ];
    order.into_iter().find(|reason| failed.contains(reason)).unwrap_or(OpenReason::NotEntitled)
}

/// When the next attempt may be made, after what came of this one.
pub(crate) fn next_attempt(
    clock: &impl Clock,
    item: &Gap,
    healed: &HealedSession,
    wanted: &Wanted,
    lateness_ms: i64,
) -> Timestamp {
    let now = clock.now();
    let backed_off = now.plus_ms(mendlake_domain::plan::backoff_ms(item.attempts));
    let of_reason = |(reason, minutes): (&OpenReason, &MinuteSet)| match reason {
        OpenReason::NoBudget => now.minute().end(),
        OpenReason::Waiting => {
            let whole_at = |m: Minute| if m == wanted.session.open { m.end() } else { m.start() }.plus_ms(lateness_ms);
            minutes.first().map_or(backed_off, whole_at).max(now.minute().end())
        }
        OpenReason::NotEntitled | OpenReason::Denied | OpenReason::MarketAbsent | OpenReason::Rejected => {
            now.plus_ms(mendlake_domain::gap::READS_APART_MS)
        }
        OpenReason::Unavailable | OpenReason::Empty | OpenReason::UnprovenQuiet => backed_off,
    };
    healed.open.iter().map(of_reason).min().unwrap_or(backed_off)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absence_of_the_market_is_found_in_missing_minutes_and_in_suspects() {
        let minute = Minute::from_index(0);
        let waiting = |why| Decided { minutes: [(minute, Decision::Wait(why))].into(), ..Decided::default() };
        assert!(waiting(OpenReason::MarketAbsent).finds_market_absent());
        assert!(!waiting(OpenReason::UnprovenQuiet).finds_market_absent());
        let frozen = Verdicts { waiting: vec![(minute, OpenReason::MarketAbsent)], ..Verdicts::default() };
        let suspect = Decided { frozen, ..Decided::default() };
        assert!(suspect.finds_market_absent());
    }

    #[test]
    fn a_source_without_entitlement_does_not_keep_an_empty_session_from_being_empty() {
        assert!(is_empty_session(&[], 1));
        assert!(is_empty_session(&[OpenReason::NotEntitled], 2));
        assert!(!is_empty_session(&[OpenReason::NotEntitled], 1), "nobody has spoken");
        for silent in [OpenReason::Denied, OpenReason::Unavailable, OpenReason::NoBudget, OpenReason::Rejected] {
            assert!(!is_empty_session(&[silent], 2), "{silent:?}: it may have what the other lacks");
        }
    }
}
