//! Where a bucket is, written as a path or a URL.

use std::path::{Component, Path, PathBuf};

use object_store::ObjectStoreScheme;
use object_store::path::Path as Prefix;
use url::Url;

/// A path or a URL as the URL of a bucket. A plain path (`./bucket`, `/data/bucket`) becomes a `file:///` URL, relative
/// ones from the working directory.
///
/// # Errors
/// One sentence, fit for a list of configuration faults: the text is no URL, or its scheme is of no store that can be
/// opened.
pub fn parse_url(text: &str) -> Result<Url, String> {
    if text.trim().is_empty() {
        return Err("is empty; write a path or a URL such as s3://bucket/prefix".to_owned());
    }
    if text.contains("://") {
        let url = Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"))?;
        return scheme(&url).map(|_| url).map_err(|fault| format!("cannot open `{text}`: {fault}"));
    }
    if let Some(scheme) = scheme_without_slashes(text) {
        let rest = text[scheme.len() + 1..].trim_start_matches('/');
        return Err(format!(
            "`{text}` is neither a path nor a URL; write {scheme}://{rest}, or ./{text} for a folder of this name"
        ));
    }
    let absolute = std::path::absolute(text).map_err(|error| format!("`{text}` is not a path: {error}"))?;
    Url::from_file_path(without_dots(&absolute)).map_err(|()| format!("`{text}` is not a path"))
}

/// The kind of store that a URL names, and the prefix inside it; or what to write instead.
pub(crate) fn scheme(url: &Url) -> Result<(ObjectStoreScheme, Prefix), String> {
    match ObjectStoreScheme::parse(url) {
        Ok((ObjectStoreScheme::Http, _)) => {
            Err("a web address is not an object store; use s3://, gs:// or az://".into())
        }
        Ok(known) => Ok(known),
        Err(_) => Err("write a folder, or a URL of the form file:///folder, s3://bucket/prefix, \
                       gs://bucket/prefix, az://container/prefix or memory:///"
            .into()),
    }
}

/// The `s3` of `s3:/bucket` and `s3:bucket`, which is no path that somebody means.
fn scheme_without_slashes(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    is_scheme.then_some(scheme)
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
        for url in ["s3://b/prefix", "gs://b/p", "az://c/p", "memory:///", "file:///data/b"] {
            assert_eq!(parse_url(url).unwrap().as_str(), url);
        }
        for path in ["./s3:/b", "data/12:30"] {
            assert_eq!(parse_url(path).unwrap(), Url::from_file_path(here.join(path)).unwrap());
        }
    }

    #[test]
    fn what_names_no_store_is_refused_with_what_to_write() {
        for (text, expected) in [
            ("", "empty"),
            ("s3://[", "not a URL"),
            ("s3:/b/prefix", "write s3://b/prefix"),
            ("gs:b", "write gs://b"),
            ("s4://b/prefix", "s3://bucket/prefix"),
            ("https://example.com/b", "not an object store"),
        ] {
            let fault = parse_url(text).unwrap_err();
            assert!(fault.contains(expected), "{text}: {fault}");
        }
    }
}
