//! The one place where the functions read a clock; what decides takes the time as a value.

use cloudyknight_core::origin::Moment;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Now, RFC 3339 in UTC.
pub fn now() -> String {
    OffsetDateTime::now_utc().format(&Rfc3339).expect("the present has four digits in its year")
}

/// The same, to the millisecond.
pub fn moment() -> Moment {
    Moment::of(OffsetDateTime::now_utc())
}
