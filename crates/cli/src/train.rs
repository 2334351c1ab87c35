//! `dayvec train`: start and watch runs of a trainer service, and promote their models.

use std::fmt::Write as _;

use anyhow::Context as _;
use clap::Subcommand;
use dayvec_core::Day;
use dayvec_proto::trainer::v1::trainer_client::TrainerClient;
use dayvec_proto::trainer::v1::{
    CancelRunRequest, Gate, ListRunsRequest, PromoteModelRequest, Run, RunState, StartRunRequest,
    WatchRunRequest,
};
use dayvec_runtime::client::Connection;
use dayvec_runtime::terminal::escaped;
use dayvec_runtime::{FaultKind, WithFault as _, exit};
use tonic::Status;

use crate::address::{TokenArgs, refused};

/// Control a running trainer service.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address of the trainer: http://HOST:PORT, or HOST:PORT.
    #[arg(long, global = true, default_value = "http://127.0.0.1:50052", value_name = "URL")]
    pub trainer: String,
    /// The token.
    #[command(flatten)]
    pub token: TokenArgs,
    /// What to ask.
    #[command(subcommand)]
    pub command: Command,
}

/// What to ask.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add a training run to the queue and print its number.
    Start {
        /// Override a setting of the trainer in this run, for example run.steps=600; may be repeated.
        #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
        settings: Vec<(String, String)>,
        /// Train only; promote later with `promote`.
        #[arg(long)]
        no_promote: bool,
        /// Watch the run until it ends.
        #[arg(long)]
        watch: bool,
    },
    /// Follow a run until it ends; exit code 65 when it failed or its model was refused.
    Watch {
        /// Its number.
        number: u64,
    },
    /// List the runs, newest first.
    List {
        /// Number of runs to list.
        #[arg(long, default_value_t = 20, value_name = "N")]
        last: u32,
    },
    /// Stop a run.
    Cancel {
        /// Its number.
        number: u64,
    },
    /// Promote a model for the daily run, if it passes its gates against the model in service.
    Promote {
        /// The model.
        model_id: String,
        /// Promote even if gates fail; this is recorded.
        #[arg(long)]
        force: bool,
    },
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, for example run.steps=600")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Ask, and print the answer to stdout.
///
/// # Errors
/// With exit code 69 when the service is unavailable, 64 when it refuses the request, 65 when a watched run failed or
/// a model is refused by its gates.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(ask(args))
}

async fn ask(args: &Args) -> anyhow::Result<()> {
    let mut client = TrainerClient::new(args.token.connect("--trainer", &args.trainer).await?);
    let requested_by = format!("dayvec {}", env!("CARGO_PKG_VERSION"));
    match &args.command {
        Command::Start { settings, no_promote, watch } => {
            let settings = settings.iter().cloned().collect();
            let request = StartRunRequest { requested_by, settings, do_not_promote: *no_promote };
            let run = reply(client.start_run(request).await)?.run.unwrap_or_default();
            print(&format!("{}\n", run.number))?;
            if *watch { follow(&mut client, run.number).await } else { Ok(()) }
        }
        Command::Watch { number } => follow(&mut client, *number).await,
        Command::List { last } => {
            let runs = reply(client.list_runs(ListRunsRequest { limit: *last }).await)?.runs;
            print(&list(&runs))
        }
        Command::Cancel { number } => {
            let request = CancelRunRequest { number: *number, requested_by };
            reply(client.cancel_run(request).await)?;
            print(&format!("run {number} is stopping\n"))
        }
        Command::Promote { model_id, force } => {
            let request = PromoteModelRequest { model_id: model_id.clone(), requested_by, force: *force };
            let done = reply(client.promote_model(request).await)?;
            let gates: Vec<String> = done.gates.iter().map(|gate| format!("  {}\n", of_gate(gate))).collect();
            let promoted = escaped(&done.model_id);
            print(&format!("{promoted} is promoted (number {})\n{}", done.sequence, gates.concat()))
        }
    }
}

/// Print a line for each change of the run, until it has ended.
async fn follow(client: &mut TrainerClient<Connection>, number: u64) -> anyhow::Result<()> {
    let mut stream = reply(client.watch_run(WatchRunRequest { number }).await)?;
    let mut last = Run::default();
    while let Some(response) = message(stream.message().await)? {
        last = response.run.unwrap_or_default();
        print(&line(&last))?;
    }
    match last.state() {
        RunState::Failed | RunState::Refused => Err(anyhow::anyhow!("{}", last.reason))
            .fault(FaultKind::Data)
            .with_context(|| format!("run {number}")),
        _ => Ok(()),
    }
}

fn reply<T>(answer: Result<tonic::Response<T>, Status>) -> anyhow::Result<T> {
    message(answer).map(tonic::Response::into_inner)
}

fn message<T>(answer: Result<T, Status>) -> anyhow::Result<T> {
    answer.map_err(|status| refused(&status, "call the trainer"))
}

fn state(run: &Run) -> String {
    run.state().as_str_name().trim_start_matches("RUN_STATE_").to_lowercase()
}

fn line(run: &Run) -> String {
    let mut line = format!("run {}  {}", run.number, state(run));
    let _a_string_takes_all = match (&run.progress, run.state()) {
        (Some(progress), RunState::Running | RunState::Trained)
            if progress.stage == "train" && progress.step > 0 =>
        {
            write!(
                line,
                "  step {}/{}  loss {:.3}  {:.0} users/s  {:.0} tokens/s",
                progress.step,
                progress.steps,
                progress.loss,
                progress.users_per_second,
                progress.tokens_per_second
            )
        }
        (Some(progress), RunState::Running | RunState::Trained) => {
            write!(line, "  {}", escaped(&progress.stage))
        }
        _ => Ok(()),
    };
    if !run.recall_at_10.is_empty() {
        let recall = |scorer: &str| run.recall_at_10.get(scorer).copied().unwrap_or_default();
        let _a_string_takes_all =
            write!(line, "  recall@10 {:.4} (popularity {:.4})", recall("model"), recall("popularity"));
    }
    for gate in &run.gates {
        let _a_string_takes_all = write!(line, "\n  {}", of_gate(gate));
    }
    line + "\n"
}

fn of_gate(gate: &Gate) -> String {
    let limit = match (gate.at_least, gate.at_most) {
        (Some(least), _) => format!(" (at least {least})"),
        (None, Some(most)) => format!(" (at most {most})"),
        (None, None) => String::new(),
    };
    let verdict = if gate.passed { "ok    " } else { "FAILED" };
    format!("{verdict} {} {:.4}{limit}", escaped(&gate.name), gate.value)
}

fn list(runs: &[Run]) -> String {
    if runs.is_empty() {
        return "no runs yet; `dayvec train start` starts one\n".to_owned();
    }
    let header = ["run", "state", "asked by", "cut-off", "recall@10", "model"].map(str::to_owned);
    let rows = runs.iter().map(|run| {
        let recall = run.recall_at_10.get("model").map_or_else(String::new, |recall| format!("{recall:.4}"));
        [
            run.number.to_string(),
            state(run),
            format!(
                "{} on {}",
                run.requested_by,
                Day::of_timestamp(run.requested_at.map_or(0, |at| at.seconds))
            ),
            run.cut_off.clone(),
            recall,
            run.model_id.clone(),
        ]
    });
    crate::table::table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}

fn print(text: &str) -> anyhow::Result<()> {
    exit::print(text).context("write the answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_in_a_line() {
        let progress = dayvec_proto::trainer::v1::Progress {
            stage: "train".into(),
            step: 5,
            steps: 10,
            loss: 1.25,
            users_per_second: 20.4,
            tokens_per_second: 1000.0,
        };
        let mut run = Run { number: 3, progress: Some(progress), ..Run::default() };
        run.set_state(RunState::Running);
        assert_eq!(line(&run), "run 3  running  step 5/10  loss 1.250  20 users/s  1000 tokens/s\n");
        run.set_state(RunState::Refused);
        run.recall_at_10 = [("model".to_owned(), 0.01), ("popularity".to_owned(), 0.02)].into();
        run.gates = vec![Gate {
            name: "recall@10 against popularity".into(),
            value: 0.5,
            at_least: Some(1.0),
            at_most: None,
            passed: false,
        }];
        let expected = "run 3  refused  recall@10 0.0100 (popularity 0.0200)\n  \
                        FAILED recall@10 against popularity 0.5000 (at least 1)\n";
        assert_eq!(line(&run), expected);
        assert!(list(&[]).contains("dayvec train start"));
        assert!(list(&[run]).contains("refused"));
    }

    #[test]
    fn a_setting_is_a_name_and_a_value() {
        assert_eq!(setting("run.steps=600").unwrap(), ("run.steps".into(), "600".into()));
        assert_eq!(setting("a=b=c").unwrap(), ("a".into(), "b=c".into()));
        assert!(setting("run.steps").unwrap_err().contains("run.steps=600"));
    }
}
