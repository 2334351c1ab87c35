//! A bucket: keys and bytes in any object store, opened by URL, where nothing is ever overwritten.
//!
//! Training, the daily run and the lookup hand work to each other through a [`Bucket`], so it offers just what their
//! protocol needs: read, list, and *create-if-absent*. Local disk, S3, GCS and Azure support the latter natively;
//! [`Bucket::probe_create`] refuses a store that does not. [`Log`] is an append-only log of JSON records.
//!
//! Options come from the environment under each store's usual names: `AWS_ENDPOINT_URL`, `AWS_REGION`,
//! `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_ALLOW_HTTP`, …, `GOOGLE_…`, `AZURE_…`.
//!
//! ```
//! # async fn example() -> Result<(), dayvec_bucket::BucketError> {
//! use dayvec_bucket::{Bucket, Created};
//!
//! let bucket = Bucket::open(&"memory:///".parse().expect("a URL"))?;
//! assert_eq!(bucket.put_new("a/key", "first".into()).await?, Created::Yes);
//! assert_eq!(bucket.put_new("a/key", "second".into()).await?, Created::AlreadyThere);
//! assert_eq!(bucket.get("a/key").await?, "first");
//! # Ok(())
//! # }
//! ```

mod bucket;
mod error;
mod files;
mod local_create;
mod location;
mod log;
mod open;

pub use bucket::{Bucket, Created, Entry, unique_name};
pub use error::BucketError;
pub use location::parse_url;
pub use log::{Append, DamagedRecord, Log, Record, Records, Tail};
