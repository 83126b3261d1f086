//! The function `replay`.

use mendlake_aws::place::Writes;
use mendlake_aws::{handlers, metrics, start};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let function = start::function(Writes::Replay).await?;
    start::serve(async |payload, deadline| {
        let replayed = handlers::replay::handle(&function.place, function.settings(), deadline, payload).await?;
        let (reports, answer) = match replayed {
            handlers::replay::Replayed::Tasks { reports, failures } => (reports, json!(failures)),
            handlers::replay::Replayed::Asked(report) => {
                let answer = json!(report);
                (vec![*report], answer)
            }
        };
        function.emit(&metrics::replayed(&reports));
        function.note("replay", &reports);
        Ok(answer)
    })
    .await
}
