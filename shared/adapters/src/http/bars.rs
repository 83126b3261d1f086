//! What every vendor's bar must be.

use mendlake_domain::candle::Candle;

use super::answer::Fault;

/// The candle, where it can be one: prices above zero, low ≤ open and close ≤ high, volume not below zero.
///
/// A volume of zero is allowed: vendors send such bars for trades that count for the price and not for the volume.
pub(crate) fn checked(candle: Candle) -> Result<Candle, Fault> {
    let Candle { minute, open, high, low, close, volume } = candle;
    if ![open, high, low, close].iter().all(|price| price.is_finite() && *price > 0.0) {
        return Err(Fault::wrong(format!("the bar of {minute} has a price that is not above zero")));
    }
    if ![open, close].iter().all(|price| (low..=high).contains(price)) {
        return Err(Fault::wrong(format!("the bar of {minute} has its open or close outside its low and high")));
    }
    if !(volume.is_finite() && volume >= 0.0) {
        return Err(Fault::wrong(format!("the bar of {minute} has a volume below zero")));
    }
    Ok(candle)
}
