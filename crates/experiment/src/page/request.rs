//! What a page is asked for with.

use std::path::PathBuf;

use dayvec_report::Missing;

/// What a page is asked for with.
#[derive(Debug, Clone, Default)]
pub struct PageRequest {
    /// The checkpoint: a folder, or the id of a model in the bucket.
    pub checkpoint: String,
    /// Folders of matrices of ablations, or folders of such folders; empty for the trials of the work folder.
    pub ablations: Vec<PathBuf>,
    /// The arguments that name the configuration, for the commands that the page suggests: `--config trainer.yaml`.
    pub arguments: String,
    /// The command line that asks.
    pub command: String,
    /// The commit that the program was built from.
    pub commit: String,
    /// Now, in UTC, RFC 3339.
    pub date: String,
}

impl PageRequest {
    /// Figures that `trainer <subcommand>` makes.
    pub(super) fn missing(&self, what: String, subcommand: &str) -> Missing {
        let arguments = [&self.arguments, subcommand].map(|part| part.trim());
        Missing { what, command: format!("trainer {} {}", arguments[1], arguments[0]).trim().to_owned() }
    }

    /// Figures that a subcommand makes of this checkpoint.
    pub(super) fn missing_of_checkpoint(&self, what: String, subcommand: &str, model_id: &str) -> Missing {
        let Missing { what, command } = self.missing(what, subcommand);
        Missing { what, command: format!("{command} --checkpoint {model_id}") }
    }
}
