//! References that are computed by Python, with NumPy and SciPy.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What a script of this folder prints as JSON when it is given JSON on its stdin.
pub(crate) fn run(script: &str, given: &Value) -> Value {
    let python = std::env::var("DAYVEC_TEST_PYTHON")
        .expect("DAYVEC_TEST_PYTHON names a Python with NumPy and SciPy; scripts/test.sh sets it up");
    let mut child = Command::new(python)
        .arg(format!("{}/tests/it/{script}", env!("CARGO_MANIFEST_DIR")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python runs");
    child.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{script} failed; its message is above");
    serde_json::from_slice(&output.stdout).unwrap()
}
