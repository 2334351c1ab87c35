//! Values that a configuration writes as text: durations ("30s") and places ("./bucket", "s3://b/prefix").

use std::path::{Component, Path, PathBuf};

use url::Url;

/// Serde for [`std::time::Duration`] written as "30s", "5m", "1h 30m": `#[serde(with = "config::duration")]`.
pub mod duration {
    use std::fmt;
    use std::time::Duration;

    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    /// Write a duration.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_duration(*value))
    }

    /// Read a duration.
    ///
    /// # Errors
    /// When the text is not a duration with a unit.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        from.deserialize_str(FromText)
    }

    /// A visitor, so that a number without a unit is refused with the same hint.
    struct FromText;

    impl Visitor<'_> for FromText {
        type Value = Duration;

        fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
            to.write_str("a duration like 500ms, 30s or 5m")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
            humantime::parse_duration(text).map_err(|error| {
                E::custom(format!("`{text}` is not a duration ({error}); write it like 500ms, 30s or 5m"))
            })
        }
    }
}

/// A place as a URL. A plain path ("./bucket", "/data/bucket") becomes a `file:///` URL, relative ones from the working
/// directory.
///
/// # Errors
/// One sentence, fit for a list of faults.
pub fn parse_url(text: &str) -> Result<Url, String> {
    if text.trim().is_empty() {
        return Err("is empty; write a path or a URL such as s3://bucket/prefix".to_owned());
    }
    if text.contains("://") {
        return Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"));
    }
    let absolute = std::path::absolute(text).map_err(|error| format!("`{text}` is not a path: {error}"))?;
    Url::from_file_path(without_dots(&absolute)).map_err(|()| format!("`{text}` is not a path"))
}

/// `/a/b/../c/` → `/a/c`, by the text alone: the path need not exist yet.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_file_urls() {
        let here = std::env::current_dir().unwrap();
        let expected = Url::from_file_path(here.join("bucket")).unwrap();
        for text in ["bucket", "./bucket", "./x/../bucket/"] {
            assert_eq!(parse_url(text).unwrap(), expected, "{text}");
        }
        assert_eq!(parse_url("/data/b").unwrap().as_str(), "file:///data/b");
        assert_eq!(parse_url("s3://b/prefix").unwrap().as_str(), "s3://b/prefix");
        assert!(parse_url("").unwrap_err().contains("empty"));
        assert!(parse_url("s3://[").unwrap_err().contains("not a URL"));
    }
}
