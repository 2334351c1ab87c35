//! dayvec-e2e
