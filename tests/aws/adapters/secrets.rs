//! Secrets Manager on ministack.
//!
//! ministack never throttles, refuses a key of KMS or loses an answer: canned answers show those, beside the adapter.

use aws_sdk_secretsmanager::Client;
use mendlake_adapters::aws::secrets::{SecretPlace, SecretsManager};
use mendlake_aws_tests::{Server, StandIns};
use mendlake_ports::contracts::secrets as contract;
use mendlake_ports::error::Kind;
use mendlake_ports::secrets::Secrets;

use crate::machine::{MachineClock, run};

pub(crate) fn secrets_manager_keeps_the_contract_of_secrets(standins: &StandIns) {
    let server = standins.ministack();
    run(async {
        let (store, secrets) = place(&server);
        contract::all(&secrets, &store).await;
    });
}

pub(crate) fn a_json_secret_is_read_and_a_deleted_one_is_denied_with_what_to_do(standins: &StandIns) {
    let server = standins.ministack();
    run(async {
        use contract::Keep;
        let (store, secrets) = place(&server);
        for (text, key) in
            [(r#"{"token":"c0ffee"}"#, "c0ffee"), (r#"{"key_id":"PKID","secret_key":"sec/ret"}"#, "PKID:sec/ret")]
        {
            store.keep("plain", text).await;
            assert_eq!(secrets.secret("plain", true).await.expect("a key").key.expose(), key);
        }
        store.0.delete_secret().secret_id("lake/plain").send().await.expect("delete");
        let error = secrets.secret("plain", true).await.expect_err("refused");
        assert!(error.kind == Kind::Denied && error.chain().contains("restore-secret"), "{}", error.chain());
        assert!(!error.chain().contains("ret\""), "{}", error.chain());
    });
}

pub(crate) fn the_version_is_the_stores_own_and_a_rotation_is_seen_by_asking_fresh(standins: &StandIns) {
    let server = standins.ministack();
    run(async {
        use contract::Keep;
        let (store, secrets) = place(&server);
        store.keep("plain", "older").await;
        let before = secrets.secret("plain", false).await.expect("a key");
        let put = store.0.put_secret_value().secret_id("lake/plain").secret_string("newer").send().await.expect("put");
        let known = secrets.secret("plain", false).await.expect("a key");
        assert_eq!(known.version, before.version, "known for its life time");
        let after = secrets.secret("plain", true).await.expect("a key");
        assert_eq!((after.key.expose(), Some(after.version.as_str())), ("newer", put.version_id()));
    });
}

/// The store, written by the tests alone.
struct Store(Client);

fn place(server: &Server) -> (Store, SecretsManager<MachineClock>) {
    let client = Client::new(server.aws(1).config());
    let places = contract::NAMES.map(|name| (name.to_owned(), SecretPlace::Kept(format!("lake/{name}"))));
    (Store(client.clone()), SecretsManager::new(client, MachineClock, places))
}

impl contract::Keep for Store {
    async fn keep(&self, name: &str, text: &str) {
        let id = self.place(name);
        let put = self.0.put_secret_value().secret_id(&id).secret_string(text).send().await;
        match put.map_err(aws_sdk_secretsmanager::error::SdkError::into_service_error) {
            Ok(_) => {}
            Err(error) if error.is_resource_not_found_exception() => {
                self.0.create_secret().name(&id).secret_string(text).send().await.expect("create");
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    fn place(&self, name: &str) -> String {
        format!("lake/{name}")
    }
}
