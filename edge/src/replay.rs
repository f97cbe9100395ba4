//! Whether a request that failed before its answer began may be sent again. A redeploy must drop no request,
//! and no request may be carried out twice that would do harm twice: so what certainly was not sent is sent
//! again, what may have been is only when its method says so (RFC 9110, section 9.2.2).

use std::error::Error;
use std::io;
use std::time::Duration;

use http::Method;
use hyper_util::client::legacy;

/// An attempt that failed, and its causes, for the log.
#[derive(Debug)]
pub(crate) struct Failure {
    pub how: How,
    pub story: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// No connection came about, or it was closed before the request was written.
    Unsent,
    /// No connection came about in time.
    ConnectTimedOut,
    /// The connection broke after it was given the request.
    Broken,
    /// The client's body could not be read.
    BadBody,
    /// The client stopped sending.
    Starved,
    /// The backend did not begin to answer.
    Silent,
}

/// What is known of a request when an attempt has failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation {
    /// Attempts that failed, this one included.
    pub failed: usize,
    /// Of those, with the connection broken after it was given the request.
    pub broken: usize,
    /// Another backend is left that was not tried.
    pub untried: bool,
    pub idempotent: bool,
    pub no_body: bool,
    pub body_untouched: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Again,
    AgainAfter(Duration),
    GiveUp,
}

/// Between attempts on a backend that refuses: a container that is being replaced is back, or out of the table,
/// within these.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(10),
    Duration::from_millis(40),
    Duration::from_millis(150),
    Duration::from_millis(300),
];
/// More backends than this are not asked about one request.
const MOST_ATTEMPTS: usize = 8;

pub(crate) fn verdict(how: How, situation: Situation) -> Verdict {
    let Situation { failed, broken, untried, idempotent, no_body, body_untouched } = situation;
    if failed >= MOST_ATTEMPTS || !(no_body || body_untouched) {
        return Verdict::GiveUp;
    }
    match how {
        How::Unsent | How::ConnectTimedOut if untried => Verdict::Again,
        How::Unsent => PAUSES.get(failed - 1).map_or(Verdict::GiveUp, |&pause| Verdict::AgainAfter(pause)),
        // Once: a request that brings its backend down must not go on to the next for ever. A body that was
        // never asked for shows that the head had not gone out either.
        How::Broken if broken <= 1 && (idempotent || !no_body) => Verdict::Again,
        How::ConnectTimedOut | How::Broken | How::BadBody | How::Starved | How::Silent => Verdict::GiveUp,
    }
}

pub(crate) fn is_idempotent(method: &Method) -> bool {
    method.is_safe() || matches!(*method, Method::PUT | Method::DELETE)
}

impl Failure {
    pub(crate) fn of(error: &legacy::Error) -> Self {
        let story: Vec<String> = causes(error).map(ToString::to_string).collect();
        Self { how: How::of(error), story: story.join(": ") }
    }
}

impl How {
    fn of(error: &legacy::Error) -> Self {
        if error.is_connect() {
            let io = causes(error).find_map(|cause| cause.downcast_ref::<io::Error>());
            let timed_out = io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut);
            return if timed_out { Self::ConnectTimedOut } else { Self::Unsent };
        }
        match causes(error).find_map(|cause| cause.downcast_ref::<hyper::Error>()) {
            Some(cause) if cause.is_canceled() => Self::Unsent,
            Some(cause) if cause.is_user() => Self::BadBody,
            _ => Self::Broken,
        }
    }
}

impl From<How> for Failure {
    fn from(how: How) -> Self {
        Self { how, story: "it took too long".into() }
    }
}

fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: Situation = Situation {
        failed: 1,
        broken: 0,
        untried: false,
        idempotent: true,
        no_body: true,
        body_untouched: true,
    };
    const POST: Situation = Situation { idempotent: false, no_body: false, ..GET };

    #[test]
    fn what_was_not_sent_goes_to_another_backend_at_once_and_to_the_same_after_a_pause() {
        for request in [GET, POST] {
            assert_eq!(verdict(How::Unsent, Situation { untried: true, ..request }), Verdict::Again);
            assert_eq!(verdict(How::ConnectTimedOut, Situation { untried: true, ..request }), Verdict::Again);
            assert_eq!(verdict(How::ConnectTimedOut, request), Verdict::GiveUp);
            for (failed, pause) in PAUSES.into_iter().enumerate() {
                let situation = Situation { failed: failed + 1, ..request };
                assert_eq!(verdict(How::Unsent, situation), Verdict::AgainAfter(pause));
            }
            let last = Situation { failed: PAUSES.len() + 1, ..request };
            assert_eq!(verdict(How::Unsent, last), Verdict::GiveUp);
        }
        let many = Situation { failed: MOST_ATTEMPTS, untried: true, ..GET };
        assert_eq!(verdict(How::Unsent, many), Verdict::GiveUp);
    }

    #[test]
    fn what_may_have_been_sent_is_sent_again_once_and_only_where_that_is_harmless() {
        let broken = |request| verdict(How::Broken, Situation { broken: 1, ..request });
        assert_eq!(broken(GET), Verdict::Again);
        assert_eq!(broken(POST), Verdict::Again, "its body was not asked for, so nothing was sent");
        assert_eq!(broken(Situation { no_body: true, ..POST }), Verdict::GiveUp);
        assert_eq!(verdict(How::Broken, Situation { broken: 2, failed: 2, ..GET }), Verdict::GiveUp);
    }

    #[test]
    fn a_body_that_is_on_its_way_cannot_be_sent_again() {
        let partly = Situation { body_untouched: false, untried: true, ..POST };
        for how in [How::Unsent, How::ConnectTimedOut, How::Broken] {
            assert_eq!(verdict(how, partly), Verdict::GiveUp);
        }
    }

    #[test]
    fn silence_and_broken_clients_are_final() {
        for how in [How::Silent, How::Starved, How::BadBody] {
            assert_eq!(verdict(how, Situation { untried: true, ..GET }), Verdict::GiveUp);
        }
    }
}
