//! The price file, and the page that computes from it.

use crate::tree::Tree;

const PRICES: &str = "infra/aws/prices.toml";

const PAGE: &str = "runbooks/what-it-costs.md";

/// Amounts are rounded to cents, sums are of rounded amounts.
const HALF_A_CENT: f64 = 0.005 + 1e-9;

/// Prices without a number, a unit, or where they are from; a file without its date and region.
pub(crate) fn dated(tree: &Tree) -> Vec<String> {
    let file = tree.table(PRICES);
    let mut complaints = Vec::new();
    for wanted in ["region", "currency", "taken_on"] {
        if !file.get(wanted).is_some_and(toml::Value::is_str) {
            complaints.push(format!("{PRICES}: it has no `{wanted}`"));
        }
    }
    for (name, price) in all(&file) {
        let is_number = |key| number(price, key).is_some_and(|n| n > 0.0);
        let numbers = ["usd", "per"].into_iter().filter(|key| !is_number(key));
        let is_text = |key: &str| price.get(key).and_then(toml::Value::as_str).is_some_and(|text| !text.is_empty());
        let texts = ["of", "page", "confirmed"].into_iter().filter(|key| !is_text(key));
        complaints.extend(numbers.chain(texts).map(|key| format!("{PRICES}: `{name}` has no `{key}`")));
    }
    complaints
}

/// Rows of the page's tables that are not what their price makes of their count, and sums that are none.
pub(crate) fn sums(tree: &Tree) -> Vec<String> {
    let file = tree.table(PRICES);
    let page = tree.text(PAGE).unwrap_or_default();
    let (mut complaints, mut list, mut beyond, mut rows) = (Vec::new(), 0.0, 0.0, 0);
    for line in page.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let &[what, price, count, at_list, paid] = cells.as_slice() else { continue };
        let told = [at_list, paid].map(amount);
        if what == "**together**" {
            if !agree(told, [list, beyond]) {
                complaints.push(format!("{PAGE}: the rows above `{line}` make {list:.2} and {beyond:.2}"));
            }
            (list, beyond) = (0.0, 0.0);
        } else if let Some(name) = price.strip_prefix('`').and_then(|name| name.strip_suffix('`')) {
            rows += 1;
            match computed(&file, name, amount(count)) {
                Some(computed) if agree(told, computed) => {}
                Some([a, b]) => complaints.push(format!("{PAGE}: `{line}`: it makes {a:.4} and {b:.4}")),
                None => complaints.push(format!("{PAGE}: `{line}`: no such price, or no number")),
            }
            list += told[0].unwrap_or_default();
            beyond += told[1].unwrap_or_default();
        }
    }
    if rows == 0 {
        complaints.push(format!("{PAGE}: it computes nothing"));
    }
    complaints
}

/// Every price with its name, such as `sqs.request`.
fn all(file: &toml::Table) -> impl Iterator<Item = (String, &toml::Table)> {
    let tables = file.iter().filter_map(|(service, value)| Some((service, value.as_table()?)));
    tables.flat_map(|(service, prices)| {
        prices.iter().filter_map(move |(name, price)| Some((format!("{service}.{name}"), price.as_table()?)))
    })
}

fn number(price: &toml::Table, key: &str) -> Option<f64> {
    let value = price.get(key)?;
    value.as_float().or_else(|| value.as_integer().map(|n| n as f64))
}

/// What a count costs, at list price and beyond what is free.
fn computed(file: &toml::Table, name: &str, count: Option<f64>) -> Option<[f64; 2]> {
    let (_, price) = all(file).find(|(found, _)| found == name)?;
    let (one, count) = (number(price, "usd")? / number(price, "per")?, count?);
    Some([count, (count - number(price, "free").unwrap_or_default()).max(0.0)].map(|n| n * one))
}

fn amount(cell: &str) -> Option<f64> {
    cell.trim_matches('*').replace(',', "").parse().ok()
}

fn agree(told: [Option<f64>; 2], computed: [f64; 2]) -> bool {
    told.into_iter()
        .zip(computed)
        .all(|(told, computed)| told.is_some_and(|told| (told - computed).abs() <= HALF_A_CENT))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "region = \"r\"\ncurrency = \"USD\"\ntaken_on = \"2026-11-23\"\n[sqs.request]\nusd = 0.4\nper = 1_000_000\n\
                        of = \"requests\"\nfree = 1_000_000\npage = \"p\"\nconfirmed = \"c\"\n";

    #[test]
    fn a_price_that_does_not_say_where_it_is_from_is_found() {
        assert_eq!(dated(&Tree::of(&[(PRICES, FILE)])), [""; 0]);
        assert_eq!(dated(&Tree::of(&[(PRICES, &FILE.replace("page = \"p\"\n", ""))])).len(), 1);
        assert_eq!(dated(&Tree::of(&[(PRICES, &FILE.replace("0.4", "0"))])).len(), 1);
        assert_eq!(dated(&Tree::of(&[(PRICES, &FILE.replace("taken_on", "token_on"))])).len(), 1);
    }

    #[test]
    fn a_row_or_a_sum_that_is_wrong_is_found() {
        let found = |rows: &str| sums(&Tree::of(&[(PRICES, FILE), (PAGE, rows)])).len();
        let right = "| a | `sqs.request` | 3,500,000 | 1.40 | 1.00 |\n| b | `sqs.request` | 500,000 | 0.20 | 0.00 |\n";
        assert_eq!(found(&format!("{right}| **together** | | | **1.60** | **1.00** |\n")), 0);
        assert_eq!(found(&format!("{right}| **together** | | | **1.61** | **1.00** |\n")), 1);
        assert_eq!(found("| a | `sqs.request` | 3,500,000 | 1.42 | 1.00 |\n"), 1);
        assert_eq!(found("| a | `sqs.requests` | 3,500,000 | 1.40 | 1.00 |\n"), 1);
        assert_eq!(found("nothing"), 1);
    }
}
