//! `dayvec snapshots`: what was announced in a bucket, and which snapshot is current.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use dayvec_bucket::{Bucket, DamagedRecord, Records, parse_url};
use dayvec_runtime::{Fault as _, FaultKind, OrFault as _, WithFault as _, exit};
use dayvec_snapshot::{Announcement, Manifest, SnapshotError, announcements, read_manifest};

use crate::table::table;

/// List the announced snapshots, oldest first; the last one is current.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The bucket: a folder, or s3://, gs://, az://.
    #[arg(long, default_value = "./bucket", value_name = "PLACE")]
    pub bucket: String,
    /// Maximum number of announcements to list, the newest ones.
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = at_least_one)]
    pub last: usize,
    /// Print JSON: one object per announcement, with its manifest.
    #[arg(long)]
    pub json: bool,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..) => Ok(number),
        _ => Err("must be a whole number from 1 on".to_owned()),
    }
}

/// A record of the log of announcements.
enum Listed {
    /// An announcement, and its manifest unless that can't be read.
    Whole { announcement: Announcement, manifest: Option<Arc<Manifest>> },
    /// One that can't be used; readers pass over it.
    Damaged(DamagedRecord),
}

impl Listed {
    const fn number(&self) -> u64 {
        match self {
            Self::Whole { announcement, .. } => announcement.sequence,
            Self::Damaged(record) => record.number,
        }
    }
}

/// Read the bucket, and print the list to stdout.
///
/// # Errors
/// With exit code 69 when the bucket is unavailable, 64 when it can't be opened.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let url = parse_url(&args.bucket)
        .map_err(|fault| anyhow::anyhow!("--bucket: {fault}"))
        .fault(FaultKind::Configuration)?;
    if let Ok(folder) = url.to_file_path()
        && !folder.is_dir()
    {
        let absent = anyhow::anyhow!("--bucket: the folder {} does not exist", folder.display());
        return Err(absent).fault(FaultKind::Configuration);
    }
    let bucket = Bucket::open(&url).or_fault()?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    let listed = runtime.block_on(list(&bucket, args.last)).or_fault().context("list the announcements")?;
    let text = if args.json { json(&listed) } else { text(&listed, &args.bucket) };
    exit::print(&text).context("write the list")
}

async fn list(bucket: &Bucket, last: usize) -> Result<Vec<Listed>, SnapshotError> {
    let Records { whole, damaged } = announcements(bucket).await?;
    let whole = whole.into_iter().map(|announcement| Listed::Whole { announcement, manifest: None });
    let mut listed: Vec<Listed> = whole.chain(damaged.into_iter().map(Listed::Damaged)).collect();
    listed.sort_by_key(Listed::number);
    listed.drain(..listed.len().saturating_sub(last));
    let mut manifests: BTreeMap<String, Option<Arc<Manifest>>> = BTreeMap::new();
    for one in &mut listed {
        let Listed::Whole { announcement, manifest } = one else { continue };
        if !manifests.contains_key(&announcement.manifest) {
            let read = match read_manifest(bucket, &announcement.manifest).await {
                Ok(manifest) => Some(Arc::new(manifest)),
                Err(error) if error.kind() == FaultKind::Data => None,
                Err(error) => return Err(error),
            };
            manifests.insert(announcement.manifest.clone(), read);
        }
        *manifest = manifests[&announcement.manifest].clone();
    }
    Ok(listed)
}

fn text(listed: &[Listed], bucket: &str) -> String {
    if listed.is_empty() {
        return format!("no snapshot is announced in {bucket}; `inference run` publishes one\n");
    }
    let header =
        ["", "number", "at", "reason", "by", "snapshot", "users", "items", "model"].map(str::to_owned);
    let current = listed.iter().rposition(|one| matches!(one, Listed::Whole { .. }));
    let mut rows = vec![header];
    for (at, one) in listed.iter().enumerate() {
        let mark = if Some(at) == current { "→".to_owned() } else { String::new() };
        let number = one.number().to_string();
        rows.push(match one {
            Listed::Whole { announcement, manifest } => row(mark, number, announcement, manifest.as_deref()),
            Listed::Damaged(record) => {
                let [empty_at, empty_reason, empty_by, users, items, model] = Default::default();
                let what = format!("damaged, readers pass over it: {}", record.reason);
                [mark, number, empty_at, empty_reason, empty_by, what, users, items, model]
            }
        });
    }
    table(&rows)
}

fn row(
    mark: String,
    number: String,
    announcement: &Announcement,
    manifest: Option<&Manifest>,
) -> [String; 9] {
    let record = serde_json::to_value(announcement).unwrap_or_default();
    let field = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
    let [snapshot, users, items, model] = match manifest {
        Some(manifest) => [
            manifest.snapshot_id.clone(),
            manifest.totals.users.to_string(),
            manifest.totals.items.to_string(),
            manifest.model_id.clone(),
        ],
        None => {
            [format!("{} can't be read", announcement.manifest), String::new(), String::new(), String::new()]
        }
    };
    [mark, number, field("at"), field("reason"), field("by"), snapshot, users, items, model]
}

fn json(listed: &[Listed]) -> String {
    let row = |one: &Listed| match one {
        Listed::Whole { announcement, manifest } => {
            serde_json::json!({"announcement": announcement, "manifest": manifest.as_deref()})
        }
        Listed::Damaged(record) => {
            serde_json::json!({"damaged": {"sequence": record.number, "reason": record.reason}})
        }
    };
    format!("{:#}\n", serde_json::Value::Array(listed.iter().map(row).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_folder_is_not_an_empty_bucket() {
        let folder = tempfile::tempdir().unwrap();
        let ask = |bucket: &std::path::Path| {
            run(&Args { bucket: bucket.display().to_string(), last: 20, json: false })
        };
        ask(folder.path()).unwrap();
        let error = ask(&folder.path().join("nowhere")).unwrap_err();
        assert_eq!(dayvec_runtime::exit::code(&error), 64);
        assert!(format!("{error:#}").contains("nowhere"), "{error:#}");
    }

    #[test]
    fn a_damaged_announcement_is_marked_among_the_others() {
        let bucket = Bucket::open(&"memory:///".parse().unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let good = r#"{"sequence": 1, "manifest": "snapshots/2011-12-09/a/manifest.json", "previous": null,
            "reason": "publish", "at": "2011-12-10T00:00:00Z", "by": "a test"}"#;
        let listed = runtime.block_on(async {
            for (number, bytes) in [(1, good), (2, "{")] {
                let key = format!("announcements/{number:020}.json");
                bucket.put_new(&key, bytes.into()).await.unwrap();
            }
            list(&bucket, 20).await.unwrap()
        });
        let shown = text(&listed, "a bucket");
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[1].starts_with('→') && lines[1].contains("can't be read"), "{shown}");
        assert!(lines[2].contains("damaged, readers pass over it") && !lines[2].contains('→'), "{shown}");
        let rows: serde_json::Value = serde_json::from_str(&json(&listed)).unwrap();
        assert_eq!(rows[1]["damaged"]["sequence"], 2, "{rows}");
    }

    #[test]
    fn an_empty_bucket_says_what_fills_it() {
        assert!(text(&[], "./bucket").contains("inference run"));
    }
}
