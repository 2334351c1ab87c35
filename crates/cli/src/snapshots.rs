//! `dayvec snapshots`: what was announced in a bucket, and which snapshot is current.

use std::collections::BTreeMap;

use anyhow::Context as _;
use dayvec_bucket::{Bucket, parse_url};
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

/// An announcement, and its manifest unless that can't be read.
struct Listed {
    announcement: Announcement,
    manifest: Option<Manifest>,
}

/// Read the bucket, and print the list to stdout.
///
/// # Errors
/// With exit code 69 when the bucket is unavailable, 64 when it can't be opened, 65 when an announcement is damaged.
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
    let mut announced = announcements(bucket).await?;
    announced.drain(..announced.len().saturating_sub(last));
    let mut manifests: BTreeMap<String, Option<Manifest>> = BTreeMap::new();
    let mut listed = Vec::with_capacity(announced.len());
    for announcement in announced {
        if !manifests.contains_key(&announcement.manifest) {
            let manifest = match read_manifest(bucket, &announcement.manifest).await {
                Ok(manifest) => Some(manifest),
                Err(error) if error.kind() == FaultKind::Data => None,
                Err(error) => return Err(error),
            };
            manifests.insert(announcement.manifest.clone(), manifest);
        }
        let manifest = manifests[&announcement.manifest].clone();
        listed.push(Listed { announcement, manifest });
    }
    Ok(listed)
}

fn text(listed: &[Listed], bucket: &str) -> String {
    if listed.is_empty() {
        return format!("no snapshot is announced in {bucket}; `inference run` publishes one\n");
    }
    let header =
        ["", "number", "at", "reason", "by", "snapshot", "users", "items", "model"].map(str::to_owned);
    let mut rows = vec![header];
    for (at, Listed { announcement, manifest }) in listed.iter().enumerate() {
        let mark = if at + 1 == listed.len() { "→" } else { "" };
        let record = serde_json::to_value(announcement).unwrap_or_default();
        let field = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
        let [snapshot, users, items, model] = match manifest {
            Some(manifest) => [
                manifest.snapshot_id.clone(),
                manifest.totals.users.to_string(),
                manifest.totals.items.to_string(),
                manifest.model_id.clone(),
            ],
            None => [
                format!("{} can't be read", announcement.manifest),
                String::new(),
                String::new(),
                String::new(),
            ],
        };
        let number = announcement.sequence.to_string();
        rows.push([
            mark.into(),
            number,
            field("at"),
            field("reason"),
            field("by"),
            snapshot,
            users,
            items,
            model,
        ]);
    }
    table(&rows)
}

fn json(listed: &[Listed]) -> String {
    let rows: Vec<_> = listed
        .iter()
        .map(|Listed { announcement, manifest }| serde_json::json!({"announcement": announcement, "manifest": manifest}))
        .collect();
    format!("{:#}\n", serde_json::Value::Array(rows))
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
    fn an_empty_bucket_says_what_fills_it() {
        assert!(text(&[], "./bucket").contains("inference run"));
    }
}
