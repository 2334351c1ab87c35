//! Finds the event files of a log, in the order in which they are to be read.

use std::fs;
use std::path::{Path, PathBuf};

use dayvec_core::Day;

use crate::error::{Result, SequencesError};

/// How an event file is encoded, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Format {
    /// Apache Parquet.
    Parquet,
    /// Comma-separated values with a header.
    Csv,
}

impl Format {
    pub(crate) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "parquet" | "pq" => Some(Self::Parquet),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

/// The event files of a log, in reading order: by day, then by name.
///
/// `root` is one file, a folder of files, or a folder with `day=YYYY-MM-DD/` folders, of which only those in the
/// inclusive range `days` are taken (the range does not choose among files that are not in such folders: the
/// reader's time window does). A folder that holds both Parquet and CSV gives its Parquet files alone; names
/// that begin with `.` or `_` are passed over.
///
/// # Errors
/// [`SequencesError::NoFiles`] when there are none (in `days`), [`SequencesError::UnknownFormat`] for a file that
/// is neither, [`SequencesError::Io`] when a folder cannot be listed.
pub fn event_files(root: &Path, days: Option<(Day, Day)>) -> Result<Vec<PathBuf>> {
    if root.is_file() {
        return match Format::of(root) {
            Some(_) => Ok(vec![root.to_owned()]),
            None => Err(SequencesError::UnknownFormat { path: root.to_owned() }),
        };
    }
    let entries = list(root)?;
    let mut day_folders: Vec<(Day, PathBuf)> = entries.iter().filter_map(|path| day_folder(path)).collect();
    day_folders.sort();
    let wanted = days.map(|(first, last)| format!("{first} to {last}"));
    let no_files = |found: String| SequencesError::NoFiles { root: root.to_owned(), wanted, found };
    let files = match (day_folders.first(), day_folders.last()) {
        (Some((first, _)), Some((last, _))) => {
            let mut files = Vec::new();
            for (day, folder) in &day_folders {
                if days.is_none_or(|(from, to)| from <= *day && *day <= to) {
                    files.extend(of_folder(list(folder)?));
                }
            }
            if files.is_empty() {
                return Err(no_files(format!("its day folders go from {first} to {last}")));
            }
            files
        }
        _ => of_folder(entries),
    };
    if files.is_empty() {
        return Err(no_files("put .parquet or .csv files there, or in day=YYYY-MM-DD folders".to_owned()));
    }
    Ok(files)
}

/// The newest day that a log of day folders is past: one whose folder holds `_SUCCESS`, as Spark and Hadoop leave it,
/// or one before the newest folder. `None` where there is none yet. `keys` are paths from the log's root.
pub fn newest_whole_day<'a>(keys: impl Iterator<Item = &'a str>) -> Option<Day> {
    let mut days: Vec<(Day, bool)> = keys
        .filter_map(|key| key.split_once('/'))
        .filter_map(|(folder, file)| Some((day_of_folder(folder)?, file == "_SUCCESS")))
        .collect();
    days.sort_unstable();
    let newest = days.last()?.0;
    days.into_iter().rev().find(|&(day, is_marked)| is_marked || day < newest).map(|(day, _)| day)
}

/// The day of a folder named `day=YYYY-MM-DD`.
#[must_use]
pub fn day_of_folder(name: &str) -> Option<Day> {
    name.strip_prefix("day=")?.parse().ok()
}

fn day_folder(path: &Path) -> Option<(Day, PathBuf)> {
    let day = day_of_folder(path.file_name()?.to_str()?)?;
    path.is_dir().then(|| (day, path.to_path_buf()))
}

fn of_folder(entries: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut files: Vec<(Format, PathBuf)> = entries
        .into_iter()
        .filter(|path| path.is_file() && !is_hidden(path))
        .filter_map(|path| Some((Format::of(&path)?, path)))
        .collect();
    files.sort();
    let first = files.first().map(|(format, _)| *format);
    files.into_iter().filter(|(format, _)| Some(*format) == first).map(|(_, path)| path).collect()
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_none_or(|name| name.starts_with(['.', '_']))
}

fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let io = |source| SequencesError::Io { action: "list", path: folder.to_owned(), source };
    fs::read_dir(folder).map_err(io)?.map(|entry| Ok(entry.map_err(io)?.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_of(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        root
    }

    fn check(root: &Path, days: Option<(&str, &str)>, expected: &[&str]) {
        let days = days.map(|(from, to)| (from.parse().unwrap(), to.parse().unwrap()));
        let found = event_files(root, days).unwrap();
        let found: Vec<_> =
            found.iter().map(|path| path.strip_prefix(root).unwrap().to_str().unwrap()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn days_are_taken_in_order_and_only_those_asked_for() {
        let root = folder_of(&[
            "day=2011-12-02/b.parquet",
            "day=2011-12-02/a.parquet",
            "day=2011-12-02/_SUCCESS",
            "day=2011-12-01/z.parquet",
            "day=2011-12-03/c.csv",
            "README.md",
        ]);
        let in_order = ["day=2011-12-01/z.parquet", "day=2011-12-02/a.parquet", "day=2011-12-02/b.parquet"];
        check(root.path(), Some(("2011-11-01", "2011-12-02")), &in_order);
        check(root.path(), Some(("2011-12-03", "2011-12-03")), &["day=2011-12-03/c.csv"]);
        let day = "2011-12-04".parse().unwrap();
        let message = event_files(root.path(), Some((day, day))).unwrap_err().to_string();
        assert!(message.contains("for 2011-12-04") && message.contains("to 2011-12-03"), "{message}");
    }

    #[test]
    fn a_day_is_whole_when_it_is_marked_or_past() {
        let keys = [
            ("day=2011-12-01/a.parquet", None),
            ("day=2011-12-02/a.parquet", Some("2011-12-01")),
            ("day=2011-12-02/_SUCCESS", Some("2011-12-02")),
            ("day=2011-12-05/a.parquet", Some("2011-12-02")),
            ("notes.txt", Some("2011-12-02")),
        ];
        for so_far in 0..keys.len() {
            let expected = keys[so_far].1.map(|day| day.parse().unwrap());
            let found = newest_whole_day(keys[..=so_far].iter().map(|(key, _)| *key));
            assert_eq!(found, expected, "{}", keys[so_far].0);
        }
    }

    #[test]
    fn a_folder_of_files_and_a_file() {
        let root = folder_of(&["b.parquet", "a.parquet", "items.csv", ".hidden.parquet", "notes.txt"]);
        check(root.path(), None, &["a.parquet", "b.parquet"]);
        assert_eq!(event_files(&root.path().join("items.csv"), None).unwrap().len(), 1);
        let other = event_files(&root.path().join("notes.txt"), None).unwrap_err();
        assert!(matches!(other, SequencesError::UnknownFormat { .. }));
        let absent = event_files(&root.path().join("absent"), None).unwrap_err();
        assert!(matches!(absent, SequencesError::Io { .. }));
        let empty = event_files(folder_of(&[]).path(), None).unwrap_err().to_string();
        assert!(empty.contains("put .parquet or .csv"), "{empty}");
    }
}
