//! All that the pages are made from: the bucket, the lookup replicas, the trainer, the schedule of daily runs.

use std::sync::Arc;

use dayvec_bucket::Bucket;
use dayvec_runtime::authentication::Token;
use url::Url;

use crate::bucket_reader::BucketReader;
use crate::cached::Cached;
use crate::config::Config;
use crate::outage::Outage;
use crate::replicas::Replicas;
use crate::scrape::{Scrape, Scraper};
use crate::training::Trainer;
use crate::users::Users;

/// All sources.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) bucket: BucketReader,
    pub(crate) users: Users,
    pub(crate) replicas: Replicas,
    pub(crate) trainer: Option<Trainer>,
    pub(crate) schedule: Option<Schedule>,
}

/// The metrics page of `inference schedule`.
#[derive(Debug)]
pub(crate) struct Schedule {
    url: Url,
    scraper: Scraper,
    cached: Cached<Result<Arc<Scrape>, Outage>>,
}

impl Schedule {
    /// Its metrics, at most two seconds old.
    pub(crate) async fn scrape(&self) -> Result<Arc<Scrape>, Outage> {
        self.cached.get(async { Ok(Arc::new(self.scraper.fetch(&self.url).await?)) }).await
    }
}

impl Sources {
    /// Nothing is read or called here.
    ///
    /// # Errors
    /// For a bucket or a token file that cannot be opened, or an address that is not valid.
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        let bucket = Bucket::open(&config.bucket)?;
        let scraper = Scraper::new(config.timeout)?;
        let schedule =
            |url: &Url| Schedule { url: url.clone(), scraper: scraper.clone(), cached: Cached::default() };
        let token = Token::of_file(config.token_file.as_deref())?;
        let trainer = |url: &Url| Trainer::new(url, token.clone(), config.timeout, config.show_runs);
        Ok(Self {
            bucket: BucketReader::new(&bucket, config.bucket_timeout, config.show_runs),
            users: Users::new(&bucket, config.max_read_bytes),
            replicas: Replicas::new(&config.lookups, &token, &scraper, config.timeout)?,
            trainer: config.trainer.as_ref().map(trainer).transpose()?,
            schedule: config.inference_metrics.as_ref().map(schedule),
        })
    }
}
