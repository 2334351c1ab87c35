//! Which run is being trained, shared by the training thread and the calls that stop it.

use std::sync::{Arc, Mutex, PoisonError};

use dayvec_runtime::shutdown::{self, Hold};
use tokio_util::sync::CancellationToken;

/// The run that is being trained, and the token that stops it.
#[derive(Debug, Clone, Default)]
pub(crate) struct CurrentRun {
    run: Arc<Mutex<Option<(u64, CancellationToken)>>>,
    /// Held while steps are trained that no checkpoint has yet; anything else is made again after a restart.
    unsaved: Arc<Mutex<Option<Hold>>>,
}

impl CurrentRun {
    /// Stop the run of this number if it is being trained.
    pub(crate) fn stop(&self, number: u64) {
        if let Some((current, token)) = &*self.run.lock().unwrap_or_else(PoisonError::into_inner)
            && *current == number
        {
            token.cancel();
        }
    }

    pub(crate) fn set(&self, current: Option<(u64, CancellationToken)>) {
        *self.run.lock().unwrap_or_else(PoisonError::into_inner) = current;
    }

    /// Whether a shutdown waits for the training, however long it takes: it saves a checkpoint soon.
    pub(crate) fn keep_until_saved(&self, keep: bool) {
        *self.unsaved.lock().unwrap_or_else(PoisonError::into_inner) = keep.then(shutdown::hold);
    }
}
