//! dayvec-items
