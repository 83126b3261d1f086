//! What a minute of a symbol is.

use mendlake_domain::coverage::{Held, MinuteSet};
use mendlake_domain::gap::Gap;
use mendlake_domain::minute::Minute;
use mendlake_domain::quote::Basis;

/// What a minute of a symbol is. Of several in one column the greatest is shown: what most wants to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Outside the session, or not watched.
    NotExpected,
    /// Not settled yet.
    Future,
    /// A live sample.
    Quote,
    /// Healed from candles.
    Healed(Basis),
    /// A row that was wrong and has been replaced.
    Corrected,
    /// A sample so old that the provider may have been frozen; not decided yet.
    Suspect,
    /// A live sample that is known to be of a frozen quote: of a rehearsal, which is looked at afterwards.
    Frozen,
    /// Given up.
    Unrecoverable,
    /// Missing.
    Open,
}

impl State {
    /// Its letter.
    pub const fn letter(self) -> char {
        match self {
            Self::NotExpected => ' ',
            Self::Future => '_',
            Self::Quote => '█',
            Self::Healed(Basis::Quote | Basis::Close) => '▒',
            Self::Healed(Basis::Open) => 'o',
            Self::Healed(Basis::PreviousClose) => 'p',
            Self::Corrected => '▓',
            Self::Suspect | Self::Frozen => 'z',
            Self::Unrecoverable => 'x',
            Self::Open => '!',
        }
    }

    /// Its name, as JSON has it.
    pub fn name(self) -> String {
        match self {
            Self::Healed(basis) => basis.to_string(),
            Self::Future => "not_settled".into(),
            other => other.meaning().replace(' ', "_"),
        }
    }

    /// What the letter means.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::NotExpected => "not expected",
            Self::Future => "not settled yet",
            Self::Quote => "quote",
            Self::Healed(Basis::Quote | Basis::Close) => "healed: close",
            Self::Healed(Basis::Open) => "healed: open",
            Self::Healed(Basis::PreviousClose) => "healed: previous close",
            Self::Corrected => "corrected",
            Self::Suspect => "suspect",
            Self::Frozen => "frozen quote",
            Self::Unrecoverable => "unrecoverable",
            Self::Open => "open",
        }
    }

    /// The parameters of the terminal's escape that paints it.
    pub(super) const fn paint(self) -> &'static str {
        match self {
            Self::NotExpected => "0",
            Self::Future => "90",
            Self::Quote => "32",
            Self::Healed(_) => "36",
            Self::Corrected => "35",
            Self::Suspect | Self::Frozen => "33",
            Self::Unrecoverable => "31",
            Self::Open => "1;31",
        }
    }
}

/// The states of `[from, to)` of one symbol: of what is expected, what the lake holds and what the ledger says. Minutes
/// from `horizon` on have not settled: what is missing of them is not open yet.
pub fn states([from, to, horizon]: [Minute; 3], expected: &MinuteSet, held: &Held, item: Option<&Gap>) -> Vec<State> {
    let of_item = |set: fn(&Gap) -> MinuteSet| item.map(set).unwrap_or_default();
    let given_up = of_item(Gap::unrecoverable_minutes);
    let suspects = held.unrevised_suspects().difference(&of_item(Gap::upheld_minutes));
    let basis = |minute: &Minute| {
        let has = |basis: &Basis| held.by_basis.get(basis).is_some_and(|set| set.contains(*minute));
        Basis::ALL.into_iter().find(has)
    };
    let state = |minute: Minute| match basis(&minute) {
        _ if !expected.contains(minute) => State::NotExpected,
        Some(_) if held.revised.contains(minute) => State::Corrected,
        Some(_) if suspects.contains(minute) => State::Suspect,
        Some(Basis::Quote) => State::Quote,
        Some(healed) => State::Healed(healed),
        None if given_up.contains(minute) => State::Unrecoverable,
        None if minute >= horizon => State::Future,
        None => State::Open,
    };
    from.until(to).map(state).collect()
}

#[cfg(test)]
mod tests {
    use mendlake_domain::gap::Unrecoverable;

    use super::*;

    #[test]
    fn every_minute_has_the_state_that_lake_and_ledger_give_it() {
        let begin: Minute = "2026-11-20T14:30:00Z".parse().expect("minute");
        let only = |offset: i64| MinuteSet::between(begin + offset, begin + offset + 1);
        let mut held = Held::default();
        held.by_basis.insert(Basis::Quote, MinuteSet::between(begin + 1, begin + 4));
        held.by_basis.insert(Basis::PreviousClose, only(4));
        held.suspect = MinuteSet::between(begin + 2, begin + 4);
        held.revised = only(3);
        let mut item = Gap::new(begin.date(), "SPY".parse().expect("symbol"), begin.start());
        item.give_up(Unrecoverable::NoData, &only(5));
        let expected = MinuteSet::between(begin + 1, begin + 8);
        let states = states([begin, begin + 9, begin + 7], &expected, &held, Some(&item));
        assert_eq!(
            states,
            [
                State::NotExpected,
                State::Quote,
                State::Suspect,
                State::Corrected,
                State::Healed(Basis::PreviousClose),
                State::Unrecoverable,
                State::Open,
                State::Future,
                State::NotExpected,
            ]
        );
    }

    #[test]
    fn a_suspect_that_was_upheld_is_a_quote() {
        let begin: Minute = "2026-11-20T14:30:00Z".parse().expect("minute");
        let all = MinuteSet::between(begin, begin + 1);
        let held =
            Held { by_basis: [(Basis::Quote, all.clone())].into(), suspect: all.clone(), revised: MinuteSet::new() };
        let mut item = Gap::new(begin.date(), "SPY".parse().expect("symbol"), begin.start());
        item.uphold(mendlake_domain::gap::Upheld::Quiet, &all);
        assert_eq!(states([begin, begin + 1, begin + 1], &all, &held, Some(&item)), [State::Quote]);
        assert_eq!(states([begin, begin + 1, begin + 1], &all, &held, None), [State::Suspect]);
    }
}
