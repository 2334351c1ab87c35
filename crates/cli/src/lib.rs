//! dayvec-cli
