//! What the ledger makes of answers that no stand-in gives: throttling, half-done batches, lost answers, a trailing index.

use chrono::NaiveDate;
use mendlake_domain::coverage::MinuteSet;
use mendlake_domain::gap::Gap;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::quote::SourceName;
use mendlake_ports::budget::{Budget, Reservation};
use mendlake_ports::clock::Clock;
use mendlake_ports::error::{Kind, PortError};
use mendlake_ports::expectations::{Expectation, Expectations};
use mendlake_ports::gaps::{Gaps, VersionedGap, Write};
use mendlake_ports::landing::Landing;
use mendlake_ports::runs::Runs;
use serde_json::{Value, json};

use super::canned::{Answer, Asked, Canned};

fn provider() -> SourceName {
    "finnhub".parse().unwrap()
}

fn minute() -> Minute {
    Minute::from_index(29_916_667)
}

fn gap(symbol: &str) -> Gap {
    let minutes = MinuteSet::between(minute(), minute() + 3);
    Gap { suspect: minutes, ..Gap::new(day(), symbol.parse().unwrap(), minute().start()) }
}

fn day() -> NaiveDate {
    "2026-11-20".parse().unwrap()
}

fn newest(asked: &[Asked]) -> (&str, &Value) {
    let (operation, body) = asked.last().expect("something was asked");
    (operation, body)
}

/// The item that the `n`th request put.
fn put(asked: &[Asked], n: usize) -> Value {
    asked[n].1["Item"].clone()
}

async fn failure(answer: impl Fn() -> Answer + Send + 'static) -> PortError {
    let canned = Canned::new(move |_| answer());
    canned.ledger().reserve_live(&provider(), minute(), 5).await.unwrap_err()
}

#[tokio::test]
async fn throttling_is_waited_out_by_whoever_called() {
    for code in ["ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"] {
        let error = failure(move || Answer::refusal(code, "slower")).await;
        assert_eq!((error.kind, error.chain()), (Kind::Throttled, format!("reserve live calls: {code}: slower")));
    }
    let canned = Canned::new(|_| Answer::refusal("ThrottlingException", "slower"));
    let ledger = canned.ledger();
    assert_eq!(ledger.pending().await.unwrap_err().kind, Kind::Throttled);
    assert_eq!(ledger.landed_through().await.unwrap_err().kind, Kind::Throttled);
    assert_eq!(ledger.last_run().await.unwrap_err().kind, Kind::Throttled);
}

#[tokio::test]
async fn throttling_that_passes_is_not_seen() {
    let canned = Canned::new(|asked| match asked.len() {
        1 => Answer::refusal("ThrottlingException", "slower"),
        2 => Answer::Says(500, json!({ "__type": "InternalServerError" })),
        _ => Answer::ok(json!({})),
    });
    let reserved = canned.ledger().reserve_live(&provider(), minute(), 5).await.unwrap();
    assert_eq!((reserved, canned.asked().len()), (Reservation::Reserved, 3));
}

#[tokio::test]
async fn a_table_that_is_missing_or_another_s_pages_and_a_large_item_is_dropped() {
    let cases = [
        ("ResourceNotFoundException", "Requested resource not found", Kind::Denied, "table `ledger` is not there"),
        ("ValidationException", "The provided key element does not match the schema", Kind::Denied, "is not a ledger"),
        ("ValidationException", "The table does not have the specified index: open", Kind::Denied, "is not a ledger"),
        (
            "ValidationException",
            "Item size has exceeded the maximum allowed size",
            Kind::Rejected,
            "reserve live calls: ",
        ),
        ("AccessDeniedException", "User is not authorized", Kind::Denied, "reserve live calls: AccessDenied"),
    ];
    for (code, message, kind, told) in cases {
        let error = failure(move || Answer::refusal(code, message)).await;
        let chain = error.chain();
        assert!(error.kind == kind && chain.contains(told) && chain.contains(message), "{chain}");
    }
    assert_eq!(failure(|| Answer::Says(500, json!({}))).await.kind, Kind::Unavailable);
    assert_eq!(failure(|| Answer::Lost).await.kind, Kind::Unavailable);
}

#[tokio::test]
async fn a_reservation_whose_answer_was_lost_is_the_caller_s() {
    let canned = Canned::new(|asked| match asked.len() {
        1 => Answer::Lost,
        _ => Answer::refused_by(Some(&put(asked, 0))),
    });
    let reserved = canned.ledger().reserve_live(&provider(), minute(), 5).await.unwrap();
    assert_eq!((reserved, canned.asked().len()), (Reservation::Reserved, 2));
}

#[tokio::test]
async fn a_reservation_of_another_call_is_never_the_caller_s() {
    let canned = Canned::new(|asked| match asked.len() {
        1 => Answer::ok(json!({})),
        2 => Answer::Lost,
        3 => Answer::refused_by(Some(&put(asked, 0))),
        _ => Answer::refused_by(None),
    });
    let ledger = canned.ledger();
    assert_eq!(ledger.reserve_live(&provider(), minute(), 5).await.unwrap(), Reservation::Reserved);
    for told in ["the item of the call before", "no item"] {
        let again = ledger.reserve_live(&provider(), minute(), 5).await.unwrap();
        assert_eq!(again, Reservation::AlreadyReserved, "{told}");
    }
    let writers: Vec<_> = canned.asked().iter().map(|(_, body)| body["Item"]["writer"]["S"].clone()).collect();
    assert_eq!(writers, ["w#0", "w#1", "w#1", "w#2"], "a repetition keeps its name");
}

#[tokio::test]
async fn a_reservation_of_which_nothing_is_known_is_not_made_twice() {
    let canned = Canned::new(|asked| match asked.len() {
        ..=3 => Answer::Lost,
        _ => Answer::refused_by(Some(&put(asked, 0))),
    });
    let ledger = canned.ledger();
    assert_eq!(ledger.reserve_live(&provider(), minute(), 5).await.unwrap_err().kind, Kind::Unavailable);
    let again = ledger.reserve_live(&provider(), minute(), 5).await.unwrap();
    assert_eq!(again, Reservation::AlreadyReserved, "the first one did arrive");
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_stored_and_no_conflict() {
    let canned = Canned::new(|asked| match asked.len() {
        1 => Answer::Lost,
        _ => Answer::refused_by(Some(&put(asked, 0))),
    });
    assert_eq!(canned.ledger().write(&gap("AAPL"), 4).await.unwrap(), Write::Stored(5));
    let put = &canned.asked()[0].1;
    assert_eq!(put["ConditionExpression"], "#version = :version");
    assert_eq!(put["ExpressionAttributeValues"], json!({ ":version": { "N": "4" } }));
}

#[tokio::test]
async fn a_lease_reads_what_is_leased_where_the_refusal_does_not_tell() {
    let there = json!({ "pk": { "S": "p" }, "sk": { "S": "s" }, "v": { "N": "1" },
        "calls": { "N": "7" }, "share": { "N": "9" }, "writer": { "S": "another" } });
    let canned = Canned::new(move |asked| match (asked.len(), newest(asked).0) {
        (1, _) => Answer::refused_by(None),
        (2, "GetItem") => Answer::ok(json!({ "Item": there })),
        (3, _) => Answer::ok(json!({})),
        other => panic!("{other:?}"),
    });
    assert_eq!(canned.ledger().lease_replay(&provider(), minute(), 4, 20).await.unwrap(), 2);
    let last = put(&canned.asked(), 2);
    assert_eq!((&last["calls"]["N"], &last["share"]["N"]), (&json!("9"), &json!("9")));
    let ends = (minute().plus(24 * 60)).epoch_s().to_string();
    assert_eq!(last["expires_at"], json!({ "N": ends }), "a day after its minute");
}

#[tokio::test]
async fn a_lease_gives_up_where_others_always_come_first() {
    let canned = Canned::new(|asked| {
        let mut there = put(asked, asked.len() - 1);
        there["writer"] = json!({ "S": "another" });
        Answer::refused_by(Some(&there))
    });
    let error = canned.ledger().lease_replay(&provider(), minute(), 1, u32::MAX).await.unwrap_err();
    assert_eq!((error.kind, canned.asked().len()), (Kind::Throttled, 100), "{error}");
}

/// Of a batch write, its requests.
fn batch(body: &Value) -> Vec<Value> {
    body["RequestItems"]["ledger"].as_array().expect("requests of the table").clone()
}

fn expectation(symbols: usize) -> Expectation {
    let symbols = (0..symbols).map(|n| format!("S{n:05}").parse().unwrap()).collect();
    Expectation { minute: minute(), symbols, requested_at: minute().start() }
}

#[tokio::test]
async fn what_a_batch_left_undone_is_asked_for_again_alone() {
    let canned = Canned::new(|asked| match (asked.len(), newest(asked)) {
        (1, ("BatchWriteItem", body)) => {
            Answer::ok(json!({ "UnprocessedItems": { "ledger": [batch(body)[1], batch(body)[2]] } }))
        }
        (2, ("BatchWriteItem", body)) => Answer::ok(json!({ "UnprocessedItems": { "ledger": [batch(body)[1]] } })),
        _ => Answer::ok(json!({ "UnprocessedItems": {} })),
    });
    let ledger = canned.ledger();
    let began = ledger.clock.now();
    ledger.record(&expectation(2_000)).await.unwrap();
    assert_eq!(canned.operations(), ["BatchWriteItem", "BatchWriteItem", "BatchWriteItem", "PutItem"]);
    let sent: Vec<Vec<Value>> = canned.asked()[..3].iter().map(|(_, body)| batch(body)).collect();
    assert_eq!((sent[0].len(), &sent[1], &sent[2]), (3, &sent[0][1..].to_vec(), &sent[1][1..].to_vec()));
    assert_eq!(ledger.clock.now().ms_since(began), 50 + 100);
}

#[tokio::test]
async fn a_batch_that_stays_undone_is_throttled_and_its_expectation_is_not_recorded() {
    let canned =
        Canned::new(|asked| Answer::ok(json!({ "UnprocessedItems": { "ledger": [batch(newest(asked).1)[0]] } })));
    let error = canned.ledger().record(&expectation(1_500)).await.unwrap_err();
    let told = "record expectation: 1 of 2 items were left undone 6 times";
    assert_eq!((error.kind, error.to_string().as_str()), (Kind::Throttled, told));
    assert_eq!(canned.operations(), ["BatchWriteItem"; 6], "the first item, which would make it valid, is not written");
}

#[tokio::test]
async fn an_expectation_of_500_symbols_is_one_write() {
    let canned = Canned::new(|_| Answer::ok(json!({})));
    canned.ledger().record(&expectation(500)).await.unwrap();
    assert_eq!(canned.operations(), ["PutItem"]);
}

#[tokio::test]
async fn what_expired_is_not_asked_for() {
    let canned = Canned::new(|_| Answer::ok(json!({ "Items": [] })));
    let ledger = canned.ledger();
    let now = ledger.clock.now().minute();
    ledger.expectations(Minute::from_index(0), now + -30 * 24 * 60).await.unwrap();
    assert_eq!(canned.asked(), []);
    ledger.expectations(Minute::from_index(0), now).await.unwrap();
    assert_eq!(canned.asked().len(), 30 * 24 + usize::from(now.of_hour() > 0));
}

/// The item that a write of this gap stores.
async fn stored(gap: &Gap, version: u64) -> Value {
    let canned = Canned::new(|_| Answer::ok(json!({})));
    canned.ledger().write(gap, version - 1).await.unwrap();
    put(&canned.asked(), 0)
}

#[tokio::test]
async fn every_page_of_every_partition_is_read_an_empty_one_too() {
    let (a, b) = (stored(&gap("A"), 1).await, stored(&gap("B"), 1).await);
    let begins = json!({ "pk": { "S": "x" }, "sk": { "S": "y" }, "open": { "S": "3" } });
    let page = begins.clone();
    let canned = Canned::new(move |asked| {
        let (_, body) = newest(asked);
        match (body["ExpressionAttributeValues"][":partition"]["S"].as_str(), body.get("ExclusiveStartKey")) {
            (Some("3"), None) => Answer::ok(json!({ "Items": [b], "LastEvaluatedKey": page })),
            (Some("3"), Some(_)) if asked.iter().filter(|(_, b)| b.get("ExclusiveStartKey").is_some()).count() == 1 => {
                Answer::ok(json!({ "Items": [], "LastEvaluatedKey": page }))
            }
            (Some("3"), Some(_)) => Answer::ok(json!({ "Items": [a] })),
            _ => Answer::ok(json!({ "Items": [] })),
        }
    });
    let pending = canned.ledger().pending().await.unwrap();
    assert_eq!(pending, [gap("A"), gap("B")].map(|gap| VersionedGap { gap, version: 1 }));
    let asked = canned.asked();
    assert_eq!(asked.len(), 8 + 2);
    assert!(asked.iter().all(|(operation, body)| operation == "Query" && body["IndexName"] == "open"), "{asked:?}");
    let followed = asked.iter().filter_map(|(_, body)| body.get("ExclusiveStartKey"));
    assert!(followed.eq([&begins, &begins]));
}

#[tokio::test]
async fn what_this_process_wrote_is_pending_before_the_index_shows_it() {
    let (gap, done) = (gap("A"), Gap { suspect: MinuteSet::new(), ..gap("A") });
    let open = stored(&gap, 1).await;
    let finished = stored(&done, 2).await;
    // The index shows the item as it was first from the third `pending` on, and never again from the fifth.
    let (mut looks, shown) = (0, open.clone());
    let canned = Canned::new(move |asked| match newest(asked) {
        ("PutItem", _) => Answer::ok(json!({})),
        ("BatchGetItem", body) => {
            let keys = &body["RequestItems"]["ledger"];
            assert_eq!((keys["Keys"].as_array().unwrap().len(), &keys["ConsistentRead"]), (1, &json!(true)));
            let item = if looks <= 16 { &open } else { &finished };
            Answer::ok(json!({ "Responses": { "ledger": [item] } }))
        }
        (_, body) => {
            looks += 1;
            let its = body["ExpressionAttributeValues"][":partition"] == shown["open"] && (17..=32).contains(&looks);
            Answer::ok(json!({ "Items": if its { vec![shown.clone()] } else { vec![] } }))
        }
    });
    let ledger = canned.ledger();
    let versions = async || ledger.pending().await.unwrap().iter().map(|item| item.version).collect::<Vec<_>>();
    let lookups = || canned.operations().iter().filter(|operation| *operation == "BatchGetItem").count();
    ledger.write(&gap, 0).await.unwrap();
    assert_eq!((versions().await, lookups()), (vec![1], 1), "not shown yet");
    assert_eq!((versions().await, lookups()), (vec![1], 2), "still not");
    assert_eq!((versions().await, lookups()), (vec![1], 2), "shown now");
    ledger.write(&done, 1).await.unwrap();
    assert_eq!((versions().await, lookups()), (vec![], 3), "shown though done");
    assert_eq!((versions().await, lookups()), (vec![], 3), "gone, and forgotten");
}

#[tokio::test]
async fn a_read_of_the_table_is_consistent_and_names_no_operation_a_role_need_not_have() {
    let canned = Canned::new(|_| Answer::ok(json!({})));
    let ledger = canned.ledger();
    ledger.of_session(day()).await.unwrap();
    ledger.landed_through().await.unwrap();
    ledger.expectations(minute(), minute() + 1).await.unwrap();
    ledger.gap(day(), &"A".parse().unwrap()).await.unwrap();
    ledger.last_run().await.unwrap();
    assert_eq!(canned.operations(), ["Query", "Query", "Query", "GetItem", "GetItem"]);
    assert!(canned.asked().iter().all(|(_, body)| body["ConsistentRead"] == true && body["TableName"] == "ledger"));
}

#[tokio::test]
async fn an_item_of_a_newer_release_is_refused_and_never_overwritten() {
    let newer = json!({ "pk": { "S": "p" }, "sk": { "S": "s" }, "v": { "N": "2" } });
    let canned = Canned::new(move |asked| match newest(asked).0 {
        "PutItem" => Answer::refused_by(Some(&newer)),
        _ => Answer::ok(json!({ "Item": newer })),
    });
    let ledger = canned.ledger();
    assert_eq!(ledger.last_run().await.unwrap_err().kind, Kind::Rejected);
    let error = ledger.note_landed("0", Timestamp::from_epoch_ms(0)).await.unwrap_err();
    assert_eq!(error.kind, Kind::Rejected, "{error}");
}

#[tokio::test]
async fn a_ledger_is_of_one_lake_and_says_so_to_another() {
    let made = Timestamp::from_epoch_s(1_795_185_000);
    let noted = json!({
        "pk": { "S": "lake" }, "sk": { "S": "of" }, "v": { "N": "1" }, "created_at": { "N": made.epoch_ms().to_string() },
    });
    let canned = Canned::new(move |_| Answer::refused_by(Some(&noted)));
    let ledger = canned.ledger();
    ledger.belongs_to("s3://lake/", made).await.expect("its own lake");
    let error = ledger.belongs_to("s3://other/", made.plus_ms(1)).await.expect_err("another's");
    assert_eq!(error.kind, Kind::Rejected);
    for said in ["`ledger`", "`s3://other/`", "2026-11-20T14:30:00.000Z", "14:30:00.001Z", "runbooks/deploy.md"] {
        assert!(error.chain().contains(said), "`{said}` is not in: {}", error.chain());
    }
    assert_eq!(canned.operations(), ["PutItem", "PutItem"], "a role may have no right but this");
}
