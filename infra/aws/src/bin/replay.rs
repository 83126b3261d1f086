//! The function `replay`.

use mendlake_aws::{handlers, metrics, start};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let function = start::function().await?;
    start::serve(async |payload, deadline| {
        let replayed = handlers::replay::handle(&function.place, function.settings(), deadline, payload).await?;
        let (reports, answer) = match replayed {
            handlers::replay::Replayed::Tasks { reports, failures } => (reports, json!(failures)),
            handlers::replay::Replayed::Asked(report) => (vec![report.clone()], json!(report)),
        };
        function.emit(&metrics::replayed(&reports));
        function.note("replay", &reports);
        Ok(answer)
    })
    .await
}
