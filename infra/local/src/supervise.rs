//! The workers of a daemon, watched over: started, started again where the machine's clock is put back, and stopped.

use std::future::Future;
use std::pin::pin;

use futures_util::future::{join_all, select_all};
use mendlake_ports::clock::{self, Clock};
use mendlake_ports::error::{Kind, PortError, Result};
use tokio::task::JoinHandle;

use crate::clock::{ClockArgs, ScaledClock, StepWatch};
use crate::config::Config;
use crate::engine::Engine;
use crate::log::StageLog;
use crate::open::{self, RealPlace};
use crate::times;

/// How often the machine's clock is looked at.
const LOOK_AT_CLOCK_MS: i64 = 5_000;

/// A wall clock put back further than this makes workers wait for instants they have been at: they are started again.
const PUT_BACK_MS: i64 = 60_000;

/// A wall clock put forth, or a machine asleep, for longer than this is worth a line.
const PUT_FORTH_MS: i64 = 60_000;

/// How long workers may take to finish what they are doing, on the machine's clock.
const GRACE_MS: i64 = 20_000;

/// Works until it is stopped. Workers hold nothing that matters, so they are started again where the clock was put back.
pub async fn work(config: &Config, clock: &ClockArgs, place: RealPlace) -> Result<()> {
    let log = StageLog::new(config.log_format);
    let mut place = Some(place);
    loop {
        let place = match place.take() {
            Some(place) => place,
            None => open::place_again(config, clock)?,
        };
        let engine = Engine::new(place, config.settings.clone(), log.clone());
        let workers = engine.start_all();
        let mut watch = StepWatch::begin();
        // A scaled clock follows the monotonic one, which nobody sets.
        let steps = || if clock.is_machine() { watch.step_ms() } else { 0 };
        match wait(workers, LOOK_AT_CLOCK_MS, steps).await? {
            (Woken::Asked, workers) => {
                finish(&engine, workers).await;
                return Ok(());
            }
            (Woken::PutBack(ms), workers) => {
                tracing::warn!("the machine's clock was put back by {}: the workers start again", times::stretch(ms));
                finish(&engine, workers).await;
            }
        }
    }
}

/// Why waiting ended.
#[derive(Debug, PartialEq, Eq)]
enum Woken {
    Asked,
    PutBack(i64),
}

/// Waits until somebody asks to stop, a worker is gone, or the wall clock was put back. `steps` tells by how much it was set
/// since it was last asked.
async fn wait(
    workers: Vec<JoinHandle<()>>,
    every_ms: i64,
    mut steps: impl FnMut() -> i64,
) -> Result<(Woken, Vec<JoinHandle<()>>)> {
    let mut stop = pin!(asked_to_stop());
    let mut working = select_all(workers);
    // Not the wall clock, on which a wait can take as long as that was put back.
    let steady = ScaledClock::steady();
    loop {
        tokio::select! {
            asked = &mut stop => return asked.map(|()| (Woken::Asked, working.into_inner())),
            (ended, ..) = &mut working => {
                let how = ended.err().map_or_else(|| "it ended".to_owned(), |error| error.to_string());
                return Err(PortError::new(Kind::Unavailable, format!("a worker is gone, which is a defect: {how}")));
            }
            () = steady.sleep_until(steady.now().plus_ms(every_ms)) => {}
        }
        match steps() {
            step if step <= -PUT_BACK_MS => return Ok((Woken::PutBack(-step), working.into_inner())),
            step if step >= PUT_FORTH_MS => tracing::warn!(
                "the machine's clock went forth by {}, or the machine slept: the minutes between heal",
                times::stretch(step)
            ),
            _ => {}
        }
    }
}

/// Lets the workers finish what they are doing and lands what is in the stream. Whoever asks a second time, or waits too
/// long, ends it at once: nothing that was acknowledged is lost by that.
async fn finish(engine: &Engine<RealPlace, StageLog>, workers: Vec<JoinHandle<()>>) {
    let aborts: Vec<_> = workers.iter().map(JoinHandle::abort_handle).collect();
    engine.stop();
    tracing::info!("stopping: finishing what is under way, then landing what is in the stream");
    if within(GRACE_MS, join_all(workers)).await.is_none() {
        aborts.iter().for_each(tokio::task::AbortHandle::abort);
        tracing::warn!("stopped before everything was finished: it is taken up at the next start");
    }
    // Whatever came into the stream while the others were finishing. What fails is told, and lands at the next start.
    let _ = within(GRACE_MS, engine.land_once()).await;
}

/// The work's result, unless it takes too long or somebody asks to stop again.
async fn within<T>(most_ms: i64, work: impl Future<Output = T> + Send) -> Option<T> {
    let steady = ScaledClock::steady();
    tokio::select! {
        done = clock::by(&steady, steady.now().plus_ms(most_ms), work) => done,
        _ = asked_to_stop() => None,
    }
}

/// Waits for Ctrl-C, or for SIGTERM where there is such a thing.
#[cfg(unix)]
async fn asked_to_stop() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(no_signals),
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn asked_to_stop() -> Result<()> {
    tokio::signal::ctrl_c().await.map_err(no_signals)
}

fn no_signals(error: std::io::Error) -> PortError {
    PortError::caused(Kind::Unavailable, "wait for a signal to stop", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker() -> JoinHandle<()> {
        tokio::spawn(std::future::pending())
    }

    #[tokio::test]
    async fn a_clock_that_was_put_back_ends_the_wait_and_one_put_forth_does_not() {
        let mut steps = [0, 7_200_000, -59_000, -3_600_000].into_iter();
        let woken = wait(vec![worker(), worker()], 1, || steps.next().expect("it was told before")).await;
        let (woken, workers) = woken.expect("woken");
        assert_eq!((woken, workers.len()), (Woken::PutBack(3_600_000), 2));
    }

    #[tokio::test]
    async fn a_worker_that_is_gone_is_a_failure_by_name() {
        let gone = tokio::spawn(async { panic!("it broke") });
        let error = wait(vec![worker(), gone], 60_000, || 0).await.expect_err("gone");
        assert!(error.chain().contains("it broke"), "{}", error.chain());
        let ended = wait(vec![tokio::spawn(async {})], 60_000, || 0).await.expect_err("ended");
        assert!(ended.chain().contains("defect"));
    }
}
