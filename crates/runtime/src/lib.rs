//! dayvec-runtime
