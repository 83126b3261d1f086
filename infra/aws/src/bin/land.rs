//! The function `land`.

use mendlake_aws::{handlers, metrics, start};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let function = start::function().await?;
    start::serve(async |payload, deadline| {
        let landed = handlers::land::handle(&function.place, deadline, payload).await?;
        let (reports, answer) = match landed {
            handlers::land::Landed::Batch { report, failures } => (report.into_iter().collect(), json!(failures)),
            handlers::land::Landed::Parked(reports) => (reports.clone(), json!({ "landed": reports })),
        };
        function.emit(&metrics::landed(&reports));
        function.note("land", &reports);
        Ok(answer)
    })
    .await
}
