//! `cloudyknight push`: makes the bucket's folder equal to a local one, and follows the deployment to its end.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use cloudyknight_core::workspace::{InvalidName, WorkspaceName};
use serde::Serialize;
use utoipa::ToSchema;

use super::follow::{Before, follow};
use super::wait;
use crate::args;
use crate::client::Client;
use crate::errors::{hinted, timed_out};
use crate::home::Home;
use crate::output::Output;

mod archive;
mod changes;
mod difference;
mod source;
pub mod target;
pub mod watch;

use difference::{Difference, There};
use source::Source;
use target::Target;

pub async fn run(home: &Home, asked: args::Push, output: Output) -> anyhow::Result<ExitCode> {
    let dir = asked.dir.canonicalize().ok().filter(|dir| dir.is_dir()).ok_or_else(|| {
        let message = format!("there is no folder {}", asked.dir.display());
        hinted(message, "the folder comes first, and then the name: `cloudyknight push DIR NAME`")
    })?;
    let name = workspace(&dir, asked.name)?;
    let push = Push { home, client: Client::new(home)?, target: Target::of(home).await?, dir, name, output };
    if asked.watch {
        return watch::run(&push, asked.patience.timeout).await;
    }
    let Compared { source, there, difference } = push.compare().await?;
    if asked.dry_run {
        return Ok(push.tell_plan(&difference));
    }
    let before = Before::of(&push.client, push.name.as_str()).await;
    push.make_equal(&source, &difference, &there).await?;
    let timeout = asked.patience.timeout;
    match follow(&push.client, push.name.as_str(), &before, timeout, output).await? {
        Some(status) if wait::waits_for_commit(&status) => {
            if output.is_json() {
                anstream::println!("{}", serde_json::to_string(&status)?);
            }
            Err(hinted(
                format!(
                    "`{}` is uploaded and not deployed: it waits for a commit, or was changed after ours",
                    push.name
                ),
                "push again, which commits what there is then",
            ))
        }
        Some(status) => wait::tell(&status, output),
        None => Err(timed_out(
            format!("`{}` is uploaded, but was neither live nor failed after {timeout} s", push.name),
            format!("`cloudyknight status {}` tells what it is doing", push.name),
        )),
    }
}

/// From where to where.
struct Push<'a> {
    home: &'a Home,
    client: Client,
    target: Target,
    dir: PathBuf,
    name: WorkspaceName,
    output: Output,
}

/// Both sides, and what differs.
struct Compared {
    source: Source,
    there: There,
    difference: Difference,
}

/// What `push --dry-run --json` prints.
#[derive(Serialize, ToSchema)]
#[schema(as = PushPlan)]
pub struct Plan<'a> {
    version: u32,
    workspace: &'a str,
    /// Paths that would be uploaded, in order.
    upload: &'a [String],
    /// Paths that would be deleted, in order.
    delete: &'a [String],
    /// How many files are there already.
    unchanged: usize,
}

impl Push<'_> {
    async fn compare(&self) -> anyhow::Result<Compared> {
        let dir = self.dir.clone();
        let looking = tokio::task::spawn_blocking(move || Source::of(&dir));
        let (source, there) = tokio::join!(looking, self.target.list(&self.client, &self.name));
        let (source, there) = (source.context("looking at the folder broke off")??, there?);
        if source.files.is_empty() {
            return Err(nothing(&self.dir, &self.name));
        }
        let compare = move || {
            let difference = Difference::between(&source.files, &there)?;
            anyhow::Ok(Compared { source, there, difference })
        };
        tokio::task::spawn_blocking(compare).await.context("comparing broke off")?
    }

    async fn make_equal(
        &self,
        source: &Source,
        difference: &Difference,
        there: &There,
    ) -> anyhow::Result<()> {
        let Difference { upload, delete, unchanged } = difference;
        if !difference.is_empty() {
            let done =
                self.target.make_equal(&self.client, &self.name, source, difference, there, self.output);
            done.await?;
            wait::hurry(self.home, &self.client, self.name.as_str()).await?;
        }
        if self.output.talks() {
            anstream::eprintln!(
                "files uploaded: {}, deleted: {}, unchanged: {unchanged}",
                upload.len(),
                delete.len()
            );
        }
        Ok(())
    }

    fn tell_plan(&self, difference: &Difference) -> ExitCode {
        let Difference { upload, delete, unchanged } = difference;
        if self.output.is_json() {
            let workspace = self.name.as_str();
            let plan = Plan { version: 1, workspace, upload, delete, unchanged: *unchanged };
            anstream::println!("{}", serde_json::json!(plan));
            return ExitCode::SUCCESS;
        }
        for (sign, paths) in [("+", upload), ("-", delete)] {
            for path in paths {
                anstream::println!("{sign} {}", path.escape_debug());
            }
        }
        if self.output.talks() {
            anstream::eprintln!(
                "files to upload: {}, to delete: {}, unchanged: {unchanged}; nothing was done",
                upload.len(),
                delete.len()
            );
        }
        ExitCode::SUCCESS
    }
}

fn nothing(dir: &Path, name: &WorkspaceName) -> anyhow::Error {
    hinted(
        format!("{} holds no file, and pushing it would delete `{name}`", dir.display()),
        format!("is everything in it ignored? `cloudyknight rm {name}` deletes a workspace"),
    )
}

/// The name that was given, or that of the folder.
pub fn workspace(dir: &Path, name: Option<String>) -> anyhow::Result<WorkspaceName> {
    let hint = "say the name: `cloudyknight push DIR NAME`";
    let folder = || dir.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    let name = name
        .or_else(folder)
        .ok_or_else(|| hinted("the folder has no name that can be one of a workspace", hint))?;
    name.parse().map_err(|error: InvalidName| {
        // `push NAME DIR` is a slip that is easily made.
        let hint = if Path::new(&name).is_dir() {
            "the folder comes first: `cloudyknight push DIR NAME`"
        } else {
            hint
        };
        hinted(error.to_string(), hint)
    })
}
