//! `mendlake.json`: what makes a folder a lake.

use mendlake_domain::minute::Timestamp;
use mendlake_ports::{Kind, PortError, Result};
use serde::{Deserialize, Serialize};

/// The marker's name.
pub const NAME: &str = "mendlake.json";

/// The version of a lake's layout this release writes, and the newest it reads.
pub const VERSION: u32 = 1;

/// What to do about a marker that is none. On AWS the ledger knows a lake by this instant.
const RESTORE: &str = "put back what it was, in S3 its older version; where that is lost, write `{\"v\":1,\"created_at\":\"2026-11-20T14:30:00.000Z\"}` \
                       there with the instant the lake was made, which on AWS the ledger's item `lake` has in milliseconds";

/// What the marker says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// The version of the lake's layout.
    pub v: u32,
    /// When the lake was made.
    pub created_at: Timestamp,
}

impl Marker {
    /// The marker of a lake made now.
    pub fn new(created_at: Timestamp) -> Self {
        Self { v: VERSION, created_at }
    }

    /// The marker as it is stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("a marker is JSON: its keys are text");
        bytes.push(b'\n');
        bytes
    }

    /// Reads the marker of the lake at `place`. `Rejected` where a newer release wrote it, `Corrupt` where nobody did.
    pub fn parse(bytes: &[u8], place: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct VersionOnly {
            v: u32,
        }
        let corrupt = |error: serde_json::Error| {
            let what = format!("read `{}/{NAME}`: no lake's marker: {error}; {RESTORE}", place.trim_end_matches('/'));
            PortError::new(Kind::Corrupt, what)
        };
        let VersionOnly { v } = serde_json::from_slice(bytes).map_err(corrupt)?;
        if v > VERSION {
            let what =
                format!("open the lake at `{place}`: its version {v} is newer than {VERSION}, use the newer release");
            return Err(PortError::new(Kind::Rejected, what));
        }
        serde_json::from_slice(bytes).map_err(corrupt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_reads_back() {
        let marker = Marker::new(Timestamp::from_epoch_s(1_795_185_000));
        assert_eq!(marker.to_bytes(), b"{\"v\":1,\"created_at\":\"2026-11-20T14:30:00.000Z\"}\n");
        assert_eq!(Marker::parse(&marker.to_bytes(), "/lake").expect("a marker"), marker);
    }

    #[test]
    fn a_newer_marker_is_refused_whatever_else_it_says() {
        let error = Marker::parse(br#"{"v":2,"something":"else"}"#, "/lake").expect_err("newer");
        assert_eq!(error.kind, Kind::Rejected);
        assert!(error.chain().contains("`/lake`") && error.chain().contains("use the newer release"), "{error}");
    }

    #[test]
    fn what_is_no_marker_is_corrupt_and_names_the_lake() {
        for bytes in [&b""[..], b"{}", b"{\"v\":1}", b"\xff"] {
            let error = Marker::parse(bytes, "/lake").expect_err("no marker");
            assert_eq!(error.kind, Kind::Corrupt);
            assert!(error.chain().contains("`/lake/mendlake.json`"), "{}", error.chain());
        }
        let error = Marker::parse(b"{}", "s3://lake/").expect_err("no marker").chain();
        assert!(error.contains("`s3://lake/mendlake.json`") && error.contains("older version"), "{error}");
        let (_, advised) = RESTORE.split_once('`').expect("a marker to write");
        let (advised, _) = advised.split_once('`').expect("a marker to write");
        assert!(Marker::parse(advised.as_bytes(), "/lake").is_ok(), "what is advised works");
    }
}
