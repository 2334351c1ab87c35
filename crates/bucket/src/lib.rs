//! dayvec-bucket
