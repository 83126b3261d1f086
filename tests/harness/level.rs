//! Reconciliations with nobody else at work, for the audit of law 8.

use mendlake_ports::clock::Clock;
use mendlake_reconcile::{ReconcileReport, Window};

use crate::faults::Weather;
use crate::work::{Done, Work, run};
use crate::world::World;

impl World {
    /// Reconciles twice at one instant, with nobody else there and nothing going wrong; gives the second report.
    pub(crate) fn audit_level(&mut self) -> Result<ReconcileReport, String> {
        self.faults.set_weather(Weather::default());
        let second = loop {
            let Some(first) = self.alone(Window::Hourly)? else {
                continue;
            };
            let found = self.audit.open_gaps(&self.place);
            let Some(second) = self.alone(Window::Hourly)? else {
                continue;
            };
            self.audit.level(&self.place, (&first, &found), &second)?;
            self.audit.verified(&self.place, &second)?;
            break second;
        };
        let calm = self.clock.now() >= self.script.calm_at;
        self.faults.set_weather(if calm { Weather::default() } else { self.script.weather });
        Ok(second)
    }

    /// Reconciles while nobody else is at work; `None` where the script had it die.
    fn alone(&mut self, window: Window) -> Result<Option<ReconcileReport>, String> {
        let (place, settings) = (self.place.clone(), self.script.settings.clone());
        let id = self.executor.spawn(async move { run(place, settings, Work::Reconcile(window)).await.ok() });
        self.faults.runs(id);
        while self.executor.runnable() > 0 {
            let task = self.executor.take(0).expect("one is runnable");
            match self.executor.poll(task) {
                Some(Some(Done::Reconciled(report))) => return Ok(Some(*report)),
                Some(_) => return Err("a reconciliation failed though nothing was wrong".into()),
                None => {}
            }
        }
        if self.bury() {
            return Ok(None);
        }
        Err("a reconciliation waits for something".into())
    }
}
