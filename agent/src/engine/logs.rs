//! What containers print, line by line: from a moment on, and followed, also when a container is started again in place.

use std::time::Duration;

use bollard::container::LogOutput;
use bollard::query_parameters::{LogsOptions, LogsOptionsBuilder};
use futures::{Stream, StreamExt, TryStreamExt};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::mpsc::Sender;

use super::{Engine, EngineError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was printed, by Docker's clock.
    pub at: Option<OffsetDateTime>,
    pub text: String,
}

/// Which part of a log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Excerpt {
    /// Only so many lines from the end of what is there; `None`: all of it.
    pub tail: Option<usize>,
    /// Nothing that was printed before.
    pub since: Option<OffsetDateTime>,
    pub follow: Follow,
}

/// For how long what comes is read as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follow {
    #[default]
    Not,
    UntilItStops,
    /// Also when it is started again in place, by Docker or by somebody.
    ThroughRestarts,
}

/// How long somebody may take to start a container that they have stopped; Docker's own restarts are waited for longer.
const STARTED_AGAIN: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

type Lines = Sender<Result<LogLine, EngineError>>;

impl Engine {
    pub fn logs(
        &self,
        id: &str,
        excerpt: Excerpt,
    ) -> impl Stream<Item = Result<LogLine, EngineError>> + Send + use<> {
        let (sender, receiver) = tokio::sync::mpsc::channel(64);
        let (engine, id) = (self.clone(), id.to_owned());
        tokio::spawn(async move {
            tokio::select! {
                () = engine.send_log(&id, excerpt, &sender) => {}
                // Nobody reads it any more.
                () = sender.closed() => {}
            }
        });
        futures::stream::unfold(
            receiver,
            |mut receiver| async move { Some((receiver.recv().await?, receiver)) },
        )
    }

    /// The last `lines` lines of its log; what cannot be read is left out.
    pub async fn log_tail(&self, id: &str, lines: usize) -> Vec<String> {
        let excerpt = Excerpt { tail: Some(lines), ..Excerpt::default() };
        let read = self.logs(id, excerpt).map_ok(|line| line.text);
        let lines: Vec<Result<String, EngineError>> = read.take(lines * 2).collect().await;
        lines.into_iter().filter_map(Result::ok).collect()
    }

    async fn send_log(&self, id: &str, mut excerpt: Excerpt, lines: &Lines) {
        let mut last = None;
        while self.send_until_it_stops(id, excerpt, lines, &mut last).await {
            if excerpt.follow != Follow::ThroughRestarts {
                return;
            }
            let Some(stopped) = self.runs_again(id).await else { return };
            // All that it had printed was sent when it stopped.
            let next = last.map(|last: OffsetDateTime| last + time::Duration::NANOSECOND);
            excerpt = Excerpt { tail: None, since: next.or(stopped), ..excerpt };
        }
    }

    /// Whether it was read to its end.
    async fn send_until_it_stops(
        &self,
        id: &str,
        excerpt: Excerpt,
        lines: &Lines,
        last: &mut Option<OffsetDateTime>,
    ) -> bool {
        let docker = match self.patient() {
            Ok(docker) => docker,
            Err(error) => {
                // When nobody listens any more, nobody has to learn it.
                let _ = lines.send(Err(error)).await;
                return false;
            }
        };
        let mut pieces = docker.logs(id, Some(options(excerpt)));
        while let Some(piece) = pieces.next().await {
            let line = piece.map(|piece| line(&piece)).map_err(|error| EngineError::of("read a log", error));
            let is_error = line.is_err();
            if let Ok(line) = &line {
                // Docker takes whole seconds.
                if line.at.zip(excerpt.since).is_some_and(|(at, since)| at < since) {
                    continue;
                }
                *last = line.at.max(*last);
            }
            if lines.send(line).await.is_err() || is_error {
                return false;
            }
        }
        true
    }

    /// Waits until a container that has stopped runs again, and answers when it had stopped; `None` when it stays so.
    async fn runs_again(&self, id: &str) -> Option<Option<OffsetDateTime>> {
        let mut waited = Duration::ZERO;
        while waited < STARTED_AGAIN {
            tokio::time::sleep(LOOK_AGAIN).await;
            let state = self.inspect(id).await.ok()?.state?;
            match (state.running.unwrap_or_default(), state.restarting.unwrap_or_default()) {
                (_, true) => {}
                (true, false) => return Some(state.finished_at.as_deref().and_then(moment)),
                (false, false) => waited += LOOK_AGAIN,
            }
        }
        None
    }
}

fn options(excerpt: Excerpt) -> LogsOptions {
    let tail = excerpt.tail.map_or("all".to_owned(), |lines| lines.to_string());
    let since = excerpt.since.map_or(0, |since| since.unix_timestamp().clamp(0, i32::MAX.into()) as i32);
    let options = LogsOptionsBuilder::new().stdout(true).stderr(true).timestamps(true);
    options.follow(excerpt.follow != Follow::Not).tail(&tail).since(since).build()
}

fn line(output: &LogOutput) -> LogLine {
    let text = text_of(output);
    let (time, rest) = text.split_once(' ').unwrap_or((&text, ""));
    match moment(time) {
        Some(at) => LogLine { at: Some(at), text: rest.to_owned() },
        None => LogLine { at: None, text },
    }
}

pub(super) fn text_of(output: &LogOutput) -> String {
    String::from_utf8_lossy(output.as_ref()).trim_end_matches(['\r', '\n']).to_owned()
}

fn moment(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_line_is_told_from_its_time() {
        let check = |message: &str, at: Option<OffsetDateTime>, text: &str| {
            let read = line(&LogOutput::StdOut { message: message.to_owned().into() });
            assert_eq!((read.at, read.text.as_str()), (at, text), "{message:?}");
        };
        let at = datetime!(2026-01-02 03:04:05.000_000_120 UTC);
        check("2026-01-02T03:04:05.000000120Z it runs\r\n", Some(at), "it runs");
        check("2026-01-02T03:04:05.000000120Z \n", Some(at), "");
        check("2026-01-02T03:04:05.000000120Z", Some(at), "");
        check("2026-01-02T03:04:05.000000120Z  two  spaces ", Some(at), " two  spaces ");
        check("no time", None, "no time");
    }

    #[test]
    fn docker_is_asked_for_whole_seconds() {
        let since = |since| options(Excerpt { since, ..Excerpt::default() }).since;
        assert_eq!(since(None), 0);
        assert_eq!(since(Some(datetime!(1970-01-01 00:00:07.9 UTC))), 7);
        assert_eq!(since(Some(datetime!(1960-01-01 0:00 UTC))), 0);
        assert_eq!(since(Some(datetime!(2100-01-01 0:00 UTC))), i32::MAX);
    }
}
