//! The bad day: what goes wrong, and when.

use mendlake_domain::calendar::Session;
use mendlake_domain::minute::Timestamp;

use crate::finnhub::{Endpoint, Fault, Script, What, When};

/// Minutes of a full session; shorter ones have everything earlier and for as long.
const FULL_MIN: i64 = 390;

/// Everything that goes wrong on one session.
#[derive(Clone, Debug)]
pub struct BadDay {
    session: Session,
}

/// Something that begins or ends, for whoever tells the story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// When.
    pub at: Timestamp,
    /// What, in words.
    pub text: String,
}

impl BadDay {
    /// The bad day of this session.
    pub fn of(session: &Session) -> Self {
        Self { session: *session }
    }

    /// An instant so many minutes into a full session, at the same fraction of a shorter one.
    fn at(&self, minute: i64) -> Timestamp {
        let len = self.session.close.since(self.session.open);
        (self.session.open + minute * len / FULL_MIN).start()
    }

    /// `[from, from + for_min)`.
    fn span(&self, minute: i64, for_min: i64) -> (Timestamp, Timestamp) {
        let from = self.at(minute);
        (from, from.plus_s(for_min * 60))
    }

    fn down(&self) -> (Timestamp, Timestamp) {
        self.span(40, 22)
    }

    fn throttled(&self) -> (Timestamp, Timestamp) {
        self.span(165, 8)
    }

    /// When quotes are frozen.
    pub fn frozen(&self) -> (Timestamp, Timestamp) {
        self.span(215, 25)
    }

    fn late(&self) -> (Timestamp, Timestamp) {
        self.span(285, 45)
    }

    /// When the scheduler is dead: 17 minutes go without a tick.
    pub fn dark(&self) -> Vec<(Timestamp, Timestamp)> {
        let (from, to) = self.span(110, 17);
        // Ticks run shortly before their minute.
        vec![(from.plus_s(-30), to.plus_s(-30))]
    }

    /// When the lander is killed.
    pub fn lander_dies(&self) -> Vec<Timestamp> {
        vec![self.at(85), self.at(265)]
    }

    /// What goes wrong at the vendors.
    pub fn script(&self) -> Script {
        let between =
            |what, (from, to): (Timestamp, Timestamp)| Fault::between(what, When::Instant(from), When::Instant(to));
        let quotes = vec![Endpoint::Quote];
        let faults = vec![
            between(What::Down { status: 502 }, self.down()),
            Fault { endpoints: quotes.clone(), draw_one: true, ..Fault::always(What::Reset) },
            Fault { probability: 0.5, endpoints: quotes, ..between(What::Throttled, self.throttled()) },
            between(What::Frozen, self.frozen()),
            between(What::CandlesLate { minutes: 9 }, self.late()),
        ];
        Script { faults, holidays: Vec::new() }
    }

    /// What happens, in order, in words.
    pub fn turns(&self) -> Vec<Turn> {
        let mut turns = Vec::new();
        let mut turn = |at: Timestamp, text: &str| turns.push(Turn { at, text: text.to_owned() });
        turn(self.session.open.start(), "the session opens; of one symbol each minute the answer is lost");
        let spans = [
            (self.down(), "the provider is down: every call gets a 502", "the provider is back"),
            (self.dark()[0], "the scheduler dies: no minute is even asked for", "the scheduler is restarted"),
            (self.throttled(), "half of the quotes are throttled (429)", "no more throttling"),
            (self.frozen(), "quotes are frozen: old prices, served as fresh", "quotes move again"),
            (self.late(), "candles come nine minutes late", "candles are on time again"),
        ];
        for ((from, to), begins, ends) in spans {
            turn(from, begins);
            turn(to, ends);
        }
        for (at, moment) in self.lander_dies().into_iter().zip(["just before", "just after"]) {
            turn(at, &format!("the lander is about to be killed {moment} it publishes"));
        }
        turn(self.session.close.start(), "the session closes; healing goes on");
        turns.sort_by_key(|turn| turn.at);
        turns
    }
}

#[cfg(test)]
mod tests {
    use mendlake_domain::calendar::Calendar;

    use super::*;

    fn day(on: &str) -> BadDay {
        let on = on.parse().expect("a day");
        BadDay::of(&Calendar::Xnys.session_on(on).expect("in range").expect("a session"))
    }

    #[test]
    fn everything_goes_wrong_within_the_session_even_on_a_half_day() {
        for on in ["2026-11-20", "2026-11-27"] {
            let day = day(on);
            let turns = day.turns();
            assert_eq!(turns.len(), 14);
            let within = day.session.open.start()..=day.session.close.start();
            assert!(turns.iter().all(|turn| within.contains(&turn.at)), "{turns:?}");
        }
    }

    #[test]
    fn the_spans_are_as_long_as_they_are_said_to_be() {
        let day = day("2026-11-20");
        let minutes = |(from, to): (Timestamp, Timestamp)| to.ms_since(from) / 60_000;
        assert_eq!([day.down(), day.dark()[0], day.frozen()].map(minutes), [22, 17, 25]);
    }
}
