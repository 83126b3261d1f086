//! What every rehearsal needs, wherever it is played: vendors, a watchlist, and whether the lake says that it is whole.

use std::collections::BTreeSet;
use std::sync::Arc;

use mendlake_domain::calendar::Session;
use mendlake_domain::minute::Timestamp;
use mendlake_domain::symbol::Symbol;
use mendlake_domain::watchlist::{Edit, Version};
use mendlake_ports::control::{self, Control, Log};
use mendlake_ports::error::{Kind, PortError, Result};
use mendlake_ports::secrets::Key;
use mendlake_ports::sessions::Sessions;

use crate::finnhub::{Account, Plan, Script, Terms, Vendor};
use crate::market::Market;

/// Who enters a rehearsal's watchlist, for the record.
pub const WHO: &str = "rehearsal";

/// The key that the simulated Finnhub knows. No key of anybody's.
pub const FINNHUB_KEY: &str = "rehearsal-key";

/// The key that the simulated Alpaca knows.
pub const ALPACA_KEY: &str = "rehearsal-id:rehearsal-secret";

/// Both vendors over a market, each knowing the rehearsal's key; Finnhub's has this plan.
pub fn vendor(market: Arc<Market>, seed: u64, plan: Plan, script: Script) -> Result<Vendor> {
    let key = |text| Key::new(text).expect("a rehearsal's key is one");
    let terms = Terms {
        seed,
        finnhub: vec![Account::finnhub("rehearsal", key(FINNHUB_KEY), plan)],
        alpaca: vec![Account::alpaca("rehearsal", key(ALPACA_KEY), Plan::Free)],
        candle_late_s: crate::finnhub::CANDLE_LATE_S,
        script,
    };
    Vendor::new(market, terms).map_err(|error| PortError::caused(Kind::Rejected, "set up the simulator", error))
}

/// Enters the watchlist: the symbols from the first session's open to the last one's close.
pub async fn watch(control: &impl Control, symbols: &[Symbol], sessions: &[Session], now: Timestamp) -> Result<()> {
    let (Some(first), Some(last)) = (sessions.first(), sessions.last()) else { return Ok(()) };
    let all: BTreeSet<Symbol> = symbols.iter().cloned().collect();
    let edits = [
        Edit::Change { from: first.open, add: all.clone(), remove: BTreeSet::new() },
        Edit::Change { from: last.close, add: BTreeSet::new(), remove: all },
    ];
    for edit in edits {
        let (who, why) = (WHO.to_owned(), "what is rehearsed".to_owned());
        let version = Version { v: 1, edit, who, why, made_at: now };
        version.check().map_err(|error| PortError::caused(Kind::Rejected, "enter the watchlist", error))?;
        control::append(control, Log::Watchlist, &version).await?;
    }
    Ok(())
}

/// Whether the lake says that every one of these symbols' sessions is final.
pub async fn is_whole(lake: &impl Sessions, symbols: usize, sessions: &[Session]) -> Result<bool> {
    let (Some(first), Some(last)) = (sessions.first(), sessions.last()) else { return Ok(true) };
    let statuses = lake.current(first.on, last.on).await?;
    let is_final = statuses.iter().filter(|status| status.is_final).count();
    Ok(is_final == sessions.len() * symbols)
}
