//! `dayvec synth` as its readers see it: files on disk.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod synth;
