//! `dayvec synth` as its readers see it: files on disk.

#![allow(missing_docs, reason = "tests")]

mod synth;
