//! The function `land`.

use mendlake_aws::handlers::land::Landed;
use mendlake_aws::place::Writes;
use mendlake_aws::{handlers, metrics, start};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let function = start::function(Writes::Live).await?;
    start::serve(async |payload, deadline| {
        let landed = handlers::land::handle(&function.place, deadline, payload).await?;
        let (reports, noted, answer) = match landed {
            Landed::Batch { report, failures } => {
                let reports = Vec::from_iter(report);
                (reports.clone(), json!(reports), json!(failures))
            }
            Landed::Parked(report) => {
                let reports = report.landed.iter().map(|landed| landed.report.clone()).collect();
                (reports, json!(report), json!(report))
            }
        };
        function.emit(&metrics::landed(&reports));
        function.note("land", &noted);
        Ok(answer)
    })
    .await
}
