//! Where a deployment comes from: when the object was put, and when each of those that handed the news on had it. With the
//! steps of the deployment that is the whole way from a push to live. For people: nothing is decided by it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use utoipa::ToSchema;

/// The beginning of a deployment. What is not known is absent. The times are of several clocks: of the S3 server, of
/// whoever runs the functions, and of the agent's host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Origin {
    /// When the last change that led to the command was made, as the S3 server says.
    #[serde(default, deserialize_with = "lenient_field", skip_serializing_if = "Option::is_none")]
    pub put_at: Option<Moment>,
    /// When the function was given the notification.
    #[serde(default, deserialize_with = "lenient_field", skip_serializing_if = "Option::is_none")]
    pub notified_at: Option<Moment>,
    /// When the function sent the command.
    #[serde(default, deserialize_with = "lenient_field", skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Moment>,
    /// When the agent received the command.
    #[serde(default, deserialize_with = "lenient_field", skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Moment>,
}

/// A point in time, to the millisecond. Written as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = DateTime)]
pub struct Moment(OffsetDateTime);

impl Moment {
    pub fn of(time: OffsetDateTime) -> Self {
        let time = time.to_offset(time::UtcOffset::UTC);
        Self(time.replace_millisecond(time.millisecond()).expect("it has these milliseconds already"))
    }

    /// None where the text is no time as RFC 3339 writes it.
    pub fn parse(text: &str) -> Option<Self> {
        OffsetDateTime::parse(text, &Rfc3339).ok().map(Self::of)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format =
            format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        f.write_str(&self.0.format(&format).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("no time as RFC 3339 writes it"))
    }
}

/// Whatever is no origin is none: it must not cost the command.
pub(crate) fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Origin>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(if value.is_object() { serde_json::from_value(value).ok() } else { None })
}

fn lenient_field<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Moment>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(value.as_str().and_then(Moment::parse))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Cause, Command};

    fn moment(text: &str) -> Moment {
        Moment::parse(text).unwrap()
    }

    #[test]
    fn a_moment_is_read_as_servers_write_it_and_written_in_one_way() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(Moment::parse(text).map(|read| read.to_string()).as_deref(), expected, "{text}");
        };
        check("2026-03-01T10:00:00.000Z", Some("2026-03-01T10:00:00.000Z"));
        check("2026-03-01T10:00:00.124724Z", Some("2026-03-01T10:00:00.124Z"));
        check("2026-03-01T10:00:00Z", Some("2026-03-01T10:00:00.000Z"));
        check("2026-03-01T12:30:00.5+02:30", Some("2026-03-01T10:00:00.500Z"));
        check("2026-03-01T10:00:00", None);
        check("yesterday", None);
        check("", None);
    }

    #[test]
    fn a_command_carries_its_origin_and_survives_a_broken_one() {
        let put_at = Some(moment("2026-03-01T10:00:00.001Z"));
        let origin =
            Origin { put_at, decided_at: Some(moment("2026-03-01T10:00:00.009Z")), ..Origin::default() };
        let command =
            Command { origin: Some(origin), ..Command::reconcile("app".parse().unwrap(), Cause::Sweep) };
        let text = command.to_json();
        assert_eq!(Command::from_json(&text).unwrap(), command);
        let whole = serde_json::to_string(&origin).unwrap();
        assert!(text.contains(&whole), "{text}");
        for broken in ["7", "null", r#""then""#, "[1]"] {
            let read = Command::from_json(&text.replace(&whole, broken)).unwrap();
            assert_eq!(read.origin, None, "{broken}");
        }
        let read = Command::from_json(&text.replace("2026-03-01T10:00:00.009Z", "later")).unwrap();
        assert_eq!(read.origin, Some(Origin { put_at, ..Origin::default() }));
    }
}
