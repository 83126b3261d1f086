//! The stack's keys: whether they are there, and what their plans include.

use mendlake_adapters::vendor::Candles;
use mendlake_adapters::{alpaca, finnhub};
use mendlake_aws::stack::Stack;
use mendlake_ports::place::Place;
use mendlake_ports::secrets::Secrets;
use mendlake_reconcile::{Entitlement, probe_source};

use super::super::vendors::{candles, quote, unhealed, unread};
use super::super::{Finding, looked};
use crate::clock::ScaledClock;
use crate::look::Look;
use crate::stack::{StackLook, StackPlace};

/// Reads each key and asks its vendor with it, as the functions would: a quote, and a candle a source.
pub(super) async fn all(stack: &Stack, look: &StackLook) -> Vec<Finding> {
    let place = match look.place().await {
        Ok(place) => place,
        Err(error) => return vec![looked::refused("keys", &error)],
    };
    let mut findings = vec![key(&place, "finnhub key", finnhub::client::NAME).await];
    match stack.parameter("UseAlpaca") {
        Ok("yes") => findings.push(key(&place, "alpaca key", alpaca::client::SECRET_NAME).await),
        _ => findings.push(Finding::note(
            "alpaca key",
            "not used",
            "a free key of Alpaca's heals where Finnhub's plan has no candles: deploy with `UseAlpaca=yes`",
        )),
    }
    findings.extend(vendors(&place, look).await);
    findings
}

async fn key(place: &StackPlace, check: &'static str, name: &str) -> Finding {
    match place.secrets().secret(name, true).await {
        Ok(secret) => Finding::good(check, format!("version {}", secret.version)),
        Err(error) => Finding::wrong(check, error.chain(), "runbooks/rotate-a-key.md says how a key is put in"),
    }
}

async fn vendors(place: &StackPlace, look: &StackLook) -> Vec<Finding> {
    let (settings, machine) = (look.settings(), ScaledClock::steady());
    let mut findings = Vec::new();
    findings.push(match place.secrets().secret(finnhub::client::NAME, false).await {
        Ok(_) => quote(place.quotes(), settings, &machine).await,
        Err(error) => unread("finnhub quotes", &error),
    });
    let mut entitled = false;
    for source in place.candles() {
        let of_source =
            if matches!(source, Candles::Finnhub(_)) { finnhub::client::NAME } else { alpaca::client::SECRET_NAME };
        findings.push(match place.secrets().secret(of_source, false).await {
            Ok(_) => {
                let probe = probe_source(&look.clock(), settings, source).await;
                entitled |= probe.entitlement == Entitlement::Entitled;
                candles(&probe)
            }
            Err(error) => unread("candles", &error),
        });
    }
    if !entitled {
        findings.push(unhealed(
            "get a plan with candles, or deploy with `UseAlpaca=yes` and put a free key of Alpaca's in",
        ));
    }
    findings
}
