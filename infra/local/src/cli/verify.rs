//! `mendlake verify`: the lake against its footers, against the laws, against the ledger.

mod opinion;

use futures_util::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use mendlake_adapters::stored::listing::{Listing, StoredObject};
use mendlake_domain::settings::Settings;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::Kind;
use mendlake_ports::place::Place;
use mendlake_ports::set_aside::SetAside;
use mendlake_reconcile::{AuditReport, Window, audit};
use serde::Serialize;

use super::output::{print, print_json};
use super::{Ending, Failure, Outcome, begin};
use crate::clock::ClockArgs;
use crate::config::{Config, ConfigArgs, WatchArgs};
use crate::log::StageLog;
use crate::look::{Look, Objects};
use crate::open::{self, Reading};
use crate::rebuild;
use crate::repair::{Notes, Repair};
use crate::stack::{StackArgs, StackLook};
use opinion::Opinion;

/// Check the whole lake: every object against its checksums, its footer and its name; every row and every symbol-minute
/// against the laws; the ledger and the session statuses against what the lake holds.
///
/// Reads only, and may run beside `mendlake run`. Exit code 3 where anything is found: an object that is not what it was, a
/// file that is none, a broken law, rows of a symbol that no entry of the watchlist names, a session that is over without its
/// statuses, parked batches. Rows that an overlay put outside their session later are counted and are no finding.
///
/// On a stack, with --stack, every object is fetched whole, and Athena is asked what its table holds, which must be what the
/// footers say. Where it cannot be asked, the report says why, and is not sound: --without-athena does without.
#[derive(clap::Args)]
pub struct Args {
    /// First derive the ledger anew from the lake: for a ledger that was lost or is corrupt. Not beside `mendlake run`. A
    /// corrupt database is put aside, not deleted. Not on a stack: runbooks/restore-the-ledger.md says how there.
    #[arg(long)]
    rebuild_ledger: bool,

    /// On a stack, do not ask Athena for its opinion.
    #[arg(long, requires = "stack")]
    without_athena: bool,

    /// Print JSON.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    clock: ClockArgs,

    #[command(flatten)]
    stack: StackArgs,

    #[command(flatten)]
    config: ConfigArgs,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Verified {
    objects: usize,
    rows_in_objects: u64,
    /// Objects that are not what they were, each with its name.
    corrupt: Vec<String>,
    /// Files among the objects that no writer named, each with its folder.
    foreign: Vec<String>,
    audit: AuditReport,
    /// Whether there is a ledger to check.
    ledger: bool,
    /// Batches put aside because infrastructure failed.
    parked: usize,
    /// Pieces of input put aside for what they are.
    quarantined: usize,
    /// Messages that killed whoever worked on them.
    dead_letters: usize,
    /// What Athena says of the same minutes; only on a stack, where it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    athena: Option<Opinion>,
    /// Why Athena could not be asked, where it was to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    athena_unasked: Option<String>,
    /// Nothing was found.
    sound: bool,
    /// What to do about what is corrupt.
    #[serde(skip)]
    mends: &'static str,
    /// Who lands what was parked.
    #[serde(skip)]
    lands: &'static str,
}

/// How many objects are read at once: enough to hide most of their way from AWS.
const AT_ONCE: usize = 16;

/// Runs the command.
pub async fn run(args: Args) -> Outcome {
    let config = begin(&args.config, &WatchArgs::default())?;
    let verified = match (args.stack.name(), args.rebuild_ledger) {
        (Some(name), true) => return Err(not_on_a_stack(name)),
        (Some(name), false) => {
            let stack = StackLook::open(name).await?;
            opinion::joined(verify(&stack).await?, &stack, args.without_athena).await
        }
        (None, rebuild) => {
            if rebuild {
                rebuild_ledger(&config, &args.clock.anchored()).await?;
            }
            verify(&Reading::open(&config, &args.clock)?).await?.0
        }
    };
    if args.json {
        print_json(&verified)?;
    } else {
        print(&text(&verified))?;
    }
    Ok(Ending::whole(verified.sound))
}

fn not_on_a_stack(name: &str) -> Failure {
    Failure::usage(format!(
        "`--rebuild-ledger` works on a folder: the ledger of the stack `{name}` is derived by its own function once its last run \
         is forgotten, runbooks/restore-the-ledger.md has the two commands"
    ))
}

/// Looks at everything; gives what was found, and the objects there are.
async fn verify(look: &impl Look) -> Result<(Verified, Vec<StoredObject>), Failure> {
    let Listing { objects, foreign } = look.lake().listing().await?;
    let (rows_in_objects, corrupt) = check_objects(look.lake(), &objects).await?;
    let ledger = match look.ledger() {
        Ok(ledger) => Some(ledger),
        Err(error) if error.kind == Kind::Rejected => None,
        Err(error) => return Err(error.into()),
    };
    let oldest = look.lake().oldest_on().await?;
    let audit = audit(look.lake(), ledger.as_ref(), look.settings(), oldest, look.clock().now()).await?;
    let parked = look.lake().parked().await?.len();
    let dead_letters = look.dead_letters().await?;
    let whole = corrupt.is_empty() && foreign.is_empty() && audit.found == 0 && ledger.is_some();
    let verified = Verified {
        objects: objects.len(),
        rows_in_objects,
        corrupt,
        foreign: foreign.iter().map(|file| format!("dt={}/{}", file.dt, file.name)).collect(),
        audit,
        ledger: ledger.is_some(),
        parked,
        quarantined: look.lake().quarantined().await?.len(),
        dead_letters,
        athena: None,
        athena_unasked: None,
        sound: whole && parked == 0 && dead_letters == 0,
        mends: look.manner().mends,
        lands: look.manner().lands,
    };
    Ok((verified, objects))
}

/// Reads every object whole.
async fn check_objects(lake: &impl Objects, objects: &[StoredObject]) -> Result<(u64, Vec<String>), Failure> {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} objects, {eta} left").expect("the template is one");
    let bar = ProgressBar::new(objects.len() as u64).with_style(style);
    let (mut rows, mut corrupt) = (0, Vec::new());
    let mut checked = stream::iter(objects).map(async |object| (object, lake.verify(object).await)).buffered(AT_ONCE);
    while let Some((object, result)) = checked.next().await {
        match result {
            Ok(counted) => rows += counted,
            Err(error) if error.kind == Kind::Corrupt => corrupt.push(format!("dt={}: {}", object.dt, error.chain())),
            Err(error) => return Err(error.into()),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok((rows, corrupt))
}

/// Derives the ledger anew: what is in the stream lands, then everything is reconciled from the first minute on.
async fn rebuild_ledger(config: &Config, clock: &ClockArgs) -> Result<(), Failure> {
    rebuild::put_aside_corrupt(config).await?;
    let working = open::work(config, clock, false).await?;
    let settings: Settings = config.settings.clone();
    let notes = Notes::new(StageLog::new(config.log_format));
    let repair = Repair::begin(working.place, settings, notes).await?;
    repair.place().ledger().forget_derived()?;
    let report = repair.reconcile(Window::Hourly).await?;
    tracing::info!(
        "the ledger is derived anew: {} symbol-minutes looked at, {} open",
        report.expected,
        report.open_gaps
    );
    drop(working.lock);
    Ok(())
}

fn text(verified: &Verified) -> String {
    let Verified { objects, rows_in_objects, corrupt, foreign, audit, .. } = verified;
    let mut text = format!("{objects} objects with {rows_in_objects} rows, {} of them corrupt\n", corrupt.len());
    for what in corrupt {
        text.push_str(&format!("  {what}\n"));
    }
    if !corrupt.is_empty() {
        text.push_str(&format!("  {}\n", verified.mends));
    }
    for file in foreign {
        text.push_str(&format!(
            "  {file}: no object has such a name, move it away: until then its date cannot be read\n"
        ));
    }
    let AuditReport { sessions, expected, present, open, unrecoverable, .. } = audit;
    match audit.reconciled_through {
        Some(at) => text.push_str(&format!(
            "{sessions} sessions, explained up to {at}: {expected} expected, {present} present, {open} open, {unrecoverable} \
             given up\n"
        )),
        None if !verified.ledger => text.push_str("there is no ledger: `mendlake verify --rebuild-ledger` derives it\n"),
        None => text.push_str(&format!("{sessions} sessions, nothing was reconciled yet\n")),
    }
    for outside in &audit.outside {
        text.push_str(&format!(
            "  {} `{}`: {} live and {} healed rows lie outside the session since an overlay ended it, {} to {}\n",
            outside.session, outside.symbol, outside.live, outside.healed, outside.from, outside.to
        ));
    }
    for finding in &audit.findings {
        text.push_str(&format!("  {finding}\n"));
    }
    if audit.found > audit.findings.len() {
        text.push_str(&format!("  and {} more\n", audit.found - audit.findings.len()));
    }
    if let Some(opinion) = &verified.athena {
        text.push_str(&opinion.text());
    }
    if let Some(why) = &verified.athena_unasked {
        text.push_str(&format!("Athena could not be asked: {why}\n  `--without-athena` does without its opinion\n"));
    }
    let aside = [
        (verified.parked, format!("parked batches: {}", verified.lands)),
        (verified.dead_letters, "dead letters: each is a defect".to_owned()),
        (verified.quarantined, "pieces of input in quarantine, each with its reason".to_owned()),
    ];
    for (count, what) in aside.into_iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!("{count} {what}\n"));
    }
    text.push_str(if verified.sound { "sound\n" } else { "not sound\n" });
    text
}
