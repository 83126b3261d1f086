//! The function `collect`.

use mendlake_aws::place::Writes;
use mendlake_aws::{handlers, metrics, start};
use mendlake_ingest::Overlays;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let function = start::function(Writes::Live).await?;
    let overlays = Overlays::default();
    start::serve(async |payload, deadline| {
        let (place, settings) = (&function.place, function.settings());
        let collected = handlers::collect::handle(place, settings, &overlays, deadline, payload).await?;
        function.emit(&metrics::collected(&collected.reports));
        function.note("collect", &collected.reports);
        Ok(collected.failures)
    })
    .await
}
