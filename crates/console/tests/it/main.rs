//! The status page as a browser meets it: over HTTP, made from a bucket on disk and from services that may be down.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod faults;
mod html;
mod pages;
mod replica;
mod world;
