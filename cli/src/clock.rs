//! What time it is, for people: their own, as the machine has it.

use std::sync::OnceLock;
use std::time::Duration;

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

static OFFSET: OnceLock<UtcOffset> = OnceLock::new();

/// Learns the local offset, which is safe only as long as there is one thread.
pub fn learn() {
    let _ = OFFSET.set(UtcOffset::current_local_offset().unwrap_or(UtcOffset::UTC));
}

/// As on a clock on the wall: `14:03:22`.
pub fn time_of_day() -> String {
    let now = OffsetDateTime::now_utc().to_offset(*OFFSET.get_or_init(|| UtcOffset::UTC));
    now.format(format_description!("[hour]:[minute]:[second]")).unwrap_or_default()
}

/// For programs: how long ago, as a time in UTC.
pub fn rfc3339_before(ago: Duration) -> String {
    let time = OffsetDateTime::now_utc() - ago;
    let time = time.replace_millisecond(time.millisecond()).unwrap_or(time);
    time.format(&Rfc3339).unwrap_or_default()
}

/// A time of a server, from milliseconds since the Unix epoch; `None` for one that it did not say.
pub fn rfc3339(millis: i64) -> Option<String> {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok()?;
    (millis != 0).then(|| time.format(&Rfc3339).ok()).flatten()
}
