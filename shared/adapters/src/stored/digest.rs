//! Digests of what is stored.

use mendlake_domain::quote::{Day, StoredRow};
use sha2::{Digest, Sha256};

/// Hexadecimal digits kept of a digest: 128 bits. Two different batches of one first sequence would have to meet.
pub const DIGITS: usize = 32;

/// SHA-256 as lower-case hexadecimal, cut to [`DIGITS`] digits.
pub fn of_bytes(bytes: &[u8]) -> String {
    hex(Sha256::new_with_prefix(bytes))
}

/// The digest of rows in the order given: SHA-256 over their canonical form, cut to [`DIGITS`] digits.
///
/// The canonical form of a row is its fields in the order of the table's columns. Text: its length in bytes, then the
/// bytes. Instants: milliseconds since the epoch. Prices: the bits of the double. All numbers are 64 bits, little-endian.
/// Nullable fields begin with a byte, 0 for null (and nothing more) or 1. It is fixed for ever: object names hold it.
pub fn of_rows(rows: &[StoredRow]) -> String {
    let mut digest = Sha256::new();
    let mut form = Vec::with_capacity(160);
    for stored in rows {
        form.clear();
        canonical(stored, &mut form);
        digest.update(&form);
    }
    hex(digest)
}

fn canonical(stored: &StoredRow, form: &mut Vec<u8>) {
    let row = &stored.row;
    let Day { open, high, low, prev_close } = row.day;
    text(row.symbol.as_str(), form);
    number(row.minute.start().epoch_ms(), form);
    form.extend(row.price.get().to_bits().to_le_bytes());
    text(row.basis.as_str(), form);
    text(row.source.as_str(), form);
    nullable(row.traded_at.map(|at| at.epoch_ms().to_le_bytes()), form);
    for price in [open, high, low, prev_close] {
        nullable(price.map(|price| price.get().to_bits().to_le_bytes()), form);
    }
    number(row.observed_at.epoch_ms(), form);
    number(stored.stored_at.epoch_ms(), form);
    number(row.revision, form);
}

fn text(text: &str, form: &mut Vec<u8>) {
    form.extend((text.len() as u64).to_le_bytes());
    form.extend(text.as_bytes());
}

fn number(number: i64, form: &mut Vec<u8>) {
    form.extend(number.to_le_bytes());
}

fn nullable(value: Option<[u8; 8]>, form: &mut Vec<u8>) {
    form.push(u8::from(value.is_some()));
    form.extend(value.into_iter().flatten());
}

fn hex(digest: Sha256) -> String {
    let mut hex: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    hex.truncate(DIGITS);
    hex
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stored::quotes::tests::row;

    #[test]
    fn the_digest_of_known_bytes_is_known() {
        assert_eq!(of_bytes(b"abc"), "ba7816bf8f01cfea414140de5dae2223");
    }

    #[test]
    fn every_field_is_in_the_digest() {
        let first = row("AAPL", 0);
        let mut others = vec![first.clone(); 13];
        others[0].row.symbol = "AAPLX".parse().expect("symbol");
        others[1].row.minute = first.row.minute + 1;
        others[2].row.price = first.row.day.high.expect("a high");
        others[3].row.basis = mendlake_domain::quote::Basis::Close;
        others[4].row.source = "alpaca:sip".parse().expect("source");
        others[5].row.traded_at = None;
        others[6].row.day.open = None;
        others[7].row.day.high = None;
        others[8].row.day.low = None;
        others[9].row.day.prev_close = None;
        others[10].row.observed_at = first.row.observed_at.plus_ms(1);
        others[11].row.revision = 1;
        others[12].stored_at = first.stored_at.plus_ms(1);
        let mut digests: Vec<String> = others.iter().map(|row| of_rows(std::slice::from_ref(row))).collect();
        digests.push(of_rows(std::slice::from_ref(&first)));
        digests.push(of_rows(&[first.clone(), first]));
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), 15);
    }

    /// Names in every lake hold it: it never changes. Computed from the words above by another program.
    #[test]
    fn the_digest_of_the_golden_row_is_fixed() {
        assert_eq!(of_rows(&[row("AAPL", 0)]), "f0f3c83ad6f2ed4f3c5b88dd57a2a787");
    }
}
