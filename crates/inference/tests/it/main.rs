//! Daily runs over a small shop, on local disk.
#![allow(missing_docs, reason = "tests")]

mod carrying;
mod refusals;
mod resuming;
mod shop;
