//! The log on its way into a run: which files, fetched where they are remote, read as sequences, digested.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use dayvec_bucket::Bucket;
use dayvec_core::{Day, EventSchema, Sequences};
use dayvec_runtime::{Exit, OrExit as _};
use dayvec_sequences::{
    Keep, ReadOptions, ReadReport, SequenceBuilder, SequencesError, day_of_folder, event_files,
};
use url::Url;

use crate::store_exit::OrStoreExit as _;

/// Days of events that a run reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// First day, or `None` for the beginning of the log.
    pub(crate) from: Option<Day>,
    /// Last day.
    pub(crate) to: Day,
}

impl Span {
    fn days(self) -> (Day, Day) {
        (self.from.unwrap_or(Day::of_timestamp(0)), self.to)
    }
}

/// Where the events of a span are.
pub(crate) struct Files {
    /// On this machine, in reading order; none when the log has no file for these days.
    paths: Vec<PathBuf>,
    /// The newest of the log's day folders, whether in the span or not; `None` where it has no such folders.
    newest_folder: Option<Day>,
}

/// The files of `span`, fetched where they are remote.
pub(crate) async fn files(log: &Url, span: Span, scratch: &Path) -> anyhow::Result<Files> {
    let (root, newest_folder) = match log.to_file_path() {
        Ok(path) if log.scheme() == "file" => {
            let newest = newest_day_folder(&path).with_context(|| format!("list {}", path.display()))?;
            (path, newest)
        }
        _ => fetch(log, span, scratch).await.with_context(|| format!("fetch the log {log}"))?,
    };
    let paths = match event_files(&root, Some(span.days())) {
        Err(SequencesError::NoFiles { .. }) if span.from.is_some() => Vec::new(),
        found => found.or_exit(Exit::BadData).with_context(|| format!("find the log's files in {log}"))?,
    };
    Ok(Files { paths, newest_folder })
}

/// The newest whole day of a log of day folders; `None` where there is none yet. What lies before `known`, a day that is
/// whole, is not listed.
pub(crate) async fn newest_whole_day(log: &Url, known: Option<Day>) -> anyhow::Result<Option<Day>> {
    let known_folder = known.map(|day| format!("day={day}"));
    let entries = Bucket::open(log).or_store_exit()?.list_after("", known_folder.as_deref()).await;
    let entries = entries.or_store_exit().with_context(|| format!("list the log {log}"))?;
    Ok(dayvec_sequences::newest_whole_day(entries.iter().map(|entry| entry.key.as_str())).max(known))
}

fn newest_day_folder(root: &Path) -> std::io::Result<Option<Day>> {
    if !root.is_dir() {
        return Ok(None);
    }
    let entries: Vec<_> = std::fs::read_dir(root)?.collect::<Result<_, _>>()?;
    Ok(entries.iter().filter_map(|entry| day_of_folder(entry.file_name().to_str()?)).max())
}

/// Copy what `span` may need of a remote log to `scratch`; the file or folder that now stands for the log, and the
/// newest of its day folders.
async fn fetch(log: &Url, span: Span, scratch: &Path) -> anyhow::Result<(PathBuf, Option<Day>)> {
    let root = scratch.join("events");
    let name = log.path_segments().and_then(|mut segments| segments.next_back()).unwrap_or_default();
    if name.ends_with(".parquet") || name.ends_with(".csv") {
        let folder = log.join(".").context("the folder of the log")?;
        let file = root.join(name);
        Bucket::open(&folder).or_store_exit()?.fetch(name, &file).await.or_store_exit()?;
        return Ok((file, None));
    }
    let bucket = Bucket::open(log).or_store_exit()?;
    std::fs::create_dir_all(&root)?;
    let mut newest = None;
    for entry in bucket.list("").await.or_store_exit()? {
        newest = newest.max(entry.key.split_once('/').and_then(|(folder, _)| day_of_folder(folder)));
        if wanted(&entry.key, span) {
            bucket.fetch(&entry.key, &root.join(&entry.key)).await.or_store_exit()?;
        }
    }
    Ok((root, newest))
}

/// Whether an object of the log belongs to the span: by its day folder, if it is in one.
fn wanted(key: &str, span: Span) -> bool {
    let (from, to) = span.days();
    match key.split_once('/').map(|(folder, _)| day_of_folder(folder)) {
        None => true,
        Some(Some(day)) => from <= day && day <= to,
        Some(None) => false,
    }
}

/// What a run reads of the log.
pub(crate) struct Events {
    /// Actions of the span, per user.
    pub(crate) sequences: Sequences,
    /// What was read, and what was bad about it; `None` when there was no file.
    pub(crate) report: Option<ReadReport>,
    /// The last day that the log is known to reach.
    reaches: Option<Day>,
}

impl Events {
    /// Refuse a day that has not come yet in the log: its snapshot would carry everybody, and then stand in the way
    /// of the days before it. A quiet day in the middle of a log is no such day.
    pub(crate) fn check_reach(&self, day: Day) -> anyhow::Result<()> {
        if self.reaches.is_some_and(|last| last >= day) {
            return Ok(());
        }
        let found = match self.reaches {
            Some(last) => format!("it ends on {last}"),
            None => "nothing is there of these days".to_owned(),
        };
        let error = anyhow::anyhow!(
            "the log has no event of {day} or later: {found}. Run again when the day's events are there, or use \
             --force to publish {day} without any"
        );
        Err(error).or_exit(Exit::Unavailable)
    }
}

/// How to read.
pub(crate) struct Reading<'a> {
    pub(crate) schema: &'a EventSchema,
    pub(crate) span: Span,
    /// Actions to keep of each user.
    pub(crate) depth: usize,
    pub(crate) max_bad_share: f64,
    pub(crate) quarantine: PathBuf,
}

impl Reading<'_> {
    /// Read `files`.
    pub(crate) fn read(self, files: &Files) -> anyhow::Result<Events> {
        let nothing = || Events {
            sequences: Sequences { offsets: vec![0], ..Sequences::default() },
            report: None,
            reaches: files.newest_folder,
        };
        if files.paths.is_empty() {
            return Ok(nothing());
        }
        let options = ReadOptions {
            from_s: self.span.days().0.start_s(),
            until_s: self.span.to.end_s(),
            max_bad_share: self.max_bad_share,
            quarantine: Some(self.quarantine),
        };
        let mut builder = SequenceBuilder::new(self.schema, options).or_exit(Exit::BadData)?;
        let finished = builder
            .push_files(&files.paths)
            .and_then(|()| builder.finish(Keep { newest: Some(self.depth), look_back_days: None }));
        match finished {
            Err(SequencesError::EmptyLog { .. }) if self.span.from.is_some() => Ok(nothing()),
            finished => {
                let (sequences, report) = finished.or_exit(Exit::BadData).context("read the log")?;
                let reaches = files.newest_folder.max(report.newest_s.map(Day::of_timestamp));
                Ok(Events { sequences, report: Some(report), reaches })
            }
        }
    }
}

/// Digest of what sequences say, whichever files said it.
pub(crate) fn digest_of(sequences: &Sequences) -> String {
    let mut hasher = blake3::Hasher::new();
    let actions = &sequences.actions;
    for user in 0..sequences.n_users() {
        let id = sequences.users.get(user);
        hasher.update(&(id.len() as u64).to_le_bytes()).update(id.as_bytes());
        let range = sequences.range(user);
        hasher.update(&(range.len() as u64).to_le_bytes());
        for at in range {
            let item = sequences.items.ids().get(actions.item[at] as usize);
            let surface = actions.surface.get(at).map_or(0, |&surface| surface);
            let surface =
                usize::from(surface).checked_sub(1).map_or("", |row| sequences.surfaces[row].as_str());
            for text in [item, surface] {
                hasher.update(&(text.len() as u32).to_le_bytes()).update(text.as_bytes());
            }
            hasher.update(&[actions.action_type[at]]);
            hasher.update(&actions.timestamp[at].to_le_bytes());
            hasher.update(&actions.event_key[at].to_le_bytes());
            hasher.update(&actions.duration_s.get(at).map_or([0; 4], |seconds| seconds.to_le_bytes()));
        }
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

/// Rows of the users of each bucket.
pub(crate) fn partition(sequences: &Sequences, n_buckets: u32) -> Vec<Vec<usize>> {
    let mut buckets = vec![Vec::new(); n_buckets as usize];
    for (user, id) in sequences.users.iter().enumerate() {
        buckets[dayvec_core::bucket_of(id, n_buckets) as usize].push(user);
    }
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_days_of_the_span_are_fetched() {
        let span = Span { from: Some("2011-12-01".parse().unwrap()), to: "2011-12-02".parse().unwrap() };
        for (key, expected) in [
            ("day=2011-11-30/a.parquet", false),
            ("day=2011-12-01/a.parquet", true),
            ("day=2011-12-02/b/a.parquet", true),
            ("day=2011-12-03/a.parquet", false),
            ("old/a.parquet", false),
            ("a.parquet", true),
        ] {
            assert_eq!(wanted(key, span), expected, "{key}");
        }
    }

    #[test]
    fn the_digest_sees_every_column() {
        let mut sequences = Sequences {
            users: ["u"].into_iter().collect(),
            offsets: vec![0, 1],
            surfaces: vec!["home".into(), "search".into()],
            ..Sequences::default()
        };
        sequences.items.intern("x");
        sequences.items.intern("y");
        let actions = &mut sequences.actions;
        (actions.item, actions.action_type, actions.timestamp) = (vec![0], vec![0], vec![7]);
        (actions.positive, actions.event_key, actions.surface) = (vec![true], vec![1], vec![1]);
        let mut digests = vec![digest_of(&sequences)];
        let changes: [fn(&mut Sequences); 6] = [
            |changed| changed.users = ["v"].into_iter().collect(),
            |changed| changed.actions.item = vec![1],
            |changed| changed.actions.action_type = vec![1],
            |changed| changed.actions.timestamp = vec![8],
            |changed| changed.actions.surface = vec![2],
            |changed| changed.actions.event_key = vec![2],
        ];
        for change in changes {
            let mut changed = sequences.clone();
            change(&mut changed);
            digests.push(digest_of(&changed));
        }
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), 7);
    }
}
