use futures_util::future::join_all;
use serde_json::json;

use super::*;
use crate::aws::canned::{Answer, Canned, WaitedClock};

const ID: &str = "lake/finnhub";

fn value(text: &str, version: &str) -> Answer {
    Answer::Said(200, json!({ "Name": ID, "VersionId": version, "SecretString": text }))
}

fn secrets(canned: &Canned, clock: &WaitedClock) -> SecretsManager<WaitedClock> {
    let given = SecretPlace::Given { text: r#"{"token":"given-sesame"}"#.into(), from: "FINNHUB_TOKEN".into() };
    let places = [("finnhub".to_owned(), SecretPlace::Kept(ID.into())), ("given".to_owned(), given)];
    SecretsManager::new(Client::new(&canned.config()), clock.clone(), places)
}

/// The key and its version, or the kind of the failure.
async fn told(secrets: &impl Secrets, fresh: bool) -> std::result::Result<(String, String), Kind> {
    let secret = secrets.secret("finnhub", fresh).await;
    secret.map(|s| (s.key.expose().to_owned(), s.version)).map_err(|error| error.kind)
}

fn key(key: &str, version: &str) -> std::result::Result<(String, String), Kind> {
    Ok((key.to_owned(), version.to_owned()))
}

#[tokio::test]
async fn a_key_is_read_once_in_its_life_time_and_fresh_reads_it_again() {
    let clock = WaitedClock::new();
    let canned = Canned::new([value("a", "v1"), value("b", "v2"), value("c", "v3")]);
    let secrets = secrets(&canned, &clock);
    assert_eq!(told(&secrets, false).await, key("a", "v1"));
    clock.advance_ms(LIFE_MS - 1);
    assert_eq!(told(&secrets, false).await, key("a", "v1"));
    clock.advance_ms(1);
    assert_eq!(told(&secrets, false).await, key("b", "v2"));
    assert_eq!(told(&secrets, true).await, key("c", "v3"));
    assert_eq!(told(&secrets, false).await, key("c", "v3"));
    assert_eq!(canned.asked(), vec![json!({ "SecretId": ID }); 3]);
}

#[tokio::test]
async fn another_life_time_is_kept_to_and_none_reads_every_time() {
    let clock = WaitedClock::new();
    let canned = Canned::new([value("a", "v1"), value("b", "v2"), value("c", "v3")]);
    let short = secrets(&canned, &clock).with_life_ms(0);
    for (text, version) in [("a", "v1"), ("b", "v2"), ("c", "v3")] {
        assert_eq!(told(&short, false).await, key(text, version));
    }
}

#[tokio::test]
async fn those_who_ask_at_once_share_reads_and_no_fresh_answer_is_of_a_read_that_began_before_it() {
    let clock = WaitedClock::new();
    let down = || Answer::refusal(500, "InternalServiceError");
    let canned = Canned::new([value("a", "v1"), value("b", "v2"), value("c", "v3"), down(), down()]);
    let secrets = secrets(&canned, &clock);
    let at_once = async |fresh| join_all((0..25).map(|_| told(&secrets, fresh))).await;
    assert_eq!(at_once(false).await, vec![key("a", "v1"); 25]);
    // The first began a read; the others came after that, and share the next.
    assert_eq!(at_once(true).await, [vec![key("b", "v2")], vec![key("c", "v3"); 24]].concat());
    assert_eq!(at_once(true).await, vec![Err(Kind::Unavailable); 25], "failures too");
    assert_eq!((canned.asked().len(), canned.left()), (5, 0));
}

#[tokio::test]
async fn a_store_that_hangs_is_not_waited_for_where_a_key_is_at_hand() {
    let clock = WaitedClock::new();
    let canned = Canned::new([value("a", "v1"), Answer::Never, value("b", "v2")]);
    let secrets = secrets(&canned, &clock);
    assert_eq!(told(&secrets, false).await, key("a", "v1"));
    clock.advance_ms(LIFE_MS);
    assert_eq!(told(&secrets, false).await, key("a", "v1"), "the collector waits no longer than it can");
    clock.advance_ms(ASKED_AGAIN_MS);
    assert_eq!(told(&secrets, false).await, key("b", "v2"));
}

#[tokio::test]
async fn while_the_store_does_not_answer_a_key_is_used_for_an_hour_and_the_store_asked_now_and_then() {
    let clock = WaitedClock::new();
    let failures =
        [Answer::refusal(500, "InternalServiceError"), Answer::Lost, Answer::refusal(400, "ThrottlingException")];
    let canned =
        Canned::new([vec![value("a", "v1")], failures.to_vec(), vec![Answer::Lost, value("b", "v2")]].concat());
    let secrets = secrets(&canned, &clock);
    assert_eq!(told(&secrets, false).await, key("a", "v1"));
    clock.advance_ms(LIFE_MS);
    assert_eq!(told(&secrets, false).await, key("a", "v1"));
    clock.advance_ms(ASKED_AGAIN_MS - 1);
    assert_eq!(told(&secrets, false).await, key("a", "v1"));
    assert_eq!(canned.asked().len(), 2, "not asked for half a minute");
    assert_eq!(told(&secrets, true).await, Err(Kind::Unavailable), "fresh is what the store says now");
    clock.advance_ms(ASKED_AGAIN_MS);
    assert_eq!(told(&secrets, false).await, key("a", "v1"), "throttled");
    clock.advance_ms(KEPT_MS);
    assert_eq!(told(&secrets, false).await, Err(Kind::Unavailable), "an hour is over");
    assert_eq!(told(&secrets, false).await, key("b", "v2"));
}

#[tokio::test]
async fn a_secret_that_is_gone_or_refused_is_denied_at_once_with_what_to_do() {
    let cases = [
        ("ResourceNotFoundException", "put-secret-value --secret-id lake/finnhub"),
        ("InvalidRequestException", "restore-secret --secret-id lake/finnhub"),
        ("AccessDeniedException", "`secretsmanager:GetSecretValue`"),
        ("DecryptionFailure", "`kms:Decrypt`"),
        ("UnrecognizedClientException", "who reads it"),
    ];
    for (code, advice) in cases {
        let clock = WaitedClock::new();
        let canned = Canned::new([value("sesame", "v1"), Answer::refusal(400, code), Answer::refusal(400, code)]);
        let secrets = secrets(&canned, &clock);
        told(&secrets, false).await.expect("a key");
        clock.advance_ms(LIFE_MS);
        let error = secrets.secret("finnhub", false).await.expect_err("refused");
        let message = error.chain();
        assert_eq!(error.kind, Kind::Denied, "{message}");
        assert!(message.contains("`finnhub`") && message.contains(ID) && message.contains(advice), "{message}");
        assert_eq!(told(&secrets, false).await, Err(Kind::Denied), "the old key is not used any more");
    }
}

#[tokio::test]
async fn a_secret_that_holds_no_key_is_denied_without_a_word_of_it() {
    let binary = Answer::Said(200, json!({ "Name": ID, "VersionId": "v1", "SecretBinary": "c2VzYW1l" }));
    for (held, why) in [(value("ses ame", "v1"), "ASCII"), (value(" ", "v1"), "empty"), (binary, "binary")] {
        let canned = Canned::new([held]);
        let error = secrets(&canned, &WaitedClock::new()).secret("finnhub", false).await.expect_err("refused");
        let message = error.chain();
        assert!(error.kind == Kind::Denied && message.contains(why) && message.contains(ID), "{message}");
        assert!(!message.contains("ses") && !message.contains("c2Vz"), "{message}");
    }
}

#[tokio::test]
async fn a_key_handed_in_asks_nobody_and_its_version_changes_with_it() {
    let canned = Canned::new([]);
    let secret = secrets(&canned, &WaitedClock::new()).secret("given", true).await.expect("a key");
    assert_eq!(secret.key.expose(), "given-sesame");
    let of = async |text: &str| {
        let place = SecretPlace::Given { text: text.into(), from: "FINNHUB_TOKEN".into() };
        let client = Client::new(&Canned::new([]).config());
        SecretsManager::new(client, WaitedClock::new(), [("x".to_owned(), place)]).secret("x", false).await
    };
    assert_eq!(of("given-sesame").await.expect("a key").version, secret.version, "by the key, not by its form");
    assert_ne!(of("other-sesame").await.expect("a key").version, secret.version);
    let message = of("{{resolve:secretsmanager:lake}}").await.expect_err("refused").chain();
    assert!(message.contains("`FINNHUB_TOKEN`") && message.contains("did not resolve"), "{message}");
}

#[tokio::test]
async fn debug_shows_where_and_never_what() {
    let (canned, clock) = (Canned::new([value("sesame", "v1")]), WaitedClock::new());
    let secrets = secrets(&canned, &clock);
    told(&secrets, false).await.expect("a key");
    let shown = format!("{secrets:?}");
    assert!(shown.contains(ID) && shown.contains("FINNHUB_TOKEN") && !shown.contains("sesame"), "{shown}");
}
