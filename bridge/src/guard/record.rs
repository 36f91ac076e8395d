//! Files that outlive a crash: lines that are only ever added, and whole files that are there or not.
//!
//! A line counts once it is synced to disk, newline included; one that a crash has cut is no line. A whole file is
//! written beside its name, synced and renamed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// A file of JSON lines that this process alone adds to.
#[derive(Debug)]
pub(crate) struct Lines {
    path: PathBuf,
    file: File,
    /// Of the whole lines, in bytes.
    length: u64,
}

impl Lines {
    /// Opens a file, which is made with its folder if it is not there. A line that was cut is taken away.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |error: &dyn std::error::Error| unusable(path, &error.to_string());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        }
        let opened = OpenOptions::new().read(true).append(true).create(true).open(path);
        let mut file = opened.map_err(|error| failed(&error))?;
        file.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => unusable(path, "another sockpit works with it"),
            fs::TryLockError::Error(error) => failed(&error),
        })?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| failed(&error))?;
        let length = whole(&bytes).len() as u64;
        file.set_len(length).map_err(|error| failed(&error))?;
        sync_folder(path).map_err(|error| failed(&error))?;
        Ok(Self { path: path.to_owned(), file, length })
    }

    /// Adds a line, and returns once the disk has it.
    pub(crate) fn append(&mut self, value: &impl Serialize) -> Result<(), Error> {
        let mut line = serde_json::to_vec(value).map_err(|error| unusable(&self.path, &error.to_string()))?;
        line.push(b'\n');
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_all());
        match written {
            Ok(()) => {
                self.length += line.len() as u64;
                Ok(())
            }
            Err(error) => {
                // What came of it before the disk was full must not be the beginning of the next line. If that fails
                // too, the next line fails as well.
                self.file.set_len(self.length).ok();
                Err(unusable(&self.path, &error.to_string()))
            }
        }
    }
}

/// Reads a file of JSON lines; none if there is no such file.
pub(crate) fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, Error> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unusable(path, &error.to_string())),
    };
    let lines = whole(&bytes).split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let read = |(index, line): (usize, &[u8])| {
        serde_json::from_slice(line).map_err(|error| unusable(path, &format!("line {}: {error}", index + 1)))
    };
    lines.enumerate().map(read).collect()
}

/// Reads a file that holds one JSON value.
pub(crate) fn read_whole<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let bytes = fs::read(path).map_err(|error| unusable(path, &error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| unusable(path, &error.to_string()))
}

/// Writes a file that holds one JSON value. After a crash it is there as a whole, or not at all.
pub(crate) fn write_whole(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| unusable(path, &error.to_string()))?;
    bytes.push(b'\n');
    let write = || {
        let beside = path.with_extension("new");
        let mut file = File::create(&beside)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        sync_folder(path)
    };
    write().map_err(|error: io::Error| unusable(path, &error.to_string()))
}

/// The time, such that later times sort behind earlier ones as texts.
pub(crate) fn now() -> String {
    format!("{:.9}", Timestamp::now())
}

/// A file's name lasts once its folder is synced.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// What there is up to the last newline.
fn whole(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |index| index + 1);
    &bytes[..end]
}

fn unusable(path: &Path, reason: &str) -> Error {
    Error::Record { path: path.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_last_and_a_cut_one_is_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deeper").join("lines.jsonl");
        assert_eq!(read_lines::<u32>(&path).unwrap(), [0_u32; 0]);
        let mut lines = Lines::open(&path).unwrap();
        lines.append(&1_u32).unwrap();
        lines.append(&2_u32).unwrap();
        let why = Lines::open(&path).unwrap_err().to_string();
        assert!(why.contains("another sockpit works with it"), "{why}");
        drop(lines);
        fs::write(&path, "1\n2\n3").unwrap();
        assert_eq!(read_lines::<u32>(&path).unwrap(), [1, 2]);
        Lines::open(&path).unwrap().append(&4_u32).unwrap();
        assert_eq!(read_lines::<u32>(&path).unwrap(), [1, 2, 4]);
        fs::write(&path, "1\nno\n").unwrap();
        let why = read_lines::<u32>(&path).unwrap_err().to_string();
        assert!(why.contains("line 2"), "{why}");
    }

    #[test]
    fn whole_files_replace_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.json");
        write_whole(&path, &[1_u32]).unwrap();
        write_whole(&path, &[1_u32, 2]).unwrap();
        assert_eq!(read_whole::<Vec<u32>>(&path).unwrap(), [1, 2]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let why = write_whole(&folder.path().join("no").join("two.json"), &1_u32).unwrap_err();
        assert!(matches!(why, Error::Record { .. }), "{why}");
    }

    #[test]
    fn a_full_disk_is_said() {
        // A device that takes nothing, as a full disk does.
        let file = OpenOptions::new().append(true).open("/dev/full").unwrap();
        let mut lines = Lines { path: PathBuf::from("/dev/full"), file, length: 0 };
        assert!(matches!(lines.append(&1_u32), Err(Error::Record { .. })));
    }

    #[test]
    fn times_sort_as_texts() {
        let (one, other) = (now(), now());
        assert!(one <= other && one.len() == "2026-12-01T01:06:34.123456789Z".len(), "{one} {other}");
    }
}
