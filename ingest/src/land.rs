//! `land`: brings a batch of the stream to the lake, one object a date.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use mendlake_domain::law;
use mendlake_domain::minute::Timestamp;
use mendlake_domain::quote::StoredRow;
use mendlake_domain::record::{self, RejectedLine};
use mendlake_ports::clock::{self, Clock};
use mendlake_ports::error::{Kind, Result};
use mendlake_ports::lake::{Lake, NewObject, Published};
use mendlake_ports::landing::Landing;
use mendlake_ports::set_aside::{Rejected, SetAside};
use mendlake_ports::stream::{Batch, StreamRecord};
use serde::{Deserialize, Serialize};

/// What `land` did with one batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LandReport {
    /// Records in the batch.
    pub records: usize,
    /// Rows that landed.
    pub rows: usize,
    /// Objects that are new.
    pub objects: usize,
    /// Objects that were there already: the batch had been landed before.
    pub existed: usize,
    /// Records set aside, whole, for a line that is no row.
    pub quarantined: usize,
    /// The dates touched.
    pub dates: BTreeSet<NaiveDate>,
    /// Everything of the shard that arrived by then has landed or is set aside.
    pub landed_through: Option<Timestamp>,
}

/// What `reland` did with the parked batches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelandReport {
    /// Those that landed and were taken away.
    pub landed: Vec<Relanded>,
    /// Those that cannot be read and stay where they are: a person must look.
    pub unreadable: Vec<Unreadable>,
    /// How many are left for want of time: asked again, it goes on with them.
    pub left: usize,
}

/// A parked batch that landed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relanded {
    /// The name it had.
    pub batch: String,
    /// What was done with it.
    #[serde(flatten)]
    pub report: LandReport,
}

/// A parked batch that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// Its name.
    pub batch: String,
    /// Why.
    pub reason: String,
}

/// Lands a batch. `Ok` means that every record has landed or is in quarantine, durably; `Err` means that the batch is to
/// be landed again, which is harmless: the same rows have the same object name.
///
/// A poisoned record is set aside before anything is acknowledged and never blocks the others.
pub async fn land(lake: &(impl Lake + SetAside), landing: &impl Landing, batch: &Batch) -> Result<LandReport> {
    let mut report = LandReport { records: batch.records.len(), ..LandReport::default() };
    let mut by_date: BTreeMap<NaiveDate, Vec<StoredRow>> = BTreeMap::new();
    for stream_record in &batch.records {
        let (rows, rejected) = read(stream_record);
        if !rejected.is_empty() {
            lake.quarantine(&quarantined(batch, stream_record, &rejected)).await?;
            report.quarantined += 1;
        }
        for row in rows {
            by_date.entry(row.row.minute.date()).or_default().push(row);
        }
    }
    for (dt, rows) in by_date {
        report.rows += rows.len();
        report.dates.insert(dt);
        match lake.publish(&object(batch, dt, rows)).await? {
            Published::New => report.objects += 1,
            Published::Existed => report.existed += 1,
        }
    }
    report.landed_through = batch.records.last().map(|record| record.arrived_at);
    if let Some(through) = report.landed_through {
        landing.note_landed(&batch.shard, through).await?;
    }
    Ok(report)
}

/// Parks a batch that infrastructure keeps refusing, whole, so that the stream can go on. It is not landed: [`reland`]
/// does that once the cause is mended.
pub async fn park(set_aside: &impl SetAside, batch: &Batch, reason: &str) -> Result<()> {
    set_aside.park(batch, reason).await
}

/// Lands the parked batches one after the other, the oldest first, and takes each away that has landed; stops where the time
/// is over.
///
/// A batch that cannot be read stays and is reported, and the others go on. `Err` means that infrastructure refuses: what
/// has not landed stays parked. Asked again, it goes on with what is left.
pub async fn reland(
    lake: &(impl Lake + SetAside),
    landing: &impl Landing,
    clock: &impl Clock,
    until: Option<Timestamp>,
) -> Result<RelandReport> {
    let names = lake.parked().await?;
    let mut report = RelandReport::default();
    for (done, batch) in names.iter().enumerate() {
        let work = reland_one(lake, landing, batch);
        let outcome = match until {
            Some(until) if clock.now() >= until => None,
            Some(until) => clock::by(clock, until, work).await,
            None => Some(work.await),
        };
        match outcome {
            Some(outcome) => report.note(batch, outcome?),
            None => {
                report.left = names.len() - done;
                break;
            }
        }
    }
    Ok(report)
}

impl RelandReport {
    fn note(&mut self, batch: &str, became: Became) {
        let batch = batch.to_owned();
        match became {
            Became::Landed(report) => self.landed.push(Relanded { batch, report }),
            Became::Unreadable(reason) => self.unreadable.push(Unreadable { batch, reason }),
            Became::Gone => {}
        }
    }
}

/// What became of a parked batch.
enum Became {
    Landed(LandReport),
    Unreadable(String),
    /// Somebody else landed it since it was listed.
    Gone,
}

async fn reland_one(lake: &(impl Lake + SetAside), landing: &impl Landing, name: &str) -> Result<Became> {
    let batch = match lake.parked_batch(name).await {
        Ok(Some(batch)) => batch,
        Ok(None) => return Ok(Became::Gone),
        Err(error) if matches!(error.kind, Kind::Throttled | Kind::Unavailable) => return Err(error),
        // Damaged, of a newer release, or nobody's to read here: waiting does not mend that, and no other batch need wait.
        Err(error) => return Ok(Became::Unreadable(error.chain())),
    };
    // The mark may rise less than it could: it never falls, so an old batch does no harm to it.
    let report = land(lake, landing, &batch).await?;
    lake.unpark(name).await?;
    Ok(Became::Landed(report))
}

/// The rows of a record with its arrival time, and the lines that are none.
fn read(stream_record: &StreamRecord) -> (Vec<StoredRow>, Vec<RejectedLine>) {
    let stored_at = stream_record.arrived_at;
    let decoded = record::decode_admitting(&stream_record.data, |row| law::admissible(row, stored_at));
    (decoded.rows.into_iter().map(|row| StoredRow { row, stored_at }).collect(), decoded.rejected)
}

fn quarantined(batch: &Batch, stream_record: &StreamRecord, rejected: &[RejectedLine]) -> Rejected {
    let reasons: Vec<String> = rejected.iter().map(ToString::to_string).collect();
    Rejected {
        at: stream_record.arrived_at,
        origin: "stream".into(),
        id: format!("{}-{}-{}", batch.stream_id, batch.shard, stream_record.sequence),
        reason: reasons.join("; "),
        input: stream_record.data.clone(),
    }
}

fn object(batch: &Batch, dt: NaiveDate, rows: Vec<StoredRow>) -> NewObject {
    NewObject {
        dt,
        stream_id: batch.stream_id.clone(),
        shard: batch.shard.clone(),
        first_sequence: batch.records.first().map(|record| record.sequence.clone()).unwrap_or_default(),
        rows,
    }
}
