//! Digests that name things by their content.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// The first 16 hex digits of the SHA-256 of the bytes: enough to tell apart what one lake ever holds (2^32 objects for
/// an even chance of one collision), and short enough for a file name.
pub fn short(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().take(8).fold(String::with_capacity(16), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_digest_is_that_of_its_bytes() {
        assert_eq!(super::short(b"abc"), "ba7816bf8f01cfea");
    }
}
