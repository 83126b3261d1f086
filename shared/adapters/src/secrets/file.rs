//! Keys in files, or handed in by the configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use mendlake_ports::error::PortError;
use mendlake_ports::secrets::{Key, Secret, Secrets};
use mendlake_ports::source::KeyVersion;
use mendlake_ports::{Kind, Result};
use sha2::{Digest, Sha256};

/// The longest key file read: a path that names something else, such as a device without end, is refused.
pub const MAX_KEY_BYTES: u64 = 16 * 1024;

/// Goes into the hash before the key, so that a version is no hash of the key that anything else would make.
const VERSION_PREFIX: &[u8] = b"mendlake key version 1\0";

/// Where a key is.
#[derive(Clone)]
pub enum KeyPlace {
    /// In a file, alone. JSON may be spread over lines.
    File(PathBuf),
    /// Handed in by the configuration, which alone reads the environment.
    Given {
        /// The key.
        text: String,
        /// Where it was found, such as the name of an environment variable: named in messages.
        from: String,
    },
}

/// Shows where the key is, never the key.
impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file `{}`", path.display()),
            Self::Given { from, .. } => write!(f, "`{from}`"),
        }
    }
}

impl fmt::Debug for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A key file that others on the machine may read. Not refused, since that is what most editors leave behind; `doctor`
/// names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposed {
    /// The key's name.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// Its permission bits.
    pub mode: u32,
}

/// Keys by name, each in its place. Nothing is cached: a key file is read with every call, so a key replaced in place
/// is used at once. The read is inline: a hundred bytes of a local file take less than handing it to a thread.
#[derive(Clone, Debug, Default)]
pub struct FileSecrets {
    places: BTreeMap<String, KeyPlace>,
}

impl FileSecrets {
    /// Keys by name and place.
    pub fn new(places: impl IntoIterator<Item = (String, KeyPlace)>) -> Self {
        Self { places: places.into_iter().collect() }
    }

    /// Key files that others on the machine may read. Files that cannot be looked at are left out: reading the key names
    /// them.
    pub fn exposed(&self) -> Vec<Exposed> {
        let mode = |path: &Path| readable_by_others(path).ok().flatten();
        let of = |(name, place): (&String, &KeyPlace)| match place {
            KeyPlace::File(path) => mode(path).map(|mode| Exposed { name: name.clone(), path: path.clone(), mode }),
            KeyPlace::Given { .. } => None,
        };
        self.places.iter().filter_map(of).collect()
    }

    fn read(&self, name: &str) -> Result<Secret> {
        let denied = |why: String| PortError::new(Kind::Denied, why);
        let place = self.places.get(name);
        let place = place.ok_or_else(|| denied(format!("read the key `{name}`: no place is configured for it")))?;
        let text = match place {
            KeyPlace::File(path) => read_file(path).map_err(|error| {
                PortError::caused(Kind::Denied, format!("read the key `{name}` from {place}"), error)
            })?,
            KeyPlace::Given { text, .. } => text.clone(),
        };
        let key = Key::new(&on_one_line(&text))
            .map_err(|why| denied(format!("read the key `{name}` from {place}: {why}")))?;
        let version = version(&key);
        Ok(Secret { key, version })
    }
}

impl Secrets for FileSecrets {
    async fn secret(&self, name: &str, _fresh: bool) -> Result<Secret> {
        self.read(name)
    }
}

fn read_file(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(MAX_KEY_BYTES + 1).read_to_string(&mut text)?;
    if read as u64 > MAX_KEY_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than {MAX_KEY_BYTES} bytes")));
    }
    Ok(text)
}

/// JSON as editors and consoles write it has blanks and lines, which no key may have. Anything else is left as it is.
fn on_one_line(text: &str) -> String {
    match serde_json::from_str::<BTreeMap<String, String>>(text) {
        Ok(fields) => serde_json::to_string(&fields).expect("texts by name are JSON"),
        Err(_) => text.to_owned(),
    }
}

/// Eight hexadecimal digits: enough to tell two keys apart, too few to find one.
pub(crate) fn version(key: &Key) -> KeyVersion {
    let hash = Sha256::new().chain_update(VERSION_PREFIX).chain_update(key.expose()).finalize();
    hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// The permission bits of a file that others may read; `None` where they may not.
#[cfg(unix)]
fn readable_by_others(path: &Path) -> io::Result<Option<u32>> {
    use std::os::unix::fs::PermissionsExt;

    const OTHERS_READ: u32 = 0o004;
    let mode = path.metadata()?.permissions().mode() & 0o777;
    Ok((mode & OTHERS_READ != 0).then_some(mode))
}

/// Elsewhere access is not in bits, and nothing is claimed.
#[cfg(not(unix))]
fn readable_by_others(_: &Path) -> io::Result<Option<u32>> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use mendlake_ports::contracts::secrets as contract;

    use super::*;

    fn read(place: KeyPlace) -> Result<Secret> {
        let secrets = FileSecrets::new([("finnhub".to_owned(), place)]);
        secrets.secret("finnhub", false).now_or_never().expect("reading a file waits for nothing")
    }

    fn given(text: &str) -> KeyPlace {
        KeyPlace::Given { text: text.to_owned(), from: "FINNHUB_TOKEN".to_owned() }
    }

    fn file(folder: &tempfile::TempDir, content: &[u8]) -> PathBuf {
        let path = folder.path().join("key");
        std::fs::write(&path, content).expect("write");
        path
    }

    fn refusal(place: KeyPlace) -> String {
        let error = read(place).expect_err("refused");
        assert_eq!(error.kind, Kind::Denied);
        error.chain()
    }

    /// Key files in a folder, each with its key's name.
    struct Folder(tempfile::TempDir);

    impl contract::Keep for Folder {
        async fn keep(&self, name: &str, text: &str) {
            std::fs::write(self.0.path().join(name), text).expect("write");
        }

        fn place(&self, name: &str) -> String {
            self.0.path().join(name).display().to_string()
        }
    }

    #[tokio::test]
    async fn key_files_keep_the_contract_of_secrets() {
        let folder = Folder(tempfile::tempdir().expect("folder"));
        let place = |name: &str| (name.to_owned(), KeyPlace::File(folder.0.path().join(name)));
        let secrets = FileSecrets::new(contract::NAMES.map(place));
        contract::all(&secrets, &folder).await;
    }

    #[test]
    fn a_key_is_read_from_its_file_or_as_given_without_the_white_space_around_it() {
        let folder = tempfile::tempdir().expect("folder");
        let path = file(&folder, b" c0ffee \n");
        let from_file = read(KeyPlace::File(path)).expect("a key");
        let as_given = read(given("c0ffee")).expect("a key");
        assert_eq!((from_file.key.expose(), &from_file.version), ("c0ffee", &as_given.version));
    }

    #[test]
    fn json_may_be_spread_over_lines() {
        let spread = "{\n  \"key_id\": \"PK\",\n  \"secret_key\": \"a/b\"\n}\n";
        assert_eq!(read(given(spread)).expect("a key").key.expose(), r#"{"key_id":"PK","secret_key":"a/b"}"#);
    }

    #[test]
    fn the_version_is_eight_digits_changes_with_the_key_and_stays_with_it() {
        let version = |text: &str| read(given(text)).expect("a key").version;
        assert_eq!(version("c0ffee"), "5233256c", "stored with what is known of a source: it must stay the same");
        assert_ne!(version("c0ffee"), version("c0fffe"));
        assert!(version("x").len() == 8 && version("x").bytes().all(|b| b.is_ascii_hexdigit()));
    }

    #[test]
    fn a_key_replaced_in_place_is_used_at_once() {
        let folder = tempfile::tempdir().expect("folder");
        let path = file(&folder, b"old");
        let secrets = FileSecrets::new([("finnhub".to_owned(), KeyPlace::File(path))]);
        let now = || secrets.secret("finnhub", true).now_or_never().expect("waits for nothing").expect("a key");
        let old = now();
        file(&folder, b"newer");
        assert_eq!(now().key.expose(), "newer");
        assert_ne!(now().version, old.version);
    }

    #[test]
    fn a_key_that_is_absent_or_empty_or_none_is_denied_and_the_message_says_where_it_was_looked_for() {
        let folder = tempfile::tempdir().expect("folder");
        assert!(refusal(KeyPlace::File(folder.path().join("absent"))).contains("absent"));
        assert!(
            refusal(KeyPlace::File(folder.path().to_owned())).contains(&*folder.path().to_string_lossy()),
            "a folder"
        );
        for content in [b"".as_slice(), b" \n", b"ses ame", b"ses\xffame", b"ses\0ame"] {
            let message = refusal(KeyPlace::File(file(&folder, content)));
            assert!(message.contains("key`") && !message.contains("ame\n") && !message.contains("ses"), "{message}");
        }
        let message = refusal(given("ses ame"));
        assert!(message.contains("`FINNHUB_TOKEN`") && !message.contains("ame "), "{message}");
        let unknown = FileSecrets::default().secret("alpaca", false).now_or_never().expect("waits for nothing");
        assert!(unknown.expect_err("refused").chain().contains("`alpaca`"));
    }

    #[test]
    fn a_file_that_is_no_key_file_is_not_read_to_its_end() {
        let folder = tempfile::tempdir().expect("folder");
        let long = refusal(KeyPlace::File(file(&folder, &[b'x'; MAX_KEY_BYTES as usize + 1])));
        assert!(long.contains("longer than 16384 bytes"), "{long}");
        assert!(read(KeyPlace::File(file(&folder, &[b'x'; MAX_KEY_BYTES as usize]))).is_ok());
        if cfg!(target_os = "linux") {
            assert!(refusal(KeyPlace::File("/dev/zero".into())).contains("longer than"));
        }
    }

    #[test]
    fn debug_shows_where_and_never_what() {
        let secrets = FileSecrets::new([("finnhub".to_owned(), given("sesame"))]);
        let shown = format!("{secrets:?}");
        assert!(shown.contains("FINNHUB_TOKEN") && !shown.contains("sesame"), "{shown}");
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_that_others_may_read_is_named() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().expect("folder");
        let path = file(&folder, b"sesame");
        let places = [("finnhub".to_owned(), KeyPlace::File(path.clone())), ("alpaca".to_owned(), given("sesame"))];
        let secrets = FileSecrets::new(places);
        for (mode, exposed) in [(0o600, false), (0o640, false), (0o644, true), (0o604, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
            let named = Exposed { name: "finnhub".to_owned(), path: path.clone(), mode };
            assert_eq!(secrets.exposed(), if exposed { vec![named] } else { vec![] }, "{mode:o}");
        }
    }
}
