//! The course of a generated price: a level for each day, and a way from one to the next.
//!
//! Only sums, products and square roots, which every machine rounds alike: the same seed is the same market everywhere.

use chrono::Datelike;
use chrono::NaiveDate;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::profile::Profile;

/// What a stream of random numbers is for; the numbers are part of the market and never change.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Level = 1,
    Day = 2,
}

/// How many scales the level moves on: from days to about two years.
const OCTAVES: u32 = 9;

/// Days between breaks of a price that breaks.
const BREAK_DAYS: i32 = 4;

/// A price that breaks falls to this part of itself, and later jumps back.
const BROKEN: f64 = 0.55;

/// Random numbers for one symbol, day and purpose, independent of every other.
pub(super) fn numbers(seed: u64, symbol: &str, day: i64, purpose: Purpose) -> ChaCha8Rng {
    let mut key = [0; 32];
    let words = [seed, fnv1a(symbol.as_bytes()), day.cast_unsigned(), purpose as u64];
    for (place, word) in key.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// A number of `[0, 1)`.
pub(super) fn fraction(rng: &mut impl Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// A number of `[from, to]`.
pub(super) fn between(rng: &mut impl Rng, from: i64, to: i64) -> i64 {
    from + (fraction(rng) * (to - from + 1) as f64) as i64
}

/// A number of mean 0 and deviation 1, nearly normal, no farther out than 3.5: a sum of four even ones.
pub(super) fn normal(rng: &mut impl Rng) -> f64 {
    let lanes = rng.next_u64();
    let sum: u64 = (0..4).map(|lane| (lanes >> (16 * lane)) & 0xffff).sum();
    (sum as f64 / 65_536.0 - 2.0) * 3.0_f64.sqrt()
}

/// Where the price of a day ends. No day's level needs another's: any day can be asked for alone.
pub(super) fn level(seed: u64, profile: &Profile, on: NaiveDate) -> f64 {
    let day = on.num_days_from_ce();
    let offset: f64 = (0..OCTAVES).map(|octave| wave(seed, profile, day, octave)).sum();
    let broken = profile.breaks && day.div_euclid(BREAK_DAYS) % 2 == 0;
    profile.price * (1.0 + offset).max(0.2) * if broken { BROKEN } else { 1.0 }
}

/// Noise that is new every `2^octave` days and goes evenly from one value to the next.
fn wave(seed: u64, profile: &Profile, day: i32, octave: u32) -> f64 {
    let length = 1_i32 << octave;
    let (knot, between) = (day.div_euclid(length), f64::from(day.rem_euclid(length)) / f64::from(length));
    let value = |knot: i32| {
        let place = (i64::from(octave) << 32) | i64::from(knot);
        normal(&mut numbers(seed, profile.symbol.as_str(), place, Purpose::Level))
    };
    let (here, next) = (value(knot), value(knot + 1));
    // Longer waves are higher, as a random walk's are; together they make about `daily_move` a day.
    let height = profile.daily_move * 0.4 * f64::from(length).sqrt();
    height * (here + (next - here) * between)
}

/// Prices at instants of a session, on a random way from `open` to `close` (a Brownian bridge), in whole ticks.
///
/// `times` are ascending, each from 0 to 1 of the session.
pub(super) fn walk(rng: &mut impl Rng, profile: &Profile, open: f64, close: f64, times: &[f64]) -> Vec<f64> {
    let mut steps = Vec::with_capacity(times.len());
    let (mut at, mut walked) = (0.0, 0.0);
    for time in times {
        walked += normal(rng) * (time - at).max(0.0).sqrt();
        at = *time;
        steps.push(walked);
    }
    let missing = if at > 0.0 { walked / at } else { 0.0 };
    let price = |(time, step): (&f64, f64)| {
        let bridge = step - missing * time;
        let exact = open + (close - open) * time + open * profile.daily_move * bridge;
        // Buyers and sellers meet a tick apart now and then.
        let bounce = [-1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0][(rng.next_u64() % 8) as usize];
        in_ticks(exact, profile.tick, bounce)
    };
    times.iter().zip(steps).map(price).collect()
}

/// The nearest whole number of ticks, shifted by some; never below one tick.
fn in_ticks(price: f64, tick: f64, shift: f64) -> f64 {
    let ticks = ((price / tick).round() + shift).max(1.0);
    // Divided, not multiplied: 123.45 is then the double that `123.45` reads as.
    ticks / (1.0 / tick).round()
}

/// A stable hash of bytes.
pub(super) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mendlake_domain::calendar::days;

    #[test]
    fn prices_are_whole_ticks_exactly() {
        assert_eq!(in_ticks(123.4512, 0.01, 0.0), 123.45);
        assert_eq!(in_ticks(123.4512, 0.01, 1.0), 123.46);
        assert_eq!(in_ticks(-5.0, 0.01, 0.0), 0.01);
        assert_eq!(in_ticks(17.00004, 0.0001, 0.0), 17.0);
    }

    #[test]
    fn the_level_moves_about_as_much_a_day_as_the_profile_says() {
        let profile = Profile::liquid("SPY".parse().expect("symbol"), 100.0);
        let levels: Vec<f64> = days("2020-01-01".parse().expect("day"), "2023-12-31".parse().expect("day"))
            .map(|on| level(3, &profile, on))
            .collect();
        let squares: f64 = levels.windows(2).map(|w| ((w[1] - w[0]) / w[0]).powi(2)).sum();
        let deviation = (squares / (levels.len() - 1) as f64).sqrt();
        assert!((0.006..0.024).contains(&deviation), "{deviation}");
        assert!(levels.iter().all(|price| (20.0..250.0).contains(price)));
    }

    #[test]
    fn normal_numbers_have_mean_0_and_deviation_1() {
        let mut rng = numbers(1, "X", 1, Purpose::Day);
        let drawn: Vec<f64> = (0..20_000).map(|_| normal(&mut rng)).collect();
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        let variance = drawn.iter().map(|x| x * x).sum::<f64>() / drawn.len() as f64;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }

    #[test]
    fn a_walk_ends_where_it_is_bound() {
        let profile = Profile::liquid("SPY".parse().expect("symbol"), 100.0);
        let times: Vec<f64> = (1..=1000).map(|i| f64::from(i) / 1000.0).collect();
        let prices = walk(&mut numbers(1, "X", 1, Purpose::Day), &profile, 100.0, 103.0, &times);
        assert!((prices[999] - 103.0).abs() < 0.02, "{}", prices[999]);
        assert!((prices[0] - 100.0).abs() < 0.3);
    }
}
