//! When tokens were used last: exact in memory, and written down once an hour.

use std::collections::BTreeMap;
use std::sync::Mutex;

use time::{Duration, OffsetDateTime};

#[derive(Default)]
pub struct Used(Mutex<BTreeMap<String, Times>>);

struct Times {
    last: OffsetDateTime,
    /// As it was written down, or was to be.
    told: Option<OffsetDateTime>,
}

const TELL_AFTER: Duration = Duration::HOUR;

impl Used {
    /// Whether it is time to write it down. `written` is what the document says.
    pub fn note(&self, token: &str, now: OffsetDateTime, written: Option<OffsetDateTime>) -> bool {
        let mut all = self.0.lock().expect("nothing panics while it holds this");
        let times = all.entry(token.to_owned()).or_insert(Times { last: now, told: written });
        times.last = now;
        let is_time = times.told.is_none_or(|told| now - told >= TELL_AFTER);
        if is_time {
            times.told = Some(now);
        }
        is_time
    }

    pub fn last(&self, token: &str) -> Option<OffsetDateTime> {
        let all = self.0.lock().expect("nothing panics while it holds this");
        all.get(token).map(|times| times.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_written_down_once_an_hour() {
        let used = Used::default();
        let at = |minutes| OffsetDateTime::UNIX_EPOCH + Duration::minutes(minutes);
        assert!(used.note("a", at(0), None));
        assert!(!used.note("a", at(59), Some(at(0))));
        assert_eq!(used.last("a"), Some(at(59)));
        assert!(used.note("a", at(60), Some(at(0))));
        assert!(!used.note("b", at(61), Some(at(60))), "after a restart, what is written counts");
        assert_eq!(used.last("c"), None);
    }
}
