//! What a secret's text says.

use mendlake_ports::secrets::Key;
use serde::Deserialize;

use crate::http::object::Object;

/// Named in every refusal, which never quotes the text.
const FORMS: &str = "it is neither the key alone nor JSON with one text of `token` or `api_key`, or with both `key_id` and `secret_key`";

#[derive(Deserialize)]
struct Fields {
    token: Option<String>,
    api_key: Option<String>,
    key_id: Option<String>,
    secret_key: Option<String>,
}

/// The key in a secret's text; other fields of JSON are nobody's business here.
pub(super) fn key(text: &str) -> Result<Key, String> {
    let text = text.trim();
    if text.starts_with("{{resolve:") {
        return Err("CloudFormation did not resolve the reference: it does so in a template's properties only".into());
    }
    // No key begins like JSON; one in quotes would be refused by its vendor, without a word of why.
    if !text.starts_with(['{', '[', '"']) {
        return Key::new(text);
    }
    // The parser's own message may quote what it met.
    let Object::<Fields>(fields) = serde_json::from_str(text).map_err(|_| FORMS.to_owned())?;
    match (fields.token, fields.api_key, fields.key_id, fields.secret_key) {
        (Some(key), None, None, None) | (None, Some(key), None, None) => Key::new(&key),
        (None, None, Some(id), Some(secret)) => pair(&id, &secret),
        _ => Err(FORMS.into()),
    }
}

fn pair(id: &str, secret: &str) -> Result<Key, String> {
    let half = |name: &str, text: &str| Key::new(text).map_err(|why| format!("`{name}`: {why}"));
    let (id, secret) = (half("key_id", id)?, half("secret_key", secret)?);
    if id.expose().contains(':') {
        return Err("`key_id` has a colon, which no key's id has".into());
    }
    Key::new(&format!("{}:{}", id.expose(), secret.expose()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alpaca::keys::KeyPair;

    fn read(text: &str) -> Result<String, String> {
        key(text).map(|key| key.expose().to_owned())
    }

    #[test]
    fn a_key_is_read_alone_or_from_the_field_that_names_it() {
        let texts = [
            " c0ffee\n",
            r#"{"token":"c0ffee"}"#,
            "{\n  \"api_key\": \" c0ffee\",\n  \"note\": [1]\n}",
            r#"{"token":"c0ffee","api_key":null}"#,
        ];
        for text in texts {
            assert_eq!(read(text), Ok("c0ffee".to_owned()), "{text}");
        }
        assert_eq!(read("PKID:s:ec/ret"), Ok("PKID:s:ec/ret".to_owned()), "a pair in one text stays as it is");
    }

    #[test]
    fn a_pair_is_read_in_the_order_that_alpaca_reads() {
        let text = r#"{"secret_key":"s:ec/ret","key_id":"PKID"}"#;
        assert_eq!(read(text), Ok("PKID:s:ec/ret".to_owned()));
        let pair = KeyPair::read(&key(text).expect("a key")).expect("a pair");
        assert_eq!((pair.id.expose(), pair.secret.expose()), ("PKID", "s:ec/ret"));
    }

    #[test]
    fn what_is_no_key_is_refused_with_the_forms_and_without_a_word_of_it() {
        let texts = [
            r#"{"password":"sesame"}"#,
            r#"{"token":"sesame","api_key":"sesame"}"#,
            r#"{"token":"sesame","key_id":"sesame","secret_key":"sesame"}"#,
            r#"{"key_id":"sesame"}"#,
            r#"{"token":["sesame"]}"#,
            r#"{"token":"sesame","token":"sesame"}"#,
            r#"{"token":"sesame""#,
            r#""sesame""#,
            r#"["sesame"]"#,
        ];
        for text in texts {
            assert_eq!(read(text), Err(FORMS.to_owned()), "{text}");
        }
        let others = [
            ("", "empty"),
            (" \n", "empty"),
            (r#"{"token":""}"#, "empty"),
            ("ses ame", "printable ASCII"),
            (r#"{"key_id":"","secret_key":"sesame"}"#, "`key_id`: the key is empty"),
            (r#"{"key_id":"sesame","secret_key":" "}"#, "`secret_key`: the key is empty"),
            (r#"{"key_id":"ses:ame","secret_key":"open"}"#, "colon"),
            ("{{resolve:secretsmanager:sesame:SecretString:token}}", "did not resolve"),
        ];
        for (text, expected) in others {
            let why = read(text).expect_err(text);
            assert!(why.contains(expected) && !why.contains("ses"), "{text}: {why}");
        }
    }
}
