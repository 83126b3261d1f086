//! Rehearsals: whole sessions on the virtual clock, over real HTTP to the simulated vendors, with everything that can go
//! wrong. The demo and the acceptance tests are rehearsals.

mod abandon;
mod kill;
mod outcome;
pub mod scene;
#[cfg(test)]
mod tests;
pub mod truth;

use std::path::PathBuf;
use std::sync::Arc;

use chrono::NaiveDate;
use mendlake_adapters::alpaca::AlpacaClient;
use mendlake_adapters::disk::{DiskLake, Survives};
use mendlake_adapters::faulty::Faulty;
use mendlake_adapters::finnhub::FinnhubClient;
use mendlake_adapters::http::reqwest::ReqwestTransport;
use mendlake_adapters::secrets::{FileSecrets, KeyPlace};
use mendlake_adapters::sqlite::database::{Database, Durability};
use mendlake_adapters::vendor::Candles;
use mendlake_domain::calendar::Session;
use mendlake_domain::minute::Timestamp;
use mendlake_domain::settings::Settings;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::{Kind, PortError, Result};
use mendlake_ports::place::Place;
use tokio::task::JoinHandle;

use crate::clock::{ExchangingTransport, VirtualClock};
use crate::engine::{Engine, Observer};
use crate::finnhub::{Exposure, Plan, Script, Server, Vendor};
use crate::market::Market;
use crate::place::{LocalPlace, Vendors, database_path};

pub use abandon::Abandon;
pub use kill::Killer;
pub use outcome::Outcome;
pub use scene::WHO;
use scene::{ALPACA_KEY, FINNHUB_KEY};

/// How long before the first session everything starts.
const WARM_UP_MIN: i64 = 10;

/// How often it is looked whether everything is whole.
const LOOK_MS: i64 = 5 * 60_000;

/// How long a killed worker stays dead.
const DEAD_MS: i64 = 45_000;

/// What is to be played.
pub struct Rehearsal {
    /// What trades.
    pub market: Arc<Market>,
    /// What is watched from the first session on.
    pub symbols: Vec<Symbol>,
    /// The first trading day.
    pub first: NaiveDate,
    /// The last trading day.
    pub last: NaiveDate,
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// What goes wrong at the vendors.
    pub script: Script,
    /// The plan of the Finnhub key.
    pub plan: Plan,
    /// Whether Alpaca is configured too.
    pub alpaca: bool,
    /// When the scheduler is dead: `[from, to)`.
    pub dark: Vec<(Timestamp, Timestamp)>,
    /// From when on the lander is killed at its next publication; in turn just before it and just after it.
    pub lander_dies: Vec<Timestamp>,
    /// Parameters of the stages.
    pub settings: Settings,
    /// Play until every status is final, or until this instant.
    pub until: Timestamp,
    /// Play on to `until` even where every status is final.
    pub to_the_end: bool,
    /// Where the lake is made: an empty folder, or one that is made.
    pub folder: PathBuf,
}

/// The place of a rehearsal: as in real use, but for a lander that can be killed.
pub type RehearsalPlace =
    LocalPlace<VirtualClock, ExchangingTransport<ReqwestTransport>, Faulty<DiskLake, Killer<VirtualClock>>>;

/// A rehearsal that was played: the place as it was left, and what the vendors saw.
pub struct Played<O> {
    /// The engine at rest.
    pub engine: Engine<RehearsalPlace, O>,
    /// The vendors, with the log of their calls.
    pub vendor: Arc<Vendor>,
    /// The sessions played.
    pub sessions: Vec<Session>,
    /// Whether every status was final in the end.
    pub whole: bool,
    /// When it ended.
    pub ended_at: Timestamp,
}

/// What happens at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    TickerDies,
    TickerReturns,
    LanderDies,
}

impl Rehearsal {
    /// Plays it on a virtual clock of its own, on this thread. Whatever happens is told to the observer as it happens.
    pub fn play<O: Observer>(self, observer: O) -> Result<Played<O>> {
        self.play_unless(&Abandon::default(), observer)
    }

    /// Plays it, unless somebody asks to abandon it: that is `Unavailable`, with why.
    pub fn play_unless<O: Observer>(self, abandon: &Abandon, observer: O) -> Result<Played<O>> {
        let sessions = self.sessions()?;
        let [first, ..] = sessions[..] else {
            let what = format!("play {} to {}: no session lies there", self.first, self.last);
            return Err(PortError::new(Kind::Rejected, what));
        };
        let clock = VirtualClock::new((first.open + -WARM_UP_MIN).start());
        let runs_on = clock.clone();
        let played = runs_on.run(self.play_on(clock, sessions, abandon, observer));
        played.map_err(|error| PortError::caused(Kind::Unavailable, "start the virtual clock", error))?
    }

    fn sessions(&self) -> Result<Vec<Session>> {
        let calendar = self.settings.calendar;
        let on = |day| calendar.session_on(day);
        let days = mendlake_domain::calendar::days(self.first, self.last);
        let sessions: std::result::Result<Vec<_>, _> = days.map(on).collect();
        let sessions = sessions.map_err(|error| PortError::caused(Kind::Rejected, "find session", error))?;
        Ok(sessions.into_iter().flatten().collect())
    }

    async fn play_on<O: Observer>(
        mut self,
        clock: VirtualClock,
        sessions: Vec<Session>,
        abandon: &Abandon,
        observer: O,
    ) -> Result<Played<O>> {
        let script = std::mem::take(&mut self.script);
        let vendor = Arc::new(scene::vendor(self.market.clone(), self.seed, self.plan, script)?);
        let listen = ([127, 0, 0, 1], 0).into();
        let server = Server::start(listen, Exposure::Loopback, vendor.clone(), clock.clone()).await;
        let server = server.map_err(|error| PortError::caused(Kind::Unavailable, "start the simulator", error))?;
        let killer = Killer::new(clock.clone());
        let place = self.place(&clock, &server.base_url(), killer.clone())?;
        scene::watch(place.lake(), &self.symbols, &sessions, clock.now()).await?;
        // Nobody else sends messages: looking for them every two seconds of virtual time would only cost real time.
        let engine = Engine::new(place, self.settings.clone(), observer).polling(LOOK_MS);
        let whole = self.conduct(&clock, &engine, &killer, abandon, &sessions).await?;
        server.stop().await;
        Ok(Played { engine, vendor, sessions, whole, ended_at: clock.now() })
    }

    fn place(&self, clock: &VirtualClock, base_url: &str, killer: Killer<VirtualClock>) -> Result<RehearsalPlace> {
        let given = |name: &str, text: &str| {
            (name.to_owned(), KeyPlace::Given { text: text.to_owned(), from: "the rehearsal".to_owned() })
        };
        let secrets = FileSecrets::new([given("finnhub", FINNHUB_KEY), given("alpaca", ALPACA_KEY)]);
        let transport = ReqwestTransport::new(base_url, None)
            .map_err(|error| PortError::caused(Kind::Unavailable, "set up HTTP", error))?;
        let exchanging = || ExchangingTransport::new(transport.clone(), clock.clone());
        let finnhub = || FinnhubClient::new(exchanging(), secrets.clone(), self.settings.rate_limit);
        let mut candles = vec![Candles::Finnhub(finnhub())];
        if self.alpaca {
            let limit = mendlake_adapters::alpaca::client::FREE_LIMIT;
            candles.push(Candles::Alpaca(AlpacaClient::new(exchanging(), secrets.clone(), limit)));
        }
        let lake = DiskLake::create(&self.folder, clock.now())?.surviving(Survives::ProcessCrash);
        // A rehearsal's process may die, its machine's power may not: nobody's data is at stake, and thousands of
        // syncs would be most of its time.
        let database = Database::open_with(&database_path(&self.folder), Durability::ProcessEnd)?;
        let vendors = Vendors { finnhub: finnhub(), candles };
        let fresh_id = format!("rehearsal{}", self.seed);
        LocalPlace::new(database, clock.clone(), Faulty::new(lake, killer), vendors, &fresh_id)
    }

    /// Starts the workers, kills and restarts some of them when it is their time, and stops when all is whole; tells
    /// whether it is.
    async fn conduct<O: Observer>(
        &self,
        clock: &VirtualClock,
        engine: &Engine<RehearsalPlace, O>,
        killer: &Killer<VirtualClock>,
        abandon: &Abandon,
        sessions: &[Session],
    ) -> Result<bool> {
        let mut workers = vec![engine.start_collector(), engine.start_reconciler(), engine.start_replayer()];
        let mut ticker = engine.start_ticker();
        let mut lander = engine.start_lander();
        let mut acts = self.acts().into_iter().peekable();
        let closed = sessions.last().map_or(self.until, |session| session.close.start());
        let mut look_at = closed;
        let whole = loop {
            let next = acts.peek().map_or(look_at, |(at, _)| (*at).min(look_at)).min(self.until);
            tokio::select! {
                biased;
                why = abandon.asked() => break Err(PortError::new(Kind::Unavailable, why)),
                () = killer.died() => restart_lander(clock, engine, &mut lander).await,
                () = clock.sleep_until(next) => {}
            }
            while let Some((_, act)) = acts.next_if(|(at, _)| *at <= clock.now()) {
                match act {
                    Act::TickerDies => ticker.abort(),
                    Act::TickerReturns => ticker = engine.start_ticker(),
                    Act::LanderDies => killer.arm(),
                }
            }
            if clock.now() >= look_at {
                let whole = scene::is_whole(engine.place().lake(), self.symbols.len(), sessions).await?;
                if (whole && !self.to_the_end) || clock.now() >= self.until {
                    break Ok(whole);
                }
                look_at = clock.now().plus_ms(LOOK_MS);
            }
        };
        engine.stop();
        workers.extend([ticker, lander]);
        for worker in workers {
            match worker.await {
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                _ => {}
            }
        }
        whole
    }

    fn acts(&self) -> Vec<(Timestamp, Act)> {
        let dark = self.dark.iter().flat_map(|(from, to)| [(*from, Act::TickerDies), (*to, Act::TickerReturns)]);
        let dies = self.lander_dies.iter().map(|at| (*at, Act::LanderDies));
        let mut acts: Vec<_> = dark.chain(dies).collect();
        acts.sort_by_key(|(at, _)| *at);
        acts
    }
}

/// Buries a lander that was killed and starts another after a while.
async fn restart_lander<O: Observer>(
    clock: &VirtualClock,
    engine: &Engine<RehearsalPlace, O>,
    lander: &mut JoinHandle<()>,
) {
    lander.abort();
    clock.sleep_until(clock.now().plus_ms(DEAD_MS)).await;
    *lander = engine.start_lander();
}
