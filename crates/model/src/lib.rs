//! dayvec-model
