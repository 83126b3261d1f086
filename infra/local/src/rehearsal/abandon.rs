//! Giving a rehearsal up before its time.

use std::sync::Arc;

use tokio::sync::watch;

/// Asks a rehearsal to end, with why. Clones ask the same one.
#[derive(Clone, Debug, Default)]
pub struct Abandon(Arc<watch::Sender<Option<String>>>);

impl Abandon {
    /// Asks it to end. The first to ask is the one that is heard.
    pub fn ask(&self, why: String) {
        self.0.send_if_modified(|asked| {
            let first = asked.is_none();
            asked.get_or_insert(why);
            first
        });
    }

    /// Waits until somebody asks; gives why.
    pub async fn asked(&self) -> String {
        let mut asked = self.0.subscribe();
        let why = asked.wait_for(Option::is_some).await.expect("`self` is a sender, so that there is one");
        why.clone().expect("it was waited for")
    }
}
