//! A snapshot: one embedding a user (and an item) as of a day, written once, checked, then pointed at.
//!
//! [`Publisher`] writes parts, marks them done, lists them in a [`Manifest`], and makes that current with an
//! [`Announcement`]: the one commit point. Readers start at [`newest_announcement`], follow it with
//! [`read_manifest`], and take parts that match their digests. Every record is created if absent, so two publishers
//! of one run are harmless, a run that is killed at any instant is completed by the next attempt, and nothing is
//! overwritten.
//!
//! ```text
//! snapshots/<day>/<run_id>/users/bucket=NNNN-<attempt>.parquet   attempt-unique; rows sorted by (hash of id, id)
//! snapshots/<day>/<run_id>/items/part-NNNN-<attempt>.parquet     attempt-unique; the item table's order
//! snapshots/<day>/<run_id>/done/NNNN.json, items-NNNN.json       a Part: which attempt counts, and its digest
//! snapshots/<day>/<run_id>/manifest.json                         a Manifest
//! announcements/<20 digits>.json                                 an Announcement
//! ```
//!
//! The format, with how to read it from elsewhere, is in docs/snapshot-format.md.

mod announcement;
mod error;
mod layout;
mod manifest;
mod part;
mod publisher;
mod reader;
mod table;

pub use announcement::{
    Announcement, Reason, announce, announcements, announcements_after, last_announcements,
    newest_announcement,
};
pub use error::SnapshotError;
pub use layout::{ANNOUNCEMENTS, Layout, RunId, SNAPSHOTS};
pub use manifest::{ElementType, Manifest, RunDescription, SNAPSHOT_FORMAT_VERSION, Totals};
pub use part::{ItemEmbeddings, Part};
pub use publisher::Publisher;
pub use reader::{
    decode_items_part, decode_users_part, read_items, read_items_part, read_manifest, read_users_part,
};
