//! The schedules of the template, on New York's clock and on UTC's.

use std::rc::Rc;

use chrono::{DateTime, Datelike, NaiveDateTime, Timelike};
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_ports::clock::Clock;
use serde_json::{Value, json};

use super::function::{Stage, invoke};
use super::world::World;
use crate::proxy::chance;

/// A scheduler fires anywhere within its minute; here, within its first 50 seconds.
const WITHIN_MS: f64 = 50_000.0;

/// How often a schedule fires twice: it promises to fire at least once.
const TWICE: f64 = 0.02;

struct Rule {
    cron: &'static str,
    is_new_york: bool,
    stage: Stage,
    /// What it hands over; `None`: the instant it was scheduled for.
    input: Option<&'static str>,
}

const RULES: [Rule; 5] = [
    Rule { cron: "29-59 9 ? * MON-FRI *", is_new_york: true, stage: Stage::Request, input: None },
    Rule { cron: "* 10-15 ? * MON-FRI *", is_new_york: true, stage: Stage::Request, input: None },
    Rule {
        cron: "0/5 9-16 ? * MON-FRI *",
        is_new_york: true,
        stage: Stage::Reconcile,
        input: Some(r#"{"window":"near"}"#),
    },
    Rule { cron: "5 * * * ? *", is_new_york: false, stage: Stage::Reconcile, input: Some(r#"{"window":"hourly"}"#) },
    Rule { cron: "35 7 * * ? *", is_new_york: true, stage: Stage::Reconcile, input: Some(r#"{"window":"morning"}"#) },
];

/// Ticks for ever, but for the spans in which the schedule of `request` is dead.
pub(crate) async fn run(world: Rc<World>, dark: Rc<Vec<(Timestamp, Timestamp)>>) {
    let mut minute = world.clock.now().minute() + 1;
    loop {
        world.clock.sleep_until(minute.start()).await;
        for (place, rule) in RULES.iter().enumerate().filter(|(_, rule)| rule.fires(minute)) {
            let key = world.seed ^ (place as u64) << 48 ^ minute.index().cast_unsigned();
            let times = 1 + usize::from(chance(!key) < TWICE);
            for nth in 0..times {
                let at = minute.start().plus_ms((chance(key ^ (nth as u64) << 60) * WITHIN_MS) as i64);
                let is_dead = rule.stage == Stage::Request && dark.iter().any(|(from, to)| *from <= at && at < *to);
                if !is_dead {
                    world.spawn(fire(world.clone(), rule, minute, at));
                }
            }
        }
        minute = minute + 1;
    }
}

/// Invokes the function, once: the template has no failed invocation tried again.
async fn fire(world: Rc<World>, rule: &'static Rule, minute: Minute, at: Timestamp) {
    world.clock.sleep_until(at).await;
    let payload: Value = match rule.input {
        Some(input) => serde_json::from_str(input).expect("an input is JSON"),
        None => json!({ "time": minute.start().to_string() }),
    };
    invoke(&world, rule.stage, payload).await;
}

/// The expressions, and whose they are.
pub(super) fn expressions() -> impl Iterator<Item = (Stage, &'static str)> {
    RULES.iter().map(|rule| (rule.stage, rule.cron))
}

impl Rule {
    fn fires(&self, minute: Minute) -> bool {
        let utc = DateTime::from_timestamp(minute.start().epoch_ms() / 1_000, 0).expect("an instant of this era");
        let wall = if self.is_new_york {
            utc.with_timezone(&chrono_tz::America::New_York).naive_local()
        } else {
            utc.naive_utc()
        };
        cron_matches(self.cron, wall)
    }
}

/// Minute, hour and day of the week of a cron expression; the other fields name every day here.
fn cron_matches(cron: &str, wall: NaiveDateTime) -> bool {
    let fields: Vec<&str> = cron.split(' ').collect();
    let [minute, hour, _, "*", weekday, "*"] = fields[..] else { panic!("no expression known here: `{cron}`") };
    let on_day = match weekday {
        "MON-FRI" => wall.weekday().number_from_monday() <= 5,
        _ => true,
    };
    on_day && field_matches(minute, wall.minute()) && field_matches(hour, wall.hour())
}

fn field_matches(field: &str, value: u32) -> bool {
    let number = |text: &str| text.parse::<u32>().expect("a number");
    match (field, field.split_once('-'), field.split_once('/')) {
        ("*", ..) => true,
        (_, Some((from, to)), _) => (number(from)..=number(to)).contains(&value),
        (_, _, Some((from, every))) => value >= number(from) && (value - number(from)).is_multiple_of(number(every)),
        _ => number(field) == value,
    }
}

/// The schedules fire when AWS's pages say that they do: a case of its own, since everything hangs on it.
pub(crate) fn schedules_fire_on_new_yorks_clock() {
    let at = |text: &str| text.parse::<Timestamp>().expect("an instant").minute();
    let firing =
        |text: &str| RULES.iter().filter(|rule| rule.fires(at(text))).map(|rule| rule.cron).collect::<Vec<_>>();
    assert_eq!(firing("2026-11-20T14:28:00Z"), [""; 0]);
    assert_eq!(firing("2026-11-20T14:29:00Z"), ["29-59 9 ? * MON-FRI *"]);
    assert_eq!(firing("2026-11-20T20:58:00Z"), ["* 10-15 ? * MON-FRI *"]);
    assert_eq!(firing("2026-07-20T13:30:00Z"), ["29-59 9 ? * MON-FRI *", "0/5 9-16 ? * MON-FRI *"], "in summer");
    assert_eq!(firing("2026-11-21T15:05:00Z"), ["5 * * * ? *"], "on a Saturday");
    assert_eq!(firing("2026-11-20T12:35:00Z"), ["35 7 * * ? *"]);
}
