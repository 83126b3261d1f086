//! Runbooks: the pages that alarms and error logs send a person to, and those of an operator's tasks.

use std::collections::BTreeSet;

use crate::rust;
use crate::tree::Tree;

/// The parts of an alarm's page, in their order.
const PARTS: [&str; 4] = ["## Meaning", "## Impact", "## Diagnosis", "## Mitigation"];

/// Where the commands stand in the last two of them.
const PLACES: [&str; 2] = ["### On one machine", "### On AWS"];

/// The parts of a task's page, in their order.
const TASK_PARTS: [&str; 4] = ["## Purpose", "## Steps", "## Check", "## Undo"];

/// Pages that are looked things up in, of any shape after their purpose.
const REFERENCES: [&str; 1] = ["what-it-costs.md"];

const INDEX: &str = "runbooks/README.md";

const TEMPLATE: &str = "infra/aws/template.yaml";

/// What each page's commands on AWS begin with: the stack's name, and how to ask for its outputs.
const BEGINNING: [&str; 3] = [
    "STACK=mendlake",
    "out() { aws cloudformation describe-stacks --stack-name \"$STACK\" --output text \\",
    "--query \"Stacks[0].Outputs[?OutputKey=='$1'].OutputValue\"; }",
];

/// Error logs that send nobody to a page, and pages named anywhere that are not there.
///
/// `error!` means that a person must act: its call names the page as `runbook = "GapsOpen"`, or takes the name from a
/// value called `runbook`; then the names stand elsewhere as `runbooks/GapsOpen.md` or beside the word `runbook`.
pub(crate) fn named_pages_exist(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in rust::product(tree) {
        for (line, call) in error_calls(&text) {
            if !call.contains("runbook") {
                complaints
                    .push(format!("{path}:{line}: `error!` without a `runbook`: say `warn!` where nobody must act"));
            }
        }
    }
    for (path, text) in
        tree.ending(&[".rs", ".md", ".yaml", ".toml"]).filter(|(path, _)| !path.starts_with("tests/tidy/"))
    {
        for page in pages_named(text).into_iter().filter(|page| !tree.has(&format!("runbooks/{page}.md"))) {
            complaints.push(format!("{path}: there is no runbooks/{page}.md"));
        }
    }
    complaints
}

/// Pages without the parts of their kind, or that the index does not name. A page named like an alarm is one's.
pub(crate) fn parts(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    let index = tree.text(INDEX).unwrap_or_default();
    for (path, text) in pages(tree) {
        let file = path.trim_start_matches("runbooks/");
        let headings: Vec<&str> = text.lines().filter(|line| line.starts_with("## ")).collect();
        let wanted: &[&str] = match () {
            () if is_alarms(file) => &PARTS,
            () if REFERENCES.contains(&file) => &TASK_PARTS[..1],
            () => &TASK_PARTS,
        };
        if !headings.starts_with(wanted) || (headings.len() > wanted.len() && !REFERENCES.contains(&file)) {
            complaints.push(format!("{path}: its headings are to be {wanted:?}, not {headings:?}"));
        }
        if is_alarms(file) && !text.starts_with(&format!("# {}\n", file.trim_end_matches(".md"))) {
            complaints.push(format!("{path}: it begins with its alarm's name"));
        }
        if !index.contains(&format!("({file})")) {
            complaints.push(format!("{INDEX}: it does not lead to {file}"));
        }
    }
    complaints
}

/// Pages of alarms that leave one of the places without a diagnosis or without a mitigation.
pub(crate) fn places(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in pages(tree).filter(|(path, _)| is_alarms(path.trim_start_matches("runbooks/"))) {
        for part in &PARTS[2..] {
            let section = text.split_once(&format!("\n{part}\n")).map_or("", |(_, rest)| rest);
            let section = section.split("\n## ").next().unwrap_or_default();
            let found: Vec<&str> = section.lines().filter(|line| line.starts_with("### ")).collect();
            if found != PLACES {
                complaints.push(format!("{path}: {part}: its places are to be {PLACES:?}, not {found:?}"));
            }
        }
    }
    complaints
}

/// Alarms of the template without a page, and outputs that pages ask for and the template does not have.
pub(crate) fn template(tree: &Tree) -> Vec<String> {
    let template = tree.text(TEMPLATE).unwrap_or_default();
    let (resources, outputs) = template.split_once("\nOutputs:\n").unwrap_or((template, ""));
    let mut complaints = Vec::new();
    for (name, _) in named_blocks(resources).filter(|(_, first)| first.trim() == "Type: AWS::CloudWatch::Alarm") {
        if !tree.has(&format!("runbooks/{name}.md")) {
            complaints.push(format!("{TEMPLATE}: there is no runbooks/{name}.md"));
        }
    }
    let outputs: BTreeSet<&str> = named_blocks(outputs).map(|(name, _)| name).collect();
    for (path, text) in tree.ending(&[".md"]) {
        for name in outputs_asked(text).into_iter().filter(|name| !outputs.contains(name.as_str())) {
            complaints.push(format!("{path}: the template has no output `{name}`"));
        }
    }
    complaints
}

/// Pages that ask for an output before, or without, saying how.
pub(crate) fn beginnings(tree: &Tree) -> Vec<String> {
    let asks = |text: &str| text.find("$(out ").or_else(|| text.find("$STACK"));
    let said = |text: &str| {
        let mut lines = text.lines().map(str::trim).skip_while(|line| *line != BEGINNING[0]);
        BEGINNING.iter().all(|wanted| lines.next() == Some(wanted))
    };
    let begun = |text: &str, at: usize| text[..at].contains(BEGINNING[0]);
    let is_wrong =
        |text: &str| asks(text).is_some_and(|at| !begun(text, at) || (text.contains("$(out ") && !said(text)));
    let wrong = pages(tree).filter(|(_, text)| is_wrong(text));
    wrong.map(|(path, _)| format!("{path}: its commands on AWS begin with {BEGINNING:?}")).collect()
}

fn pages(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    tree.files().filter(|(path, _)| path.starts_with("runbooks/") && *path != INDEX)
}

fn is_alarms(file: &str) -> bool {
    file.starts_with(|c: char| c.is_ascii_uppercase())
}

/// Names two blanks deep, as resources and outputs are, each with the line after it.
fn named_blocks(yaml: &str) -> impl Iterator<Item = (&str, &str)> {
    let name = |line: &'_ str| line.starts_with("  ") && !line.starts_with("   ") && line.ends_with(':');
    let pairs = yaml.lines().zip(yaml.lines().skip(1)).filter(move |(line, _)| name(line));
    pairs.map(|(line, next)| (line.trim().trim_end_matches(':'), next))
}

/// Names in `$(out Name)`; those that a loop puts in are the loop's words that end like an output of that loop.
fn outputs_asked(text: &str) -> BTreeSet<String> {
    let mut asked = BTreeSet::new();
    for (at, _) in text.match_indices("$(out ") {
        let rest = &text[at + "$(out ".len()..];
        let name: String =
            rest.trim_start_matches(['"', '$']).chars().take_while(char::is_ascii_alphanumeric).collect();
        if !rest.starts_with(['"', '$']) {
            asked.insert(name);
            continue;
        }
        let looped = text[..at].rsplit_once(&format!("for {name} in ")).map_or("", |(_, words)| words);
        let words = looped.split([';', '\n']).next().unwrap_or_default();
        asked.extend(words.split_whitespace().map(str::to_owned));
    }
    asked
}

/// Calls of `error!` with their line numbers, up to the closing bracket.
fn error_calls(text: &str) -> Vec<(usize, &str)> {
    let calls = text.match_indices("error!(").filter(|(at, _)| {
        let before = text[..*at].chars().next_back();
        let line = text[..*at].rsplit('\n').next().unwrap_or_default();
        before.is_none_or(|c| !c.is_alphanumeric() && c != '_') && !line.trim_start().starts_with("//")
    });
    calls.map(|(at, _)| (text[..at].matches('\n').count() + 1, up_to_bracket(&text[at..]))).collect()
}

fn up_to_bracket(call: &str) -> &str {
    let mut depth = 0_i32;
    for (at, c) in call.char_indices() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if c == ')' && depth == 0 {
            return &call[..=at];
        }
    }
    call
}

/// Names in `runbooks/<Name>.md` and in `runbook = "<Name>"`.
fn pages_named(text: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (before, after) in [("runbooks/", ".md"), ("runbook = \"", "\"")] {
        for (at, _) in text.match_indices(before) {
            let rest = &text[at + before.len()..];
            let name: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
            if name.starts_with(|c: char| c.is_ascii_uppercase()) && rest[name.len()..].starts_with(after) {
                named.insert(name);
            }
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_without_a_page_is_found_and_so_is_a_page_that_is_not_there() {
        let found = |code: &str| named_pages_exist(&Tree::of(&[("a/src/a.rs", code), ("runbooks/GapsOpen.md", "")]));
        assert_eq!(found("fn f() {\n    tracing::error!(runbook = \"GapsOpen\", gaps = g(1), \"gaps\");\n}"), [""; 0]);
        assert_eq!(found("fn f() {\n    error!(\"no page (\");\n}").len(), 1);
        assert_eq!(
            found("error!(runbook = \"Nothing\", \"no page\");"),
            ["a/src/a.rs: there is no runbooks/Nothing.md"]
        );
        assert_eq!(found("// see runbooks/Nowhere.md\n").len(), 1);
        assert_eq!(found("/// `error!(` in a comment\n"), [""; 0]);
    }

    #[test]
    fn a_page_without_its_parts_or_its_line_in_the_index_is_found() {
        let page = format!("# GapsOpen\n\n{}\n", PARTS.join("\n"));
        let index = "[GapsOpen](GapsOpen.md)";
        assert_eq!(parts(&Tree::of(&[(INDEX, index), ("runbooks/GapsOpen.md", &page)])), [""; 0]);
        assert_eq!(parts(&Tree::of(&[(INDEX, ""), ("runbooks/GapsOpen.md", &page)])).len(), 1);
        assert_eq!(parts(&Tree::of(&[(INDEX, index), ("runbooks/GapsOpen.md", "# GapsOpen\n## Meaning\n")])).len(), 1);
    }

    #[test]
    fn a_page_of_a_task_has_other_parts_and_a_reference_has_its_own() {
        let task = format!("# Deploy\n\n{}\n", TASK_PARTS.join("\n"));
        let found = |file: &str, text: &str| {
            let (path, index) = (format!("runbooks/{file}"), format!("[page]({file})"));
            parts(&Tree::of(&[(INDEX, &index), (&path, text)])).len()
        };
        assert_eq!(found("deploy.md", &task), 0);
        assert_eq!(found("deploy.md", &format!("{task}## More\n")), 1);
        assert_eq!(found("deploy.md", "# Deploy\n## Purpose\n"), 1);
        assert_eq!(found("what-it-costs.md", "# Costs\n## Purpose\n## The month\n"), 0);
        assert_eq!(found("what-it-costs.md", "# Costs\n## The month\n"), 1);
    }

    #[test]
    fn an_alarms_page_that_forgets_a_place_is_found() {
        let both = PLACES.join("\n");
        let page = |mitigation: &str| format!("# A\n\n## Diagnosis\n{both}\n\n## Mitigation\n{mitigation}\n");
        let found = |text: &str| places(&Tree::of(&[("runbooks/A.md", text), ("runbooks/task.md", "")])).len();
        assert_eq!(found(&page(&both)), 0);
        assert_eq!(found(&page(PLACES[0])), 1);
        assert_eq!(found("# A\n"), 2);
    }

    #[test]
    fn alarms_without_a_page_and_outputs_that_are_none_are_found() {
        let yaml = "Resources:\n  GapsOpen:\n    Type: AWS::CloudWatch::Alarm\n    Properties:\n  Lake:\n    Type: AWS::S3::Bucket\n\nOutputs:\n  Bucket:\n    Value: x\n";
        let found = |page: &str| template(&Tree::of(&[(TEMPLATE, yaml), ("runbooks/GapsOpen.md", page)]));
        assert_eq!(found("`ls \"$(out Bucket)\"`"), [""; 0]);
        assert_eq!(found("`ls \"$(out Buckets)\"`"), ["runbooks/GapsOpen.md: the template has no output `Buckets`"]);
        assert_eq!(found("for one in Bucket Table; do\n  ls \"$(out $one)\"\n").len(), 1);
        assert_eq!(
            template(&Tree::of(&[(TEMPLATE, yaml)])),
            ["infra/aws/template.yaml: there is no runbooks/GapsOpen.md"]
        );
    }

    #[test]
    fn a_page_that_asks_before_it_says_how_is_found() {
        let found = |text: &str| beginnings(&Tree::of(&[("runbooks/A.md", text)])).len();
        let begun = BEGINNING.join("\n  ");
        assert_eq!(found(&format!("{begun}\nls \"$(out Bucket)\"\n")), 0);
        assert_eq!(found(&format!("ls \"$(out Bucket)\"\n{begun}\n")), 1);
        assert_eq!(found("STACK=mendlake\nls \"$(out Bucket)\"\n"), 1);
        assert_eq!(found("STACK=mendlake\nmendlake gaps --stack \"$STACK\"\n"), 0);
        assert_eq!(found("mendlake gaps --stack \"$STACK\"\n"), 1);
    }
}
