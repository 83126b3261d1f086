//! Stand-ins for AWS on loopback: started here, each in a process group of its own, ended when dropped.
//!
//! They stand in `build/standins`, where `tests/aws/install.sh` puts them. No AWS account is asked, ever: every client made
//! here has a loopback endpoint and credentials that are nobody's.

mod server;
pub mod table;

use std::path::{Path, PathBuf};

pub use server::{Server, nobodys};

/// Where the stand-ins are.
#[derive(Clone, Debug)]
pub struct StandIns(PathBuf);

impl StandIns {
    /// The stand-ins of this checkout, or why there are none.
    pub fn found() -> Result<Self, String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../build/standins");
        for wanted in ["python/installed.txt", "dynoxide.version"] {
            if !folder.join(wanted).is_file() {
                return Err("no stand-ins in build/standins: `sh tests/aws/install.sh` installs them".into());
            }
        }
        Ok(Self(folder))
    }

    /// Starts ministack: every service but a strict DynamoDB. Empty, on a port of its own, enforcing no policy.
    pub fn ministack(&self) -> Server {
        Server::ministack(&self.0, false)
    }

    /// Starts ministack with signatures checked and policies enforced.
    pub fn ministack_with_policies(&self) -> Server {
        Server::ministack(&self.0, true)
    }

    /// Starts dynoxide: DynamoDB and nothing else, in memory, on a port of its own.
    pub fn dynoxide(&self) -> Server {
        Server::dynoxide(&self.0)
    }

    /// The Python that ministack runs in: it has DuckDB too.
    pub fn python(&self) -> PathBuf {
        self.0.join("python/bin/python")
    }
}
