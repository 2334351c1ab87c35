//! dayvec-trainer
