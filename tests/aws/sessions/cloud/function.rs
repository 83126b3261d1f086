//! Functions: the library's handlers in places of their own, kept warm, killed, timed out.

use std::rc::Rc;

use mendlake::clock::{ExchangingTransport, VirtualClock};
use mendlake_adapters::http::reqwest::ReqwestTransport;
use mendlake_aws::handlers::{self, land::Landed, replay::Replayed};
use mendlake_aws::place::{AwsPlace, Writes};
use mendlake_domain::minute::Timestamp;
use mendlake_ingest::Overlays;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::{Kind, PortError, Result};
use serde_json::Value;

use super::world::World;

/// Where a function works.
pub(crate) type FunctionPlace = AwsPlace<VirtualClock, ExchangingTransport<ReqwestTransport>>;

/// One of the five.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Request,
    Collect,
    Land,
    Reconcile,
    Replay,
}

impl Stage {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Collect => "collect",
            Self::Land => "land",
            Self::Reconcile => "reconcile",
            Self::Replay => "replay",
        }
    }

    /// The template's timeout, in seconds.
    pub(super) const fn timeout_s(self) -> i64 {
        match self {
            Self::Request | Self::Collect => 20,
            Self::Land => 120,
            Self::Reconcile => 300,
            Self::Replay => 150,
        }
    }

    const fn writes(self) -> Writes {
        if matches!(self, Self::Replay) { Writes::Replay } else { Writes::Live }
    }
}

/// How an invocation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With what is to be delivered again.
    Answered(Vec<String>),
    /// With an error.
    Failed(String),
    /// The function died.
    Killed,
    /// The function was stopped.
    TimedOut,
}

impl Ended {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Answered(_) => "answered",
            Self::Failed(_) => "failed",
            Self::Killed => "killed",
            Self::TimedOut => "timed out",
        }
    }
}

/// A function that is up.
pub(super) struct Warm {
    name: String,
    place: Rc<FunctionPlace>,
    overlays: Rc<Overlays>,
}

/// Invokes a function: one that is warm, or a new one. Dies, it does where it is: its future is dropped.
pub(crate) async fn invoke(world: &World, stage: Stage, payload: Value) -> Ended {
    let warm = world.warm(stage).pop();
    let name = warm.as_ref().map_or_else(|| world.new_name(stage), |warm| warm.name.clone());
    let deadline = world.clock.now().plus_s(stage.timeout_s());
    let death = world.proxy.seen().death_of(&name);
    let work = async {
        let (place, overlays) = match warm {
            Some(warm) => (warm.place, warm.overlays),
            None => (Rc::new(open(world, stage, &name).await?), Rc::default()),
        };
        let done = handle(world, stage, &place, &overlays, deadline, payload).await;
        world.warm(stage).push(Warm { name: name.clone(), place, overlays });
        done
    };
    let ended = tokio::select! {
        biased;
        done = work => match done {
            Ok(left) => Ended::Answered(left),
            Err(error) => Ended::Failed(error.chain()),
        },
        _ = death => Ended::Killed,
        () = world.clock.sleep_until(deadline) => Ended::TimedOut,
    };
    world.told.borrow_mut().ended(stage, &ended);
    ended
}

/// A place as a function opens it at its start.
pub(crate) async fn open(world: &World, stage: Stage, name: &str) -> Result<FunctionPlace> {
    let aws = world.wire.aws(name);
    let id = name.bytes().fold(world.seed, |id, byte| id.wrapping_mul(131) ^ u64::from(byte));
    let http = |url: &str| {
        let transport = ReqwestTransport::new(url, None)
            .map_err(|error| PortError::caused(Kind::Rejected, "set up HTTP for a vendor", error))?;
        Ok(ExchangingTransport::new(transport, world.clock.clone()))
    };
    AwsPlace::open(&aws, &world.config, world.clock.clone(), id, stage.writes(), http).await
}

async fn handle(
    world: &World,
    stage: Stage,
    place: &FunctionPlace,
    overlays: &Overlays,
    deadline: Timestamp,
    payload: Value,
) -> Result<Vec<String>> {
    let settings = &world.config.settings;
    let told = &world.told;
    let failures = match stage {
        Stage::Request => {
            let report = handlers::request::handle(place, settings, payload).await?;
            told.borrow_mut().requested(&report);
            return Ok(Vec::new());
        }
        Stage::Reconcile => {
            // Nobody asks Athena here, the stand-in has no tables of Glue; tests/aws/deployed does.
            let report = handlers::reconcile::handle(place, settings, payload).await?;
            told.borrow_mut().reconciled.push(report);
            return Ok(Vec::new());
        }
        Stage::Collect => {
            let collected = handlers::collect::handle(place, settings, overlays, deadline, payload).await?;
            told.borrow_mut().collected(&collected.reports);
            collected.failures
        }
        Stage::Land => match handlers::land::handle(place, deadline, payload).await? {
            Landed::Batch { failures, .. } => failures,
            Landed::Parked(_) => unreachable!("nobody asked for what is parked"),
        },
        Stage::Replay => match handlers::replay::handle(place, settings, deadline, payload).await? {
            Replayed::Tasks { reports, failures } => {
                told.borrow_mut().replayed(&reports);
                failures
            }
            Replayed::Asked(_) => unreachable!("nobody asked for a replay"),
        },
    };
    Ok(failures.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect())
}
