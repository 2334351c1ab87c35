//! dayvec-proto
