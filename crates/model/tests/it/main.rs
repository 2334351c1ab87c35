//! The model from outside: leaks, padding, norms, resuming.

mod fixture;
mod numerics;
mod training;
