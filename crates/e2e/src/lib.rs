//! The whole road in tests: events → train → daily runs → lookup → client, on local disk and on a real S3 server.
//!
//! There is nothing here but `tests/it`, and copies of the programs for it to kill. The tests on S3 need the server that
//! `scripts/test.sh` starts; without it they say so, and fail.
