//! Names of the objects of the table `quotes`.

use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;

use super::digest::DIGITS;

/// How object names end.
pub const EXTENSION: &str = ".parquet";

/// How the folder of a date begins.
const DT: &str = "dt=";

/// The folder of a date.
pub fn folder_of(dt: NaiveDate) -> String {
    format!("{DT}{dt}")
}

/// The date of this folder, `None` where it is that of none.
pub fn date_of(folder: &str) -> Option<NaiveDate> {
    folder.strip_prefix(DT)?.parse().ok().filter(|dt| folder_of(*dt) == folder)
}

/// `<stream id>-<shard>-<first sequence>-<digest>.parquet`. The same rows of the same batch have the same name.
///
/// In the parts, every byte but letters and digits (and the `-` of a shard) is written `~` and two hexadecimal digits:
/// no part can lead out of its folder, begin with the `_` or `.` that make Athena skip a file, or be taken for another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// The stream's id.
    pub stream_id: String,
    /// The shard.
    pub shard: String,
    /// The sequence of the batch's first record.
    pub first_sequence: String,
    /// The digest of the rows.
    pub digest: String,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(&self.stream_id, false, f)?;
        f.write_str("-")?;
        escape(&self.shard, true, f)?;
        f.write_str("-")?;
        escape(&self.first_sequence, false, f)?;
        write!(f, "-{}{EXTENSION}", self.digest)
    }
}

/// The text is not the name of an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not `<stream id>-<shard>-<first sequence>-<digest>.parquet`: `{0}`")]
pub struct NotAName(pub String);

impl FromStr for ObjectName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let parse = || {
            let (stream_id, rest) = text.strip_suffix(EXTENSION)?.split_once('-')?;
            let (rest, digest) = rest.rsplit_once('-')?;
            let (shard, first_sequence) = rest.rsplit_once('-')?;
            let is_digest = digest.len() == DIGITS && digest.bytes().all(|b| b"0123456789abcdef".contains(&b));
            let name = Self {
                stream_id: unescape(stream_id)?,
                shard: unescape(shard)?,
                first_sequence: unescape(first_sequence)?,
                digest: is_digest.then(|| digest.to_owned())?,
            };
            // One spelling for each name: another one was not written here.
            (name.to_string() == text).then_some(name)
        };
        parse().ok_or_else(|| NotAName(text.to_owned()))
    }
}

fn escape(part: &str, dashes: bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for byte in part.bytes() {
        match byte {
            b'-' if dashes => f.write_str("-")?,
            b if b.is_ascii_alphanumeric() => write!(f, "{}", char::from(b))?,
            b => write!(f, "~{b:02x}")?,
        }
    }
    Ok(())
}

fn unescape(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut pieces = part.split('~');
    bytes.extend(pieces.next()?.bytes());
    for piece in pieces {
        bytes.push(u8::from_str_radix(piece.get(..2)?, 16).ok()?);
        bytes.extend(piece[2..].bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(stream_id: &str, shard: &str, first_sequence: &str) -> ObjectName {
        let [stream_id, shard, first_sequence] = [stream_id, shard, first_sequence].map(str::to_owned);
        ObjectName { stream_id, shard, first_sequence, digest: "0123456789abcdef".repeat(2) }
    }

    #[test]
    fn a_date_has_one_folder() {
        let dt = "2026-11-20".parse().expect("a date");
        assert_eq!((folder_of(dt).as_str(), date_of("dt=2026-11-20")), ("dt=2026-11-20", Some(dt)));
        for folder in ["2026-11-20", "dt=2026-11-20/", "dt=2026-1-2", "dt=+2026-11-20", "dt=yesterday", ""] {
            assert_eq!(date_of(folder), None, "{folder}");
        }
    }

    #[test]
    fn a_name_reads_as_the_design_has_it() {
        let text = "4f2c-shardId-000000000001-4965-0123456789abcdef0123456789abcdef.parquet";
        assert_eq!(name("4f2c", "shardId-000000000001", "4965").to_string(), text);
        assert_eq!(text.parse(), Ok(name("4f2c", "shardId-000000000001", "4965")));
    }

    #[test]
    fn what_is_no_name_is_refused_with_its_text() {
        let digest = "0123456789abcdef".repeat(2);
        let texts = [
            String::new(),
            "part-0000.parquet".into(),
            format!("a-b-1-{digest}"),
            format!("a-1-{digest}.parquet"),
            format!("a-b-1-{}.parquet", &digest[1..]),
            format!("a-b-1-{}.parquet", digest.to_uppercase()),
            format!("a_b-b-1-{digest}.parquet"),
            format!("a~2-b-1-{digest}.parquet"),
            format!("a~41-b-1-{digest}.parquet"),
        ];
        for text in texts {
            let error = text.parse::<ObjectName>().expect_err(&text).to_string();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }

    #[test]
    fn no_part_leads_out_of_its_folder_or_hides_the_object() {
        let text = name("../x", "_a/b", ".").to_string();
        assert!(text.starts_with("~2e~2e~2fx-~5fa~2fb-~2e-"), "{text}");
    }

    #[test]
    fn every_name_reads_back() {
        let parts = ["", "a", "Z9", "~", "~~41", "-", "a-b", "_.", "ä\u{1f4c8}", "../..", " \n", "17"];
        for stream_id in parts {
            for shard in parts {
                for sequence in parts {
                    let name = name(stream_id, shard, sequence);
                    assert_eq!(name.to_string().parse(), Ok(name));
                }
            }
        }
    }
}
