//! The function `reconcile`.

use mendlake_aws::place::{self, Writes};
use mendlake_aws::{handlers, metrics, start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let function = start::function(Writes::Live).await?;
    let (aws, config) = (&function.aws, &function.config);
    let athena = place::athena(aws, &config.workgroup, &config.database);
    start::serve(async |payload, deadline| {
        let (place, settings) = (&function.place, function.settings());
        let reconciled = handlers::reconcile::handle(place, settings, Some(&athena), deadline, payload).await?;
        let differ = reconciled.athena.as_ref().map_or(0, |opinion| opinion.differ.len());
        function.emit(&metrics::reconciled(&reconciled.report, differ));
        function.note("reconcile", &reconciled);
        Ok(reconciled)
    })
    .await
}
