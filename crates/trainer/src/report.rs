//! `trainer report`: the page of a checkpoint, as a file.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use dayvec_core::FaultKind;
use dayvec_experiment::{Config, PageRequest, Store, experiment_page};
use dayvec_runtime::exit;
use dayvec_runtime::fault::WithFault as _;
use dayvec_runtime::program::ConfigArgs;
use tokio::runtime::Runtime;

/// Where a report goes, and where ablations are looked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReportFiles {
    /// The HTML file; by default one in the work folder.
    pub(crate) out: Option<PathBuf>,
    /// Folders of ablations; by default the trials of the work folder.
    pub(crate) ablations: Vec<PathBuf>,
    /// Folder of the charts as files of their own.
    pub(crate) pictures: Option<PathBuf>,
}

/// Make the page of `checkpoint`, and print where it is. `args` is where `config` is from, for the commands on the page.
pub(crate) fn report(
    config: &Config,
    args: &ConfigArgs,
    checkpoint: &str,
    files: &ReportFiles,
) -> anyhow::Result<()> {
    let runtime = Runtime::new().context("start the thread that reads the bucket")?;
    let store = Store::open(config, runtime.handle())?;
    let file = args.config.as_ref().map(|file| format!("--config {}", quoted(&file.to_string_lossy())));
    let arguments = file.unwrap_or_default();
    let request = PageRequest {
        checkpoint: checkpoint.to_owned(),
        ablations: files.ablations.clone(),
        arguments,
        command: command(std::env::args_os().map(|word| word.to_string_lossy().into_owned())),
        commit: env!("DAYVEC_COMMIT").to_owned(),
        date: format!("{:.0}", jiff::Timestamp::now()),
    };
    let page = experiment_page(config, &store, &request)?;
    let out = files.out.clone().unwrap_or_else(|| {
        let name = format!("{}-{}.html", page.report.model_id, page.report.cut_off);
        config.work_dir.join("reports").join(name)
    });
    write(&out, &page.render())?;
    let mut printed = format!("{}\n", out.display());
    if let Some(folder) = &files.pictures {
        for picture in page.pictures() {
            let path = folder.join(format!("{}.svg", picture.name));
            write(&path, &picture.svg)?;
            printed.push_str(&format!("{}\n", path.display()));
        }
    }
    Ok(exit::print(&printed)?)
}

/// Write a file, and the folder that it lies in where that is missing.
fn write(path: &Path, content: &str) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let write = || {
        folder.map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, content)
    };
    write().with_context(|| format!("write {}", path.display())).fault(FaultKind::Unavailable)
}

/// A command line as it can be typed again; the program by its name alone.
fn command(arguments: impl Iterator<Item = String>) -> String {
    let name = |program: &str| Path::new(program).file_name().map(|name| name.to_string_lossy().into_owned());
    let words = arguments
        .enumerate()
        .map(|(at, argument)| if at == 0 { name(&argument).unwrap_or(argument) } else { quoted(&argument) });
    words.collect::<Vec<_>>().join(" ")
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "-_./:=,@%+".contains(char);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_typed_again() {
        let typed = ["/usr/bin/trainer", "report", "--config", "my shop's.yaml", ""].map(str::to_owned);
        assert_eq!(command(typed.into_iter()), r"trainer report --config 'my shop'\''s.yaml' ''");
    }
}
