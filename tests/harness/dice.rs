//! Random numbers of one seed.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Dice that fall alike for the same seed, on every machine and in every release.
#[derive(Clone, Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// Dice of a seed; other `purpose`s fall independently of one another.
    pub fn new(seed: u64, purpose: u64) -> Self {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        dice.set_stream(purpose);
        Self(dice)
    }

    /// A number of `[0, below)`; 0 where `below` is 0.
    pub fn below(&mut self, below: usize) -> usize {
        // The bias of a remainder of 64 bits is nothing here.
        usize::try_from(self.0.next_u64() % (below.max(1) as u64)).expect("below a usize")
    }

    /// A number of `[from, to]`.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        let span = u64::try_from(to - from).map_or(0, |span| span) + 1;
        from + i64::try_from(self.0.next_u64() % span).expect("within the span")
    }

    /// Whether something of this probability happens.
    pub fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && ((self.0.next_u64() >> 11) as f64) < probability * (1_u64 << 53) as f64
    }

    /// One of these, which must not be none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Bits, each as likely as not.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dice_of_one_seed_fall_alike_and_of_another_purpose_otherwise() {
        let thrown = |seed, purpose| {
            let mut dice = Dice::new(seed, purpose);
            (0..8).map(|_| dice.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(thrown(7, 0), thrown(7, 0));
        assert_ne!(thrown(7, 0), thrown(7, 1));
        assert_ne!(thrown(7, 0), thrown(8, 0));
    }

    #[test]
    fn numbers_keep_to_their_bounds() {
        let mut dice = Dice::new(1, 0);
        assert!((0..200).all(|_| (-3..=4).contains(&dice.between(-3, 4))));
        assert!((0..200).all(|_| dice.below(3) < 3));
        assert!(!dice.chance(0.0) && dice.chance(1.0));
    }
}
