//! Another program's `/metrics`: fetched over HTTP or HTTPS, parsed as Prometheus text.

use std::time::Duration;

use anyhow::Context as _;
use prom_text_format_parser::{Metric, Sample, ScrapeParseError, ValueType, parse_scrape};
use reqwest::{Client, Response};
use url::Url;

use crate::outage::Outage;

/// Larger pages are refused: ours are some tens of kilobytes.
const MOST_BYTES: usize = 4 << 20;

/// A client for metrics pages: no redirects and no proxy, because the pages are near.
#[derive(Debug, Clone)]
pub(crate) struct Scraper {
    client: Client,
    timeout: Duration,
}

/// All metrics that a program exports, at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scrape(Vec<Metric>);

impl Scraper {
    /// # Errors
    /// When the system's CA certificates cannot be loaded.
    pub(crate) fn new(timeout: Duration) -> anyhow::Result<Self> {
        let client = Client::builder().timeout(timeout).redirect(reqwest::redirect::Policy::none());
        Ok(Self { client: client.no_proxy().build().context("create an HTTP client")?, timeout })
    }

    /// Fetch and parse a page of metrics.
    pub(crate) async fn fetch(&self, url: &Url) -> Result<Scrape, Outage> {
        let outage = |reason: String| Outage::new(url.as_str(), reason);
        let failed = |error: reqwest::Error| {
            if error.is_timeout() {
                outage(format!("no answer within {:?}", self.timeout))
            } else {
                Outage::from_error(url.as_str(), &error.without_url())
            }
        };
        let answer = self.client.get(url.clone()).send().await.map_err(failed)?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(outage(format!("it answers with status {}", answer.status())));
        }
        match body(answer).await.map_err(failed)? {
            Some(body) => Scrape::parse(&String::from_utf8_lossy(&body)).map_err(outage),
            None => Err(outage(format!("its answer is larger than {MOST_BYTES} bytes"))),
        }
    }
}

/// The body of an answer; `None` where it is too large.
async fn body(mut answer: Response) -> reqwest::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > MOST_BYTES {
            return Ok(None);
        }
    }
    Ok(Some(body))
}

impl Scrape {
    fn parse(text: &str) -> Result<Self, String> {
        // The parser wants at least one line; a program that has recorded nothing yet exports none.
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let (mut metrics, error) = parse_scrape(text);
        if let Some(ScrapeParseError::Parse(reason)) = error {
            return Err(format!("its answer is not Prometheus text: {}", reason.trim()));
        }
        let labels =
            metrics.iter_mut().flat_map(|metric| &mut metric.samples).flat_map(|one| one.labels.iter_mut());
        labels.for_each(|label| label.value = unescape(&label.value));
        Ok(Self(metrics))
    }

    /// Sum of a metric's samples whose labels include `labels`; `None` where there is no such sample.
    pub(crate) fn sum(&self, metric: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |one: &&Sample| labels.iter().all(|&(key, value)| label(one, key) == Some(value));
        let mut samples = self.samples(metric, ValueType::Sample).filter(fits).peekable();
        samples.peek()?;
        Some(samples.map(value).sum())
    }

    /// A metric's samples as (value of the label `key`, value), in the order of the page.
    pub(crate) fn by_label<'a>(
        &'a self,
        metric: &'a str,
        key: &'a str,
    ) -> impl Iterator<Item = (&'a str, f64)> + 'a {
        self.samples(metric, ValueType::Sample).filter_map(move |one| Some((label(one, key)?, value(one))))
    }

    /// Observations of a histogram over all its labels, and their sum.
    pub(crate) fn count_and_sum(&self, histogram: &str) -> (f64, f64) {
        let total = |kind| self.samples(histogram, kind).map(value).sum();
        (total(ValueType::Count), total(ValueType::Sum))
    }

    /// Upper edge of the bucket of a histogram that holds the quantile, over all its labels; infinite beyond the last
    /// edge, `None` before the first observation.
    pub(crate) fn quantile_edge(&self, histogram: &str, quantile: f64) -> Option<f64> {
        let mut edges: Vec<(f64, f64)> = Vec::new();
        for (edge, so_far) in self.by_label(histogram, "le") {
            let edge = edge.parse().ok()?;
            match edges.iter_mut().find(|(known, _)| *known == edge) {
                Some((_, sum)) => *sum += so_far,
                None => edges.push((edge, so_far)),
            }
        }
        edges.sort_by(|a, b| a.0.total_cmp(&b.0));
        let total = edges.last().map(|&(_, sum)| sum).filter(|&total| total > 0.0)?;
        edges.into_iter().find(|&(_, sum)| sum >= quantile * total).map(|(edge, _)| edge)
    }

    fn samples(&self, metric: &str, kind: ValueType) -> impl Iterator<Item = &Sample> {
        let samples = self.0.iter().filter(move |one| one.name == metric).flat_map(|one| &one.samples);
        samples.filter(move |sample| sample.value.value_type == kind)
    }
}

fn label<'a>(sample: &'a Sample, key: &str) -> Option<&'a str> {
    sample.labels.iter().find(|label| label.key == key).map(|label| label.value.as_str())
}

fn value(sample: &Sample) -> f64 {
    sample.value.value.as_f64()
}

/// A label's value as it was before it was written: the parser leaves `\\`, `\"` and `\n` in it.
fn unescape(text: &str) -> String {
    let mut letters = text.chars();
    let mut value = String::with_capacity(text.len());
    while let Some(letter) = letters.next() {
        value.push(match letter {
            '\\' => match letters.next() {
                Some('n') => '\n',
                other => other.unwrap_or('\\'),
            },
            other => other,
        });
    }
    value
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// The first byte of a TLS connection.
    const TLS_HANDSHAKE: u8 = 0x16;
    /// Longer than any answer takes on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(60);

    const PAGE: &str = "# TYPE embedding_lookup_total counter\n\
        embedding_lookup_total{result=\"hit\"} 90\n\
        embedding_lookup_total{result=\"miss\"} 10\n\n\
        # TYPE call_seconds histogram\n\
        call_seconds_bucket{m=\"a\",le=\"0.001\"} 98\n\
        call_seconds_bucket{m=\"a\",le=\"0.01\"} 99\n\
        call_seconds_bucket{m=\"a\",le=\"+Inf\"} 99\n\
        call_seconds_sum{m=\"a\"} 0.5\n\
        call_seconds_count{m=\"a\"} 99\n\
        call_seconds_bucket{m=\"b\",le=\"0.001\"} 0\n\
        call_seconds_bucket{m=\"b\",le=\"0.01\"} 0\n\
        call_seconds_bucket{m=\"b\",le=\"+Inf\"} 1\n\
        call_seconds_sum{m=\"b\"} 2\n\
        call_seconds_count{m=\"b\"} 1\n\n\
        # HELP empty_total described, but never recorded\n\
        # TYPE disk_free_bytes gauge\n\
        disk_free_bytes{folder=\"/a=\\\"b\\\",\\n}\\\\\"} 5e9\n\
        plain 2\n";

    #[test]
    fn a_page_is_parsed_with_its_labels() {
        let scrape = Scrape::parse(PAGE).unwrap();
        assert_eq!(scrape.sum("embedding_lookup_total", &[]), Some(100.0));
        assert_eq!(scrape.sum("embedding_lookup_total", &[("result", "miss")]), Some(10.0));
        assert_eq!(scrape.sum("embedding_lookup_total", &[("result", "fallback")]), None);
        assert_eq!(scrape.sum("plain", &[]), Some(2.0));
        let disks: Vec<_> = scrape.by_label("disk_free_bytes", "folder").collect();
        assert_eq!(disks, [("/a=\"b\",\n}\\", 5e9)]);
        assert_eq!(Scrape::parse("\n").unwrap().sum("plain", &[]), None);
        let refused = Scrape::parse("<html>\nplain 2\n").unwrap_err();
        assert!(refused.contains("not Prometheus text"), "{refused}");
    }

    #[test]
    fn a_histogram_is_summed_over_all_labels() {
        let scrape = Scrape::parse(PAGE).unwrap();
        assert_eq!(scrape.count_and_sum("call_seconds"), (100.0, 2.5));
        assert_eq!(scrape.quantile_edge("call_seconds", 0.98), Some(0.001));
        assert_eq!(scrape.quantile_edge("call_seconds", 0.99), Some(0.01));
        assert_eq!(scrape.quantile_edge("call_seconds", 1.0), Some(f64::INFINITY));
        assert_eq!(scrape.quantile_edge("nothing", 0.5), None);
    }

    /// What comes of fetching from a server that answers with `answer` and leaves the connection open.
    async fn fetch(scheme: &str, answer: &str, timeout: Duration) -> Result<Scrape, Outage> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{scheme}://{}/metrics", listener.local_addr().unwrap()).parse().unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            assert_eq!(request[0] == TLS_HANDSHAKE, scheme == "https");
            // A client that refuses an answer may close the connection before it has read all of it.
            let _ = stream.write_all(answer.as_bytes()).await;
            std::future::pending().await
        };
        let scraper = Scraper::new(timeout).unwrap();
        tokio::select! {
            scrape = scraper.fetch(&url) => scrape,
            never = serve => never,
        }
    }

    #[tokio::test]
    async fn only_a_good_answer_is_used() {
        let with_length =
            |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let scrape = fetch("http", &with_length(PAGE), PATIENCE).await.unwrap();
        assert_eq!(scrape.sum("plain", &[]), Some(2.0));
        for (answer, expected) in [
            ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "status 404"),
            ("HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n", "status 302"),
            (&with_length(&"a 1\n".repeat(MOST_BYTES / 4 + 1)), "larger than"),
            (&with_length("<html>no metrics</html>"), "not Prometheus text"),
        ] {
            let outage = fetch("http", answer, PATIENCE).await.unwrap_err();
            assert!(outage.reason.contains(expected), "{expected}: {outage}");
            assert!(outage.source_name.ends_with("/metrics"), "{outage}");
        }
    }

    #[tokio::test]
    async fn a_server_that_stops_in_the_middle_is_not_waited_for() {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n";
        let outage = fetch("http", answer, Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(outage.reason, "no answer within 50ms");
    }

    #[tokio::test]
    async fn an_https_address_is_asked_over_tls() {
        let outage = fetch("https", "this is not TLS", PATIENCE).await.unwrap_err();
        assert!(!outage.reason.contains("no answer within"), "{outage}");
    }
}
