//! `mendlake run`: the daemon.

use std::collections::BTreeSet;

use mendlake_domain::overlay::Schedule;
use mendlake_domain::settings::Settings;
use mendlake_domain::symbol::Symbol;
use mendlake_domain::watchlist::{Edit, Watchlist};
use mendlake_ports::clock::Clock;
use mendlake_ports::control;
use mendlake_ports::place::Place;
use mendlake_ports::secrets::Secrets;
use mendlake_reconcile::{Entitlement, Probe, probe};

use super::{Ending, Failure, Outcome, begin};
use crate::alarm::Alarm;
use crate::clock::ClockArgs;
use crate::config::{Config, ConfigArgs, FINNHUB_TOKEN, WatchArgs};
use crate::open::{self, RealPlace, Working};
use crate::repair::land_parked;
use crate::{supervise, times, watching};

/// Collect, land, reconcile and heal, until it is stopped.
///
/// The first start makes the lake. Every start reconciles what was missed since the last one. Ctrl-C or SIGTERM ends it
/// gracefully; killing it loses nothing that was acknowledged.
///
/// The key comes from the environment (FINNHUB_TOKEN) or from a file (--finnhub-key-file), never from an argument. A free
/// Finnhub key gets quotes and no candles: what is lost then heals where Alpaca has a key too (APCA_API_KEY_ID and
/// APCA_API_SECRET_KEY), which is free.
///
/// To try it without any key: `mendlake simulate` in one terminal, and in another one
/// FINNHUB_TOKEN=simulated mendlake run --symbols SPY --finnhub-base-url http://127.0.0.1:8321
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    watch: WatchArgs,

    #[command(flatten)]
    clock: ClockArgs,

    #[command(flatten)]
    config: ConfigArgs,
}

/// A watchlist that begins within this is worth starting for.
const COMING_MIN: i64 = 31 * 24 * 60;

/// Runs the daemon.
pub async fn run(args: Args) -> Outcome {
    let config = begin(&args.config, &args.watch)?;
    let clock = args.clock.anchored();
    if config.finnhub.key.is_none() {
        return Err(Failure::usage(format!(
            "no key for Finnhub: set `{FINNHUB_TOKEN}`, or name a file that holds it with `--finnhub-key-file` (a free key \
             is enough for quotes: https://finnhub.io/register)"
        )));
    }
    let wanted = config.watched.as_ref().map(|watched| watched.value.symbols()).transpose()?;
    // What is wrong with the command is said before anything is made.
    keys(&config).await?;
    open::vendors(&config)?;
    if wanted.is_none() && !open::is_lake(&config.lake) {
        return Err(nothing_watched());
    }
    let Working { place, made, lock } = open::work(&config, &clock, true).await?;
    if made {
        tracing::info!("made a lake at {}", config.lake.display());
    }
    if let Err(error) = land_parked(&place).await {
        tracing::warn!("what was parked stays parked: {}", error.chain());
    }
    let list = control::watchlist(place.lake()).await?;
    let next = place.clock().now().minute() + 1;
    let idle = |minute| list.at(minute).is_empty();
    if wanted.is_none() && idle(next) && idle(next + COMING_MIN) {
        return Err(nothing_watched());
    }
    let probes = probe(&place, &config.settings).await?;
    let watched = watch(&place, &config, &list, wanted).await?;
    say(&place, &config, &watched, &probes).await?;
    let ended = supervise::work(&config, &clock, place).await;
    drop(lock);
    ended?;
    Ok(Ending::Done)
}

fn nothing_watched() -> Failure {
    Failure::usage("nothing is watched: name symbols with `--symbols AAPL,MSFT`, or a file of them with `--watchlist`")
}

/// Refuses a configured key that cannot be one, or cannot be read.
async fn keys(config: &Config) -> Result<(), Failure> {
    let secrets = open::secrets(config);
    for (name, vendor) in open::keyed(config) {
        if vendor.key.is_some() {
            secrets.secret(name, true).await.map_err(|error| Failure::usage(error.chain()))?;
        }
    }
    Ok(())
}

/// Brings the lake's watchlist in line with the configured symbols, where there are any; gives what is watched.
async fn watch(
    place: &RealPlace,
    config: &Config,
    list: &Watchlist,
    wanted: Option<BTreeSet<Symbol>>,
) -> Result<Vec<Symbol>, Failure> {
    let now = place.clock().now();
    // The ticker is not running yet, so the very next minute can still be asked for.
    let from = now.minute() + 1;
    let watched = wanted.clone().unwrap_or_else(|| list.at(from).into_iter().collect());
    let limit = watching::limit(Some(place.ledger()), &config.settings).await;
    Settings::check_watchlist(watched.len(), limit).map_err(|error| Failure::usage(error.to_string()))?;
    if let Some(edit) = wanted.and_then(|wanted| watching::change_to(list, &wanted, from)) {
        let why = config.watched.as_ref().map(|watched| watched.origin.to_string()).unwrap_or_default();
        if let Edit::Change { add, remove, .. } = &edit {
            tracing::info!(
                "watchlist from {from} on ({why}){}{}",
                named(", added: ", add),
                named(", removed: ", remove)
            );
            warn_of_unknown(place, config, add).await;
        }
        watching::append(place.lake(), edit, "run", &why, now).await?;
    }
    Ok(watched.into_iter().collect())
}

/// A symbol without a price may be misspelt. It is watched all the same: after three sessions without anything it is given
/// up by name.
async fn warn_of_unknown(place: &RealPlace, config: &Config, added: &BTreeSet<Symbol>) {
    let schedule = Schedule { calendar: config.settings.calendar, overlay: Default::default() };
    let in_session = matches!(schedule.session_of(place.clock().now().minute() + 1), Ok(Some(_)));
    for symbol in watching::without_price(place, added, in_session).await {
        tracing::warn!("Finnhub has no price for `{symbol}` now: check its spelling; it is watched all the same");
    }
}

fn named(before: &str, symbols: &BTreeSet<Symbol>) -> String {
    let names: Vec<&str> = symbols.iter().map(Symbol::as_str).collect();
    if names.is_empty() { String::new() } else { format!("{before}{}", names.join(" ")) }
}

/// The start-up line: what is watched, the sources and what their keys may ask for, the next session.
async fn say(place: &RealPlace, config: &Config, watched: &[Symbol], probes: &[Probe]) -> Result<(), Failure> {
    let names: Vec<&str> = watched.iter().map(Symbol::as_str).collect();
    let sources: Vec<String> = probes.iter().map(source).collect();
    let session = next_session(place, config).await?;
    tracing::info!(
        "watching {} symbols: {}; quotes from finnhub; candles: {}; {session}",
        names.len(),
        names.join(" "),
        sources.join(", "),
    );
    let heals = |probe: &Probe| matches!(probe.entitlement, Entitlement::Entitled | Entitlement::Unknown { .. });
    if !probes.iter().any(heals) {
        tracing::error!(
            runbook = Alarm::GapsOpen.as_str(),
            "no source has candles for these keys, so what is lost stays open: {}; {}",
            sources.join(", "),
            advice(probes)
        );
    }
    Ok(())
}

/// What to do where no source has candles. A plan is named as missing only where a key was taken.
fn advice(probes: &[Probe]) -> String {
    let denied = |probe: &&Probe| probe.entitlement == Entitlement::Denied;
    let refused: Vec<&str> = probes.iter().filter(denied).map(|probe| probe.source.as_str()).collect();
    let alpaca = "a free Alpaca key beside it: set APCA_API_KEY_ID and APCA_API_SECRET_KEY";
    match (refused.len(), probes.len() - refused.len()) {
        (0, _) => format!("get the plan that is missing, or {alpaca}"),
        (_, 0) => format!("replace the key that is refused ({})", refused.join(", ")),
        _ => format!(
            "replace the key that is refused ({}), get the plan that is missing, or {alpaca}",
            refused.join(", ")
        ),
    }
}

/// A source as the start-up line and `doctor` name it.
pub(super) fn source(probe: &Probe) -> String {
    let what = match &probe.entitlement {
        Entitlement::Entitled => "entitled".to_owned(),
        Entitlement::NotEntitled { plan } => format!("not in the plan of this key ({plan})"),
        Entitlement::Denied => "the key is refused".to_owned(),
        Entitlement::Unknown { why } => format!("not known yet ({why})"),
    };
    format!("{} {what}", probe.source)
}

async fn next_session(place: &RealPlace, config: &Config) -> Result<String, Failure> {
    let overlay = control::overlay(place.lake()).await?;
    let calendar = config.settings.calendar;
    let now = place.clock().now();
    let next = Schedule { calendar, overlay }.session_after(now.minute());
    let next = next.map_err(|error| Failure::failed(error.to_string()))?;
    Ok(next.map_or_else(
        || "no session in the next month".to_owned(),
        |session| {
            let told = times::session(calendar, &session);
            match session.open.start().ms_since(now) {
                ms if ms > 0 => format!("next session {told}, opens in {}", times::stretch(ms)),
                _ => format!("session {told} is open"),
            }
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(source: &str, entitlement: Entitlement) -> Probe {
        Probe { source: source.parse().expect("a name"), entitlement, limit: None }
    }

    #[test]
    fn a_plan_is_said_to_be_missing_only_of_a_key_that_was_taken() {
        let no_plan = || probe("finnhub", Entitlement::NotEntitled { plan: "Premium".into() });
        let denied = |source| probe(source, Entitlement::Denied);
        assert!(advice(&[no_plan()]).starts_with("get the plan that is missing, or a free Alpaca key"));
        assert_eq!(advice(&[denied("finnhub")]), "replace the key that is refused (finnhub)");
        let both = advice(&[no_plan(), denied("alpaca:sip")]);
        assert!(both.contains("(alpaca:sip)") && both.contains("plan that is missing"), "{both}");
    }
}
