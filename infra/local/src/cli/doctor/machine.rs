//! The disk.

use std::fs;
use std::path::Path;

use super::Finding;

/// Less space is wrong: a day of 500 symbols with all that lies beside it takes a tenth of this.
const LEAST_FREE_BYTES: u64 = 200 << 20;

/// Less space is worth knowing.
const NOTED_FREE_BYTES: u64 = 2 << 30;

/// Whether the lake's folder, or the one it is to be made in, can be written to and has space.
pub(super) fn disk(lake: &Path) -> Vec<Finding> {
    let folder = nearest_folder(lake);
    let mut findings = vec![writable(folder)];
    findings.extend(free(folder));
    findings
}

/// The folder itself, or the nearest one above it that is there.
fn nearest_folder(lake: &Path) -> &Path {
    let there = lake.ancestors().find(|path| path.is_dir());
    there.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn writable(folder: &Path) -> Finding {
    let check = "disk";
    // In `staging/` where there is one: the next start of the daemon clears what a crash leaves there.
    let staging = folder.join("staging");
    let inside = if staging.is_dir() { staging.as_path() } else { folder };
    let file = inside.join(format!("doctor-{}", std::process::id()));
    match fs::write(&file, b"doctor\n").and_then(|()| fs::remove_file(&file)) {
        Ok(()) => Finding::good(check, format!("`{}` can be written to", folder.display())),
        Err(error) => Finding::wrong(
            check,
            format!("`{}` cannot be written to: {error}", folder.display()),
            "give this user the right to, or name another folder with `--lake`",
        ),
    }
}

#[cfg(unix)]
fn free(folder: &Path) -> Option<Finding> {
    let check = "space";
    let stat = rustix::fs::statvfs(folder).ok()?;
    Some(judge(check, stat.f_bavail.saturating_mul(stat.f_frsize)))
}

#[cfg(not(unix))]
fn free(_: &Path) -> Option<Finding> {
    None
}

#[cfg(unix)]
fn judge(check: &'static str, free: u64) -> Finding {
    let told = format!("{:.1} GB free", free as f64 / f64::from(1 << 30));
    match free {
        free if free < LEAST_FREE_BYTES => {
            Finding::wrong(check, told, "make space: what cannot land stays in the stream and is tried again")
        }
        free if free < NOTED_FREE_BYTES => Finding::note(check, told, "make space soon"),
        _ => Finding::good(check, told),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::Grade;
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_yet_is_judged_by_the_one_it_will_be_made_in() {
        let folder = tempfile::tempdir().expect("folder");
        assert_eq!(nearest_folder(&folder.path().join("a/b/lake")), folder.path());
        assert_eq!(nearest_folder(Path::new("no-such-lake")), Path::new("."));
        assert_eq!(writable(folder.path()).grade, Grade::Good);
        assert_eq!(fs::read_dir(folder.path()).expect("read").count(), 0, "nothing is left behind");
    }

    #[test]
    fn little_space_is_wrong() {
        let grades = [100 << 20, 1 << 30, 3 << 30].map(|free| judge("space", free).grade);
        assert_eq!(grades, [Grade::Wrong, Grade::Note, Grade::Good]);
    }
}
