//! The function `reconcile`.

use mendlake_aws::handlers::reconcile::{self, Reconciled};
use mendlake_aws::place::{self, Writes};
use mendlake_aws::{metrics, start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let function = start::function(Writes::Live).await?;
    let athena = function.config.tables.as_ref().map(|tables| place::athena(&function.aws, tables));
    start::serve(async |payload, deadline| {
        let report = reconcile::handle(&function.place, function.settings(), payload).await?;
        function.emit(&metrics::reconciled(&report));
        function.note("reconcile", &report);
        let opinion = reconcile::second_opinion(&function.place, athena.as_ref(), deadline, &report).await;
        if let Some(opinion) = &opinion {
            function.emit(&metrics::second_opinion(opinion));
            function.note("second opinion", opinion);
        }
        Ok(Reconciled { report, opinion })
    })
    .await
}
