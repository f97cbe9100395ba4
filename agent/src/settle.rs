//! When is a push complete? S3 has no transaction over several objects, so the agent watches the listing: a push
//! counts as complete once the listing stayed the same for a while. The while is short for one changed file and
//! longer once more of them are seen to arrive, and an endless push is cut off by a cap.
//!
//! A file that is gone may be on its way back: editors rename a file before they write it anew, and in a bucket that is
//! a delete and, some time later, a put. So what is gone waits the longer while, and one file that came back the short.

use std::time::Duration;

use cloudyknight_core::manifest::Manifest;

/// The adaptive quiet window of one push.
#[derive(Debug)]
pub struct Settling {
    quiet: Duration,
    burst_quiet: Duration,
    cap: Duration,
    live: Manifest,
    last: Manifest,
    /// Since the push was first seen.
    last_change_at: Duration,
    burst: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Look again after this time.
    Wait(Duration),
    /// The listing that was last observed is the push.
    Settled,
}

impl Settling {
    /// `live` is what runs now: how much a push differs from it at first sight says whether it is a burst. A
    /// workspace that runs nothing yet gets the long window: nobody waits for a change to show, and what comes
    /// first of a new app is rarely all of it.
    pub fn new(
        quiet: Duration,
        burst_quiet: Duration,
        cap: Duration,
        live: &Manifest,
        first: Manifest,
    ) -> Self {
        let burst = live.is_empty() || live.difference(&first) > 1;
        Self {
            quiet,
            burst_quiet: burst_quiet.max(quiet),
            cap,
            live: live.clone(),
            last: first,
            last_change_at: Duration::ZERO,
            burst,
        }
    }

    /// A push that somebody declared complete.
    pub fn complete(first: Manifest) -> Self {
        let none = Duration::ZERO;
        Self {
            quiet: none,
            burst_quiet: none,
            cap: none,
            live: Manifest::default(),
            last: first,
            last_change_at: none,
            burst: false,
        }
    }

    /// What to do at `now` (since the push was first seen), given what was observed so far.
    pub fn next(&self, now: Duration) -> Next {
        if now >= self.cap {
            return Next::Settled;
        }
        let waits_for_a_file = !self.burst && self.lacks(&self.last);
        let quiet = if self.burst || waits_for_a_file { self.burst_quiet } else { self.quiet };
        match (self.last_change_at + quiet).checked_sub(now) {
            Some(rest) if !rest.is_zero() => {
                // It may come at any moment, and is not to wait for the whole window then.
                let rest = if waits_for_a_file { rest.min(self.quiet) } else { rest };
                Next::Wait(rest.min(self.cap - now))
            }
            _ => Next::Settled,
        }
    }

    /// A new listing, made at `now`.
    pub fn observe(&mut self, manifest: Manifest, now: Duration) {
        if manifest != self.last {
            let came_back = self.lacks(&self.last) && !self.lacks(&manifest);
            self.burst |= !came_back || self.live.difference(&manifest) > 1;
            self.last = manifest;
            self.last_change_at = now;
        }
    }

    /// Whether something is gone of what runs now.
    fn lacks(&self, manifest: &Manifest) -> bool {
        self.live.entries.keys().any(|path| !manifest.entries.contains_key(path))
    }

    pub fn into_manifest(self) -> Manifest {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use cloudyknight_core::manifest::Entry;

    use super::*;

    const QUIET: Duration = Duration::from_millis(100);
    const BURST: Duration = Duration::from_millis(500);
    const CAP: Duration = Duration::from_secs(60);

    fn files(count: u64) -> Manifest {
        let entry = |n: u64| (format!("{n}"), Entry { etag: "e".into(), size: n });
        Manifest { entries: (0..count).map(entry).collect() }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn one_changed_file_waits_the_short_window_only() {
        let push = Settling::new(QUIET, BURST, CAP, &files(5), files(6));
        assert_eq!(push.next(ms(0)), Next::Wait(QUIET));
        assert_eq!(push.next(ms(60)), Next::Wait(ms(40)));
        assert_eq!(push.next(ms(100)), Next::Settled);
    }

    #[test]
    fn a_push_that_keeps_growing_waits_the_long_window_after_its_last_file() {
        let mut push = Settling::new(QUIET, BURST, CAP, &files(1), files(2));
        push.observe(files(3), ms(100));
        assert_eq!(push.next(ms(100)), Next::Wait(BURST));
        push.observe(files(4), ms(590));
        assert_eq!(push.next(ms(610)), Next::Wait(ms(480)));
        push.observe(files(4), ms(1090));
        assert_eq!(push.next(ms(1090)), Next::Settled);
        assert_eq!(push.into_manifest(), files(4));
    }

    #[test]
    fn a_push_that_is_declared_complete_waits_for_nothing() {
        let push = Settling::complete(files(7));
        assert_eq!(push.next(ms(0)), Next::Settled);
        assert_eq!(push.into_manifest(), files(7));
    }

    #[test]
    fn a_first_push_waits_the_long_window() {
        let push = Settling::new(QUIET, BURST, CAP, &Manifest::default(), files(1));
        assert_eq!(push.next(ms(0)), Next::Wait(BURST));
    }

    #[test]
    fn several_files_changed_at_first_sight_are_a_burst() {
        let push = Settling::new(QUIET, BURST, CAP, &files(5), files(7));
        assert_eq!(push.next(ms(0)), Next::Wait(BURST));
    }

    /// As [`files`], with one of them changed.
    fn saved(count: u64, which: u64) -> Manifest {
        let mut manifest = files(count);
        manifest.entries.insert(format!("{which}"), Entry { etag: "saved".into(), size: 9 });
        manifest
    }

    #[test]
    fn a_file_that_is_gone_may_come_back_within_the_long_window() {
        let push = Settling::new(QUIET, BURST, CAP, &files(5), files(4));
        // It is looked for meanwhile.
        assert_eq!(push.next(ms(0)), Next::Wait(QUIET));
        assert_eq!(push.next(ms(400)), Next::Wait(QUIET));
        assert_eq!(push.next(ms(500)), Next::Settled);
    }

    #[test]
    fn a_file_that_came_back_waits_the_short_window() {
        let mut push = Settling::new(QUIET, BURST, CAP, &files(5), files(4));
        push.observe(files(4), ms(100));
        push.observe(saved(5, 4), ms(200));
        assert_eq!(push.next(ms(200)), Next::Wait(QUIET));
        assert_eq!(push.next(ms(300)), Next::Settled);
        assert_eq!(push.into_manifest(), saved(5, 4));
    }

    #[test]
    fn the_only_file_may_come_back_too() {
        let mut push = Settling::new(QUIET, BURST, CAP, &files(1), Manifest::default());
        assert_eq!(push.next(ms(100)), Next::Wait(QUIET));
        push.observe(saved(1, 0), ms(150));
        assert_eq!(push.next(ms(250)), Next::Settled);
        assert_eq!(push.into_manifest(), saved(1, 0));
    }

    #[test]
    fn a_rename_is_a_burst() {
        let mut renamed = files(4);
        renamed.entries.insert("other".into(), Entry { etag: "e".into(), size: 4 });
        let push = Settling::new(QUIET, BURST, CAP, &files(5), renamed);
        assert_eq!(push.next(ms(0)), Next::Wait(BURST));
    }

    #[test]
    fn an_endless_push_is_cut_off_at_the_cap() {
        let mut push = Settling::new(QUIET, BURST, CAP, &Manifest::default(), files(1));
        push.observe(files(100), CAP - ms(10));
        assert_eq!(push.next(CAP - ms(10)), Next::Wait(ms(10)));
        assert_eq!(push.next(CAP), Next::Settled);
    }
}
