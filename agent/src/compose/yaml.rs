//! From the text of a compose file to its trees, one a document: YAML's syntax, anchors, aliases and merge keys, all
//! within bounds.
//!
//! It builds on the parser's events and not on a ready-made loader, for three things a loader does not give: the
//! nesting is counted before anything recurses, what aliases expand to is counted before it is copied, and a
//! position is kept for every key.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag as Written};

use super::node::{Entry, Map, Node, Tag, Value};
use super::problem::{FileId, Position, Problem, quoted};
use super::tags::{self, Known};

/// Of all trees of a workspace, after aliases are expanded.
const MAX_NODES: usize = 100_000;
/// Of all texts of these trees, after aliases are expanded, in bytes.
const MAX_BYTES: usize = 4 << 20;
const MAX_DEPTH: usize = 32;

const MERGE_KEY: &str = "<<";

/// What all compose files of a workspace may still cost.
pub(super) struct Budget {
    nodes: usize,
    bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { nodes: MAX_NODES, bytes: MAX_BYTES }
    }
}

impl Budget {
    /// Pays for a copy of `node`, which is the content of a thing at `at`, and tells how high its tree is.
    pub fn pay(&mut self, node: &Node, at: Position) -> Result<usize, Problem> {
        measure(node, self).ok_or_else(|| too_large(at))
    }

    fn count(&mut self, nodes: usize, bytes: usize, at: Position) -> Result<(), Problem> {
        let paid = self.take(nodes, bytes);
        paid.ok_or_else(|| too_large(at))
    }

    fn take(&mut self, nodes: usize, bytes: usize) -> Option<()> {
        self.nodes = self.nodes.checked_sub(nodes)?;
        self.bytes = self.bytes.checked_sub(bytes)?;
        Some(())
    }
}

/// The trees of the documents that `text` holds; one that holds nothing is left out.
pub(super) fn read(text: &str, file: FileId, budget: &mut Budget) -> Result<Vec<Node>, Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    refuse_control_characters(text, file)?;
    let mut builder = Builder::new(budget);
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| {
            let at = position(*error.marker(), file);
            match error.info() {
                // The parser has such a bound of its own, where it must look ahead.
                "recursion limit exceeded" => too_deep(at),
                info => Problem::at(at, format!("invalid YAML: {info}")),
            }
        })?;
        builder.take(event, position(span.start, file))?;
    }
    Ok(builder.documents)
}

/// The parser takes NUL for the end of the file: what stands behind it would be lost silently.
fn refuse_control_characters(text: &str, file: FileId) -> Result<(), Problem> {
    let allowed = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    let Some((index, found)) = text.char_indices().find(|(_, c)| !allowed(*c)) else { return Ok(()) };
    let before = &text[..index];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let message = format!("invalid YAML: control character {found:?}");
    Err(Problem::at(Position { file, line: small(line), column: small(column) }, message))
}

fn position(marker: Marker, file: FileId) -> Position {
    Position { file, line: small(marker.line()), column: small(marker.col() + 1) }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

struct Builder<'b> {
    open: Vec<Open>,
    /// `None` while the anchored node itself is still open.
    anchors: HashMap<usize, Option<(Node, Option<Tag>)>>,
    documents: Vec<Node>,
    budget: &'b mut Budget,
}

/// A list or mapping whose end has not come yet.
struct Open {
    at: Position,
    anchor: usize,
    tag: Option<Tag>,
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

impl<'b> Builder<'b> {
    fn new(budget: &'b mut Budget) -> Self {
        Self { open: Vec::new(), anchors: HashMap::new(), documents: Vec::new(), budget }
    }

    fn take(&mut self, event: Event<'_>, at: Position) -> Result<(), Problem> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            // An anchor is one of its document.
            Event::DocumentStart(_) => {
                self.anchors.clear();
                Ok(())
            }
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
        tag: Option<&Written>,
        at: Position,
    ) -> Result<(), Problem> {
        if text.contains('\0') {
            return Err(Problem::at(at, "a text of a compose file cannot hold a NUL character"));
        }
        let plain = style == ScalarStyle::Plain;
        let null = plain && matches!(text, "" | "~" | "null" | "Null" | "NULL");
        let (value, tag) = match tag.map(|tag| tags::known(tag, at)).transpose()? {
            Some(Known::Core("null")) => (Value::Null, None),
            None if null => (Value::Null, None),
            None | Some(Known::Core("str" | "int" | "float" | "bool")) => {
                (Value::Text(text.to_owned()), None)
            }
            Some(Known::Compose(tag)) if null => (Value::Null, Some(tag)),
            Some(Known::Compose(tag)) => (Value::Text(text.to_owned()), Some(tag)),
            Some(Known::Core(other)) => {
                return Err(Problem::at(at, format!("the YAML tag {} has no meaning here", quoted(other))));
            }
        };
        self.budget.count(1, text.len(), at)?;
        if let Some(Open { content: Content::Map(map), .. }) = self.open.last_mut()
            && map.key.is_none()
        {
            if let Some(tag) = tag {
                return Err(tags::misplaced(tag, at));
            }
            let merge = plain && text == MERGE_KEY;
            if anchor > 0 {
                self.anchors.insert(anchor, Some((Node::text_at(at, text), None)));
            }
            return map.begin(Key { text: text.to_owned(), at, merge });
        }
        self.insert(Node { at, value }, tag, anchor)
    }

    fn start(
        &mut self,
        content: Content,
        anchor: usize,
        tag: Option<&Written>,
        kind: &str,
        at: Position,
    ) -> Result<(), Problem> {
        let tag = match tag.map(|tag| tags::known(tag, at)).transpose()? {
            Some(Known::Core(other)) if other != kind => {
                return Err(Problem::at(at, format!("the YAML tag {} has no meaning here", quoted(other))));
            }
            None | Some(Known::Core(_)) => None,
            Some(Known::Compose(tag)) => Some(tag),
        };
        if let Some(Open { content: Content::Map(OpenMap { key: None, .. }), .. }) = self.open.last() {
            return Err(Problem::at(at, "a key must be text, not a list or a mapping")
                .hint("put quotes around text that starts with `[` or `{`"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(at));
        }
        self.budget.count(1, 0, at)?;
        if anchor > 0 {
            self.anchors.insert(anchor, None);
        }
        self.open.push(Open { at, anchor, tag, content });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Problem> {
        let Some(Open { at, anchor, tag, content }) = self.open.pop() else { return Ok(()) };
        let value = match content {
            Content::List(items) => Value::List(items),
            Content::Map(map) => Value::Map(map.close()),
        };
        self.insert(Node { at, value }, tag, anchor)
    }

    fn alias(&mut self, anchor: usize, at: Position) -> Result<(), Problem> {
        let (node, tag) = match self.anchors.get(&anchor) {
            Some(Some((node, tag))) => (node, *tag),
            Some(None) => return Err(Problem::at(at, "an alias stands inside of what it stands for")),
            None => return Err(Problem::at(at, "an alias without an anchor of its name before it")),
        };
        let height = self.budget.pay(node, at)?;
        if self.open.len() + height > MAX_DEPTH {
            return Err(too_deep(at));
        }
        let node = node.clone();
        if let Some(Open { content: Content::Map(map), .. }) = self.open.last_mut()
            && map.key.is_none()
        {
            let text = node.text("a key")?.to_owned();
            return map.begin(Key { text, at, merge: false });
        }
        self.insert(node, tag, 0)
    }

    fn insert(&mut self, node: Node, tag: Option<Tag>, anchor: usize) -> Result<(), Problem> {
        if anchor > 0 {
            // The copy counts too: nested anchors would otherwise hold their content many times for free.
            self.budget.pay(&node, node.at)?;
            self.anchors.insert(anchor, Some((node.clone(), tag)));
        }
        match (self.open.last_mut(), tag) {
            (Some(Open { content: Content::Map(map), .. }), tag) => map.value(node, tag)?,
            (_, Some(tag)) => return Err(tags::misplaced(tag, node.at)),
            (Some(Open { content: Content::List(items), .. }), None) => items.push(node),
            (None, None) if node.is_null() => {}
            (None, None) => self.documents.push(node),
        }
        Ok(())
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

    fn value(&mut self, value: Node, tag: Option<Tag>) -> Result<(), Problem> {
        match self.key.take() {
            None => Err(value.not("a key", "text")),
            Some(Key { merge: true, at, .. }) => match tag {
                Some(tag) => Err(tags::misplaced(tag, value.at)),
                None => self.merge(value, at),
            },
            Some(Key { text: key, at: key_at, .. }) => {
                // Where nothing stands, there is nothing to point at but the key.
                let value = if value.is_null() { Node { at: key_at, ..value } } else { value };
                self.entries.push(Entry { key, key_at, value, tag });
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

/// Takes what `node` holds from the budget and tells how high its tree is; `None` when it costs more than there is.
fn measure(node: &Node, budget: &mut Budget) -> Option<usize> {
    budget.take(1, 0)?;
    let mut height = 0;
    match &node.value {
        Value::Null => {}
        Value::Text(text) => budget.take(0, text.len())?,
        Value::List(items) => {
            for item in items {
                height = height.max(measure(item, budget)?);
            }
        }
        Value::Map(map) => {
            for entry in &map.entries {
                budget.take(1, entry.key.len())?;
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
        format!(
            "larger than {MAX_NODES} nodes or {MAX_BYTES} bytes once its aliases are expanded, all files together"
        ),
    )
}
