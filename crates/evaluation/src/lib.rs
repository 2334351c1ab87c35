//! dayvec-evaluation
