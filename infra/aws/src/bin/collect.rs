//! The function `collect`.

use mendlake_aws::{handlers, metrics, start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let function = start::function().await?;
    start::serve(async |payload, deadline| {
        let collected = handlers::collect::handle(&function.place, function.settings(), deadline, payload).await?;
        function.emit(&metrics::collected(&collected.reports));
        function.note("collect", &collected.reports);
        Ok(collected.failures)
    })
    .await
}
