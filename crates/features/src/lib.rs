//! No code: the features of third-party packages that only some of our crates enable.
//!
//! Cargo builds a package once for each set of features. Every crate has this one as a development dependency, so that
//! checking, testing or benchmarking a single crate (`cargo test -p dayvec-core`) selects the features that the whole
//! workspace selects, and builds nothing again. Programs do not link it: development dependencies are not part of them.
//!
//! `scripts/invariants.sh` proves it for each crate, and prints the packages that are missing in `Cargo.toml`.
