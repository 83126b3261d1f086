//! Opening a lake: to work on it, under its lock, or to read it beside whoever works on it.

use std::path::Path;

use mendlake_adapters::alpaca::{self, AlpacaClient};
use mendlake_adapters::disk::DiskLake;
use mendlake_adapters::finnhub::{self, FinnhubClient};
use mendlake_adapters::http::reqwest::ReqwestTransport;
use mendlake_adapters::secrets::FileSecrets;
use mendlake_adapters::sqlite::database::Database;
use mendlake_adapters::sqlite::ledger::SqliteLedger;
use mendlake_adapters::vendor::Candles;
use mendlake_domain::minute::Timestamp;
use mendlake_domain::settings::Settings;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::{Kind, PortError, Result};

use crate::clock::{ClockArgs, ScaledClock};
use crate::config::{Config, ConfigError, Key, Vendor};
use crate::lock::{self, Holder, Holding, RunLock};
use crate::place::{LocalPlace, Vendors, database_path};

/// The place of real use.
pub type RealPlace = LocalPlace<ScaledClock, ReqwestTransport, DiskLake>;

/// Random bytes of a stream's id: two lakes' objects never share a name.
const STREAM_ID_BYTES: usize = 8;

/// A lake that this process alone works on.
pub struct Working {
    /// The place.
    pub place: RealPlace,
    /// Whether the lake was made just now.
    pub made: bool,
    /// Held as long as this is.
    pub lock: RunLock,
}

/// A lake that is read; others may work on it.
pub struct Reading {
    /// The lake.
    pub lake: DiskLake,
    /// The parameters, with the calendar of whoever works on the lake where none was configured.
    pub settings: Settings,
    /// The clock of whoever works on it, or the machine's.
    pub clock: ScaledClock,
    /// Who works on it.
    pub holding: Option<Holding>,
}

impl Reading {
    /// Opens a lake to read it, on the clock given, or else on that of whoever works on it.
    pub fn open(config: &Config, clock: &ClockArgs) -> Result<Self> {
        let lake = DiskLake::open(&config.lake)?;
        let holding = lock::holder(&config.lake)?;
        let holder = holding.as_ref().and_then(|holding| holding.0.as_ref());
        let beside = holder.and_then(|holder| holder.clock.clone()).unwrap_or_default();
        let clock = if clock.is_machine() { &beside } else { clock };
        let mut settings = config.settings.clone();
        if let Some(last) = lock::last_holder(&config.lake)
            && config.origin(Key::Calendar).is_default()
        {
            settings.calendar = last.calendar;
        }
        let clock = clock_of(clock)?;
        Ok(Self { lake, settings, clock, holding })
    }

    /// The ledger's database, for reading. `Rejected` where there is none yet.
    pub fn database(&self) -> Result<Database> {
        let path = database_path(self.lake.root());
        if !path.exists() {
            let what = format!(
                "open the ledger `{}`: there is none; start `mendlake run`, or derive it from the lake with \
                 `mendlake verify --rebuild-ledger`",
                path.display()
            );
            return Err(PortError::new(Kind::Rejected, what));
        }
        Database::open_read_only(&path).map_err(advised)
    }

    /// The ledger, for reading.
    pub fn ledger(&self) -> Result<SqliteLedger> {
        self.database().map(SqliteLedger::new)
    }

    /// The place in which to send messages to whoever works on the lake, and to price work without doing it.
    pub fn place(&self, config: &Config) -> Result<RealPlace> {
        let lake = DiskLake::open(self.lake.root())?;
        place(config, lake, self.clock)
    }
}

/// Takes the lock of a lake and opens it for work; makes the lake where there is none, if `make` says so.
pub async fn work(config: &Config, clock: &ClockArgs, make: bool) -> Result<Working> {
    let running = clock_of(clock)?;
    let (lake, made) = open_or_make(&config.lake, running.now(), make)?;
    check_calendar(config)?;
    let holder = Holder {
        watched_by: config.watched.as_ref().map(|watched| watched.origin.to_string()),
        ..Holder::this(config.settings.calendar, clock)
    };
    let lock = RunLock::take(&config.lake, &holder).await?;
    lake.clear_staging()?;
    let place = place(config, lake, running)?;
    Ok(Working { place, made, lock })
}

/// The place again, for the process that holds its lock.
pub fn place_again(config: &Config, clock: &ClockArgs) -> Result<RealPlace> {
    place(config, DiskLake::open(&config.lake)?, clock_of(clock)?)
}

/// The clock these flags choose.
pub fn clock_of(args: &ClockArgs) -> Result<ScaledClock> {
    args.clock().map_err(|error| PortError::caused(Kind::Rejected, "set the clock", error))
}

/// A refused configuration as a port's error.
pub fn refused(error: ConfigError) -> PortError {
    PortError::caused(Kind::Rejected, "configure", error)
}

/// Whether a folder is there and holds a lake, of whatever version.
pub fn is_lake(folder: &Path) -> bool {
    folder.join(mendlake_adapters::stored::marker::NAME).exists()
}

fn open_or_make(folder: &Path, now: Timestamp, make: bool) -> Result<(DiskLake, bool)> {
    if make && !is_lake(folder) {
        return DiskLake::create(folder, now).map(|lake| (lake, true));
    }
    DiskLake::open(folder).map(|lake| (lake, false))
}

/// A lake keeps its calendar: on another one, what is whole would be full of gaps.
fn check_calendar(config: &Config) -> Result<()> {
    let asked = config.settings.calendar;
    match lock::last_holder(&config.lake) {
        Some(last) if last.calendar != asked => {
            let what = format!(
                "open the lake at `{}`: it was collected on calendar `{}`, not `{asked}` ({}); set `calendar` to that, or \
                 use another folder",
                config.lake.display(),
                last.calendar,
                config.origin(Key::Calendar)
            );
            Err(PortError::new(Kind::Rejected, what))
        }
        _ => Ok(()),
    }
}

fn place(config: &Config, lake: DiskLake, clock: ScaledClock) -> Result<RealPlace> {
    let database = Database::open(&database_path(lake.root())).map_err(advised)?;
    LocalPlace::new(database, clock, lake, vendors(config)?, &fresh_id()?)
}

/// The vendors: Finnhub, and Alpaca where it has a key.
pub fn vendors(config: &Config) -> Result<Vendors<ReqwestTransport>> {
    let transport = |key, vendor| config.transport(key, vendor).map_err(refused);
    let secrets = secrets(config);
    let to_finnhub = transport(Key::FinnhubBaseUrl, &config.finnhub)?;
    let finnhub = FinnhubClient::new(to_finnhub, secrets.clone(), config.finnhub.rate_limit);
    let mut candles = vec![Candles::Finnhub(finnhub.clone())];
    if config.alpaca.key.is_some() {
        let to_alpaca = transport(Key::AlpacaBaseUrl, &config.alpaca)?;
        candles.push(Candles::Alpaca(AlpacaClient::new(to_alpaca, secrets, config.alpaca.rate_limit)));
    }
    Ok(Vendors { finnhub, candles })
}

/// The keys, each in its place.
pub fn secrets(config: &Config) -> FileSecrets {
    let keyed = keyed(config).into_iter();
    FileSecrets::new(keyed.filter_map(|(name, vendor)| Some((name.to_owned(), vendor.key.clone()?))))
}

/// The vendors by the names of their keys.
pub fn keyed(config: &Config) -> [(&'static str, &Vendor); 2] {
    [(finnhub::client::NAME, &config.finnhub), (alpaca::client::SECRET_NAME, &config.alpaca)]
}

/// A corrupt ledger is no loss: the lake tells it all again.
fn advised(error: PortError) -> PortError {
    match error.kind {
        Kind::Corrupt => {
            let what =
                "the ledger is corrupt, `mendlake verify --rebuild-ledger` puts it aside and derives it from the lake";
            PortError::caused(Kind::Corrupt, what, error)
        }
        _ => error,
    }
}

fn fresh_id() -> Result<String> {
    let mut bytes = [0_u8; STREAM_ID_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| PortError::new(Kind::Unavailable, format!("mint an id for the stream: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
