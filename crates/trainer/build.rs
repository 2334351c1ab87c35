//! Tells the program which commit it is built from, for `trainer report`: `DAYVEC_COMMIT`, where the source is a Git
//! checkout. Nothing else depends on it, and a build without Git is not an error.

use std::process::Command;

/// What the programs are built from, relative to this crate.
const SOURCES: [&str; 5] =
    ["../../crates", "../../config", "../../proto", "../../Cargo.toml", "../../Cargo.lock"];

fn main() {
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
    }
    // HEAD says which branch is checked out, and that branch's own file or `packed-refs` which commit it is at.
    let branch = git(&["symbolic-ref", "-q", "HEAD"]);
    for file in ["HEAD"].into_iter().chain(branch.as_deref()) {
        if let Some(path) =
            git(&["rev-parse", "--git-path", file]).filter(|path| std::path::Path::new(path).exists())
        {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).map(|commit| {
        let status = git(&[&["status", "--porcelain", "--"], &SOURCES[..]].concat());
        if status.is_some() { format!("{commit} with uncommitted changes") } else { commit }
    });
    println!(
        "cargo:rustc-env=DAYVEC_COMMIT={}",
        commit.as_deref().unwrap_or("unknown (not built from a Git checkout)")
    );
}

/// What a command of Git prints; `None` where it prints nothing or fails.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| output.status.success() && !text.is_empty())
}
