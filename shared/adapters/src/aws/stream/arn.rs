//! A stream's name, in full.

use std::fmt;
use std::str::FromStr;

use mendlake_domain::digest;

/// The Amazon resource name of a data stream: what the writers, the event source and the stack's outputs all have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamArn(String);

impl StreamArn {
    /// The stream's id, which names objects: 16 hexadecimal digits of this name.
    ///
    /// Every record of an event carries the name, so no function asks for the id, keeps it or needs leave to. It is minted
    /// when the stream is created as long as CloudFormation makes up the name, as the template has it: a stream made anew
    /// then has a new name. One made again by hand under its old name has its old id; even then no two batches are taken
    /// for one, since an object's name ends with the digest of its rows.
    pub fn id(&self) -> String {
        digest::short(self.0.as_bytes())
    }

    /// The stream's name.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().expect("a split has a first part")
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text names no data stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the arn of a data stream, such as `arn:aws:kinesis:us-east-1:123456789012:stream/quotes`: `{0}`")]
pub struct NotAStream(pub String);

impl FromStr for StreamArn {
    type Err = NotAStream;

    /// Reads a stream's name, or that of a consumer of it, which is the event source where reading is fanned out: the
    /// stream is the same, and so is its id.
    fn from_str(text: &str) -> Result<Self, NotAStream> {
        let read = || {
            let parts: Vec<&str> = text.splitn(6, ':').collect();
            let ["arn", partition, "kinesis", region, account, resource] = parts[..] else {
                return None;
            };
            let name = resource.strip_prefix("stream/")?.split('/').next()?;
            let is_name = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
            let filled = [partition, region, account, name].iter().all(|part| !part.is_empty());
            let named = filled && name.chars().all(is_name);
            named.then(|| Self(format!("arn:{partition}:kinesis:{region}:{account}:stream/{name}")))
        };
        read().ok_or_else(|| NotAStream(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:kinesis:us-east-1:123456789012:stream/lake-Quotes-8x2";

    fn id(text: &str) -> String {
        text.parse::<StreamArn>().expect(text).id()
    }

    #[test]
    fn the_id_is_the_same_for_whoever_has_the_name_and_in_every_release() {
        assert_eq!(id(ARN), "22046637636a5e25");
        assert_eq!(id(&format!("{ARN}/consumer/land:1770000000")), id(ARN), "an event source that is fanned out");
        for other in [ARN.replace("8x2", "8x3"), ARN.replace("east", "west"), ARN.replace("9012", "9013")] {
            assert_ne!(id(&other), id(ARN), "{other}");
        }
        let arn: StreamArn = ARN.parse().expect("an arn");
        assert_eq!((arn.name(), arn.as_str(), arn.to_string().as_str()), ("lake-Quotes-8x2", ARN, ARN));
    }

    #[test]
    fn what_names_no_stream_is_refused_with_its_text() {
        let none = [
            "",
            "lake-Quotes-8x2",
            "arn:aws:sqs:us-east-1:123456789012:live",
            "arn:aws:kinesis:us-east-1:123456789012:stream/",
            "arn:aws:kinesis:us-east-1::stream/q",
            "arn:aws:kinesis:us-east-1:123456789012:q",
            "arn:aws:kinesis:us-east-1:123456789012:stream/q q",
            "${Quotes.Arn}",
        ];
        for text in none {
            let error = text.parse::<StreamArn>().expect_err(text).to_string();
            assert!(error.ends_with(&format!("`{text}`")), "{error}");
        }
    }
}
