//! Text that is printed line by line and kept in memory, bounded, for whoever wants to read it: what a build prints, what
//! the platform logs. It can be read while it is written.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::Stream;
use tokio::sync::watch;

/// The longest line that is kept whole, in bytes; of a longer one the beginning is kept.
pub const LONGEST_LINE: usize = 16 * 1024;
/// How much one piece for a reader holds at most, in lines.
const PIECE: usize = 500;

pub struct Lines {
    kept: Mutex<Kept>,
    /// Changes with each line, and at the end.
    told: watch::Sender<()>,
    limit: Limit,
}

/// The oldest lines go when there are more.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    pub lines: usize,
    pub bytes: usize,
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<Arc<str>>,
    bytes: usize,
    /// How many were forgotten: the number of the first one that is kept.
    gone: u64,
    is_over: bool,
}

impl Lines {
    pub fn new(limit: Limit) -> Self {
        Self { kept: Mutex::default(), told: watch::Sender::new(()), limit }
    }

    /// Adds a line, or each of several.
    pub fn push(&self, text: &str) {
        let mut kept = self.lock();
        for line in text.split('\n') {
            let line = line.trim_end_matches('\r');
            let line: Arc<str> = if line.len() > LONGEST_LINE {
                format!("{}…", &line[..line.floor_char_boundary(LONGEST_LINE)]).into()
            } else {
                line.into()
            };
            kept.bytes += line.len();
            kept.lines.push_back(line);
        }
        while kept.lines.len() > self.limit.lines || kept.bytes > self.limit.bytes {
            let Some(gone) = kept.lines.pop_front() else { break };
            kept.bytes -= gone.len();
            kept.gone += 1;
        }
        drop(kept);
        self.told.send_replace(());
    }

    /// Nothing more comes: who follows it, is done.
    pub fn end(&self) {
        self.lock().is_over = true;
        self.told.send_replace(());
    }

    /// All that is kept, or the last `tail` lines; with `follow` also what comes, until the end. Whoever reads too slowly
    /// is told what they missed, and holds nobody up.
    pub fn read(
        self: Arc<Self>,
        tail: Option<usize>,
        follow: bool,
    ) -> impl Stream<Item = Bytes> + Send + 'static {
        let reader = {
            let kept = self.lock();
            let end = kept.gone + kept.lines.len() as u64;
            let begin = tail.map_or(kept.gone, |lines| end.saturating_sub(lines as u64).max(kept.gone));
            Reader {
                next: begin,
                end: (!follow).then_some(end),
                told: self.told.subscribe(),
                lines: self.clone(),
            }
        };
        futures::stream::unfold(reader, |mut reader| async move { Some((reader.piece().await?, reader)) })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().expect("no thread panics while it holds the lines")
    }
}

struct Reader {
    lines: Arc<Lines>,
    /// The number of the next line.
    next: u64,
    /// Where it stops; `None`: where they end.
    end: Option<u64>,
    told: watch::Receiver<()>,
}

impl Reader {
    /// The next lines; none at the end.
    async fn piece(&mut self) -> Option<Bytes> {
        loop {
            self.told.mark_unchanged();
            let (text, is_over) = self.there();
            if !text.is_empty() {
                return Some(text.into());
            }
            if is_over || self.end.is_some() {
                return None;
            }
            self.told.changed().await.ok()?;
        }
    }

    fn there(&mut self) -> (String, bool) {
        let kept = self.lines.lock();
        let mut text = String::new();
        let last = kept.gone + kept.lines.len() as u64;
        let end = self.end.unwrap_or(last).min(last);
        if self.next < kept.gone {
            text = format!("… {} lines are gone …\n", kept.gone - self.next);
            self.next = kept.gone;
        }
        let (skip, take) = ((self.next - kept.gone) as usize, end.saturating_sub(self.next) as usize);
        for line in kept.lines.iter().skip(skip).take(take.min(PIECE)) {
            text.push_str(line);
            text.push('\n');
            self.next += 1;
        }
        (text, kept.is_over)
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    fn lines(limit: usize) -> Arc<Lines> {
        Arc::new(Lines::new(Limit { lines: limit, bytes: 1 << 20 }))
    }

    async fn text(stream: impl Stream<Item = Bytes>) -> String {
        let pieces: Vec<Bytes> = stream.collect().await;
        String::from_utf8(pieces.concat()).unwrap()
    }

    #[tokio::test]
    async fn the_last_lines_are_kept_and_read() {
        let lines = lines(3);
        lines.push("one");
        lines.push("two\r\nthree\nfour");
        assert_eq!(text(lines.clone().read(None, false)).await, "two\nthree\nfour\n");
        assert_eq!(text(lines.clone().read(Some(1), false)).await, "four\n");
        assert_eq!(text(lines.clone().read(Some(0), false)).await, "");
        assert_eq!(text(lines.read(Some(100), false)).await, "two\nthree\nfour\n");
    }

    #[tokio::test]
    async fn bytes_are_bounded_and_so_is_a_line() {
        let lines = Arc::new(Lines::new(Limit { lines: 100, bytes: 3 * LONGEST_LINE }));
        for _ in 0..4 {
            lines.push(&"é".repeat(LONGEST_LINE));
        }
        let read = text(lines.read(None, false)).await;
        assert!(read.len() <= 3 * LONGEST_LINE, "{}", read.len());
        assert!(read.lines().all(|line| line.len() <= LONGEST_LINE + "…".len() && line.ends_with('…')));
    }

    #[tokio::test]
    async fn whoever_follows_reads_on_until_the_end() {
        let lines = lines(100);
        lines.push("one");
        let mut reader = Box::pin(lines.clone().read(None, true));
        assert_eq!(reader.next().await.unwrap(), "one\n");
        let more = tokio::spawn(async move { text(reader).await });
        lines.push("two");
        lines.push("three");
        lines.end();
        assert_eq!(more.await.unwrap(), "two\nthree\n");
        assert_eq!(text(lines.read(Some(1), true)).await, "three\n");
    }

    #[tokio::test]
    async fn a_slow_reader_is_told_what_it_missed() {
        let lines = lines(2);
        lines.push("one");
        let mut reader = Box::pin(lines.clone().read(None, true));
        assert_eq!(reader.next().await.unwrap(), "one\n");
        lines.push("two\nthree\nfour\nfive");
        lines.end();
        assert_eq!(text(reader).await, "… 2 lines are gone …\nfour\nfive\n");
    }
}
