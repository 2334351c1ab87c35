//! The whole road in tests: events → train → daily runs → lookup → client, on local disk and on a real S3 server.
//!
//! There is nothing here but `tests/it`. The tests on S3 need the server that `scripts/test.sh` starts, and the tests
//! that kill a program need the programs built; both say so, and fail.
