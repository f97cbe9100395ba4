//! The trace that a command is part of, as W3C's `traceparent` writes it. It begins in the function that decides the
//! command, since the notifications of S3 carry nothing of the kind, and is found again in every log line of the
//! deployment that follows. <https://www.w3.org/TR/trace-context/#traceparent-header>

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TraceParent {
    trace: [u8; 16],
    span: [u8; 8],
    sampled: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no traceparent of version 00")]
pub struct InvalidTraceParent(String);

impl TraceParent {
    /// A new trace, from randomness that the caller has; `None` for the all-zero ids, which mean "invalid".
    pub fn new(trace: [u8; 16], span: [u8; 8]) -> Option<Self> {
        let valid = trace.iter().any(|byte| *byte != 0) && span.iter().any(|byte| *byte != 0);
        valid.then_some(Self { trace, span, sampled: true })
    }

    /// The trace that AWS X-Ray writes as `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`.
    /// Its root without the dashes is the id of the same trace for W3C. `span` stands in where no parent is named.
    /// <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>
    pub fn from_xray(header: &str, span: [u8; 8]) -> Option<Self> {
        let field = |name: &str| {
            let mut fields = header.split(';').filter_map(|field| field.trim().split_once('='));
            fields.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let mut root = field("Root")?.split('-');
        let (version, epoch, unique) = (root.next()?, root.next()?, root.next()?);
        if version != "1" || epoch.len() != 8 || root.next().is_some() {
            return None;
        }
        let trace = bytes(&format!("{epoch}{unique}"))?;
        let parent = Self::new(trace, field("Parent").and_then(bytes).unwrap_or(span))?;
        Some(Self { sampled: field("Sampled") != Some("0"), ..parent })
    }

    /// The same trace, with another span as the parent.
    pub fn child(&self, span: [u8; 8]) -> Option<Self> {
        Self::new(self.trace, span).map(|child| Self { sampled: self.sampled, ..child })
    }

    /// What all log lines of one trace have in common: 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        hex(&self.trace)
    }
}

impl FromStr for TraceParent {
    type Err = InvalidTraceParent;

    fn from_str(text: &str) -> Result<Self, InvalidTraceParent> {
        let parse = || {
            let mut parts = text.split('-');
            let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
            if version != "00" || parts.next().is_some() {
                return None;
            }
            let [flags] = bytes(flags)?;
            let parsed = Self::new(bytes(trace)?, bytes(span)?)?;
            Some(Self { sampled: flags & 1 == 1, ..parsed })
        };
        parse().ok_or_else(|| InvalidTraceParent(text.to_owned()))
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", hex(&self.trace), hex(&self.span), u8::from(self.sampled))
    }
}

impl TryFrom<String> for TraceParent {
    type Error = InvalidTraceParent;

    fn try_from(text: String) -> Result<Self, InvalidTraceParent> {
        text.parse()
    }
}

impl From<TraceParent> for String {
    fn from(parent: TraceParent) -> Self {
        parent.to_string()
    }
}

/// For a field that helps people and decides nothing: whatever is no traceparent is none.
pub(crate) fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TraceParent>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(value.as_str().and_then(|text| text.parse().ok()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lower-case digits only, as the specification wants them.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    let valid =
        digits.len() == 2 * N && digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    if !valid {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Cause, Command};

    const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn it_is_written_as_it_is_read() {
        for text in [TEXT, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"] {
            assert_eq!(text.parse::<TraceParent>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_the_specification_calls_invalid_is() {
        for text in [
            "",
            "00",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e47é-00f067aa0ba902b7-01",
        ] {
            assert!(text.parse::<TraceParent>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_trace_of_x_ray_is_the_same_trace() {
        let check = |header: &str, expected: Option<&str>| {
            let read = TraceParent::from_xray(header, [0xab; 8]).map(|read| read.to_string());
            assert_eq!(read.as_deref(), expected, "{header}");
        };
        let root = "Root=1-5759e988-bd862e3fe1be46a994272793";
        let sampled = Some("00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01");
        check(&format!("{root};Parent=53995c3f42cd8ad8;Sampled=1"), sampled);
        check(&format!("Sampled=1; Parent=53995c3f42cd8ad8; {root}; Lineage=a:0"), sampled);
        let unsampled = Some("00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-00");
        check(&format!("{root};Parent=53995c3f42cd8ad8;Sampled=0"), unsampled);
        let alone = Some("00-5759e988bd862e3fe1be46a994272793-abababababababab-01");
        for rest in ["", ";Parent=", ";Parent=nonsense", ";Sampled=?"] {
            check(&format!("{root}{rest}"), alone);
        }
        for nonsense in [
            "",
            "Root=",
            "Parent=53995c3f42cd8ad8",
            "Root=2-5759e988-bd862e3fe1be46a994272793",
            "Root=1-5759e98-8bd862e3fe1be46a994272793",
            "Root=1-5759e988-bd862e3fe1be46a99427279",
            "Root=1-5759e988-bd862e3fe1be46a994272793-1",
            "Root=1-00000000-000000000000000000000000",
        ] {
            check(nonsense, None);
        }
    }

    #[test]
    fn a_command_carries_it_and_survives_a_broken_one() {
        let command = Command::reconcile("app".parse().unwrap(), Cause::Sweep).traced(TEXT.parse().unwrap());
        assert_eq!(Command::from_json(&command.to_json()).unwrap(), command);
        for broken in [r#""nonsense""#, "7", "null", "{}"] {
            let text = command.to_json().replace(&format!("{TEXT:?}"), broken);
            assert_eq!(Command::from_json(&text).unwrap().traceparent, None, "{text}");
        }
    }

    #[test]
    fn a_child_stays_in_its_trace() {
        let parent: TraceParent = TEXT.parse().unwrap();
        let child = parent.child([1; 8]).unwrap();
        assert_eq!((child.trace_id(), child == parent), (parent.trace_id(), false));
    }
}
