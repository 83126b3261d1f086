//! The checks on one machine, each giving findings and none failing.

use mendlake_ports::clock::Clock;
use mendlake_ports::secrets::Secrets;

use super::looked::{self, refused};
use super::vendors::{clock, clock_beside, vendors};
use super::{Finding, machine};
use crate::clock::ClockArgs;
use crate::config::{Config, FINNHUB_TOKEN, Key};
use crate::open::{self, Reading};

/// Every finding.
pub(super) async fn all(config: &Config) -> Vec<Finding> {
    let mut findings = vec![file(config)];
    findings.extend(keys(config).await);
    findings.extend(vendors(config).await);
    findings.push(clock(config).await);
    findings.extend(machine::disk(&config.lake));
    findings.push(looked::calendar(config.settings.calendar, clock_beside(config).now()));
    findings.extend(lake(config).await);
    findings
}

fn file(config: &Config) -> Finding {
    match &config.file {
        Some(path) => Finding::good("configuration", format!("read `{}`", path.display())),
        None => Finding::good("configuration", "no mendlake.toml in this folder, which is fine"),
    }
}

async fn keys(config: &Config) -> Vec<Finding> {
    let secrets = open::secrets(config);
    let mut findings = Vec::new();
    for (check, vendor, needed) in [("finnhub key", &config.finnhub, true), ("alpaca key", &config.alpaca, false)] {
        let name = check.split(' ').next().unwrap_or_default();
        findings.push(match (&vendor.key, needed) {
            (None, true) => Finding::wrong(
                check,
                "there is none",
                format!("set `{FINNHUB_TOKEN}`, or name a file with `{}`; a free key is enough for quotes", Key::FinnhubKeyFile.flag()),
            ),
            (None, false) => Finding::note(
                check,
                "there is none",
                "a free key of Alpaca's heals where Finnhub's plan has no candles: set APCA_API_KEY_ID and APCA_API_SECRET_KEY",
            ),
            (Some(place), _) => match secrets.secret(name, true).await {
                Ok(secret) => Finding::good(check, format!("from {place}, version {}", secret.version)),
                Err(error) => Finding::wrong(check, error.chain(), "put the key there, alone, where this user may read it"),
            },
        });
    }
    findings.extend(secrets.exposed().into_iter().map(|exposed| {
        let path = exposed.path.display();
        let found = format!("`{path}` has mode {:o}: everybody on this machine can read it", exposed.mode);
        Finding::wrong("key file", found, format!("chmod 600 {path}"))
    }));
    findings
}

async fn lake(config: &Config) -> Vec<Finding> {
    let check = "lake";
    let folder = config.lake.display();
    if !config.lake.exists() {
        return vec![Finding::note(check, format!("there is none at `{folder}` yet"), "`mendlake run` makes it")];
    }
    let reading = match Reading::open(config, &ClockArgs::default()) {
        Ok(reading) => reading,
        Err(error) => return vec![refused(check, &error)],
    };
    let mut findings = vec![Finding::good(check, format!("`{folder}`, made {}", reading.lake.created_at()))];
    findings.push(holder(&reading));
    findings.push(watchlist(&reading, config).await);
    findings.push(looked::reconciled(&reading, reading.lake.created_at(), None).await);
    findings.extend(looked::aside(&reading).await);
    findings
}

fn holder(reading: &Reading) -> Finding {
    let check = "pipeline";
    match &reading.holding {
        None => Finding::note(check, "nobody works on this lake now", "start `mendlake run`"),
        Some(holding) => Finding::good(
            check,
            holding.0.as_ref().map_or_else(
                || "runs".to_owned(),
                |holder| format!("runs: process {}, since {}", holder.pid, holder.started_at),
            ),
        ),
    }
}

async fn watchlist(reading: &Reading, config: &Config) -> Finding {
    match config.watched.as_ref().map(|watched| watched.value.symbols()) {
        Some(Err(error)) => Finding::wrong("watchlist", error.to_string(), "mend the watchlist"),
        Some(Ok(symbols)) => looked::watchlist(reading, Some(symbols.len())).await,
        None => looked::watchlist(reading, None).await,
    }
}
