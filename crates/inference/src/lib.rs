//! dayvec-inference
