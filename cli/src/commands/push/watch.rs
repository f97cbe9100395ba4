//! `cloudyknight push --watch`: the inner loop of whoever writes an app. A file is saved, and a line tells that it is live,
//! or why it is not.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use cloudyknight_core::status::{Outcome, State, WorkspaceStatus};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::changes::Changes;
use super::difference::{Difference, Object, There, etag};
use super::source::{File, Source};
use super::{Compared, Push, nothing};
use crate::commands::wait;
use crate::{clock, errors, show};

/// What could not be uploaded is tried again after this.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// What `push --watch --json` prints, one a line.
#[derive(Serialize, ToSchema)]
pub struct Pushed {
    version: u32,
    workspace: String,
    /// RFC 3339, UTC: when the first of the files was saved.
    at: String,
    /// Paths that were uploaded.
    uploaded: Vec<String>,
    /// Paths that were deleted.
    deleted: Vec<String>,
    result: Result,
    /// From the save to the end of the deployment.
    took_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Box<WorkspaceStatus>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PushResult)]
enum Result {
    Live,
    Failed,
    /// The next save came before the end of it.
    Superseded,
    /// Neither live nor failed in time.
    TimedOut,
    /// Uploaded, and nothing was to be deployed: the workspace is stopped, pinned or left alone.
    HeldBack,
    /// Uploaded, and it waits for a commit: somebody else changed the workspace, or began to commit, meanwhile.
    Uncommitted,
}

/// What was uploaded and is being deployed.
struct Saved {
    at: String,
    since: Instant,
    difference: Difference,
}

type Waiting<'a> = Pin<Box<dyn Future<Output = anyhow::Result<Option<WorkspaceStatus>>> + 'a>>;

pub(super) async fn run(push: &Push<'_>, timeout: u64) -> anyhow::Result<ExitCode> {
    let mut ended = signal(SignalKind::terminate()).context("could not listen for signals")?;
    let mut interrupted = signal(SignalKind::interrupt()).context("could not listen for signals")?;
    let work = session(push, timeout);
    tokio::select! {
        result = work => result,
        _ = interrupted.recv() => Ok(ExitCode::SUCCESS),
        _ = ended.recv() => Ok(ExitCode::SUCCESS),
    }
}

async fn session(push: &Push<'_>, timeout: u64) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let mut changes = Changes::new()?;
    // Watched before it is looked at: what changes in between is seen again.
    changes.watch(&Source::of(&push.dir)?.folders)?;
    let Compared { source, there, difference } = push.compare().await?;
    let mut mirror = Mirror { source: Source::default(), there };
    if push.output.talks() {
        anstream::eprintln!("watching {}; Ctrl-C ends it", push.dir.display());
    }
    let mut following: Option<(Saved, Waiting)> = None;
    let mut again = None;
    if let Some(saved) = upload(push, &mut mirror, source, difference, began, &mut again).await {
        following = Some((saved, Box::pin(wait::wait(&push.client, push.name.as_str(), None, timeout))));
    }
    loop {
        let waiting = async {
            match &mut following {
                Some((_, waiting)) => waiting.await,
                None => std::future::pending().await,
            }
        };
        let trying = async {
            match again {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let since = tokio::select! {
            ended = waiting => {
                if let Some((saved, _)) = following.take() {
                    tell(push, saved, ended);
                }
                continue;
            }
            since = changes.settled() => since,
            () = trying => Instant::now(),
        };
        again = None;
        let dir = push.dir.clone();
        let looked =
            tokio::task::spawn_blocking(move || Source::of(&dir)).await.context("a look broke off")?;
        let source = match looked {
            Ok(source) if source.files.is_empty() => {
                errors::report(&nothing(&push.dir, &push.name), push.output.is_json());
                continue;
            }
            Ok(source) => source,
            Err(error) => {
                errors::report(&error, push.output.is_json());
                continue;
            }
        };
        changes.watch(&source.folders)?;
        let difference = match mirror.difference(&source) {
            Ok(difference) => difference,
            // It went while it was read, and there will be an event about that.
            Err(_) => {
                again = Some(Instant::now() + TRY_AGAIN);
                continue;
            }
        };
        if difference.is_empty() {
            mirror.source = source;
            continue;
        }
        if let Some((saved, _)) = following.take() {
            told(push, saved, Result::Superseded, None);
        }
        if let Some(saved) = upload(push, &mut mirror, source, difference, since, &mut again).await {
            following = Some((saved, Box::pin(wait::wait(&push.client, push.name.as_str(), None, timeout))));
        }
    }
}

/// The folder as it was when it was pushed last, and what the bucket holds since.
struct Mirror {
    source: Source,
    there: There,
}

impl Mirror {
    /// Only of files that look as if they had changed: not all are read at each save.
    fn difference(&self, now: &Source) -> anyhow::Result<Difference> {
        let touched = |path: &str, file: &File| self.source.files.get(path) != Some(file);
        let here: BTreeMap<_, _> = now.files.iter().filter(|(path, file)| touched(path, file)).collect();
        let here: BTreeMap<String, File> =
            here.into_iter().map(|(path, file)| (path.clone(), file.clone())).collect();
        let there =
            self.there.iter().filter(|(path, _)| here.contains_key(*path) || !now.files.contains_key(*path));
        let there: There = there.map(|(path, object)| (path.clone(), object.clone())).collect();
        Difference::between(&here, &there)
    }

    /// It is pushed.
    fn advance(&mut self, source: Source, difference: &Difference, hashes: There) {
        for path in &difference.delete {
            self.there.remove(path);
        }
        self.there.extend(hashes);
        self.source = source;
    }
}

/// `None` when it could not be, which is told; or when there was nothing to do.
async fn upload(
    push: &Push<'_>,
    mirror: &mut Mirror,
    source: Source,
    difference: Difference,
    since: Instant,
    again: &mut Option<Instant>,
) -> Option<Saved> {
    if difference.is_empty() {
        mirror.source = source;
        return None;
    }
    let at = clock::rfc3339_before(since.elapsed());
    // Read before it is uploaded: what changes in between is another version, and uploaded once more.
    let pushed = async {
        let hashes = hashes(&source, &difference)?;
        let target = &push.target;
        target.make_equal(&push.client, &push.name, &source, &difference, &mirror.there, push.output).await?;
        wait::hurry(push.home, &push.client, push.name.as_str()).await?;
        anyhow::Ok(hashes)
    };
    match pushed.await {
        Ok(hashes) => {
            mirror.advance(source, &difference, hashes);
            Some(Saved { at, since, difference })
        }
        Err(error) => {
            errors::report(&error, push.output.is_json());
            *again = Some(Instant::now() + TRY_AGAIN);
            None
        }
    }
}

fn hashes(source: &Source, difference: &Difference) -> anyhow::Result<There> {
    let hash = |path: &String| {
        let file = &source.files[path];
        Ok((path.clone(), Object { size: file.size, etag: etag(&file.at)? }))
    };
    difference.upload.iter().map(hash).collect()
}

fn tell(push: &Push<'_>, saved: Saved, ended: anyhow::Result<Option<WorkspaceStatus>>) {
    match ended {
        Ok(Some(status)) => {
            let result = result(&status);
            told(push, saved, result, Some(status));
        }
        Ok(None) => told(push, saved, Result::TimedOut, None),
        Err(error) => {
            errors::report(&error, push.output.is_json());
        }
    }
}

fn result(status: &WorkspaceStatus) -> Result {
    match status.state {
        State::Degraded | State::Failed => Result::Failed,
        State::Stopped | State::Ignored => Result::HeldBack,
        _ if status.held_back.is_some() => Result::HeldBack,
        _ if wait::waits_for_commit(status) => Result::Uncommitted,
        _ => Result::Live,
    }
}

fn told(push: &Push<'_>, saved: Saved, result: Result, status: Option<WorkspaceStatus>) {
    let Saved { at, since, difference } = saved;
    let took_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    let Difference { upload: uploaded, delete: deleted, .. } = difference;
    if push.output.is_json() {
        let workspace = push.name.to_string();
        let status = status.map(Box::new);
        let pushed = Pushed { version: 1, workspace, at, uploaded, deleted, result, took_ms, status };
        anstream::println!("{}", serde_json::to_string(&pushed).expect("it is plain data"));
        return;
    }
    let failed =
        status.as_ref().and_then(|status| match status.deployment.as_ref().map(|last| &last.outcome) {
            Some(Outcome::Failed(failure)) if result == Result::Failed => Some(show::failed(status, failure)),
            _ => None,
        });
    if push.output.talks() || result != Result::Live {
        anstream::println!(
            "{} {} → {}",
            clock::time_of_day(),
            paths(&uploaded, &deleted),
            words(result, took_ms)
        );
    }
    if let Some(failed) = failed {
        anstream::eprint!("{failed}");
    }
}

/// The first by its name, and how many more.
fn paths(uploaded: &[String], deleted: &[String]) -> String {
    let first = match (uploaded, deleted) {
        ([first, ..], _) => first.escape_debug().to_string(),
        ([], [first, ..]) => format!("{} (deleted)", first.escape_debug()),
        ([], []) => return "nothing".to_owned(),
    };
    match uploaded.len() + deleted.len() - 1 {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

fn words(result: Result, took_ms: u64) -> String {
    let took = if took_ms < 10_000 { format!("{took_ms} ms") } else { format!("{} s", took_ms / 1000) };
    match result {
        Result::Live => format!("\u{1b}[32mlive\u{1b}[0m in {took}"),
        Result::Failed => format!("\u{1b}[31mfailed\u{1b}[0m after {took}"),
        Result::Superseded => "superseded by the next save".to_owned(),
        Result::TimedOut => format!("neither live nor failed after {took}"),
        Result::Uncommitted => "uploaded, and it waits for a commit: `cloudyknight push` commits".to_owned(),
        Result::HeldBack => "uploaded, and held back: it is stopped, pinned or left alone".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_first_file_and_counts_the_others() {
        let check = |uploaded: &[&str], deleted: &[&str], expected: &str| {
            let owned = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
            assert_eq!(paths(&owned(uploaded), &owned(deleted)), expected);
        };
        check(&["index.js"], &[], "index.js");
        check(&["index.js", "style.css"], &["old.js"], "index.js and 2 more");
        check(&[], &["old.js"], "old.js (deleted)");
        check(&["a\u{1b}[31m"], &[], "a\\u{1b}[31m");
        assert_eq!(anstream::adapter::strip_str(&words(Result::Live, 391)).to_string(), "live in 391 ms");
        assert_eq!(
            anstream::adapter::strip_str(&words(Result::Failed, 12_345)).to_string(),
            "failed after 12 s"
        );
    }

    #[test]
    fn only_what_serves_is_told_to_be_live() {
        let mut status = WorkspaceStatus::new("site".parse().unwrap(), String::new());
        status.state = State::Live;
        assert_eq!(result(&status), Result::Live);
        let release = "a".repeat(64).parse().unwrap();
        status.uncommitted = Some(cloudyknight_core::commit::Uncommitted { files: Some(1), release });
        assert_eq!(result(&status), Result::Uncommitted);
        status.state = State::Stopped;
        assert_eq!(result(&status), Result::HeldBack);
        status.state = State::Failed;
        assert_eq!(result(&status), Result::Failed);
    }

    #[test]
    fn only_files_that_were_touched_are_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let look = || Source::of(dir.path()).unwrap();
        std::fs::write(dir.path().join("a"), "one").unwrap();
        std::fs::write(dir.path().join("b"), "two").unwrap();
        let source = look();
        let all = Difference::between(&source.files, &There::new()).unwrap();
        let mut mirror = Mirror { source: Source::default(), there: There::new() };
        let there = hashes(&source, &all).unwrap();
        mirror.advance(source, &all, there);

        // Written again with the same content: another file by its time, and no difference.
        std::fs::write(dir.path().join("a"), "one").unwrap();
        assert!(mirror.difference(&look()).unwrap().is_empty());
        std::fs::write(dir.path().join("a"), "six").unwrap();
        std::fs::remove_file(dir.path().join("b")).unwrap();
        let difference = mirror.difference(&look()).unwrap();
        assert_eq!((difference.upload, difference.delete), (vec!["a".to_owned()], vec!["b".to_owned()]));
    }
}
