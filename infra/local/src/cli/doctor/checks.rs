//! The checks, each giving findings and none failing.

use std::collections::BTreeSet;

use mendlake_domain::settings::{Settings, most_symbols};
use mendlake_domain::symbol::Symbol;
use mendlake_ports::clock::Clock;
use mendlake_ports::control;
use mendlake_ports::error::PortError;
use mendlake_ports::runs::Runs;
use mendlake_ports::secrets::Secrets;
use mendlake_ports::set_aside::SetAside;

use super::vendors::{clock, clock_beside, vendors};
use super::{Finding, machine};
use crate::clock::ClockArgs;
use crate::config::{Config, FINNHUB_TOKEN, Key};
use crate::open::{self, Reading};
use crate::place::dead_letters;
use crate::{times, watching};

/// Fewer days left in the calendar are worth knowing.
const DAYS_LEFT: i64 = 60;

/// Every finding.
pub(super) async fn all(config: &Config) -> Vec<Finding> {
    let mut findings = vec![file(config)];
    findings.extend(keys(config).await);
    findings.extend(vendors(config).await);
    findings.push(clock(config).await);
    findings.extend(machine::disk(&config.lake));
    findings.push(calendar(config));
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

fn calendar(config: &Config) -> Finding {
    let check = "calendar";
    let calendar = config.settings.calendar;
    let (_, last) = calendar.range();
    let left = last.signed_duration_since(clock_beside(config).now().date()).num_days();
    let told = format!("`{calendar}` knows the days up to {last}, {left} more");
    match left {
        ..0 => Finding::wrong(check, told, "use a newer release: nothing is expected beyond it"),
        0..DAYS_LEFT => Finding::note(check, told, "use a newer release soon"),
        _ => Finding::good(check, told),
    }
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
    findings.push(reconciled(&reading).await);
    findings.extend(parked(&reading).await);
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
    let check = "watchlist";
    let configured = config.watched.as_ref().map(|watched| watched.value.symbols());
    let symbols: BTreeSet<Symbol> = match (configured, control::watchlist(&reading.lake).await) {
        (Some(Err(error)), _) => return Finding::wrong(check, error.to_string(), "mend the watchlist"),
        (Some(Ok(symbols)), _) => symbols,
        (None, Ok(list)) => list.at(reading.clock.now().minute() + 1).into_iter().collect(),
        (None, Err(error)) => return refused(check, &error),
    };
    let limit = watching::limit(reading.ledger().ok().as_ref(), &config.settings).await;
    match (symbols.len(), Settings::check_watchlist(symbols.len(), limit)) {
        (0, _) => Finding::wrong(check, "nothing is watched", "`mendlake watch add SYMBOL`, or set `symbols`"),
        (_, Err(error)) => {
            Finding::note(check, error.to_string(), "what is left out is named in the log, and heals from candles")
        }
        (count, Ok(())) => Finding::good(check, format!("{count} symbols of at most {}", most_symbols(limit))),
    }
}

async fn reconciled(reading: &Reading) -> Finding {
    let check = "ledger";
    let last = match reading.ledger() {
        Ok(ledger) => ledger.last_run().await,
        Err(error) => Err(error),
    };
    match last {
        Err(error) => {
            Finding::wrong(check, error.chain(), "`mendlake verify --rebuild-ledger` derives it from the lake")
        }
        Ok(None) => Finding::note(check, "nothing was reconciled yet", "start `mendlake run`"),
        Ok(Some(run)) => {
            let age = times::stretch(reading.clock.now().ms_since(run.at));
            let open = run.report.get("open_gaps").and_then(serde_json::Value::as_u64).unwrap_or(0);
            Finding::good(check, format!("last reconciled {age} ago, {open} symbol-minutes open"))
        }
    }
}

async fn parked(reading: &Reading) -> Vec<Finding> {
    let check = "put aside";
    let mut findings = Vec::new();
    match reading.lake.parked().await {
        Ok(parked) if parked.is_empty() => {}
        Ok(parked) => findings.push(Finding::wrong(
            check,
            format!("{} batches are parked: the lake could not be written to for hours", parked.len()),
            "mend the disk, then start `mendlake run` again: it lands them",
        )),
        Err(error) => findings.push(refused(check, &error)),
    }
    match reading.lake.quarantined().await {
        Ok(rejected) if rejected.is_empty() => {}
        Ok(rejected) => findings.push(Finding::note(
            check,
            format!("{} pieces of input are in quarantine", rejected.len()),
            "each file says why; nothing waits for them",
        )),
        Err(error) => findings.push(refused(check, &error)),
    }
    if let Ok(database) = reading.database() {
        match dead_letters(database, reading.clock).await {
            Ok(0) => {}
            Ok(count) => findings.push(Finding::wrong(
                check,
                format!("{count} dead letters: messages that killed whoever worked on them"),
                "runbooks/DeadLetters.md says what to do",
            )),
            Err(error) => findings.push(refused(check, &error)),
        }
    }
    findings
}

pub(super) fn refused(check: &'static str, error: &PortError) -> Finding {
    Finding::wrong(check, error.chain(), "do what it says, then look again")
}
