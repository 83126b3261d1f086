//! One stand-in: a child process on a loopback port.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::sdk_config::Builder;
use mendlake_adapters::aws::{Aws, http_client};
use rustix::process::{Pid, Signal, kill_process_group};

/// Looks for a server that starts this often, this many times.
const LOOKS: u32 = 300;
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The region of everything here.
const REGION: &str = "us-east-1";

/// A stand-in that runs, until it is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
    /// Its data.
    folder: tempfile::TempDir,
}

impl Server {
    pub(crate) fn ministack(standins: &Path, policies: bool) -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().expect("a folder for ministack's data"));
        let mut command = Command::new(standins.join("python/bin/ministack"));
        command
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("IOT_MTLS_PORT", "0")
            // What the Lambdas that it starts are to ask.
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
            .env("S3_DATA_DIR", folder.path().join("s3"))
            .env("STATE_DIR", folder.path().join("state"))
            .env("TMPDIR", folder.path())
            .env("LOG_LEVEL", "WARNING");
        if policies {
            command.env("AUTH", "true");
        }
        Self::start(command, port, folder)
    }

    pub(crate) fn dynoxide(standins: &Path) -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().expect("a folder for dynoxide"));
        let mut command = Command::new(standins.join("bin/dynoxide"));
        command.args(["serve", "--host", "127.0.0.1", "--port", &port.to_string()]);
        Self::start(command, port, folder)
    }

    fn start(mut command: Command, port: u16, folder: tempfile::TempDir) -> Self {
        // A group of its own: ministack's children outlive it otherwise.
        command.process_group(0).stdin(Stdio::null()).current_dir(folder.path());
        let log = std::fs::File::create(folder.path().join("log")).expect("a file for the log");
        command.stdout(log.try_clone().expect("the log again")).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| panic!("start {command:?}: {error}"));
        let mut server = Self { child, port, folder };
        server.wait_until_it_listens();
        server
    }

    fn wait_until_it_listens(&mut self) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        for _ in 0..LOOKS {
            if TcpStream::connect_timeout(&address, LOOK_EVERY).is_ok() {
                return;
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the stand-in ended with {status}: {}", self.log());
            }
            wait(LOOK_EVERY);
        }
        panic!("the stand-in does not listen on {address}: {}", self.log());
    }

    /// Where it answers.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// What clients of an account on it are made from. Accounts do not see each other.
    pub fn aws(&self, account: u32) -> Aws {
        self.aws_with(&format!("{account:012}"), "secret")
    }

    /// What clients with these credentials are made from.
    pub fn aws_with(&self, key_id: &str, secret: &str) -> Aws {
        at(&self.endpoint(), key_id, secret)
    }
}

/// What clients of an endpoint on loopback are made from. Every failure is seen: nothing is tried twice.
fn at(endpoint: &str, key_id: &str, secret: &str) -> Aws {
    let config = nobodys(endpoint, key_id, secret).http_client(http_client());
    Aws::from(config.retry_config(RetryConfig::disabled()).build())
}

/// An endpoint on loopback with credentials that are nobody's, to be completed.
pub fn nobodys(endpoint: &str, key_id: &str, secret: &str) -> Builder {
    let credentials = SharedCredentialsProvider::new(Credentials::new(key_id, secret, None, None, "nobody's"));
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(credentials)
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // Gone already is gone.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port on loopback");
    listener.local_addr().expect("its address").port()
}

#[expect(clippy::disallowed_methods, reason = "waits for a process, whose time is the machine's")]
fn wait(time: Duration) {
    std::thread::sleep(time);
}
