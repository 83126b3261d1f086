//! As much of S3 as a lake asks of it, in memory, behind the SDK's client: so that a test can take an object away between its
//! listing and its reading.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use aws_sdk_s3::Client;

use crate::aws::scripted::{self, Answer, Asked};

/// Keys of a page: few, so that every listing has several.
const PAGE: usize = 3;

/// The objects of a bucket.
#[derive(Clone, Default)]
pub(super) struct Fake {
    objects: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    /// Keys that are listed so many times more though there is no such object.
    ghosts: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Fake {
    /// A client of it, and what it is asked.
    pub(super) fn client(&self) -> (Client, scripted::Log) {
        let this = self.clone();
        let (config, log) = scripted::config(1, move |asked| this.answer(asked));
        (Client::new(&config), log)
    }

    pub(super) fn put(&self, key: &str, bytes: &[u8]) {
        self.objects.lock().expect("no test panicked with it").insert(key.to_owned(), bytes.to_vec());
    }

    pub(super) fn remove(&self, key: &str) -> Option<Vec<u8>> {
        self.objects.lock().expect("no test panicked with it").remove(key)
    }

    /// Takes an object away that listings show so many times more.
    pub(super) fn leave_ghost(&self, key: &str, listings: usize) {
        self.remove(key).expect("an object");
        self.ghosts.lock().expect("no test panicked with it").insert(key.to_owned(), listings);
    }

    pub(super) fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        self.objects.lock().expect("no test panicked with it").clone()
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        let (_host, key) = path.split_once('/').expect("a path");
        let key = decoded(key);
        let mut objects = self.objects.lock().expect("no test panicked with it");
        match (asked.method.as_str(), objects.get(&key)) {
            ("GET", _) if key.is_empty() => {
                let mut keys: BTreeMap<String, Told> =
                    objects.iter().map(|(key, bytes)| (key.clone(), told(bytes))).collect();
                drop(objects);
                for ghost in self.ghosts_for(query) {
                    keys.entry(ghost).or_insert((0, String::new()));
                }
                list(&keys, query)
            }
            ("GET", None) => Answer::s3(404, "NoSuchKey"),
            ("GET", Some(bytes)) => get(bytes, asked.header("range")),
            ("PUT", Some(_)) => Answer::s3(412, "PreconditionFailed"),
            ("PUT", None) => {
                assert_eq!(asked.header("if-none-match"), Some("*"), "every write is conditional");
                objects.insert(key, asked.body.clone());
                Answer::new(200, "")
            }
            ("DELETE", _) => {
                objects.remove(&key);
                Answer::new(204, "")
            }
            other => panic!("a lake asks no such thing: {other:?}"),
        }
    }

    fn ghosts_for(&self, query: &str) -> Vec<String> {
        let prefix = parameter(query, "prefix").unwrap_or_default();
        let mut shown = Vec::new();
        // A listing counts when it begins.
        let begins = parameter(query, "continuation-token").is_none();
        for (key, left) in self.ghosts.lock().expect("no test panicked with it").iter_mut() {
            if key.starts_with(&prefix) && *left > 0 {
                shown.push(key.clone());
                *left -= usize::from(begins);
            }
        }
        shown
    }
}

fn get(bytes: &[u8], range: Option<&str>) -> Answer {
    let Some(range) = range else { return Answer::new(200, bytes) };
    let last: usize = range.strip_prefix("bytes=-").expect("a range of the end").parse().expect("a number");
    match bytes.len() {
        0 => Answer::s3(416, "InvalidRange"),
        len => Answer::new(206, &bytes[len.saturating_sub(last)..]),
    }
}

/// Size and ETag.
type Told = (usize, String);

fn told(bytes: &[u8]) -> Told {
    (bytes.len(), crate::stored::digest::of_bytes(bytes))
}

/// The page after the token, which is the last key or folder of the page before.
fn list(keys: &BTreeMap<String, Told>, query: &str) -> Answer {
    let prefix = parameter(query, "prefix").unwrap_or_default();
    let after = parameter(query, "continuation-token").unwrap_or_default();
    let by_folder = parameter(query, "delimiter").is_some();
    let shown = |key: &String| match key[prefix.len()..].split_once('/') {
        Some((folder, _)) if by_folder => format!("{prefix}{folder}/"),
        _ => key.clone(),
    };
    let entries: BTreeSet<String> = keys.keys().filter(|key| key.starts_with(&prefix)).map(shown).collect();
    let rest: Vec<&String> = entries.iter().filter(|entry| **entry > after).collect();
    let most = parameter(query, "max-keys").map_or(PAGE, |most| most.parse().expect("a number"));
    let page = &rest[..rest.len().min(most)];
    let mut xml = format!("<ListBucketResult><IsTruncated>{}</IsTruncated>", rest.len() > page.len());
    if let Some(last) = page.last().filter(|_| rest.len() > page.len()) {
        xml.push_str(&format!("<NextContinuationToken>{last}</NextContinuationToken>"));
    }
    for entry in page {
        xml.push_str(&match by_folder && entry.ends_with('/') {
            true => format!("<CommonPrefixes><Prefix>{entry}</Prefix></CommonPrefixes>"),
            false => {
                let (size, tag) = &keys[entry.as_str()];
                format!("<Contents><Key>{entry}</Key><Size>{size}</Size><ETag>\"{tag}\"</ETag></Contents>")
            }
        });
    }
    Answer::new(200, xml + "</ListBucketResult>")
}

fn parameter(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map(decoded)
}

fn decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(&piece[..2], 16).expect("two digits"));
        bytes.extend(piece[2..].bytes());
    }
    String::from_utf8(bytes).expect("keys are text")
}
