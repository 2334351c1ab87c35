//! Trains the parts of a configuration within a training: progress, free cores, and the checkpoint that they end in.
//!
//! Parts take minutes, so they are trained in one go: a training that was stopped starts them anew, and ends with the same
//! weights.

use std::fs;

use anyhow::Context;
use dayvec_core::{FaultKind, ItemTable, ModelSpec};
use dayvec_model::{StepStats, load_spec, save_spec};
use dayvec_parts::{Embedder, FitProgress};
use dayvec_registry::checkpoint::{CONFIG, SPEC, WEIGHTS};
use dayvec_report::{AlignmentReport, PartsChoice, TrainingSummary};
use dayvec_runtime::fault::{OrFault as _, WithFault as _};
use serde::{Deserialize, Serialize};
use tch::Device;
use tokio_util::sync::CancellationToken;

use crate::alignment::align_with_promoted;
use crate::clock::TrainingClock;
use crate::data::ModelData;
use crate::free_cores::FreeCores;
use crate::parts::{PartsTraining, TrainedParts, is_stop};
use crate::progress::TrainingProgress;
use crate::progress_display::ProgressDisplay;
use crate::tower::{Stopped, Trained, Training};
use crate::training_folder::{ResumeState, StepCheckpoint};

/// What is known of finished parts beside their weights, in the folder of their checkpoint.
const FINISHED: &str = "parts.json";

/// The file [`FINISHED`].
#[derive(Serialize, Deserialize)]
struct Finished {
    summary: TrainingSummary,
    choice: Option<PartsChoice>,
    alignment: Option<AlignmentReport>,
}

impl Finished {
    fn with(self, model: Embedder, checkpoint: StepCheckpoint) -> Trained {
        let Self { summary, choice, alignment } = self;
        Trained { model: Box::new(model), checkpoint, summary, parts: choice, alignment }
    }
}

impl Training<'_> {
    /// Choose and train the parts, or take those that a training which was stopped later had finished.
    pub(crate) fn parts(
        &self,
        items: &ItemTable,
        data: &ModelData,
        first: ResumeState,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Result<Trained, Stopped>> {
        let stop = || shutdown.is_cancelled();
        let training = PartsTraining { config: self.config, data, stop: &stop };
        let saved = self.folder.saved()?;
        if let Some(checkpoint) = saved.into_iter().find(|saved| saved.step == training.steps()) {
            return self.finished(items, checkpoint).map(Ok);
        }
        let mut clock = TrainingClock::start(first.clone());
        let mut display = ProgressDisplay::new(0, training.steps(), &self.folder.path().join("tensorboard"))?;
        let mut free_cores = (self.config.raw.run.threads == 0).then(FreeCores::watch).flatten();
        let (mut step, mut failed) = (0, None);
        let trained = training.run(&mut |progress| {
            if let Some(free_cores) = &mut free_cores {
                free_cores.adapt();
            }
            step += 1;
            match display.step(step, &stats(&progress)) {
                Ok(progress) => {
                    clock.record(&progress);
                    (self.observe)(TrainingProgress::Step(progress));
                }
                Err(error) => failed = Some(error),
            }
            failed.is_none() && !shutdown.is_cancelled()
        });
        if let Some(error) = failed {
            return Err(error);
        }
        let TrainedParts { parts, n_users, choice } = match trained {
            Err(error) if is_stop(&error) => return self.stopped(&first).map(Err),
            trained => trained?,
        };
        let mut model = Embedder::parts(self.spec.clone(), parts);
        let alignment = align_with_promoted(self.config, self.store, &mut model, data)?;
        let state = clock.state(training.steps());
        let (loss, tokens_per_s) = display.finish();
        let summary = TrainingSummary {
            steps: training.steps(),
            seconds: state.elapsed_s,
            loss,
            tokens_per_s,
            users: n_users,
            actions: data.history.n_actions(),
            parameters: model.n_parameters(),
            curve: state.curve.clone(),
        };
        let finished = Finished { summary, choice, alignment };
        let checkpoint = self.save_parts(&model, &finished, &state)?;
        Ok(Ok(finished.with(model, checkpoint)))
    }

    fn save_parts(
        &self,
        model: &Embedder,
        finished: &Finished,
        state: &ResumeState,
    ) -> anyhow::Result<StepCheckpoint> {
        let saved = self.folder.save(state, |folder| {
            model.save(&folder.join(WEIGHTS))?;
            fs::write(folder.join(FINISHED), serde_json::to_vec_pretty(finished)?)?;
            self.describe(folder, model.spec())
        });
        saved.fault(FaultKind::Unavailable)
    }

    /// A checkpoint of nothing but the settings, for a training that was stopped.
    fn stopped(&self, first: &ResumeState) -> anyhow::Result<Stopped> {
        let saved = self.folder.save(first, |folder| self.describe(folder, self.spec));
        let checkpoint = saved.fault(FaultKind::Unavailable)?;
        tracing::info!(checkpoint = %checkpoint.path.display(), "stopped; --resume trains the parts anew");
        Ok(Stopped(checkpoint))
    }

    fn describe(&self, folder: &std::path::Path, spec: &ModelSpec) -> anyhow::Result<()> {
        save_spec(spec, &folder.join(SPEC))?;
        Ok(fs::write(folder.join(CONFIG), self.config_yaml)?)
    }

    fn finished(&self, items: &ItemTable, checkpoint: StepCheckpoint) -> anyhow::Result<Trained> {
        let path = checkpoint.path.join(FINISHED);
        let read = || -> anyhow::Result<Finished> { Ok(serde_json::from_slice(&fs::read(&path)?)?) };
        let finished = read().with_context(|| format!("read {}", path.display())).fault(FaultKind::Data)?;
        let spec = load_spec(&checkpoint.path.join(SPEC)).or_fault()?;
        let model =
            Embedder::load(&spec, items, &checkpoint.model(), Device::cuda_if_available()).or_fault()?;
        tracing::info!(checkpoint = %checkpoint.path.display(), "the parts were trained before");
        Ok(finished.with(model, checkpoint))
    }
}

/// A step of the parts as one of the tower: its pairs are what it read.
const fn stats(progress: &FitProgress) -> StepStats {
    StepStats {
        loss: progress.loss,
        n_users: progress.n_rows,
        n_pairs: progress.n_rows,
        n_tokens: progress.n_pairs,
        learning_rate: 0.0,
        temperature: 0.0,
        grad_norm: 0.0,
    }
}
