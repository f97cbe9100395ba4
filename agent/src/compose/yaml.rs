//! From the text of a compose file to its tree: YAML's syntax, anchors, aliases and merge keys, all within bounds.
//!
//! It builds on the parser's events and not on a ready-made loader, for three things a loader does not give: the
//! nesting is counted before anything recurses, what aliases expand to is counted before it is copied, and a
//! position is kept for every key.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::node::{Entry, Map, Node, Value};
use super::problem::{Position, Problem, quoted};

/// Of the file, in bytes.
const MAX_TEXT: usize = 1 << 20;
/// Of the tree, after aliases are expanded.
const MAX_NODES: usize = 100_000;
/// Of all texts of the tree, after aliases are expanded, in bytes.
const MAX_BYTES: usize = 4 << 20;
const MAX_DEPTH: usize = 32;

const MERGE_KEY: &str = "<<";

/// The tree of the one document that `text` holds.
pub(super) fn read(text: &str) -> Result<Node, Problem> {
    if text.len() > MAX_TEXT {
        return Err(Problem::whole(format!("the file is larger than {MAX_TEXT} bytes")));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    refuse_control_characters(text)?;
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| {
            let at = position(*error.marker());
            match error.info() {
                // The parser has such a bound of its own, where it must look ahead.
                "recursion limit exceeded" => too_deep(at),
                info => Problem::at(at, format!("invalid YAML: {info}")),
            }
        })?;
        builder.take(event, position(span.start))?;
    }
    builder
        .root
        .ok_or_else(|| Problem::whole("the file is empty").hint("a compose file has at least `services:`"))
}

/// The parser takes NUL for the end of the file: what stands behind it would be lost silently.
fn refuse_control_characters(text: &str) -> Result<(), Problem> {
    let allowed = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    let Some((index, found)) = text.char_indices().find(|(_, c)| !allowed(*c)) else { return Ok(()) };
    let before = &text[..index];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let message = format!("invalid YAML: control character {found:?}");
    Err(Problem::at(Position { line: small(line), column: small(column) }, message))
}

fn position(marker: Marker) -> Position {
    Position { line: small(marker.line()), column: small(marker.col() + 1) }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    /// `None` while the anchored node itself is still open.
    anchors: HashMap<usize, Option<Node>>,
    root: Option<Node>,
    nodes: usize,
    bytes: usize,
}

/// A list or mapping whose end has not come yet.
struct Open {
    at: Position,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map(OpenMap),
}

#[derive(Default)]
struct OpenMap {
    entries: Vec<Entry>,
    /// The keys that stand in the mapping itself, for one to be found twice.
    keys: HashMap<String, Position>,
    merged: Vec<Map>,
    /// The key whose value comes next.
    key: Option<Key>,
}

struct Key {
    text: String,
    at: Position,
    merge: bool,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, at: Position) -> Result<(), Problem> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(Problem::at(at, "a compose file is one YAML document; a second one starts here"))
            }
            Event::DocumentStart(_) => Ok(()),
            Event::Scalar(text, style, anchor, tag) => self.scalar(&text, style, anchor, tag.as_deref(), at),
            Event::SequenceStart(anchor, tag) => {
                self.start(Content::List(Vec::new()), anchor, tag.as_deref(), "seq", at)
            }
            Event::MappingStart(anchor, tag) => {
                self.start(Content::Map(OpenMap::default()), anchor, tag.as_deref(), "map", at)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(anchor, at),
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        at: Position,
    ) -> Result<(), Problem> {
        if text.contains('\0') {
            return Err(Problem::at(at, "a text of a compose file cannot hold a NUL character"));
        }
        let plain = style == ScalarStyle::Plain;
        let null = plain && matches!(text, "" | "~" | "null" | "Null" | "NULL");
        let value = match tag.map(|tag| core_tag(tag, at)).transpose()? {
            Some("null") => Value::Null,
            None if null => Value::Null,
            None | Some("str" | "int" | "float" | "bool") => Value::Text(text.to_owned()),
            Some(other) => {
                return Err(Problem::at(at, format!("the YAML tag {} has no meaning here", quoted(other))));
            }
        };
        self.count(1, text.len(), at)?;
        if let Some(Open { content: Content::Map(map), .. }) = self.open.last_mut()
            && map.key.is_none()
        {
            let merge = plain && text == MERGE_KEY;
            if anchor > 0 {
                self.anchors.insert(anchor, Some(Node { at, value: Value::Text(text.to_owned()) }));
            }
            return map.begin(Key { text: text.to_owned(), at, merge });
        }
        self.insert(Node { at, value }, anchor)
    }

    fn start(
        &mut self,
        content: Content,
        anchor: usize,
        tag: Option<&Tag>,
        kind: &str,
        at: Position,
    ) -> Result<(), Problem> {
        if let Some(other) = tag.map(|tag| core_tag(tag, at)).transpose()?.filter(|name| *name != kind) {
            return Err(Problem::at(at, format!("the YAML tag {} has no meaning here", quoted(other))));
        }
        if let Some(Open { content: Content::Map(OpenMap { key: None, .. }), .. }) = self.open.last() {
            return Err(Problem::at(at, "a key must be text, not a list or a mapping")
                .hint("put quotes around text that starts with `[` or `{`"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(at));
        }
        self.count(1, 0, at)?;
        if anchor > 0 {
            self.anchors.insert(anchor, None);
        }
        self.open.push(Open { at, anchor, content });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Problem> {
        let Some(Open { at, anchor, content }) = self.open.pop() else { return Ok(()) };
        let value = match content {
            Content::List(items) => Value::List(items),
            Content::Map(map) => Value::Map(map.close()),
        };
        self.insert(Node { at, value }, anchor)
    }

    fn alias(&mut self, anchor: usize, at: Position) -> Result<(), Problem> {
        let node = match self.anchors.get(&anchor) {
            Some(Some(node)) => node,
            Some(None) => return Err(Problem::at(at, "an alias stands inside of what it stands for")),
            None => return Err(Problem::at(at, "an alias without an anchor of its name before it")),
        };
        let mut budget = (MAX_NODES - self.nodes, MAX_BYTES - self.bytes);
        let height = measure(node, &mut budget).ok_or_else(|| too_large(at))?;
        if self.open.len() + height > MAX_DEPTH {
            return Err(too_deep(at));
        }
        (self.nodes, self.bytes) = (MAX_NODES - budget.0, MAX_BYTES - budget.1);
        let node = node.clone();
        if let Some(Open { content: Content::Map(map), .. }) = self.open.last_mut()
            && map.key.is_none()
        {
            let text = node.text("a key")?.to_owned();
            return map.begin(Key { text, at, merge: false });
        }
        self.insert(node, 0)
    }

    fn insert(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        if anchor > 0 {
            // The copy counts too: nested anchors would otherwise hold their content many times for free.
            let mut budget = (MAX_NODES - self.nodes, MAX_BYTES - self.bytes);
            measure(&node, &mut budget).ok_or_else(|| too_large(node.at))?;
            (self.nodes, self.bytes) = (MAX_NODES - budget.0, MAX_BYTES - budget.1);
            self.anchors.insert(anchor, Some(node.clone()));
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open { content: Content::List(items), .. }) => items.push(node),
            Some(Open { content: Content::Map(map), .. }) => map.value(node)?,
        }
        Ok(())
    }

    fn count(&mut self, nodes: usize, bytes: usize, at: Position) -> Result<(), Problem> {
        self.nodes += nodes;
        self.bytes += bytes;
        if self.nodes > MAX_NODES || self.bytes > MAX_BYTES { Err(too_large(at)) } else { Ok(()) }
    }
}

impl OpenMap {
    fn begin(&mut self, key: Key) -> Result<(), Problem> {
        if let Some(first) = self.keys.insert(key.text.clone(), key.at) {
            return Err(Problem::at(key.at, format!("{} is given twice", quoted(&key.text)))
                .hint(format!("it is already given on line {}", first.line)));
        }
        self.key = Some(key);
        Ok(())
    }

    fn value(&mut self, value: Node) -> Result<(), Problem> {
        match self.key.take() {
            None => Err(value.not("a key", "text")),
            Some(Key { merge: true, at, .. }) => self.merge(value, at),
            Some(Key { text: key, at: key_at, .. }) => {
                // Where nothing stands, there is nothing to point at but the key.
                let value = if value.is_null() { Node { at: key_at, ..value } } else { value };
                self.entries.push(Entry { key, key_at, value });
                Ok(())
            }
        }
    }

    fn merge(&mut self, value: Node, at: Position) -> Result<(), Problem> {
        let wrong = || Problem::at(at, "`<<` merges a mapping or a list of mappings, such as `<<: *name`");
        let sources = match value.value {
            Value::List(items) => items,
            _ => vec![value],
        };
        for source in sources {
            let Value::Map(map) = source.value else { return Err(wrong()) };
            self.merged.push(map);
        }
        Ok(())
    }

    /// The mapping's own keys win over merged ones, earlier merged ones over later ones.
    fn close(mut self) -> Map {
        for entry in self.merged.into_iter().flat_map(|map| map.entries) {
            if !self.keys.contains_key(&entry.key) {
                self.keys.insert(entry.key.clone(), entry.key_at);
                self.entries.push(entry);
            }
        }
        Map { entries: self.entries }
    }
}

/// The name of a tag of YAML's core schema; any other tag is an error.
fn core_tag(tag: &Tag, at: Position) -> Result<&str, Problem> {
    // `!` alone says: text.
    if tag.is_yaml_core_schema() {
        Ok(&tag.suffix)
    } else if tag.handle.is_empty() && tag.suffix == "!" {
        Ok("str")
    } else {
        Err(Problem::at(at, format!("the YAML tag {} is not supported", quoted(&tag.to_string()))))
    }
}

/// Takes what `node` holds from the budget (nodes, bytes) and tells how high its tree is; `None` when it costs
/// more than there is.
fn measure(node: &Node, budget: &mut (usize, usize)) -> Option<usize> {
    budget.0 = budget.0.checked_sub(1)?;
    let mut height = 0;
    match &node.value {
        Value::Null => {}
        Value::Text(text) => budget.1 = budget.1.checked_sub(text.len())?,
        Value::List(items) => {
            for item in items {
                height = height.max(measure(item, budget)?);
            }
        }
        Value::Map(map) => {
            for entry in &map.entries {
                budget.0 = budget.0.checked_sub(1)?;
                budget.1 = budget.1.checked_sub(entry.key.len())?;
                height = height.max(measure(&entry.value, budget)?);
            }
        }
    }
    Some(height + 1)
}

fn too_deep(at: Position) -> Problem {
    Problem::at(at, format!("nested more than {MAX_DEPTH} levels deep"))
}

fn too_large(at: Position) -> Problem {
    Problem::at(
        at,
        format!("larger than {MAX_NODES} nodes or {MAX_BYTES} bytes once its aliases are expanded"),
    )
}
