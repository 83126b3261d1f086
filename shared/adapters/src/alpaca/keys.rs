//! Alpaca's key: an id and a secret, kept as one secret.

use mendlake_ports::secrets::Key;
use serde::Deserialize;

use crate::http::object::Object;

/// The two halves of Alpaca's key. `Debug` hides both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// For the header `APCA-API-KEY-ID`.
    pub id: Key,
    /// For the header `APCA-API-SECRET-KEY`.
    pub secret: Key,
}

#[derive(Deserialize)]
struct Fields {
    key_id: String,
    secret_key: String,
}

impl KeyPair {
    /// Reads a pair from one secret: `{"key_id":"…","secret_key":"…"}` or `id:secret`. The message never holds any of it.
    pub fn read(secret: &Key) -> Result<Self, String> {
        let text = secret.expose();
        let (id, secret) = match text.starts_with('{') {
            true => {
                // The parser's own message may quote what it met.
                let Object::<Fields>(fields) = serde_json::from_str(text)
                    .map_err(|_| "the key is not JSON with the texts `key_id` and `secret_key`".to_owned())?;
                (fields.key_id, fields.secret_key)
            }
            false => match text.split_once(':') {
                Some((id, secret)) => (id.to_owned(), secret.to_owned()),
                None => return Err("the key is neither `id:secret` nor JSON with `key_id` and `secret_key`".into()),
            },
        };
        let half = |name: &str, text: &str| Key::new(text).map_err(|why| format!("`{name}`: {why}"));
        Ok(Self { id: half("key_id", &id)?, secret: half("secret_key", &secret)? })
    }

    /// What must never be printed.
    pub(crate) fn hidden(&self) -> [&str; 2] {
        [self.id.expose(), self.secret.expose()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(String, String), String> {
        let pair = KeyPair::read(&Key::new(text).expect("a key"))?;
        Ok((pair.id.expose().to_owned(), pair.secret.expose().to_owned()))
    }

    #[test]
    fn a_pair_is_read_in_both_spellings() {
        let pair = Ok(("PKID".to_owned(), "s:ec/ret".to_owned()));
        assert_eq!(read(r#"{"key_id":"PKID","secret_key":"s:ec/ret"}"#), pair);
        assert_eq!(read("PKID:s:ec/ret"), pair, "the secret may hold a colon, the id does not");
    }

    #[test]
    fn what_is_no_pair_is_refused_without_a_word_of_it() {
        for text in
            ["PKID-sesame", ":sesame", "sesame:", r#"{"key_id":"sesame"}"#, r#"{"key_id":"sesame","secret_key":7}"#]
        {
            let why = read(text).expect_err(text);
            assert!(!why.contains("sesame"), "{why}");
        }
        let pair = KeyPair::read(&Key::new("sesame:open").expect("a key")).expect("a pair");
        assert!(!format!("{pair:?}").contains("sesame"));
    }
}
