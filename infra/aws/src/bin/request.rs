//! The function `request`.

use mendlake_aws::{handlers, metrics, start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let function = start::function().await?;
    start::serve(async |payload, _deadline| {
        let report = handlers::request::handle(&function.place, function.settings(), payload).await?;
        function.emit(&metrics::requested(&report));
        function.note("request", &report);
        Ok(report)
    })
    .await
}
