//! Create-if-absent on a local file system without hard links (vfat, SMB, gcsfuse): a rename that refuses to replace.
//!
//! The store itself publishes a file by a hard link. Where the file system has none, a rename with `RENAME_NOREPLACE`
//! is as atomic; where it has neither, only a single publisher may look first and rename then. A file is whole when it
//! appears, and it must never replace another.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use url::Url;

/// Whether a write to a local store failed because the file system has no hard links.
pub(crate) fn lacks_hard_links(url: &Url, error: &object_store::Error) -> bool {
    let is_missing = |errno| [Errno::PERM, Errno::OPNOTSUPP, Errno::NOSYS].contains(&errno);
    url.scheme() == "file" && errno_of(error).is_some_and(is_missing)
}

/// What the system said, if it was the system.
pub(crate) fn errno_of(error: &(dyn std::error::Error + 'static)) -> Option<Errno> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Errno::from_io_error(io);
        }
        cause = error.source();
    }
    None
}

/// Create the file at `path` with all of `bytes`, durably, unless there is one: whether it was created. `attempt` is a
/// number that no other attempt has.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`] where the file system can't do that and the caller is not `alone`, else what the
/// system says.
pub(crate) fn create(path: &Path, bytes: &[u8], attempt: u64, alone: bool) -> io::Result<bool> {
    // The store's listings leave out names with a number behind `#`, and so what is not whole.
    let mut staged = path.as_os_str().to_owned();
    staged.push(format!("#{attempt}"));
    let staged = Path::new(&staged);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let written = write(staged, bytes).and_then(|()| publish(staged, path, alone));
    if !matches!(written, Ok(true)) {
        // what happened to the file itself is what is reported
        let _gone = fs::remove_file(staged);
    }
    written
}

fn write(staged: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(staged)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn publish(staged: &Path, path: &Path, alone: bool) -> io::Result<bool> {
    match renameat_with(CWD, staged, CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Ok(false),
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if alone => {
            if path.exists() {
                return Ok(false);
            }
            fs::rename(staged, path)?;
        }
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Err(error) => return Err(error.into()),
    }
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all().map(|()| true),
        None => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_created_once_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/key.json");
        assert!(create(&path, b"first", 1, false).unwrap());
        for alone in [false, true] {
            assert!(!create(&path, b"second", 2, alone).unwrap());
        }
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn only_a_missing_hard_link_of_a_file_system_is_one() {
        let failed = |errno: Errno| {
            let source = Box::new(io::Error::from(errno));
            object_store::Error::Generic { store: "LocalFileSystem", source }
        };
        let (file, s3): (Url, Url) = ("file:///b".parse().unwrap(), "s3://b".parse().unwrap());
        for errno in [Errno::PERM, Errno::OPNOTSUPP] {
            assert!(lacks_hard_links(&file, &failed(errno)) && !lacks_hard_links(&s3, &failed(errno)));
        }
        for errno in [Errno::NOSPC, Errno::ACCESS, Errno::IO] {
            assert!(!lacks_hard_links(&file, &failed(errno)), "{errno}");
        }
        assert_eq!(errno_of(&failed(Errno::NOSPC)), Some(Errno::NOSPC));
    }
}
