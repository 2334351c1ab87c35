//! Many trainings of one log that differ in a few settings: a matrix of ablations, or a search.
//!
//! A trial is [`crate::train()`] into a bucket of its own kind, `<work_dir>/trials/bucket`, so that nothing of it can be
//! served. Its name is a digest of all that decides its weights: a trial that was done is never done again, whichever
//! matrix asks for it, and one that was killed goes on from its last checkpoint. What every trial gave is a line of
//! `runs.jsonl`.

mod ablate;
mod matrix;
mod record;
mod search;
mod table;
mod trial;
mod tune;

pub(crate) use ablate::TABLE;
pub use ablate::{Ablation, ablate};
pub use matrix::{Matrix, MatrixRow, PaperFigures};
pub(crate) use record::RECORDS;
pub use record::TrialRecord;
pub use trial::Trials;
pub(crate) use tune::BEST;
pub use tune::{Space, Tuned, tune};
