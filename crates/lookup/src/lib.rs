//! dayvec-lookup
