//! dayvec-snapshot
