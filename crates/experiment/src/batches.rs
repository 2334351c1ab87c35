//! The next batch is drawn on a thread of its own while the step on the current one computes.

use std::ops::Range;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Builder, JoinHandle};

use anyhow::{Context, anyhow};
use dayvec_model::{Sampler, TrainBatch};

/// Batches drawn ahead: one waits while the next is being drawn, more would only cost memory.
const AHEAD: usize = 1;

/// The batches of some steps, in order.
#[derive(Debug)]
pub(crate) struct Batches {
    receiver: Option<Receiver<TrainBatch>>,
    thread: Option<JoinHandle<()>>,
}

impl Batches {
    /// Start drawing the batches of `steps`.
    pub(crate) fn start(sampler: Sampler, steps: Range<u64>) -> anyhow::Result<Self> {
        let (sender, receiver) = sync_channel(AHEAD);
        let draw = move || {
            for step in steps {
                if sender.send(sampler.batch(step)).is_err() {
                    return; // the loop has ended
                }
            }
        };
        let thread =
            Builder::new().name("batches".to_owned()).spawn(draw).context("start the batch thread")?;
        Ok(Self { receiver: Some(receiver), thread: Some(thread) })
    }

    /// The next batch.
    pub(crate) fn next(&self) -> anyhow::Result<TrainBatch> {
        let receiver = self.receiver.as_ref().ok_or_else(|| anyhow!("the batch thread has been stopped"))?;
        receiver.recv().map_err(|_| anyhow!("the batch thread panicked; its message is in the log"))
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        drop(self.receiver.take()); // so that a waiting thread ends
        if let Some(thread) = self.thread.take() {
            let _reported_by_next = thread.join();
        }
    }
}
