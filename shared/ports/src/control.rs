//! Append-only logs of what cannot be derived, and lives in the lake: watchlist versions, overlay entries, verdicts.

use std::future::Future;

use mendlake_domain::gap::Verdict;
use mendlake_domain::overlay::{Entry, Overlay};
use mendlake_domain::watchlist::{Version, Watchlist};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Kind, PortError, Result};

/// Which log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Log {
    /// `control/watchlist/`
    Watchlist,
    /// `control/overlay/`
    Overlay,
    /// `control/verdicts/`
    Verdicts,
}

impl Log {
    /// Every log.
    pub const ALL: [Self; 3] = [Self::Watchlist, Self::Overlay, Self::Verdicts];

    /// Its folder under `control/`.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Watchlist => "watchlist",
            Self::Overlay => "overlay",
            Self::Verdicts => "verdicts",
        }
    }
}

/// What appending did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// The entry is in the log.
    Done,
    /// Another entry has this number: read the log again.
    Taken,
}

/// The logs. Entries are numbered from 1 without holes; each is one object.
///
/// - `append` creates the entry with this number if and only if there is none: of two at once, one is `Taken`.
/// - An appended entry appears whole, survives power loss and never changes.
/// - `read` gives every entry after the number, in order, as stored.
/// - `place_of` is where a person finds an entry, or would if it were there; no two entries have one place.
pub trait Control: Send + Sync {
    /// Appends an entry as number `number`, which must be one more than the newest.
    fn append(&self, log: Log, number: usize, entry: &[u8]) -> impl Future<Output = Result<Appended>> + Send;

    /// The entries with a number above `after`, ascending.
    fn read(&self, log: Log, after: usize) -> impl Future<Output = Result<Vec<Vec<u8>>>> + Send;

    /// Where the entry is.
    fn place_of(&self, log: Log, number: usize) -> String;
}

/// What to do about an entry that is damaged or missing. Not to delete it: later entries would have a hole before them.
pub const RESTORE: &str = "put back what it was, in S3 from its older version, on disk from a backup, and do not delete it; \
                           runbooks/change-the-watchlist.md says how the newest one is taken back";

/// How often an append is tried again after another took its number. Appends are by people and once a morning: more
/// losses in a row than this are a defect.
const MOST_LOSSES: usize = 50;

/// The watchlist in the lake.
pub async fn watchlist(control: &impl Control) -> Result<Watchlist> {
    Ok(Watchlist::new(&read::<Version>(control, Log::Watchlist).await?))
}

/// The overlay in the lake.
pub async fn overlay(control: &impl Control) -> Result<Overlay> {
    Ok(Overlay::new(read::<Entry>(control, Log::Overlay).await?))
}

/// Every verdict in the lake, oldest first.
pub async fn verdicts(control: &impl Control) -> Result<Vec<Verdict>> {
    read(control, Log::Verdicts).await
}

/// Every entry of a log. An entry of another version than 1 is `Rejected`: a newer release wrote it.
pub async fn read<T: DeserializeOwned>(control: &impl Control, log: Log) -> Result<Vec<T>> {
    let entries = control.read(log, 0).await?;
    let parsed = |(index, entry): (usize, &Vec<u8>)| parse(control, log, index + 1, entry);
    entries.iter().enumerate().map(parsed).collect()
}

/// Appends an entry after the newest, whatever its number turns out to be; gives the number.
pub async fn append(control: &impl Control, log: Log, entry: &impl Serialize) -> Result<usize> {
    let entry = serde_json::to_vec(entry).expect("a control entry is JSON: its keys are text");
    let mut number = control.read(log, 0).await?.len() + 1;
    for _ in 0..MOST_LOSSES {
        match control.append(log, number, &entry).await? {
            Appended::Done => return Ok(number),
            Appended::Taken => number += 1,
        }
    }
    Err(PortError::new(Kind::Unavailable, format!("append to control log `{}`: others keep winning", log.folder())))
}

fn parse<T: DeserializeOwned>(control: &impl Control, log: Log, number: usize, entry: &[u8]) -> Result<T> {
    #[derive(serde::Deserialize)]
    struct VersionOnly {
        v: u32,
    }
    let named = |what: &str| {
        format!("read entry {number} of control log `{}`, `{}`: {what}", log.folder(), control.place_of(log, number))
    };
    let corrupt = |what: &str, error: serde_json::Error| {
        PortError::new(Kind::Corrupt, format!("{}: {error}; {RESTORE}", named(what)))
    };
    match serde_json::from_slice(entry) {
        Ok(VersionOnly { v: 1 }) => {}
        Ok(VersionOnly { v }) => {
            let what = format!("version {v} was written by a newer release than this one, use that one");
            return Err(PortError::new(Kind::Rejected, named(&what)));
        }
        Err(error) => return Err(corrupt("not a versioned entry", error)),
    }
    serde_json::from_slice(entry).map_err(|error| corrupt("not such an entry", error))
}
