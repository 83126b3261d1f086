//! The query for coverage: its text for a range, and what its answer says.

use mendlake_domain::coverage::{Coverage, Held, MinuteSet};
use mendlake_domain::minute::Minute;
use mendlake_domain::quote::Basis;
use mendlake_ports::{Kind, PortError, Result};

/// With four places for parameters, filled here: how text has to be quoted in `ExecutionParameters` AWS's pages do not say.
const TEXT: &str = include_str!("../../../../../infra/aws/queries/coverage.sql");

const PLACE: char = '?';

/// The columns of the answer, in their order.
const COLUMNS: [&str; 8] = ["symbol", "hour", "quote", "close", "open", "previous_close", "suspect", "revised"];

/// The query for the minutes `[from, to)`, of which there is at least one.
pub fn text(from: Minute, to: Minute) -> String {
    let dates = [from.date(), to.plus(-1).date()].map(|dt| format!("'{dt}'"));
    let [first_on, last_on] = dates;
    let mut parameters = [first_on, last_on, from.epoch_s().to_string(), to.epoch_s().to_string()].into_iter();
    let mut pieces = TEXT.split(PLACE);
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        text.push_str(&parameters.next().expect("the query has as many places as it has parameters"));
        text.push_str(piece);
    }
    text
}

/// The coverage that rows of the answer tell of; the row of column names may be among them. `Corrupt` where one is none.
pub fn coverage_of<'a, R>(rows: impl IntoIterator<Item = R>) -> Result<Coverage>
where
    R: IntoIterator<Item = Option<&'a str>>,
{
    let mut coverage = Coverage::default();
    for row in rows {
        let cells: Vec<&str> = row.into_iter().map(Option::unwrap_or_default).collect();
        if cells != COLUMNS && note(&mut coverage, &cells).is_none() {
            let what = format!("read coverage from Athena: no row of the query's: `{}`", cells.join(","));
            return Err(PortError::new(Kind::Corrupt, what));
        }
    }
    Ok(coverage)
}

/// Notes a row; `None` where it is none.
fn note(coverage: &mut Coverage, cells: &[&str]) -> Option<()> {
    let [symbol, hour, masks @ ..] = cells else { return None };
    let first = Minute::from_epoch_s(hour.parse().ok()?).filter(|minute| minute.of_hour() == 0)?;
    let set = |mask: &&str| Some(MinuteSet::of_hour(first.hour(), mask_of(mask)?));
    let [by_basis @ .., suspect, revised] = masks else { return None };
    let by_basis: Vec<MinuteSet> = by_basis.iter().map(set).collect::<Option<_>>()?;
    if by_basis.len() != Basis::ALL.len() {
        return None;
    }
    let held: &mut Held = coverage.0.entry(symbol.parse().ok()?).or_default();
    for (basis, set) in Basis::ALL.into_iter().zip(by_basis).filter(|(_, set)| !set.is_empty()) {
        held.by_basis.entry(basis).or_default().extend_set(&set);
    }
    held.suspect.extend_set(&set(suspect)?);
    held.revised.extend_set(&set(revised)?);
    Some(())
}

/// A mask of sixty minutes.
fn mask_of(text: &str) -> Option<u64> {
    text.parse().ok().filter(|mask: &u64| mask >> 60 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_names_the_dates_of_its_range_and_no_other() {
        assert_eq!(TEXT.matches(PLACE).count(), 4, "comments have none");
        let [from, to] = ["2026-11-20T14:30:00Z", "2026-11-21T00:00:00Z"].map(|text| text.parse().expect("a minute"));
        let text = text(from, to);
        assert!(text.contains("dt BETWEEN CAST('2026-11-20' AS date) AND CAST('2026-11-20' AS date)"), "{text}");
        assert!(text.contains("minute_s >= 1795185000 AND minute_s < 1795219200"), "{text}");
        assert!(super::text(from, to + 1).contains("AND CAST('2026-11-21' AS date)"));
    }

    fn read(rows: &[[&str; 8]]) -> Result<Coverage> {
        coverage_of(rows.iter().map(|row| row.iter().copied().map(Some)))
    }

    #[test]
    fn rows_are_masks_by_symbol_and_hour() {
        let rows = [
            COLUMNS,
            ["A", "1795183200", "1073741824", "0", "0", "0", "1073741824", "0"],
            ["A", "1795186800", "0", "3", "0", "0", "0", "2"],
            ["^B", "1795183200", "0", "0", "576460752303423488", "1", "0", "0"],
        ];
        let coverage = read(&rows).expect("coverage");
        let minute = |text: &str| text.parse::<Minute>().expect("a minute");
        let held = &coverage.0["A"];
        assert_eq!(held.by_basis.keys().copied().collect::<Vec<_>>(), [Basis::Quote, Basis::Close]);
        assert_eq!(held.by_basis[&Basis::Quote].iter().collect::<Vec<_>>(), [minute("2026-11-20T14:30:00Z")]);
        assert_eq!(held.suspect, held.by_basis[&Basis::Quote]);
        assert_eq!(held.revised.iter().collect::<Vec<_>>(), [minute("2026-11-20T15:01:00Z")]);
        let other = coverage.present(&"^B".parse().expect("symbol"));
        assert_eq!(other.iter().collect::<Vec<_>>(), ["2026-11-20T14:00:00Z", "2026-11-20T14:59:00Z"].map(minute));
    }

    #[test]
    fn what_is_no_row_of_the_query_is_corrupt() {
        let right = ["A", "1795183200", "1", "0", "0", "0", "0", "0"];
        assert!(read(&[right]).is_ok());
        for (column, wrong) in [(0, ""), (1, "1795183260"), (2, "-1"), (3, "1152921504606846976"), (7, "1.0E9")] {
            let mut row = right;
            row[column] = wrong;
            let error = read(&[row]).expect_err(wrong);
            assert_eq!(error.kind, Kind::Corrupt, "{}", error.chain());
        }
        assert!(coverage_of([right[..7].iter().copied().map(Some)]).is_err());
        assert!(coverage_of([[None; 8]]).is_err());
    }
}
