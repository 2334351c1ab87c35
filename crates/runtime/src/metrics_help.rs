//! The help text of every metric: what docs/metrics.md says it means, which stays its one place.

use metrics::{describe_counter, describe_gauge, describe_histogram};

const DOCUMENT: &str = include_str!("../../../docs/metrics.md");

/// A metric as the document lists it.
#[derive(Debug, PartialEq)]
struct Listed<'a> {
    name: &'a str,
    kind: &'a str,
    meaning: &'a str,
}

/// Tell the recorder what each metric means.
pub(crate) fn describe_all() {
    for Listed { name, kind, meaning } in listed(DOCUMENT) {
        // The names are slices of a constant, and so are the texts.
        match kind {
            "counter" => describe_counter!(name, meaning),
            "gauge" => describe_gauge!(name, meaning),
            _ => describe_histogram!(name, meaning),
        }
    }
}

/// The rows `| name | type | labels | unit | meaning |` of a document.
fn listed(document: &'static str) -> impl Iterator<Item = Listed<'static>> {
    document.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        let &[name, kind, _, _, meaning] = &cells[..] else { return None };
        let name = name.strip_prefix('`')?.strip_suffix('`')?;
        ["counter", "gauge", "histogram"].contains(&kind).then_some(Listed { name, kind, meaning })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_document_is_read() {
        let rows =
            DOCUMENT.lines().filter(|line| line.starts_with("| `") && line.matches(" | ").count() >= 4);
        let listed: Vec<_> = listed(DOCUMENT).collect();
        assert_eq!(listed.len(), rows.count());
        let build = listed.iter().find(|metric| metric.name == "build_info").unwrap();
        assert_eq!((build.kind, build.meaning), ("gauge", "always 1; says which version runs"));
        assert!(listed.iter().all(|metric| !metric.meaning.is_empty()));
    }
}
