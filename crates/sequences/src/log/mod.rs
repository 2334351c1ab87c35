//! The log at a URL: whether it is a file or a folder, which days are there, how its files get onto this machine, and
//! its digest. Training and the daily run both read their events through here, and nothing here reads a row.
//!
//! A log is one Parquet or CSV file, a folder of such files, or a folder with `day=YYYY-MM-DD/` folders of them.
//! Its name does not decide which: `events.v2/` may be a folder, and so may `events.parquet/`, as Spark writes it.

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use dayvec_bucket::Bucket;
use dayvec_core::Day;
use url::Url;

use crate::error::{Result, SequencesError};

mod digest;
mod listing;

pub use digest::digest;
pub(crate) use listing::Format;
use listing::Listing;

/// A log, wherever it is.
#[derive(Debug)]
pub struct EventLog {
    url: Url,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// On this machine: read where it is.
    Local(PathBuf),
    /// In an object store: what is needed is copied.
    Remote(Bucket),
}

/// Files of a log on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFiles {
    /// In reading order: by day, then by name.
    pub paths: Vec<PathBuf>,
    /// The newest day that has a folder, whether it was asked for or not; `None` where the log has no such folders.
    pub newest_day: Option<Day>,
}

impl EventLog {
    /// The log at `url`; nothing is read yet.
    ///
    /// # Errors
    /// [`SequencesError::BadUrl`], or [`SequencesError::Bucket`] when the environment lacks what the store needs.
    pub fn at(url: &Url) -> Result<Self> {
        let place = if url.scheme() == "file" {
            let bad = |()| SequencesError::BadUrl { url: url.to_string() };
            Place::Local(url.to_file_path().map_err(bad)?)
        } else {
            Place::Remote(Bucket::open(url)?)
        };
        Ok(Self { url: url.clone(), place })
    }

    /// Its files of `days` (inclusive; `None` for all). Remote ones are copied into a folder of their own under
    /// `staging`, and no others are.
    ///
    /// The range chooses among day folders alone: a file beside them, or in a log without them, is for the reader to
    /// choose rows from.
    ///
    /// # Errors
    /// [`SequencesError::Missing`] when nothing is there, [`SequencesError::NoFiles`] when there is no event file (in
    /// `days`), [`SequencesError::UnknownFormat`] for a file that is neither Parquet nor CSV; [`SequencesError::Io`],
    /// [`SequencesError::Bucket`].
    pub async fn fetch(&self, days: Option<RangeInclusive<Day>>, staging: &Path) -> Result<LogFiles> {
        match &self.place {
            Place::Local(path) => local_files(path, days.as_ref()),
            Place::Remote(bucket) => {
                let copies = self.empty_folder(staging)?;
                if let Some(file) = self.fetch_file(bucket, &copies).await? {
                    return Ok(LogFiles { paths: vec![file], newest_day: None });
                }
                let entries = bucket.list("").await?;
                let listing = Listing::of_keys(entries.iter().map(|entry| entry.key.as_str()));
                let mut paths = Vec::new();
                for file in listing.choose(self.url.as_str(), days.as_ref())? {
                    let path = copies.join(&file);
                    bucket.fetch(&file.to_string_lossy(), &path).await?;
                    paths.push(path);
                }
                Ok(LogFiles { paths, newest_day: listing.newest_day(days.as_ref()) })
            }
        }
    }

    /// The newest whole day of a log of day folders: one whose folder holds `_SUCCESS`, or one before the newest
    /// folder; `None` where there is none yet. What lies before `known`, a day that is whole, is not listed.
    ///
    /// # Errors
    /// [`SequencesError::Bucket`] when the log cannot be listed.
    pub async fn newest_whole_day(&self, known: Option<Day>) -> Result<Option<Day>> {
        let opened;
        let bucket = match &self.place {
            Place::Remote(bucket) => bucket,
            Place::Local(_) => {
                opened = Bucket::open(&self.url)?;
                &opened
            }
        };
        let after = known.map(|day| format!("day={day}"));
        let entries = bucket.list_after("", after.as_deref()).await?;
        Ok(listing::newest_whole_day(entries.iter().map(|entry| entry.key.as_str())).max(known))
    }

    /// A copy of the object that the URL itself names, where it names one. Only a name like an event file's is asked
    /// for: a store may let this program list a folder, and not look for an object of the folder's name.
    async fn fetch_file(&self, bucket: &Bucket, folder: &Path) -> Result<Option<PathBuf>> {
        let name = file_name(&self.url);
        if Format::of(name).is_none() || bucket.size_of("").await?.is_none() {
            return Ok(None);
        }
        let file = folder.join(name);
        bucket.fetch("", &file).await?;
        Ok(Some(file))
    }

    /// The folder under `staging` for copies of this log; an earlier attempt's may be of files that are gone since.
    fn empty_folder(&self, staging: &Path) -> Result<PathBuf> {
        let folder = staging.join(&blake3::hash(self.url.as_str().as_bytes()).to_hex()[..16]);
        match fs::remove_dir_all(&folder) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(SequencesError::Io { action: "empty", path: folder, source })
            }
            _ => Ok(folder),
        }
    }
}

/// The event files of a log on this machine, in reading order; see [`EventLog::fetch`].
///
/// # Errors
/// As [`EventLog::fetch`].
pub fn event_files(root: &Path, days: Option<RangeInclusive<Day>>) -> Result<Vec<PathBuf>> {
    Ok(local_files(root, days.as_ref())?.paths)
}

fn local_files(path: &Path, days: Option<&RangeInclusive<Day>>) -> Result<LogFiles> {
    if path.is_dir() {
        let listing = Listing::of_folder(path, days)?;
        let chosen = listing.choose(&path.display().to_string(), days)?;
        let paths = chosen.into_iter().map(|file| path.join(file)).collect();
        return Ok(LogFiles { paths, newest_day: listing.newest_day(days) });
    }
    match Format::of(path) {
        _ if !path.exists() => Err(SequencesError::Missing { path: path.to_owned() }),
        None => Err(SequencesError::UnknownFormat { path: path.to_owned() }),
        Some(_) => Ok(LogFiles { paths: vec![path.to_owned()], newest_day: None }),
    }
}

/// A path on this machine of the table at `url`, which is one file or a folder: the place itself where it is local,
/// else a copy under `staging`. For tables that are no logs, as those of items.
///
/// # Errors
/// As [`EventLog::fetch`].
pub async fn fetch_table(url: &Url, staging: &Path) -> Result<PathBuf> {
    let table = EventLog::at(url)?;
    if let Place::Local(path) = table.place {
        return if path.exists() { Ok(path) } else { Err(SequencesError::Missing { path }) };
    }
    let paths = table.fetch(None, staging).await?.paths;
    Ok(match paths.as_slice() {
        [file] => file.clone(),
        files => files.first().and_then(|file| file.parent()).unwrap_or(staging).to_owned(),
    })
}

fn file_name(url: &Url) -> &Path {
    Path::new(url.path().rsplit('/').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [&str; 5] = [
        "day=2011-12-01/a.parquet",
        "day=2011-12-02/a.parquet",
        "day=2011-12-02/_SUCCESS",
        "day=2011-12-03/a.parquet",
        "a.parquet",
    ];

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    /// A log in a bucket in memory; the URL's last part is the log's name.
    async fn remote(url: &str, files: &[&str]) -> EventLog {
        let bucket = Bucket::open(&"memory:///".parse().unwrap()).unwrap();
        for file in files {
            bucket.put_new(file, file.as_bytes().to_vec().into()).await.unwrap();
        }
        EventLog { url: url.parse().unwrap(), place: Place::Remote(bucket) }
    }

    fn local(files: &[&str]) -> (tempfile::TempDir, EventLog) {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        let log = EventLog::at(&Url::from_directory_path(root.path()).unwrap()).unwrap();
        (root, log)
    }

    /// What the files say: each holds its own name.
    fn contents(files: &LogFiles) -> Vec<String> {
        files.paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
    }

    fn n_files_below(folder: &Path) -> usize {
        let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
        entries.map(|path| if path.is_dir() { n_files_below(&path) } else { 1 }).sum()
    }

    #[tokio::test]
    async fn days_to_come_say_nothing_about_the_days_before_them() {
        let staging = tempfile::tempdir().unwrap();
        let files = ["day=2024-03-20/a.parquet", "day=2024-03-21/a.parquet", "day=2998-01-01/a.parquet"];
        let (_root, local) = local(&files);
        let remote = remote("memory:///events", &files).await;
        let reach = async |log: &EventLog, days| log.fetch(days, staging.path()).await.unwrap().newest_day;
        for log in [&local, &remote] {
            assert_eq!(reach(log, None).await, Some(day("2024-03-21")));
            assert_eq!(
                reach(log, Some(day("2024-03-20")..=day("2024-03-20"))).await,
                Some(day("2024-03-21"))
            );
            // A made-up log may lie in the future; then its days are asked for.
            let asked = day("2998-01-01")..=day("2998-01-01");
            assert_eq!(reach(log, Some(asked)).await, Some(day("2998-01-01")));
            assert_eq!(log.newest_whole_day(None).await.unwrap(), Some(day("2024-03-20")));
        }
    }

    #[tokio::test]
    async fn day_folders_without_a_file_that_is_read_say_what_they_hold() {
        let staging = tempfile::tempdir().unwrap();
        for (file, named) in [
            ("day=2024-03-20/hour=00/a.parquet", "day=2024-03-20/hour=00"),
            ("day=2024-03-20/a.csv.gz", "day=2024-03-20/a.csv.gz"),
        ] {
            let (_root, local) = local(&[file]);
            let remote = remote("memory:///events", &[file]).await;
            for log in [&local, &remote] {
                let message = log.fetch(None, staging.path()).await.unwrap_err().to_string();
                assert!(message.contains(named) && message.contains("directly in its folder"), "{message}");
            }
        }
    }

    #[tokio::test]
    async fn the_same_days_come_from_a_folder_and_from_a_bucket() {
        let (_root, local) = local(&FILES);
        let remote = remote("memory:///events", &FILES).await;
        let staging = tempfile::tempdir().unwrap();
        for (days, expected) in [
            (None, vec![FILES[0], FILES[1], FILES[3]]),
            (Some(day("2011-12-02")..=day("2011-12-09")), vec![FILES[1], FILES[3]]),
            (Some(day("2011-12-02")..=day("2011-12-02")), vec![FILES[1]]),
        ] {
            for log in [&local, &remote] {
                let files = log.fetch(days.clone(), staging.path()).await.unwrap();
                assert_eq!(contents(&files), expected, "{days:?} of {log:?}");
                assert_eq!(files.newest_day, Some(day("2011-12-03")), "{log:?}");
            }
            // What an earlier call copied is gone, and nothing is copied that is not read.
            assert_eq!(n_files_below(staging.path()), expected.len(), "{days:?}");
        }
        for log in [&local, &remote] {
            let other = Some(day("2012-01-01")..=day("2012-01-02"));
            let error = log.fetch(other, staging.path()).await.unwrap_err();
            assert!(matches!(error, SequencesError::NoFiles { .. }), "{error}");
            assert!(error.to_string().contains("2011-12-01 to 2011-12-03"), "{error}");
        }
    }

    #[tokio::test]
    async fn the_newest_whole_day_is_the_same_everywhere() {
        let (_root, local) = local(&FILES);
        let remote = remote("memory:///events", &FILES).await;
        for log in [&local, &remote] {
            for known in [None, Some(day("2011-12-01")), Some(day("2011-12-02"))] {
                assert_eq!(log.newest_whole_day(known).await.unwrap(), Some(day("2011-12-02")), "{log:?}");
            }
            assert_eq!(
                log.newest_whole_day(Some(day("2011-12-03"))).await.unwrap(),
                Some(day("2011-12-03")),
                "a day that is known to be whole stays so"
            );
        }
    }

    #[tokio::test]
    async fn the_store_says_what_is_a_file_and_the_name_does_not() {
        let staging = tempfile::tempdir().unwrap();
        // A folder with a dot in its name, and one with the name of a file.
        for url in ["memory:///events.v2", "memory:///events.parquet"] {
            let log = remote(url, &["b.parquet", "a.parquet", "items.csv"]).await;
            let files = log.fetch(None, staging.path()).await.unwrap();
            assert_eq!(contents(&files), ["a.parquet", "b.parquet"], "{url}");
            assert_eq!(files.newest_day, None);
        }
        // A file, in the folder's place and through a bucket.
        let (root, _) = local(&["events.parquet", "events.json"]);
        let url = |name: &str| Url::from_file_path(root.path().join(name)).unwrap();
        let in_place = EventLog::at(&url("events.parquet")).unwrap();
        let bucket = Bucket::open(&url("events.parquet")).unwrap();
        let copied = EventLog { url: url("events.parquet"), place: Place::Remote(bucket) };
        for log in [in_place, copied] {
            let files = log.fetch(None, staging.path()).await.unwrap();
            assert_eq!(contents(&files), ["events.parquet"]);
        }
    }

    #[tokio::test]
    async fn what_is_missing_or_no_log_is_an_error_that_says_what_a_log_is() {
        let staging = tempfile::tempdir().unwrap();
        let (root, _) = local(&["events.json"]);
        let at = |name: &str| EventLog::at(&Url::from_file_path(root.path().join(name)).unwrap()).unwrap();
        let error = at("absent").fetch(None, staging.path()).await.unwrap_err();
        assert!(matches!(error, SequencesError::Missing { .. }), "{error}");
        let error = at("events.json").fetch(None, staging.path()).await.unwrap_err();
        assert!(matches!(error, SequencesError::UnknownFormat { .. }), "{error}");
        for (url, files) in [("memory:///absent", &[][..]), ("memory:///events.json", &["notes.txt"])] {
            let error = remote(url, files).await.fetch(None, staging.path()).await.unwrap_err().to_string();
            assert!(error.contains(url) && error.contains(".parquet, .pq or .csv"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_table_is_a_path() {
        let staging = tempfile::tempdir().unwrap();
        let (root, _) = local(&["items.parquet", "parts/a.parquet", "parts/b.parquet"]);
        for name in ["items.parquet", "parts"] {
            let path = root.path().join(name);
            let url = Url::from_file_path(&path).unwrap();
            assert_eq!(fetch_table(&url, staging.path()).await.unwrap(), path);
        }
    }
}
