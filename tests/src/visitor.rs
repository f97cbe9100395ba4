//! Somebody who asks for one path all the time, each time on a new connection, and remembers what they were told: what
//! must not be noticed from outside is not noticed by them.

use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::http;
use crate::platform::Platform;

pub struct Visitor {
    leave: SyncSender<()>,
    thread: JoinHandle<Visits>,
}

/// What a visitor was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visits {
    /// How often the answer was 200.
    pub answers: usize,
    /// What those answers said, each change once and in order.
    pub bodies: Vec<String>,
    /// Everything else: other answers, and none at all. The first few.
    pub failures: Vec<String>,
}

/// Between two requests.
const PAUSE: Duration = Duration::from_millis(10);
const FAILURES: usize = 20;

impl Visitor {
    /// Begins to ask for this path of the edge.
    pub fn at(platform: &Platform, path: &str) -> Self {
        let (address, host) = (platform.edge_address().to_owned(), platform.host().to_owned());
        let path = path.to_owned();
        let (leave, left) = sync_channel(1);
        let thread = std::thread::spawn(move || {
            let mut visits = Visits::default();
            while left.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                match http::get(&address, &host, &path) {
                    Ok(answer) if answer.status == 200 => visits.told(answer.body),
                    Ok(answer) => visits.failed(format!("{} {}", answer.status, answer.body)),
                    Err(error) => visits.failed(error.to_string()),
                }
            }
            visits
        });
        Self { leave, thread }
    }

    /// Ends the visits, and tells of them.
    pub fn leave(self) -> Visits {
        drop(self.leave);
        self.thread.join().expect("the visitor did not panic")
    }
}

impl Visits {
    fn told(&mut self, body: String) {
        self.answers += 1;
        if self.bodies.last() != Some(&body) {
            self.bodies.push(body);
        }
    }

    fn failed(&mut self, how: String) {
        if self.failures.len() < FAILURES {
            self.failures.push(format!("after {} answers: {how}", self.answers));
        }
    }

    /// Every request was answered, and there were some.
    #[track_caller]
    pub fn all_answered(&self) {
        assert!(self.failures.is_empty() && self.answers > 0, "requests failed: {self:#?}");
    }
}
