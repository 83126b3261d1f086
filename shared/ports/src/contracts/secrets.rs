//! The contract of [`Secrets`].

use std::future::Future;

use crate::error::Kind;
use crate::secrets::Secrets;

/// The names of the suite's keys: none is kept when it begins, and each has a place.
pub const NAMES: [&str; 3] = ["plain", "absent", "empty"];

/// The store behind the secrets under test, which only a test writes.
pub trait Keep: Sync {
    /// Keeps this text as the key of this name.
    fn keep(&self, name: &str, text: &str) -> impl Future<Output = ()> + Send;

    /// Where the key of this name is, as a message is to say it.
    fn place(&self, name: &str) -> String;
}

/// Every check, once: the store has the suite's keys afterwards.
pub async fn all(secrets: &impl Secrets, store: &impl Keep) {
    a_key_is_read_as_it_is_kept_without_the_white_space_around_it(secrets, store).await;
    a_new_key_has_a_new_version_and_fresh_reads_it(secrets, store).await;
    an_absent_or_empty_key_is_denied_and_the_message_says_where_it_was_looked_for(secrets, store).await;
}

/// A key is read as it is kept, with a version that stays with it and does not tell it.
pub async fn a_key_is_read_as_it_is_kept_without_the_white_space_around_it(secrets: &impl Secrets, store: &impl Keep) {
    store.keep("plain", " c0ffee-sesame\n").await;
    let first = secrets.secret("plain", false).await.expect("a key");
    let again = secrets.secret("plain", true).await.expect("a key");
    assert_eq!((first.key.expose(), again.key.expose()), ("c0ffee-sesame", "c0ffee-sesame"));
    assert_eq!(first.version, again.version);
    assert!(!first.version.is_empty() && !first.version.contains("sesame"), "{}", first.version);
}

/// The version changes when the key does; `fresh` reads the store again, and what it read is what is known from then on.
pub async fn a_new_key_has_a_new_version_and_fresh_reads_it(secrets: &impl Secrets, store: &impl Keep) {
    store.keep("plain", "older-sesame").await;
    let older = secrets.secret("plain", true).await.expect("a key");
    store.keep("plain", "newer-sesame").await;
    let newer = secrets.secret("plain", true).await.expect("a key");
    assert_eq!((older.key.expose(), newer.key.expose()), ("older-sesame", "newer-sesame"));
    assert_ne!(older.version, newer.version);
    let known = secrets.secret("plain", false).await.expect("a key");
    assert_eq!((known.key.expose(), known.version), ("newer-sesame", newer.version));
}

/// A key that is absent or empty is `Denied`, and the message says where it was looked for; so is a key of no place.
pub async fn an_absent_or_empty_key_is_denied_and_the_message_says_where_it_was_looked_for(
    secrets: &impl Secrets,
    store: &impl Keep,
) {
    store.keep("empty", " \n").await;
    for name in ["absent", "empty"] {
        for fresh in [false, true] {
            let refused = secrets.secret(name, fresh).await.expect_err("refused");
            assert_eq!(refused.kind, Kind::Denied, "{}", refused.chain());
            let (message, place) = (refused.chain(), store.place(name));
            assert!(message.contains(&format!("`{name}`")) && message.contains(&place), "{message}: {place}");
        }
    }
    let refused = secrets.secret("of no place", true).await.expect_err("refused");
    assert_eq!(refused.kind, Kind::Denied);
    assert!(refused.chain().contains("`of no place`"), "{}", refused.chain());
}
