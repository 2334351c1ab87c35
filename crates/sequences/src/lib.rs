//! dayvec-sequences
