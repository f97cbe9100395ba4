//! JSON that is well-formed, but holds something no value can: half a surrogate pair in a string, a number that is too
//! large, nesting that is too deep. A reader that takes a message as a whole loses all its records to one such field.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::json::{Json, Text};

/// Far deeper than any notification. What lies deeper is dropped.
const MAX_DEPTH: usize = 32;

/// The JSON of `text`, without what cannot be held.
pub(super) fn parse(text: &str) -> Result<Json<'_>, serde_json::Error> {
    match serde_json::from_str(text) {
        Ok(json) => Ok(json),
        // What is no JSON at all is refused a second time here.
        Err(error) => serde_json::from_str::<&RawValue>(text).map(|raw| salvaged(raw, 0)).map_err(|_| error),
    }
}

fn salvaged(raw: &RawValue, depth: usize) -> Json<'_> {
    let text = raw.get();
    if depth == MAX_DEPTH {
        return Json::Other;
    }
    match text.as_bytes().first() {
        Some(b'{') => {
            let Fields(fields) = serde_json::from_str(text).unwrap_or_default();
            Json::Object(fields.into_iter().map(|(name, raw)| (name, salvaged(raw, depth + 1))).collect())
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
            Json::List(items.into_iter().map(|raw| salvaged(raw, depth + 1)).collect())
        }
        Some(b'"') => serde_json::from_str(text).map_or(Json::Other, |Text(text)| Json::Text(text)),
        _ => serde_json::from_str(text).unwrap_or(Json::Other),
    }
}

#[derive(Default)]
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut object = Vec::new();
        while let Some((Text(name), raw)) = fields.next_entry()? {
            object.push((name, raw));
        }
        Ok(Fields(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_value_can_hold_costs_only_itself() {
        let check = |text: &str, path: &[&str], expected: &str| {
            assert!(serde_json::from_str::<Json<'_>>(text).is_err(), "it is no test of {text}");
            assert_eq!(parse(text).unwrap().text(path), Some(expected));
        };
        check(r#"{"a":1e999,"b":{"c":"x"}}"#, &["b", "c"], "x");
        check(r#" { "a" : "\ud800" , "b" : "x\ny" } "#, &["b"], "x\ny");
        check(r#"{"key":"app/\udfffx"}"#, &["key"], "app/\u{FFFD}\u{FFFD}\u{FFFD}x");
        check(r#"{"\udfff":1e999,"b":"c\\d"}"#, &["b"], "c\\d");
        let deep = format!(r#"{{"a":{}0{},"b":"x"}}"#, "[".repeat(500), "]".repeat(500));
        check(&deep, &["b"], "x");
    }

    #[test]
    fn of_fields_with_one_name_the_last_counts() {
        for text in [r#"{"a":"first","a":"last"}"#, r#"{"a":"first","b":1e999,"a":"last"}"#] {
            assert_eq!(parse(text).unwrap().text(&["a"]), Some("last"));
        }
    }

    #[test]
    fn what_is_no_json_says_why_as_ever() {
        for text in ["", "{", "[1,]", "\"\\x\"", "{\"a\":1e999", &"[".repeat(100_000)] {
            let expected = serde_json::from_str::<Json<'_>>(text).unwrap_err().to_string();
            assert_eq!(parse(text).unwrap_err().to_string(), expected);
        }
    }
}
