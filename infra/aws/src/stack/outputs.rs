//! What a stack says where its parts are: the outputs of the template, and the stages' parameters among them.

use std::collections::BTreeMap;
use std::str::FromStr;

use mendlake_domain::settings::Settings;

/// The outputs of the template that the commands need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outputs {
    /// The lake's bucket.
    pub bucket: String,
    /// The ledger's table.
    pub table: String,
    /// The stream.
    pub stream: String,
    /// The queue of samples.
    pub live_queue_url: String,
    /// The queue of replay tasks.
    pub replay_queue_url: String,
    /// Samples that were given up.
    pub live_dead_letters_url: String,
    /// Replay tasks that were given up.
    pub replay_dead_letters_url: String,
    /// The function `request`.
    pub request: String,
    /// The function `collect`.
    pub collect: String,
    /// The function `land`.
    pub land: String,
    /// The function `reconcile`.
    pub reconcile: String,
    /// The function `replay`.
    pub replay: String,
    /// The database of the tables.
    pub database: String,
    /// Athena's workgroup for people.
    pub people_workgroup: String,
    /// The stages' parameters.
    pub settings: Settings,
}

impl Outputs {
    /// Reads a stack's outputs; the error says what is missing, or is not what it should be.
    pub fn read(outputs: &BTreeMap<String, String>) -> Result<Self, String> {
        let text = |name: &str| {
            let found = outputs.get(name).filter(|value| !value.is_empty());
            found.cloned().ok_or_else(|| format!("it has no output `{name}`"))
        };
        Ok(Self {
            bucket: text("Bucket")?,
            table: text("Table")?,
            stream: text("StreamName")?,
            live_queue_url: text("LiveQueueUrl")?,
            replay_queue_url: text("ReplayQueueUrl")?,
            live_dead_letters_url: text("LiveDeadLettersUrl")?,
            replay_dead_letters_url: text("ReplayDeadLettersUrl")?,
            request: text("RequestFunction")?,
            collect: text("CollectFunction")?,
            land: text("LandFunction")?,
            reconcile: text("ReconcileFunction")?,
            replay: text("ReplayFunction")?,
            database: text("DatabaseName")?,
            people_workgroup: text("PeopleWorkgroupName")?,
            settings: settings(text)?,
        })
    }

    /// The functions, in the order of the flow, each with its stage's name.
    pub fn functions(&self) -> [(&'static str, &str); 5] {
        [
            ("request", &self.request),
            ("collect", &self.collect),
            ("land", &self.land),
            ("reconcile", &self.reconcile),
            ("replay", &self.replay),
        ]
    }
}

fn settings(text: impl Fn(&str) -> Result<String, String>) -> Result<Settings, String> {
    let whole = |name: &str| {
        let value = text(name)?;
        value.parse::<u32>().map_err(|_| format!("its output `{name}` is no whole number: `{value}`"))
    };
    let settings = Settings {
        calendar: parsed("CalendarName", &text("CalendarName")?)?,
        settle_ms: i64::from(whole("SettleTime")?) * 1000,
        landing_window_ms: i64::from(whole("LandingWindow")?) * 1000,
        rate_limit: whole("FinnhubRate")?,
        reference: parsed("Reference", &text("Reference")?)?,
    };
    settings.check().map_err(|error| wrong("SettleTime", &error))?;
    Ok(settings)
}

fn parsed<T: FromStr<Err: ToString>>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|error: T::Err| wrong(name, &error))
}

fn wrong(name: &str, error: &impl ToString) -> String {
    format!("its output `{name}`: {}", error.to_string())
}

#[cfg(test)]
mod tests {
    use mendlake_domain::calendar::Calendar;

    use super::*;

    const TEMPLATE: &str = include_str!("../../template.yaml");

    /// The outputs as the template names them, each with a value of its own.
    fn outputs() -> BTreeMap<String, String> {
        let (_, outputs) = TEMPLATE.split_once("\nOutputs:\n").expect("outputs");
        let names = outputs.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        let mut outputs: BTreeMap<String, String> = names
            .map(|line| line.trim().trim_end_matches(':'))
            .map(|name| (name.to_owned(), format!("of {name}")))
            .collect();
        for (name, value) in [
            ("CalendarName", "always"),
            ("SettleTime", "300"),
            ("LandingWindow", "60"),
            ("Reference", "SPY"),
            ("FinnhubRate", "60"),
        ] {
            assert!(outputs.insert(name.to_owned(), value.to_owned()).is_some(), "the template has no output {name}");
        }
        outputs
    }

    #[test]
    fn the_templates_outputs_lead_to_every_part() {
        let read = Outputs::read(&outputs()).expect("whole");
        assert_eq!((read.bucket.as_str(), read.land.as_str()), ("of Bucket", "of LandFunction"));
        assert_eq!(read.live_dead_letters_url, "of LiveDeadLettersUrl");
        assert_eq!((read.settings.calendar, read.settings.settle_ms), (Calendar::Always, 300_000));
    }

    #[test]
    fn another_templates_stack_is_refused_by_what_it_lacks() {
        assert_eq!(Outputs::read(&BTreeMap::new()), Err("it has no output `Bucket`".into()));
        for (name, value, says) in [
            ("Table", "", "no output `Table`"),
            ("SettleTime", "soon", "no whole number: `soon`"),
            ("SettleTime", "10", "`SettleTime`"),
            ("CalendarName", "NYSE", "`CalendarName`"),
        ] {
            let mut outputs = outputs();
            outputs.insert(name.to_owned(), value.to_owned());
            let error = Outputs::read(&outputs).expect_err(value);
            assert!(error.contains(says), "{error}");
        }
    }
}
