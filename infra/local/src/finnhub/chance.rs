//! What is left to chance: a number from the seed and what it is drawn for, and from nothing else.

/// A number that depends on all of these and on nothing else.
pub(super) fn drawn(seed: u64, text: &str, numbers: &[u64]) -> u64 {
    let bytes = text.bytes().map(u64::from);
    numbers.iter().copied().chain(bytes).fold(mixed(seed), |state, word| mixed(state ^ word))
}

/// Whether what has this probability happens.
pub(super) fn happens(probability: f64, drawn: u64) -> bool {
    ((drawn >> 11) as f64) < probability * (1_u64 << 53) as f64
}

/// The step of splitmix64: every bit of the input reaches every bit of the output.
fn mixed(word: u64) -> u64 {
    let mut z = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_even_and_keeps_its_probability() {
        let hits = |probability| (0..10_000).filter(|n| happens(probability, drawn(7, "AAPL", &[*n]))).count();
        assert_eq!((hits(0.0), hits(1.0)), (0, 10_000));
        assert!((2_800..3_200).contains(&hits(0.3)), "{}", hits(0.3));
        assert_ne!(drawn(7, "AAPL", &[1]), drawn(8, "AAPL", &[1]));
        assert_ne!(drawn(7, "AAPL", &[1]), drawn(7, "AAPM", &[1]));
    }
}
