//! Stages called one at a time, on a place in which nothing else goes on: what reports say, and what is asked for it.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use mendlake::finnhub::Vendor;
use mendlake::market::{GeneratedMarket, Market};
use mendlake_adapters::memory::clock::ManualClock;
use mendlake_domain::calendar::Calendar;
use mendlake_domain::gap::OpenReason;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::quote::{Basis, Day, Price, Row, StoredRow};
use mendlake_domain::symbol::Symbol;
use mendlake_domain::task::{self, Mode, ReplayTask};
use mendlake_ingest::request;
use mendlake_ingest::request::RequestOutcome;
use mendlake_ports::clock::Clock;
use mendlake_ports::control::{self, Log};
use mendlake_ports::expectations::Expectations;
use mendlake_ports::lake::{Lake, NewObject};
use mendlake_ports::queue::QueueConsumer;
use mendlake_ports::stream::StreamConsumer;
use mendlake_reconcile::{MOST_CALLS, Patience, ReplayReport, audit, replay};

use crate::dice::Dice;
use crate::faults::SimFaults;
use crate::place::{Parts, SimPlace, now};
use crate::script::Script;
use crate::trace::{Keep, Trace};
use crate::transport::{SimSecrets, Skew};
use crate::work::{Work, run};

/// A place whose vendors play a script, and in which nothing fails.
struct Stand {
    script: Script,
    clock: ManualClock,
    faults: SimFaults,
    secrets: SimSecrets,
    place: Arc<SimPlace>,
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Stand {
    /// Half an hour of three symbols, watched and asked nothing of, so many minutes after it.
    fn after(minutes: i64) -> Self {
        let script = Script::half_hour();
        let clock = ManualClock::new((script.to + minutes).start());
        let faults = SimFaults::new(Dice::new(script.seed, 2), Trace::new(Keep::Nothing), clock.clone(), None);
        let (skew, secrets) = (Skew::default(), SimSecrets::default());
        secrets.put("finnhub", "first-key", "1");
        let market = GeneratedMarket::with_profiles(script.seed, Calendar::Xnys, script.profiles.clone());
        let vendor = Vendor::new(Arc::new(Market::from(market)), script.terms()).expect("the script can be played");
        let place = SimPlace::new(Parts {
            clock: clock.clone(),
            faults: faults.clone(),
            vendor: Arc::new(vendor),
            skew,
            secrets: secrets.clone(),
            limit: script.settings.rate_limit,
            alpaca: false,
            shards: 1,
            sabotage: None,
        });
        for version in &script.first {
            now(control::append(place.true_lake(), Log::Watchlist, version));
        }
        Self { script, clock, faults, secrets, place: Arc::new(place) }
    }

    /// Runs something to its end; the clock goes on where it waits.
    fn finish<T>(&self, work: impl Future<Output = T>) -> T {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let mut work = pin!(work);
        loop {
            if let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
                return done;
            }
            if !woken.0.swap(false, Ordering::Relaxed) {
                self.clock.advance_to(self.clock.next_wake_at().expect("what waits, waits for the clock"));
                woken.0.store(false, Ordering::Relaxed);
            }
        }
    }

    fn replay(&self, task: &ReplayTask) -> ReplayReport {
        self.try_replay(task).unwrap_or_else(|error| panic!("{}", error.chain()))
    }

    fn try_replay(&self, task: &ReplayTask) -> mendlake_ports::Result<ReplayReport> {
        self.finish(replay(&*self.place, &self.script.settings, task, Patience::Minute))
    }

    /// Brings what is in the stream to the lake.
    fn land(&self) {
        for shard in now(self.place.true_stream().shards()) {
            let work = Work::Land { shard, most: 1_000, parks: false };
            self.finish(run(self.place.clone(), self.script.settings.clone(), work)).expect("landed");
        }
    }

    /// A task of SPY's half hour.
    fn task(&self, mode: Mode, force: bool, requested_at: Timestamp) -> ReplayTask {
        let (from, to, requested_at) = (self.script.from, self.script.to, Some(requested_at));
        ReplayTask { v: task::VERSION, symbols: symbols("SPY"), from, to, mode, force, requested_at }
    }

    /// Puts a row into the lake.
    fn publish(&self, row: &StoredRow) {
        let (stream_id, shard, first_sequence) = ("by-hand".to_owned(), "0".to_owned(), "1".to_owned());
        let rows = vec![row.clone()];
        let object = NewObject { dt: row.row.minute.date(), stream_id, shard, first_sequence, rows };
        now(self.place.true_lake().publish(&object));
    }

    /// The current row of a minute of SPY.
    fn current(&self, minute: Minute) -> Row {
        let rows = now(self.place.true_lake().rows(&symbols("SPY"), minute, minute + 1));
        StoredRow::current(rows).remove(0).row
    }

    /// What `verify` finds of revisions.
    fn found(&self) -> Vec<String> {
        let (lake, ledger) = (self.place.true_lake(), self.place.true_ledger());
        let report = now(audit(lake, Some(ledger), &self.script.settings, None, self.clock.now()));
        report.findings.into_iter().filter(|finding| finding.contains("revision")).collect()
    }
}

fn symbols(text: &str) -> BTreeSet<Symbol> {
    text.split_whitespace().map(|symbol| symbol.parse().expect("a symbol")).collect()
}

/// A correction of SPY that was stored then.
fn correction(minute: Minute, revision: i64, stored_at: Timestamp) -> StoredRow {
    let row = Row {
        symbol: "SPY".parse().expect("a symbol"),
        minute,
        price: Price::new(1.0).expect("a price"),
        basis: Basis::Close,
        source: "finnhub".parse().expect("a name"),
        traded_at: Some(minute.start()),
        day: Day::default(),
        observed_at: stored_at,
        revision,
    };
    StoredRow { row, stored_at }
}

#[test]
fn a_lake_heals_from_a_revision_of_an_instant_still_to_come_however_often() {
    let stand = Stand::after(30);
    let asked_at = stand.clock.now();
    let minute = stand.script.from + 10;
    let ahead = asked_at.plus_s(10 * 365 * 86_400).epoch_s();
    stand.publish(&correction(minute, ahead, asked_at));
    let found = stand.found();
    assert!(found.len() == 1 && found[0].starts_with("law 5 ") && found[0].contains("`SPY`"), "{found:?}");

    for nth in 1..=2 {
        let report = stand.replay(&stand.task(Mode::Apply, true, asked_at));
        stand.land();
        let Row { revision, price, .. } = stand.current(minute);
        assert_eq!(revision, ahead + nth);
        assert!(price.get() > 1.0, "the vendor's price, not {price}");
        assert_eq!((report.outranked, report.not_replaced.len()), (0, 0), "{report:?}");
        assert_eq!(report.corrected, if nth == 1 { 1 } else { 30 }, "all others were missing at first");
        assert_eq!(stand.found(), [""; 0], "and what was healed is no finding");
    }
    assert_eq!(stand.current(minute + 1).revision, asked_at.epoch_s(), "of the others, the request's own");
}

#[test]
fn a_correction_that_a_later_one_goes_before_is_not_told_as_one() {
    let stand = Stand::after(30);
    let asked_at = stand.clock.now();
    let later = asked_at.plus_s(-600);
    let minute = stand.script.from + 10;
    stand.publish(&correction(minute, later.epoch_s(), later));
    let report = stand.replay(&stand.task(Mode::Apply, true, later.plus_s(-600)));
    stand.land();
    assert_eq!((report.corrected, report.outranked), (0, 1), "{report:?}");
    assert_eq!(stand.current(minute).revision, later.epoch_s());
    assert_eq!(stand.found(), [""; 0]);
}

#[test]
fn a_forced_replay_says_which_rows_stay_and_why() {
    let stand = Stand::after(30);
    let asked_at = stand.clock.now();
    stand.replay(&stand.task(Mode::Apply, false, asked_at));
    stand.land();
    stand.secrets.put("finnhub", "unknown-key", "2");
    let report = stand.replay(&stand.task(Mode::Apply, true, asked_at));
    assert_eq!(report.not_replaced, [(OpenReason::Denied, 30)].into(), "{report:?}");
    assert_eq!((report.corrected, report.healed.len()), (0, 0));
    assert_eq!(report.failed.keys().collect::<Vec<_>>(), ["finnhub denied"]);
    let report = stand.replay(&stand.task(Mode::Apply, false, asked_at));
    assert_eq!(report.not_replaced.len(), 0, "nobody asked for that");
}

#[test]
fn sessions_in_which_nobody_watched_cost_no_call() {
    let stand = Stand::after(30);
    let plan = |from: &str, names: &str| {
        let before = stand.faults.calls().0;
        let task = stand.task(Mode::Plan, false, stand.clock.now());
        let from = from.parse().expect("a minute");
        let report = stand.replay(&ReplayTask { from, symbols: symbols(names), ..task });
        (report, stand.faults.calls().0 - before)
    };
    let (day, of_day) = plan("2024-03-14T00:00:00Z", "SPY NOPE");
    let (years, of_years) = plan("2001-01-02T00:00:00Z", "SPY NOPE");
    assert_eq!(day, years);
    assert_eq!((day.expected, day.missing, day.calls_planned), (30, 30, 1));
    assert_eq!(day.not_expected, symbols("NOPE"));
    assert_eq!(of_day, of_years);
    let (nobody, of_nobody) = plan("2001-01-02T00:00:00Z", "NOPE");
    assert_eq!((nobody.expected, nobody.calls_planned, nobody.not_expected), (0, 0, symbols("NOPE")));
    assert!(of_nobody < of_day, "{of_nobody} calls, and {of_day} where there is something");
}

#[test]
fn what_takes_more_calls_than_are_made_at_once_is_refused_with_their_number_before_it_is_looked_at() {
    use mendlake_domain::watchlist::{Edit, Version};
    let stand = Stand::after(30);
    let (from, to) = ("2001-01-02T00:00:00Z".parse().expect("a minute"), stand.script.from);
    let edit = Edit::Backfill { from, to, symbols: symbols("SPY") };
    let made_at = stand.clock.now();
    let version = Version { v: 1, edit, who: "test".into(), why: "test".into(), made_at };
    now(control::append(stand.place.true_lake(), Log::Watchlist, &version));
    let before = stand.faults.calls().0;
    for mode in [Mode::Plan, Mode::Apply] {
        let task = ReplayTask { from, ..stand.task(mode, false, made_at) };
        let error = stand.try_replay(&task).expect_err("enormous");
        assert_eq!(error.kind, mendlake_ports::Kind::Rejected);
        let says = format!("it may take 5836 calls, one a symbol and session, more than the {MOST_CALLS}");
        assert!(error.chain().contains(&says), "{}", error.chain());
    }
    assert!(stand.faults.calls().0 - before < 20, "only the logs were read");
}

#[test]
fn a_tick_that_no_queue_can_delay_is_early_and_leaves_the_minute_to_one_in_time() {
    let stand = Stand::after(-20);
    let at = stand.clock.now();
    let tick = |minute| {
        let report = stand.finish(request(&*stand.place, &stand.script.settings, minute)).expect("a report");
        (report.outcome, report.messages, report.lag_ms)
    };
    // Ten minutes into the half hour: its last minutes are watched, and a quarter of an hour away.
    let early = at.minute() + 15;
    assert_eq!(tick(early), (RequestOutcome::Early, 0, -14 * 60_000));
    assert_eq!(now(stand.place.true_ledger().expectations(early, early + 1)), []);
    assert_eq!(now(stand.place.true_live_queue().next_visible_at()), None, "nothing was sent");
    let still_in_time = early + -1;
    assert_eq!(tick(still_in_time).0, RequestOutcome::Requested, "a queue can delay that");
    stand.clock.advance_to((early + -1).start());
    assert_eq!(tick(early), (RequestOutcome::Requested, 1, 0), "nothing was reserved");
}
