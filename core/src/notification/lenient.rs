//! JSON that is well-formed, but holds something no value of ours can: half a surrogate pair in a string, a number that is too
//! large, nesting that is too deep. A reader that takes a message as a whole loses all its records to one such field.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Far deeper than any notification. What lies deeper is dropped.
const MAX_DEPTH: usize = 32;

/// The JSON of `text`, with null for what cannot be held, and � for what is no text.
pub(super) fn parse(text: &str) -> Result<Value, serde_json::Error> {
    match serde_json::from_str(text) {
        Ok(json) => Ok(json),
        // What is no JSON at all is refused a second time here.
        Err(error) => serde_json::from_str::<&RawValue>(text).map(|raw| salvaged(raw, 0)).map_err(|_| error),
    }
}

fn salvaged(raw: &RawValue, depth: usize) -> Value {
    let text = raw.get();
    if depth == MAX_DEPTH {
        return Value::Null;
    }
    match text.as_bytes().first() {
        Some(b'{') => {
            let fields: BTreeMap<Text<'_>, &RawValue> = serde_json::from_str(text).unwrap_or_default();
            let fields =
                fields.into_iter().map(|(name, raw)| (name.0.into_owned(), salvaged(raw, depth + 1)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
            items.into_iter().map(|raw| salvaged(raw, depth + 1)).collect()
        }
        Some(b'"') => serde_json::from_str::<Text<'_>>(text)
            .map_or(Value::Null, |text| Value::String(text.0.into_owned())),
        _ => serde_json::from_str(text).unwrap_or_default(),
    }
}

/// A string, whatever its escapes mean.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As bytes, serde_json gives also strings that are no Unicode.
        deserializer.deserialize_bytes(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(String::from_utf8_lossy(bytes).into_owned())))
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Text(String::from_utf8_lossy(bytes)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_no_value_can_hold_costs_only_itself() {
        let check = |text: &str, value: Value| {
            assert!(serde_json::from_str::<Value>(text).is_err(), "it is no test of {text}");
            assert_eq!(parse(text).unwrap(), value);
        };
        check(r#"{"a":1e999,"b":[2,"x"]}"#, json!({"a": null, "b": [2, "x"]}));
        check(r#" [ "\ud800", "a\ndb", "c\\d" ] "#, json!(["\u{FFFD}\u{FFFD}\u{FFFD}", "a\ndb", "c\\d"]));
        check(
            r#"{"\udfff":1,"key":"app/\udfffx"}"#,
            json!({"\u{FFFD}\u{FFFD}\u{FFFD}": 1, "key": "app/\u{FFFD}\u{FFFD}\u{FFFD}x"}),
        );
        let deep = format!(r#"["good",{}0{}]"#, "[".repeat(500), "]".repeat(500));
        assert!(serde_json::from_str::<Value>(&deep).is_err());
        assert_eq!(parse(&deep).unwrap()[0], "good");
    }

    #[test]
    fn what_is_no_json_says_why_as_ever() {
        for text in ["", "{", "[1,]", "\"\\x\"", "{\"a\":1e999", &"[".repeat(100_000)] {
            let expected = serde_json::from_str::<Value>(text).unwrap_err().to_string();
            assert_eq!(parse(text).unwrap_err().to_string(), expected);
        }
    }
}
