//! The function `reconcile`.

use mendlake_aws::{handlers, metrics, start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let function = start::function().await?;
    start::serve(async |payload, _deadline| {
        let report = handlers::reconcile::handle(&function.place, function.settings(), payload).await?;
        function.emit(&metrics::reconciled(&report));
        function.note("reconcile", &report);
        Ok(report)
    })
    .await
}
