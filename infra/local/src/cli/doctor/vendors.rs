//! The vendors: what the keys may ask for, and whether our clock agrees with theirs.

use chrono::DateTime;
use mendlake_adapters::http::{Request, Transport};
use mendlake_adapters::vendor::Candles;
use mendlake_domain::minute::Timestamp;
use mendlake_domain::settings::{Settings, most_symbols};
use mendlake_ports::clock::{self, Clock};
use mendlake_ports::error::PortError;
use mendlake_ports::secrets::Secrets;
use mendlake_ports::source::{QuoteSource, SourceError};
use mendlake_reconcile::{Entitlement, Probe, probe_source};

use super::Finding;
use super::looked::refused;
use crate::clock::{ClockArgs, ScaledClock};
use crate::config::{Config, Key, Vendor};
use crate::open::{self, Reading};

/// The provider's time may be this much ahead of reception: beyond it quotes are refused.
const MOST_OFFSET_MS: i64 = 5_000;

/// An offset from here on is worth knowing: it eats into the seconds in which a sample is one.
const NOTED_OFFSET_MS: i64 = 2_000;

/// The vendor's Date header has whole seconds.
const HALF_A_SECOND_MS: i64 = 500;

/// The longest a vendor may take to answer here.
const ANSWER_FOR_MS: i64 = 15_000;

/// Asks each vendor that has a key for a candle of the reference symbol, and Finnhub for its quote. A vendor whose key
/// cannot be read is not asked, and does not count as refusing it.
pub(super) async fn vendors(config: &Config) -> Vec<Finding> {
    if config.finnhub.key.is_none() {
        return Vec::new();
    }
    let vendors = match open::vendors(config) {
        Ok(vendors) => vendors,
        Err(error) => return vec![refused("vendors", &error)],
    };
    let machine = ScaledClock::steady();
    let secrets = open::secrets(config);
    let [(of_finnhub, _), (of_alpaca, _)] = open::keyed(config);
    let mut findings = Vec::new();
    findings.push(match secrets.secret(of_finnhub, true).await {
        Ok(_) => quote(&vendors.finnhub, &config.settings, &machine).await,
        Err(error) => unread("finnhub quotes", &error),
    });
    let mut entitled = false;
    for source in &vendors.candles {
        let of_source = if matches!(source, Candles::Finnhub(_)) { of_finnhub } else { of_alpaca };
        findings.push(match secrets.secret(of_source, true).await {
            Ok(_) => {
                let probe = probe_source(&clock_beside(config), &config.settings, source).await;
                entitled |= probe.entitlement == Entitlement::Entitled;
                candles(&probe)
            }
            Err(error) => unread("candles", &error),
        });
    }
    if !entitled {
        findings.push(unhealed(
            "get a plan with candles, or set APCA_API_KEY_ID and APCA_API_SECRET_KEY to a free key of Alpaca's",
        ));
    }
    findings
}

/// Nobody has candles for these keys.
pub(super) fn unhealed(advice: &str) -> Finding {
    Finding::wrong("healing", "no source gives candles for these keys, so what is lost stays open", advice)
}

/// What was not asked, since there is no key to ask with.
pub(super) fn unread(check: &'static str, error: &PortError) -> Finding {
    Finding::wrong(check, format!("not asked: {}", error.chain()), "mend what the key is read from, then look again")
}

/// The clock of whoever works on the lake: a simulated vendor has candles of its own time only.
pub(super) fn clock_beside(config: &Config) -> ScaledClock {
    Reading::open(config, &ClockArgs::default()).map_or_else(|_| ScaledClock::machine(), |reading| reading.clock)
}

pub(super) async fn quote(finnhub: &impl QuoteSource, settings: &Settings, machine: &ScaledClock) -> Finding {
    let check = "finnhub quotes";
    let reference = &settings.reference;
    let reply = clock::by(machine, machine.now().plus_ms(ANSWER_FOR_MS), finnhub.quote(reference)).await;
    let Some(reply) = reply else {
        return Finding::wrong(check, "no answer in 15 s", "look at the network, and at `proxy`");
    };
    let limit = reply.rate.map(|rate| rate.limit);
    let told = limit.map(|limit| format!(", {limit} calls a minute, so {} symbols at most", most_symbols(limit)));
    match reply.outcome {
        Ok(Some(_)) => Finding::good(check, format!("`{reference}` has a price{}", told.unwrap_or_default())),
        Ok(None) => Finding::note(check, format!("`{reference}` has no price now"), "look again in a session"),
        Err(SourceError::Denied) => {
            Finding::wrong(check, "the key is refused", "replace it: https://finnhub.io/dashboard")
        }
        Err(error) => {
            Finding::wrong(check, error.to_string(), "look at the network, at `proxy` and at `finnhub.base_url`")
        }
    }
}

pub(super) fn candles(probe: &Probe) -> Finding {
    let check = "candles";
    let told = crate::cli::run::source(probe);
    match &probe.entitlement {
        Entitlement::Entitled => Finding::good(check, told),
        Entitlement::NotEntitled { .. } => Finding::note(check, told, "another source must heal what is lost"),
        Entitlement::Denied => Finding::wrong(check, told, "replace the key"),
        Entitlement::Unknown { .. } => Finding::note(check, told, "look again later"),
    }
}

/// This machine's clock against the vendor's.
pub(super) async fn clock(config: &Config) -> Finding {
    let check = "clock";
    if clock_beside(config).is_scaled() {
        return Finding::good(check, "whoever works on the lake runs on a scaled clock, as its vendors do");
    }
    if !config.finnhub.base_url.value.starts_with("https:") {
        return Finding::good(check, "not compared: the vendor is on this machine");
    }
    match vendor_time(config, &config.finnhub).await {
        None => Finding::note(check, "no vendor told the time", "keep the clock with NTP"),
        Some((theirs, ours)) => {
            let offset = ours.ms_since(theirs);
            let told = format!(
                "{:.1} s {} the vendor's",
                offset.abs() as f64 / 1000.0,
                if offset < 0 { "behind" } else { "ahead of" }
            );
            match offset.abs() {
                ms if ms < NOTED_OFFSET_MS => Finding::good(check, told),
                ms if ms < MOST_OFFSET_MS => {
                    let advice = "set it, and keep it with NTP: samples are taken in the first ten seconds of a minute";
                    Finding::note(check, told, advice)
                }
                _ => Finding::wrong(check, told, "set it, and keep it with NTP: quotes from the future are refused"),
            }
        }
    }
}

/// The vendor's time and ours in the middle of one request. No key goes with it.
async fn vendor_time(config: &Config, vendor: &Vendor) -> Option<(Timestamp, Timestamp)> {
    let transport = config.transport(Key::FinnhubBaseUrl, vendor).ok()?;
    let machine = ScaledClock::steady();
    let request = Request { path_and_query: "/".into(), headers: Vec::new() };
    let asked = machine.now();
    let answer = clock::by(&machine, asked.plus_ms(ANSWER_FOR_MS), transport.get(&request)).await?.ok()?;
    let took = machine.now().ms_since(asked);
    let date = DateTime::parse_from_rfc2822(answer.header("date")?).ok()?;
    let theirs = Timestamp::from_epoch_ms(date.timestamp_millis() + HALF_A_SECOND_MS);
    Some((theirs, asked.plus_ms(took / 2)))
}
