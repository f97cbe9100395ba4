//! The file that Traefik reads, as text. It takes files for YAML, of which JSON is a part, after it has run them through
//! Go's templates: so what labels say may hold neither what YAML refuses nor the start of a template. Every character
//! beyond plain ASCII is written as an escape, and so is every brace.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter};
use serde_json::{Map, Value, json};

use super::configuration::{Configuration, transport};

/// Longer than any pause within a burst of requests, and far shorter than what servers commonly allow (Node: 5 s), so
/// that Traefik is never the one to use a connection that is just being closed. And a container that is to go is free
/// of idle connections soon after its last request.
const IDLE: &str = "500ms";
/// What Traefik takes where no transport is named.
const IDLE_CONNECTIONS: u32 = 200;

/// The live configuration of a workspace, perhaps with one on trial beside it, and a mark that tells which file it is.
pub fn document(workspace: &str, live: &Configuration, trial: Option<&Configuration>) -> (String, String) {
    let both = |part: fn(&Configuration) -> &Map<String, Value>| {
        let mut all = part(live).clone();
        all.extend(trial.iter().flat_map(|trial| part(trial).clone()));
        all
    };
    let mut http = Map::new();
    let parts = [
        ("routers", both(|one| &one.routers)),
        ("services", both(|one| &one.services)),
        ("middlewares", both(|one| &one.middlewares)),
    ];
    // An empty group would be an error.
    http.extend(
        parts.into_iter().filter(|(_, all)| !all.is_empty()).map(|(name, all)| (name.into(), json!(all))),
    );
    let waits =
        json!({ "maxidleconnsperhost": IDLE_CONNECTIONS, "forwardingtimeouts": { "idleconntimeout": IDLE } });
    http.insert("serverstransports".into(), json!({ transport(workspace): waits }));
    let digest = blake3::hash(text(&json!(http)).as_bytes());
    let mark = format!("{workspace}.in-force-{}", hex::encode(&digest.as_bytes()[..8]));
    let middlewares = http.entry("middlewares").or_insert_with(|| json!({}));
    middlewares[&mark] = json!({ "addprefix": { "prefix": "/" } });
    (text(&json!({ "http": http })), mark)
}

fn text(value: &Value) -> String {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Plain(PrettyFormatter::new()));
    value.serialize(&mut serializer).expect("a value is plain data");
    String::from_utf8(bytes).expect("it is plain ASCII")
}

/// JSON with escapes that YAML reads and no template begins with.
struct Plain(PrettyFormatter<'static>);

impl Formatter for Plain {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        for c in fragment.chars() {
            match u32::from(c) {
                _ if (c.is_ascii_graphic() || c == ' ') && c != '{' && c != '}' => {
                    writer.write_all(&[c as u8])?
                }
                code @ 0..=0xff => write!(writer, "\\x{code:02x}")?,
                code @ 0..=0xffff => write!(writer, "\\u{code:04x}")?,
                code => write!(writer, "\\U{code:08x}")?,
            }
        }
        Ok(())
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_string_reaches_yaml_or_a_template_as_it_is() {
        let hostile = "{{ env \"HOME\" }} é \u{feff}\u{85}\u{7f} 😀 \n\0 \\ %}";
        let text = text(&json!({ "a": [hostile] }));
        assert!(text.is_ascii());
        assert!(!text.contains("{{") && !text.contains("}}"), "{text}");
        let expected = r#""\x7b\x7b env \"HOME\" \x7d\x7d \xe9 \ufeff\x85\x7f \U0001f600 \n\u0000 \\ %\x7d""#;
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn nested_groups_never_look_like_a_template() {
        let text = text(&json!({ "a": { "b": { "c": [{ "d": {} }] } } }));
        assert!(!text.contains("{{") && !text.contains("}}"), "{text}");
    }

    #[test]
    fn the_mark_changes_with_every_change_and_with_nothing_else() {
        let with = |port: u16| {
            let mut one = Configuration::default();
            one.services.insert("s".into(), json!({ "port": port }));
            document("app", &one, None).1
        };
        assert_eq!(with(1), with(1));
        assert_ne!(with(1), with(2));
    }

    #[test]
    fn a_configuration_without_anything_has_no_empty_group() {
        let (text, mark) = document("app", &Configuration::default(), None);
        let told: Value = serde_json::from_str(&text).unwrap();
        let groups: Vec<&String> = told["http"].as_object().unwrap().keys().collect();
        assert_eq!(groups, ["middlewares", "serverstransports"]);
        assert!(told["http"]["middlewares"].get(&mark).is_some());
    }
}
