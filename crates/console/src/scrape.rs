//! Another program's `/metrics`: fetched over plain HTTP, read as Prometheus text.
//!
//! HTTP/1.0 with the connection closed after the answer: all that a scrape needs, without a client library.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

use crate::outage::Outage;

/// Larger pages are cut off: ours are some tens of kilobytes.
const MOST_BYTES: u64 = 4 << 20;

/// Everything that a program exports at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Scrape(Vec<Sample>);

#[derive(Debug, Clone, PartialEq)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Scrape {
    /// Fetch and read a page of metrics.
    pub(crate) async fn fetch(url: &Url, timeout: Duration) -> Result<Self, Outage> {
        let outage = |reason: String| Outage::said(url.as_str(), reason);
        match tokio::time::timeout(timeout, get(url)).await {
            Err(_) => Err(outage(format!("no answer within {timeout:?}"))),
            Ok(Err(error)) => Err(outage(error.to_string())),
            Ok(Ok(answer)) => body(&answer).map(Self::parse).map_err(outage),
        }
    }

    fn parse(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect())
    }

    /// Sum of the samples of a metric whose labels include `labels`; `None` where there is no such sample.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |sample: &&Sample| {
            sample.name == name && labels.iter().all(|&(label, value)| sample.label(label) == Some(value))
        };
        let mut samples = self.0.iter().filter(fits).peekable();
        samples.peek()?;
        Some(samples.map(|sample| sample.value).sum())
    }

    /// A metric's samples as (value of `label`, value), in the order of the page.
    pub(crate) fn by_label<'a>(
        &'a self,
        name: &'a str,
        label: &'a str,
    ) -> impl Iterator<Item = (&'a str, f64)> + 'a {
        let samples = self.0.iter().filter(move |sample| sample.name == name);
        samples.filter_map(move |sample| Some((sample.label(label)?, sample.value)))
    }

    /// Upper edge of the bucket of a histogram that holds the quantile, over all its labels; infinite beyond the last
    /// edge, `None` before the first observation.
    pub(crate) fn quantile_edge(&self, histogram: &str, quantile: f64) -> Option<f64> {
        let mut edges: Vec<(f64, f64)> = Vec::new();
        for (edge, so_far) in self.by_label(&format!("{histogram}_bucket"), "le") {
            let edge = if edge == "+Inf" { f64::INFINITY } else { edge.parse().ok()? };
            match edges.iter_mut().find(|(known, _)| *known == edge) {
                Some((_, sum)) => *sum += so_far,
                None => edges.push((edge, so_far)),
            }
        }
        edges.sort_by(|a, b| a.0.total_cmp(&b.0));
        let total = edges.last().map(|&(_, sum)| sum).filter(|&total| total > 0.0)?;
        edges.into_iter().find(|&(_, sum)| sum >= quantile * total).map(|(edge, _)| edge)
    }
}

impl Sample {
    fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }
}

async fn get(url: &Url) -> std::io::Result<String> {
    let host = url.host_str().unwrap_or_default();
    let address = (host.trim_matches(['[', ']']), url.port_or_known_default().unwrap_or(80));
    let mut stream = TcpStream::connect(address).await?;
    let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
    let request = format!("GET {}{query} HTTP/1.0\r\nHost: {host}\r\nAccept: text/plain\r\n\r\n", url.path());
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(MOST_BYTES).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn body(answer: &str) -> Result<&str, String> {
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("this is no answer of a web server")?;
    let status = head.lines().next().unwrap_or_default();
    match status.split(' ').nth(1) {
        Some("200") => Ok(body),
        _ => Err(format!("it answers `{status}`")),
    }
}

/// `name{label="value",…} 1.5`.
fn sample(line: &str) -> Option<Sample> {
    let (name, rest) = line.split_at(line.find(['{', ' '])?);
    let mut labels = Vec::new();
    let mut rest = rest.strip_prefix('{').unwrap_or(rest);
    if line.as_bytes().get(name.len()) == Some(&b'{') {
        loop {
            rest = rest.trim_start_matches(',');
            if let Some(after) = rest.strip_prefix('}') {
                rest = after;
                break;
            }
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.push((label.to_owned(), value));
            rest = after;
        }
    }
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// A label's value up to its closing quote, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match letters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# TYPE embedding_lookup_total counter\n\
        embedding_lookup_total{result=\"hit\"} 90\n\
        embedding_lookup_total{result=\"miss\"} 10\n\
        call_seconds_bucket{m=\"a\",le=\"0.001\"} 98\n\
        call_seconds_bucket{m=\"a\",le=\"0.01\"} 99\n\
        call_seconds_bucket{m=\"a\",le=\"+Inf\"} 99\n\
        call_seconds_bucket{m=\"b\",le=\"0.001\"} 0\n\
        call_seconds_bucket{m=\"b\",le=\"0.01\"} 0\n\
        call_seconds_bucket{m=\"b\",le=\"+Inf\"} 1\n\
        disk_free_bytes{folder=\"/a \\\"b\\\",\\n}\"} 5e9\n\
        plain 2\nnonsense{\nrubbish\n";

    #[test]
    fn a_page_is_read_with_its_labels() {
        let scrape = Scrape::parse(PAGE);
        assert_eq!(scrape.sum("embedding_lookup_total", &[]), Some(100.0));
        assert_eq!(scrape.sum("embedding_lookup_total", &[("result", "miss")]), Some(10.0));
        assert_eq!(scrape.sum("embedding_lookup_total", &[("result", "fallback")]), None);
        assert_eq!(scrape.sum("plain", &[]), Some(2.0));
        assert_eq!(scrape.by_label("disk_free_bytes", "folder").collect::<Vec<_>>(), [("/a \"b\",\n}", 5e9)]);
    }

    #[test]
    fn a_quantile_lies_in_a_bucket_over_all_labels() {
        let scrape = Scrape::parse(PAGE);
        assert_eq!(scrape.quantile_edge("call_seconds", 0.98), Some(0.001));
        assert_eq!(scrape.quantile_edge("call_seconds", 0.99), Some(0.01));
        assert_eq!(scrape.quantile_edge("call_seconds", 1.0), Some(f64::INFINITY));
        assert_eq!(scrape.quantile_edge("nothing", 0.5), None);
    }

    #[test]
    fn only_a_good_answer_is_read() {
        assert_eq!(body("HTTP/1.1 200 OK\r\na: b\r\n\r\nx 1\n"), Ok("x 1\n"));
        assert!(body("HTTP/1.1 404 Not Found\r\n\r\n").unwrap_err().contains("404"));
        assert!(body("SSH-2.0").is_err());
    }
}
