//! Item features as a caller meets them: files in, files out, and tables built from planted structure.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod building;
mod files;
mod item_text;
mod lists;
mod pinsage;
mod planted;
