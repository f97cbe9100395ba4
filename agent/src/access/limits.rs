//! How much a caller may ask. Generous for those who are known; strict where a password is guessed: what fails counts
//! against whoever tried, and against everybody together, so that many who try share what there is.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock, Reference};
use governor::middleware::{NoOpMiddleware, StateInformationMiddleware, StateSnapshot};
use governor::nanos::Nanos;
use governor::state::keyed::HashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

type Plain<C> = RateLimiter<String, HashMapStateStore<String>, C, NoOpMiddleware<<C as Clock>::Instant>>;
type Counted<C> = RateLimiter<String, HashMapStateStore<String>, C, StateInformationMiddleware>;

pub struct Limits<C: Clock = DefaultClock> {
    clock: C,
    callers: Plain<C>,
    strangers: Plain<C>,
    failures_of_one: Counted<C>,
    failures_of_all: RateLimiter<NotKeyed, InMemoryState, C, StateInformationMiddleware>,
    blocked: Mutex<Blocked<C::Instant>>,
}

/// Until when nobody's word is taken.
struct Blocked<I> {
    one: HashMap<String, I>,
    all: Option<I>,
}

/// So much at once, and one more each time this has passed.
struct Rate {
    at_once: u32,
    every: Duration,
}

const CALLER: Rate = Rate { at_once: 2000, every: Duration::from_millis(5) };
const STRANGER: Rate = Rate { at_once: 300, every: Duration::from_millis(50) };
const FAILURES_OF_ONE: Rate = Rate { at_once: 10, every: Duration::from_secs(12) };
const FAILURES_OF_ALL: Rate = Rate { at_once: 100, every: Duration::from_secs(1) };

/// With more that are remembered, those that are as good as new are forgotten.
const MANY: usize = 10_000;

impl Rate {
    fn quota(&self) -> Quota {
        let at_once = NonZeroU32::new(self.at_once).expect("some are allowed");
        Quota::with_period(self.every).expect("it is longer than nothing").allow_burst(at_once)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::with_clock(DefaultClock::default())
    }
}

impl<C: Clock + Clone> Limits<C> {
    fn with_clock(clock: C) -> Self {
        let keyed = |rate: Rate| RateLimiter::hashmap_with_clock(rate.quota(), clock.clone());
        Self {
            callers: keyed(CALLER),
            strangers: keyed(STRANGER),
            failures_of_one: keyed(FAILURES_OF_ONE).with_middleware(),
            failures_of_all: RateLimiter::direct_with_clock(FAILURES_OF_ALL.quota(), clock.clone())
                .with_middleware(),
            blocked: Mutex::new(Blocked { one: HashMap::new(), all: None }),
            clock,
        }
    }

    /// Counts a request of somebody known. An error says how long to wait.
    pub fn caller(&self, key: &str) -> Result<(), Duration> {
        self.count(&self.callers, key)
    }

    /// Counts a request of nobody known, by where it comes from.
    pub fn stranger(&self, peer: &str) -> Result<(), Duration> {
        self.count(&self.strangers, peer)
    }

    fn count(&self, limiter: &Plain<C>, key: &str) -> Result<(), Duration> {
        if limiter.len() > MANY {
            limiter.retain_recent();
        }
        limiter.check_key(&key.to_owned()).map_err(|not_until| not_until.wait_time_from(self.clock.now()))
    }

    /// Whether somebody may try to sign in, from there. An error says how long to wait.
    pub fn may_sign_in(&self, peer: &str) -> Result<(), Duration> {
        let now = self.clock.now();
        let blocked = self.blocked();
        let until = blocked.one.get(peer).copied().max(blocked.all);
        match until.filter(|until| *until > now) {
            None => Ok(()),
            Some(until) => Err(until.duration_since(now).into()),
        }
    }

    /// Counts a try that failed.
    pub fn sign_in_failed(&self, peer: &str) {
        let now = self.clock.now();
        let after = |rate: &Rate| now + Nanos::from(rate.every);
        let one = is_spent(&self.failures_of_one.check_key(&peer.to_owned()));
        let all = is_spent(&self.failures_of_all.check());
        let mut blocked = self.blocked();
        if blocked.one.len() > MANY {
            blocked.one.retain(|_, until| *until > now);
            self.failures_of_one.retain_recent();
        }
        if one {
            blocked.one.insert(peer.to_owned(), after(&FAILURES_OF_ONE));
        }
        if all {
            blocked.all = Some(after(&FAILURES_OF_ALL));
        }
    }

    fn blocked(&self) -> std::sync::MutexGuard<'_, Blocked<C::Instant>> {
        self.blocked.lock().expect("nothing panics while it holds this")
    }
}

/// Whether the next one would be too much.
fn is_spent<E>(counted: &Result<StateSnapshot, E>) -> bool {
    counted.as_ref().map_or(true, |left| left.remaining_burst_capacity() == 0)
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn limits() -> (Limits<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Limits::with_clock(clock.clone()), clock)
    }

    #[test]
    fn who_guesses_waits_longer_than_guessing_pays_and_nobody_else_does() {
        let (limits, clock) = limits();
        for _ in 0..FAILURES_OF_ONE.at_once {
            assert!(limits.may_sign_in("a").is_ok());
            limits.sign_in_failed("a");
        }
        assert_eq!(limits.may_sign_in("a"), Err(FAILURES_OF_ONE.every));
        assert!(limits.may_sign_in("b").is_ok());
        clock.advance(FAILURES_OF_ONE.every);
        assert!(limits.may_sign_in("a").is_ok());
        limits.sign_in_failed("a");
        assert!(limits.may_sign_in("a").is_err(), "one try, and not ten");
    }

    #[test]
    fn many_who_guess_share_what_there_is() {
        let (limits, clock) = limits();
        for n in 0..FAILURES_OF_ALL.at_once {
            limits.sign_in_failed(&format!("peer {n}"));
        }
        assert!(limits.may_sign_in("somebody else").is_err());
        clock.advance(FAILURES_OF_ALL.every);
        assert!(limits.may_sign_in("somebody else").is_ok());
    }

    #[test]
    fn a_caller_may_ask_a_lot_and_then_waits() {
        let (limits, clock) = limits();
        for _ in 0..CALLER.at_once {
            limits.caller("ci").unwrap();
        }
        assert_eq!(limits.caller("ci"), Err(CALLER.every));
        assert!(limits.caller("another").is_ok() && limits.stranger("ci").is_ok());
        clock.advance(CALLER.every);
        assert!(limits.caller("ci").is_ok());
    }
}
