//! Starting the binary, and simulated vendors for it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use mendlake::clock::ScaledClock;
use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::Clock;
use serde_json::Value;

/// The key that the simulator knows.
pub(crate) const KEY: &str = "simulated";

/// What a command did.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The result as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }
}

/// A folder in which commands run, and what surrounds them.
pub(crate) struct Desk {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) variables: Vec<(String, String)>,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, variables: Vec::new() }
    }

    /// With a variable of the environment; no other is there.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn lake(&self) -> PathBuf {
        self.path().join("lake")
    }

    /// A command, not started.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mendlake"));
        command.args(words).current_dir(self.path()).env_clear().envs(self.variables.iter().cloned());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        let Output { status, stdout, stderr } = self.command(words).output().expect("the binary starts");
        Ran {
            code: status.code().unwrap_or(-1),
            out: String::from_utf8(stdout).expect("text"),
            err: String::from_utf8(stderr).expect("text"),
        }
    }

    /// Starts a command; what it logs goes to a file of this name.
    pub(crate) fn start(&self, words: &[&str], log: &str) -> Running {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path().join(log)).expect("a log");
        let child = self.command(words).stdout(Stdio::null()).stderr(log).spawn().expect("the binary starts");
        Running(child)
    }

    /// What was logged to a file.
    pub(crate) fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap_or_default()
    }
}

/// A process that ends with the test.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// Asks it to stop, and gives its exit code.
    pub(crate) fn stop(&mut self) -> i32 {
        let pid = self.0.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status().expect("kill starts");
        assert!(asked.success());
        self.0.wait().expect("it ends").code().unwrap_or(-1)
    }

    /// Kills it, as the machine's power supply would.
    pub(crate) fn kill(&mut self) {
        self.0.kill().expect("it was alive");
        self.0.wait().expect("it ends");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Simulated vendors on a scaled clock.
pub(crate) struct Vendors {
    pub(crate) url: String,
    clock: [String; 6],
    _running: Running,
}

impl Vendors {
    /// Starts them at an instant of theirs, so many times as fast as the machine.
    pub(crate) fn start(desk: &Desk, epoch: &str, rate: u32, more: &[&str]) -> Self {
        let clock = [
            "--epoch".to_owned(),
            epoch.to_owned(),
            "--epoch-at".to_owned(),
            ScaledClock::machine().now().to_string(),
            "--rate".to_owned(),
            rate.to_string(),
        ];
        let mut words = vec!["simulate", "--listen", "127.0.0.1:0"];
        words.extend(clock.iter().map(String::as_str));
        words.extend(more);
        let mut child = desk.command(&words).stdout(Stdio::piped()).spawn().expect("the simulator starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let url = line.split_whitespace().find(|word| word.starts_with("http://"));
        let url = url.unwrap_or_else(|| panic!("no address: {line}")).to_owned();
        Self { url, clock, _running: Running(child) }
    }

    /// The flags of `run` against them.
    pub(crate) fn run<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let mut words = vec!["run", "--finnhub-base-url", &self.url];
        words.extend(self.clock.iter().map(String::as_str));
        words.extend(more);
        words
    }

    /// A command on their clock, which one beside a running daemon takes from it.
    pub(crate) fn on_clock<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        let mut words = words.to_vec();
        words.extend(["--finnhub-base-url", &self.url]);
        words.extend(self.clock.iter().map(String::as_str));
        words
    }
}

/// Waits, in real time.
#[expect(clippy::disallowed_methods, reason = "other processes run on the machine's time")]
pub(crate) fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// Waits until something holds, at most so many seconds of the machine's.
pub(crate) fn until(what: &str, seconds: i64, mut holds: impl FnMut() -> bool) {
    let machine = ScaledClock::machine();
    let deadline: Timestamp = machine.now().plus_s(seconds);
    while !holds() {
        assert!(machine.now() < deadline, "{what}: not in {seconds} s");
        pause(100);
    }
}
