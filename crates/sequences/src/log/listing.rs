//! Which files of a log are read, and in which order: one rule for a folder on this machine and for keys in a bucket.

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use dayvec_core::Day;
use jiff::Timestamp;

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

/// What is in a log's folder: files as paths from its root, and the days that have a folder, even an empty one.
#[derive(Debug, Default)]
pub(super) struct Listing {
    files: Vec<PathBuf>,
    /// Folders in day folders, of a folder on this machine; they are not looked into.
    folders: Vec<PathBuf>,
    days: BTreeSet<Day>,
}

impl Listing {
    /// Of a folder on this machine; of its day folders only those in `days` are looked into.
    pub(super) fn of_folder(root: &Path, days: Option<&RangeInclusive<Day>>) -> Result<Self> {
        let mut listing = Self::default();
        for path in entries(root)? {
            if !path.is_dir() {
                listing.push(root, &path);
            } else if let Some(day) = day_of_folder(&path) {
                listing.days.insert(day);
                if is_wanted(day, days) {
                    let below = entries(&path)?;
                    let (files, folders): (Vec<_>, Vec<_>) =
                        below.into_iter().partition(|path| path.is_file());
                    files.iter().for_each(|path| listing.push(root, path));
                    let from_root = folders.iter().filter_map(|path| path.strip_prefix(root).ok());
                    listing.folders.extend(from_root.map(Path::to_owned));
                }
            }
        }
        Ok(listing)
    }

    fn push(&mut self, root: &Path, path: &Path) {
        self.files.extend(path.strip_prefix(root).ok().map(Path::to_owned));
    }

    /// Of a log in a bucket, by keys from its root.
    pub(super) fn of_keys<'a>(keys: impl Iterator<Item = &'a str>) -> Self {
        let files: Vec<PathBuf> = keys.map(PathBuf::from).collect();
        let days = files.iter().filter_map(|file| day_of_folder(first_folder(file)?)).collect();
        Self { files, folders: Vec::new(), days }
    }

    /// The newest day that has a folder. Folders of days to come, beyond the `days` that are asked for, are left aside with a
    /// warning: a wrong clock makes them, and one of them would say that the log has reached every day before it.
    pub(super) fn newest_day(&self, days: Option<&RangeInclusive<Day>>) -> Option<Day> {
        let latest = days.map_or_else(tomorrow, |days| tomorrow().max(*days.end()));
        warn_of_days_to_come(self.days.iter().copied().filter(|&day| day > latest));
        self.days.range(..=latest).next_back().copied()
    }

    /// The files to read, by day, then by name. Day folders, where there are any, hide what lies beside them.
    ///
    /// # Errors
    /// What was found instead, when there are none; `place` is where it was looked for.
    pub(super) fn choose(&self, place: &str, days: Option<&RangeInclusive<Day>>) -> Result<Vec<PathBuf>> {
        let chosen: Vec<PathBuf> = if self.days.is_empty() {
            self.of_one_format(Path::new(""))
        } else {
            let wanted = self.days.iter().filter(|day| is_wanted(**day, days));
            wanted.flat_map(|day| self.of_one_format(Path::new(&format!("day={day}")))).collect()
        };
        if !chosen.is_empty() {
            return Ok(chosen);
        }
        let found = match (self.days.first(), self.days.last(), self.unread(days)) {
            (Some(_), Some(_), Some(file)) => format!(
                "its day folders hold what is not read, such as {}: a day's files lie directly in its folder, and end in \
                 .parquet, .pq or .csv",
                file.display()
            ),
            (Some(first), Some(last), None) => format!("its day folders go from {first} to {last}"),
            _ => "a log is a .parquet, .pq or .csv file, a folder of them, or a folder with day=YYYY-MM-DD \
                  folders of them"
                .to_owned(),
        };
        let wanted = days.map(|days| format!("{} to {}", days.start(), days.end()));
        Err(SequencesError::NoFiles {
            place: place.to_owned(),
            wanted,
            newest_day: self.newest_day(days),
            found,
        })
    }

    /// A file or folder in a folder of the wanted days.
    fn unread(&self, days: Option<&RangeInclusive<Day>>) -> Option<&Path> {
        let is_in_day = |path: &&PathBuf| {
            let day = first_folder(path).and_then(day_of_folder);
            day.is_some_and(|day| is_wanted(day, days)) && !is_hidden(path)
        };
        self.files.iter().chain(&self.folders).find(is_in_day).map(PathBuf::as_path)
    }

    /// The files that lie directly in `folder`, sorted: Parquet where there is any, else CSV.
    fn of_one_format(&self, folder: &Path) -> Vec<PathBuf> {
        let directly = self.files.iter().filter(|file| file.parent() == Some(folder) && !is_hidden(file));
        let mut files: Vec<(Format, &PathBuf)> =
            directly.filter_map(|file| Some((Format::of(file)?, file))).collect();
        files.sort();
        let first = files.first().map(|(format, _)| *format);
        files.into_iter().filter(|(format, _)| Some(*format) == first).map(|(_, file)| file.clone()).collect()
    }
}

/// The newest day that a log of day folders is past: one whose folder holds `_SUCCESS`, as Spark and Hadoop leave it,
/// or one before the newest folder; `None` where there is none yet. Days to come are left aside, as in
/// [`Listing::newest_day`]. `keys` are paths from the log's root.
pub(super) fn newest_whole_day<'a>(keys: impl Iterator<Item = &'a str>) -> Option<Day> {
    let mut days: Vec<(Day, bool)> = keys
        .filter_map(|key| key.split_once('/'))
        .filter_map(|(folder, file)| Some((day_of_folder(Path::new(folder))?, file == "_SUCCESS")))
        .collect();
    days.sort_unstable();
    let latest = tomorrow();
    let to_come = days.split_off(days.partition_point(|&(day, _)| day <= latest));
    warn_of_days_to_come(to_come.into_iter().map(|(day, _)| day));
    let newest = days.last()?.0;
    days.into_iter().rev().find(|&(day, is_marked)| is_marked || day < newest).map(|(day, _)| day)
}

/// The last day that a log can have: today's, where the sun rises first.
fn tomorrow() -> Day {
    Day::of_timestamp(Timestamp::now().as_second()).plus(1)
}

fn warn_of_days_to_come(days: impl Iterator<Item = Day>) {
    let mut days: Vec<Day> = days.collect();
    days.dedup();
    if let (Some(first), Some(last)) = (days.first(), days.last()) {
        tracing::warn!(%first, %last, n_days = days.len(), "left aside day folders of days to come: a clock is wrong");
    }
}

/// The day of a folder named `day=YYYY-MM-DD`.
fn day_of_folder(folder: &Path) -> Option<Day> {
    folder.file_name()?.to_str()?.strip_prefix("day=")?.parse().ok()
}

fn first_folder(file: &Path) -> Option<&Path> {
    let mut components = file.components();
    let first = components.next()?;
    components.next().map(|_| Path::new(first.as_os_str()))
}

fn is_wanted(day: Day, days: Option<&RangeInclusive<Day>>) -> bool {
    days.is_none_or(|days| days.contains(&day))
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_none_or(|name| name.starts_with(['.', '_']))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let io = |source| SequencesError::Io { action: "list", path: folder.to_owned(), source };
    fs::read_dir(folder).map_err(io)?.map(|entry| Ok(entry.map_err(io)?.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[&str], days: Option<(&str, &str)>, expected: &[&str]) {
        let days = days.map(|(from, to)| from.parse().unwrap()..=to.parse().unwrap());
        let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
        let of_keys = Listing::of_keys(files.iter().copied()).choose("s3://log", days.as_ref());
        assert_eq!(of_keys.unwrap(), expected);
        let root = folder_of(files);
        let of_folder = Listing::of_folder(root.path(), days.as_ref()).unwrap();
        assert_eq!(of_folder.choose("folder", days.as_ref()).unwrap(), expected);
    }

    fn folder_of(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        root
    }

    #[test]
    fn days_are_taken_in_order_and_only_those_asked_for() {
        let files = [
            "day=2011-12-02/b.parquet",
            "day=2011-12-02/a.parquet",
            "day=2011-12-02/_SUCCESS",
            "day=2011-12-02/_temporary/c.parquet",
            "day=2011-12-01/z.parquet",
            "day=2011-12-03/c.csv",
            "old/a.parquet",
            "a.parquet",
            "README.md",
        ];
        let in_order = ["day=2011-12-01/z.parquet", "day=2011-12-02/a.parquet", "day=2011-12-02/b.parquet"];
        check(&files, Some(("2011-11-01", "2011-12-02")), &in_order);
        check(&files, Some(("2011-12-03", "2011-12-03")), &["day=2011-12-03/c.csv"]);
        check(&files, None, &[&in_order[..], &["day=2011-12-03/c.csv"]].concat());
        let day: Day = "2011-12-04".parse().unwrap();
        let message = Listing::of_keys(files.into_iter()).choose("s3://log", Some(&(day..=day)));
        let message = message.unwrap_err().to_string();
        assert!(message.contains("for 2011-12-04") && message.contains("to 2011-12-03"), "{message}");
    }

    #[test]
    fn a_folder_of_files_is_of_one_format() {
        let files = ["b.parquet", "a.parquet", "items.csv", ".hidden.parquet", "notes.txt", "old/a.parquet"];
        check(&files, None, &["a.parquet", "b.parquet"]);
        check(&["b.csv", "a.CSV"], Some(("2011-12-01", "2011-12-02")), &["a.CSV", "b.csv"]);
        let empty = Listing::of_keys(["notes.txt"].into_iter()).choose("s3://log", None).unwrap_err();
        assert!(empty.to_string().contains(".parquet, .pq or .csv"), "{empty}");
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
}
