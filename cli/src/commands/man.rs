//! `cloudyknight man`: the manual, made from the same words as `--help`: one page on stdout, or one for each command into a
//! folder.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use serde::Serialize;
use utoipa::ToSchema;

use crate::args::Args;
use crate::output::Output;

/// What `man --json` prints.
#[derive(Serialize, ToSchema)]
#[schema(as = ManualPage)]
pub struct Page {
    version: u32,
    /// For `man` to read: roff.
    page: String,
}

/// What `man DIR --json` prints.
#[derive(Serialize, ToSchema)]
#[schema(as = ManualPages)]
pub struct Pages {
    version: u32,
    dir: String,
    /// Names of files in it.
    pages: Vec<String>,
}

pub fn run(dir: Option<&Path>, output: Output) -> anyhow::Result<ExitCode> {
    // Without the groups: the manual has its own order.
    let mut command = Args::command().name("cloudyknight");
    command.build();
    let Some(dir) = dir else { return print(&page(&command)?, output) };
    std::fs::create_dir_all(dir).with_context(|| format!("could not make the folder {}", dir.display()))?;
    let mut pages = Vec::new();
    write_all(&command, dir, &mut pages)?;
    if output.is_json() {
        let pages = Pages { version: 1, dir: dir.display().to_string(), pages };
        anstream::println!("{}", serde_json::to_string(&pages)?);
    } else if output.talks() {
        anstream::println!("{} pages are in {}", pages.len(), dir.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn print(page: &[u8], output: Output) -> anyhow::Result<ExitCode> {
    if output.is_json() {
        let page = Page { version: 1, page: String::from_utf8_lossy(page).into_owned() };
        anstream::println!("{}", serde_json::to_string(&page)?);
        return Ok(ExitCode::SUCCESS);
    }
    super::print(page)
}

fn page(command: &Command) -> anyhow::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone()).manual("CloudyKnight").render(&mut page).context("could not make the page")?;
    Ok(page)
}

fn write_all(command: &Command, dir: &Path, pages: &mut Vec<String>) -> anyhow::Result<()> {
    let file = format!("{}.1", command.get_display_name().unwrap_or(command.get_name()));
    let path = dir.join(&file);
    std::fs::write(&path, page(command)?).with_context(|| format!("could not write {}", path.display()))?;
    pages.push(file);
    let shown = command.get_subcommands().filter(|one| !one.is_hide_set() && one.get_name() != "help");
    shown.into_iter().try_for_each(|one| write_all(one, dir, pages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_page_for_each_command_with_its_options_and_examples() {
        let dir = tempfile::tempdir().unwrap();
        run(Some(dir.path()), Output::Quiet).unwrap();
        let page = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(page("cloudyknight.1").contains(".TH cloudyknight 1"), "{}", page("cloudyknight.1"));
        let push = page("cloudyknight-push.1");
        for expected in [".TH cloudyknight-push 1", "watch", "Ctrl", "blog"] {
            assert!(push.contains(expected), "{expected}: {push}");
        }
        assert!(page("cloudyknight-token-create.1").contains("expires"));
        assert!(!dir.path().join("cloudyknight-serve.1").exists());
    }
}
