//! What a stack costs a month while nothing is watched, from the dated price file.
//!
//! The arithmetic is that of runbooks/what-it-costs.md, which explains each count; a test holds the two together.

use mendlake_domain::calendar::Calendar;
use mendlake_ports::error::{Kind, PortError, Result};

const FILE: &str = include_str!("../../prices.toml");

/// Hours of a month, weekdays, mornings: as AWS and the page count.
const HOURS: f64 = 730.0;
const WEEKDAYS: f64 = 22.0;
const MORNINGS: f64 = 30.0;

/// What of a stack the price depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Whose sessions are expected: the schedules follow it.
    pub calendar: Calendar,
    /// Keys in Secrets Manager.
    pub keys: u32,
    /// Shards of a provisioned stream; `None` on demand.
    pub shards: Option<u32>,
}

/// The price of an idle month.
#[derive(Clone, Debug, PartialEq)]
pub struct Idle {
    /// At list price, in USD.
    pub list_usd: f64,
    /// Beyond what every account has free each month.
    pub beyond_free_usd: f64,
    /// The region of the prices.
    pub region: String,
    /// The day they were looked up.
    pub taken_on: String,
}

impl Idle {
    /// The price of a stack's idle month. Amounts are rounded to cents before they are added, as the page does.
    pub fn of(shape: Shape) -> Result<Self> {
        let file: toml::Table = FILE
            .parse()
            .map_err(|error| PortError::caused(Kind::Corrupt, "read the price file", format!("{error}")))?;
        let (mut list_usd, mut beyond_free_usd) = (0.0, 0.0);
        for (name, count) in rows(shape) {
            let [list, beyond] = amounts(&file, name, count).ok_or_else(|| missing(name))?;
            list_usd += list;
            beyond_free_usd += beyond;
        }
        let text =
            |key: &str| file.get(key).and_then(toml::Value::as_str).map(str::to_owned).ok_or_else(|| missing(key));
        Ok(Self { list_usd, beyond_free_usd, region: text("region")?, taken_on: text("taken_on")? })
    }
}

/// What is used in an idle month: the price's name and how much of it.
fn rows(shape: Shape) -> Vec<(&'static str, f64)> {
    let (ticks, near) = match shape.calendar {
        Calendar::Xnys => ((31.0 + 360.0) * WEEKDAYS, 96.0 * WEEKDAYS),
        Calendar::Always => (60.0 * HOURS, 12.0 * HOURS),
    };
    let runs = near + HOURS + MORNINGS;
    let ticking_hours = if shape.calendar == Calendar::Xnys { 7.0 * WEEKDAYS } else { HOURS };
    let stream = match shape.shards {
        Some(shards) => ("kinesis.shard_hour", HOURS * f64::from(shards)),
        None => ("kinesis.on_demand_stream_hour", HOURS),
    };
    vec![
        stream,
        ("secrets_manager.secret_month", f64::from(shape.keys)),
        ("cloudwatch.alarm_metric_month", 22.0),
        ("cloudwatch.metric_month", rounded((5.0 * ticking_hours + 11.0 * HOURS) / HOURS, 10.0)),
        ("cloudwatch.dashboard_month", 1.0),
        ("sqs.request", 15.0 * 60.0 * HOURS * 2.0),
        ("s3.put", 2.0 * ticks + 5.0 * runs),
        ("kms.request", 2.0 * 12.0 * HOURS),
        ("dynamodb.read_unit", 11.0 * runs),
        ("dynamodb.write_unit", 4.0 * runs),
        ("scheduler.invocation", ticks + runs),
        ("lambda.request", ticks + runs),
        ("lambda.gb_second_x86", rounded(ticks * 0.1 * 0.25 + runs * 0.5 * 0.5, 1.0)),
        ("cloudwatch.logs_gb", rounded((ticks * 1.2 + runs * 2.6) / 1e6, 100.0)),
    ]
}

/// A count's price at list, and beyond what is free.
fn amounts(file: &toml::Table, name: &str, count: f64) -> Option<[f64; 2]> {
    let (service, price) = name.split_once('.')?;
    let price = file.get(service)?.get(price)?;
    let number = |key: &str| {
        let value = price.get(key)?;
        value.as_float().or_else(|| value.as_integer().map(|n| n as f64))
    };
    let one = number("usd")? / number("per")?;
    let beyond = (count - number("free").unwrap_or_default()).max(0.0);
    Some([count, beyond].map(|count| rounded(count * one, 100.0)))
}

fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

fn missing(name: &str) -> PortError {
    PortError::new(Kind::Corrupt, format!("read the price file: there is no `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../../runbooks/what-it-costs.md");

    fn told(cell: &str) -> f64 {
        cell.trim_matches('*').replace(',', "").parse().expect("a number")
    }

    #[test]
    fn the_idle_month_is_that_of_the_page_row_by_row() {
        let shape = Shape { calendar: Calendar::Xnys, keys: 2, shards: Some(1) };
        let (_, idle) = PAGE.split_once("## The idle month").expect("its part");
        let (idle, _) = idle.split_once("\n## ").expect("the next part");
        let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
        let table: Vec<Vec<&str>> = idle.lines().filter(|line| line.starts_with("| ")).map(cells).skip(1).collect();
        let (together, table) = table.split_last().expect("a sum");
        let page: Vec<(&str, f64)> = table.iter().map(|row| (row[1].trim_matches('`'), told(row[2]))).collect();
        assert_eq!(rows(shape), page);
        let idle = Idle::of(shape).expect("priced");
        let agrees = |computed: f64, cell: &str| (computed - told(cell)).abs() < 0.005;
        assert!(agrees(idle.list_usd, together[3]) && agrees(idle.beyond_free_usd, together[4]), "{idle:?}");
    }

    #[test]
    fn every_shape_has_a_price_and_on_demand_is_dearer() {
        let shape = Shape { calendar: Calendar::Always, keys: 1, shards: None };
        let on_demand = Idle::of(shape).expect("priced");
        let provisioned = Idle::of(Shape { shards: Some(1), ..shape }).expect("priced");
        assert!(on_demand.list_usd > provisioned.list_usd + 18.0, "{on_demand:?} {provisioned:?}");
    }
}
