//! What is said of something in a lake that is not what was written, beside its name: what to do about it.

use mendlake_ports::{Kind, PortError};

/// Of an object of the table `quotes` on disk.
pub const QUOTES_ON_DISK: &str = "`mendlake verify` names every such object: move each out of the lake, then `mendlake reconcile` \
                                  fetches again what it held";

/// Of one in S3.
pub const QUOTES_IN_S3: &str = "`mendlake verify` names every such object: restore its older version, or move it out of the table, \
                                then `mendlake reconcile` fetches again what it held; runbooks/StageFailing.md has the commands";

/// Of an object of the table `sessions`: what it says can be said again.
pub const SESSIONS: &str = "move it out of the lake, then `mendlake reconcile --window morning` writes the statuses of the last week \
                            again";

/// The same error, with what to do where it says that something is damaged.
pub fn advised(error: PortError, advice: &str) -> PortError {
    match error.kind {
        Kind::Corrupt => PortError::new(Kind::Corrupt, format!("{}; {advice}", error.chain())),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_damaged_has_advice_and_it_comes_last() {
        let error = |kind| advised(PortError::caused(kind, "read `x`", "cut off"), "mend it").chain();
        assert_eq!(error(Kind::Corrupt), "read `x`: cut off; mend it");
        assert_eq!(error(Kind::Unavailable), "read `x`: cut off");
    }
}
