//! The keeper's end of the line from the store: what changed is forgotten by rclone before the client that changed it
//! hears that it did.
//!
//! The line is there before rclone is, so that nothing can be missed: what comes until the mount answers is forgotten then.
//! A line that was lost, and is new, makes every folder be listed anew. Not so at the beginning: an rclone that has just
//! started would lose sight of files that an earlier one had not uploaded yet.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::control::Control;
use super::written::Written;

/// Less than the store waits for us.
const PATIENCE: Duration = Duration::from_millis(400);
/// For all that is known.
const LONG: Duration = Duration::from_secs(30);
const AGAIN: Duration = Duration::from_millis(100);

/// Follows the store for one life of rclone.
pub struct Follower<'a> {
    changes: &'a Path,
    control: &'a Control,
    written: &'a Written,
    /// What came before the mount answered; `None` since it does.
    early: Mutex<Option<Vec<String>>>,
}

/// A line on which the store has said that it tells of everything.
pub struct Line {
    lines: Lines<BufReader<OwnedReadHalf>>,
    answers: OwnedWriteHalf,
}

impl<'a> Follower<'a> {
    pub fn new(changes: &'a Path, control: &'a Control, written: &'a Written) -> Self {
        Self { changes, control, written, early: Mutex::new(Some(Vec::new())) }
    }

    /// A line to follow from the beginning; none where the platform does not listen at the moment.
    pub async fn begin(&self) -> Option<Line> {
        let begun = async {
            let mut line = self.connect().await?;
            line.answer().await?;
            anyhow::Ok(line)
        };
        begun
            .await
            .inspect_err(|error| tracing::warn!(error = format!("{error:#}"), "no line to the store"))
            .ok()
    }

    /// The mount answers: what changed since the beginning is forgotten now.
    pub async fn ready(&self) -> anyhow::Result<()> {
        let early = self.early().take().unwrap_or_default();
        Ok(self.control.forget(&early, PATIENCE).await?)
    }

    /// Follows for as long as rclone lives.
    pub async fn follow(&self, first: Option<Line>) {
        let mut line = first;
        let mut is_told = false;
        loop {
            let followed = match line.take() {
                Some(line) => self.listen(line).await,
                None => self.again().await,
            };
            match followed {
                Ok(()) => is_told = false,
                // Once: while the platform restarts, it is the same every time.
                Err(error) if !is_told => {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "the store cannot tell of changes; trying on"
                    );
                    is_told = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// With a new line. Of what was before it we know nothing.
    async fn again(&self) -> anyhow::Result<()> {
        let mut line = self.connect().await?;
        self.control.refresh_all(LONG).await?;
        line.answer().await?;
        self.listen(line).await
    }

    async fn connect(&self) -> anyhow::Result<Line> {
        let stream = UnixStream::connect(self.changes).await.context("the platform does not listen")?;
        let (read, answers) = stream.into_split();
        let mut line = Line { lines: BufReader::new(read).lines(), answers };
        // The first line only says that from now on we are told.
        line.keys().await?.context("the platform does not tell")?;
        Ok(line)
    }

    async fn listen(&self, mut line: Line) -> anyhow::Result<()> {
        while let Some(keys) = line.keys().await? {
            if !self.is_early(&keys) {
                self.control.forget(&keys, PATIENCE).await?;
                let folders = self.written.folders_of(&keys);
                let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
                self.control.refresh(&folders, PATIENCE).await?;
            }
            line.answer().await?;
        }
        Ok(())
    }

    fn is_early(&self, keys: &[String]) -> bool {
        match self.early().as_mut() {
            Some(early) => {
                early.extend_from_slice(keys);
                true
            }
            None => false,
        }
    }

    fn early(&self) -> std::sync::MutexGuard<'_, Option<Vec<String>>> {
        self.early.lock().expect("nothing panics while it holds them")
    }
}

impl Line {
    async fn keys(&mut self) -> anyhow::Result<Option<Vec<String>>> {
        let Some(line) = self.lines.next_line().await? else { return Ok(None) };
        serde_json::from_str(&line).map(Some).context("the store said something else than keys")
    }

    async fn answer(&mut self) -> anyhow::Result<()> {
        Ok(self.answers.write_all(b"\n").await?)
    }
}
