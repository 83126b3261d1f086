//! What lies among the objects of the table `quotes`, and what a listing tells of a file.

use chrono::NaiveDate;
use mendlake_ports::{Kind, PortError};

use super::name::{EXTENSION, ObjectName};

/// An object of the table `quotes`, or a file that lies among them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredObject {
    /// The date of its folder.
    pub dt: NaiveDate,
    /// Its name.
    pub name: String,
}

/// A file as a listing shows it. One whose bytes were overwritten is another file of the same name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// What tells its bytes from others.
    pub stamp: Stamp,
}

/// What a listing tells of a file's bytes, without reading them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// How many there are.
    pub bytes: u64,
    /// The ETag in S3, the time of the last change on disk.
    pub change: String,
}

/// What lies in the folders of the table `quotes`, by date and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Its objects.
    pub objects: Vec<StoredObject>,
    /// Files that readers would take for objects and that no writer named. While one is there, its date cannot be read.
    pub foreign: Vec<StoredObject>,
}

impl Listing {
    /// Notes what lies in the folder of a date. Files that no reader takes for an object are left out.
    pub fn note(&mut self, dt: NaiveDate, name: String) {
        if !name.ends_with(EXTENSION) {
            return;
        }
        let is_object = name.parse::<ObjectName>().is_ok();
        let place = if is_object { &mut self.objects } else { &mut self.foreign };
        place.push(StoredObject { dt, name });
    }

    /// The objects. `Corrupt` where another file would be read as one; `table` is where the folders of dates are.
    pub fn into_objects(self, table: &str) -> Result<Vec<StoredObject>, PortError> {
        match self.foreign.first() {
            None => Ok(self.objects),
            Some(StoredObject { dt, name }) => Err(foreign(table, *dt, name)),
        }
    }
}

/// The objects of what lies in the folder of a date. `Corrupt` where another file would be read as one; `table` is where the
/// folders of dates are.
pub fn objects_of(
    dt: NaiveDate,
    listed: impl IntoIterator<Item = Listed>,
    table: &str,
) -> Result<Vec<Listed>, PortError> {
    let mut objects = Vec::new();
    for file in listed.into_iter().filter(|file| file.name.ends_with(EXTENSION)) {
        if file.name.parse::<ObjectName>().is_err() {
            return Err(foreign(table, dt, &file.name));
        }
        objects.push(file);
    }
    Ok(objects)
}

fn foreign(table: &str, dt: NaiveDate, name: &str) -> PortError {
    let what = format!("read `{name}` in `{table}/dt={dt}`: no object has such a name, move it away");
    PortError::new(Kind::Corrupt, what)
}
