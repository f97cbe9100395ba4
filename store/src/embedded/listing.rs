//! Listings in key order, a page at a time: a range query that, where there is a delimiter, jumps over each
//! common prefix instead of reading what lies below it.

use rusqlite::{Connection, params};

use super::error::EmbeddedError;
use super::objects::{ObjectRow, RawObject, text};

pub(super) struct Query<'a> {
    pub prefix: &'a str,
    /// Keys that share what comes up to the first delimiter after the prefix are listed as one common prefix.
    pub delimiter: Option<&'a str>,
    pub start: Start,
    /// Objects and common prefixes together.
    pub max: usize,
}

/// Where a page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Beginning,
    AfterKey(String),
    /// After every key with this prefix.
    AfterPrefix(String),
}

#[derive(Default)]
pub(super) struct Page {
    pub objects: Vec<ObjectRow>,
    pub common_prefixes: Vec<String>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<Start>,
}

pub(super) fn page(connection: &Connection, bucket: i64, query: &Query<'_>) -> Result<Page, EmbeddedError> {
    let mut page = Page::default();
    let mut last = None;
    let mut walk = Walk::new(connection, bucket, query);
    while let Some(entry) = walk.next_entry()? {
        if page.objects.len() + page.common_prefixes.len() == query.max {
            page.next = last;
            break;
        }
        match entry {
            Entry::Object(row) => {
                let object = row.parse()?;
                last = Some(Start::AfterKey(object.key.clone()));
                page.objects.push(object);
            }
            Entry::Prefix(prefix) => {
                last = Some(Start::AfterPrefix(prefix.clone()));
                page.common_prefixes.push(prefix);
            }
        }
    }
    Ok(page)
}

enum Entry {
    Object(RawObject),
    Prefix(String),
}

/// Reads rows in batches, from a lower bound that only rises.
struct Walk<'a> {
    connection: &'a Connection,
    bucket: i64,
    query: &'a Query<'a>,
    from: Vec<u8>,
    /// `None`: to the end of the bucket.
    end: Option<Vec<u8>>,
    batch: std::vec::IntoIter<RawObject>,
    exhausted: bool,
}

impl<'a> Walk<'a> {
    const BATCH: usize = 256;

    fn new(connection: &'a Connection, bucket: i64, query: &'a Query<'a>) -> Self {
        let prefix = query.prefix.as_bytes();
        let start = match &query.start {
            Start::Beginning => Some(Vec::new()),
            // The next key after a key is that key with a zero byte.
            Start::AfterKey(key) => Some([key.as_bytes(), &[0]].concat()),
            Start::AfterPrefix(prefix) => successor(prefix.as_bytes()),
        };
        let exhausted = start.is_none();
        let from = start.unwrap_or_default().max(prefix.to_vec());
        let batch = Vec::new().into_iter();
        Self { connection, bucket, query, from, end: successor(prefix), batch, exhausted }
    }

    fn next_entry(&mut self) -> Result<Option<Entry>, EmbeddedError> {
        let Some(row) = self.next_row()? else {
            return Ok(None);
        };
        match self.common_prefix(row.key()) {
            None => Ok(Some(Entry::Object(row))),
            Some(prefix) => {
                // Reading what is left of the batch is cheaper than a new query, while the prefix ends within it.
                let ends_here =
                    self.batch.as_slice().last().is_some_and(|row| !row.key().starts_with(&prefix));
                if ends_here {
                    while self.batch.as_slice().first().is_some_and(|row| row.key().starts_with(&prefix)) {
                        self.batch.next();
                    }
                } else {
                    self.batch = Vec::new().into_iter();
                    match successor(&prefix) {
                        Some(from) => self.from = from,
                        None => self.exhausted = true,
                    }
                }
                Ok(Some(Entry::Prefix(text(prefix))))
            }
        }
    }

    fn next_row(&mut self) -> Result<Option<RawObject>, EmbeddedError> {
        if self.batch.as_slice().is_empty() && !self.exhausted {
            self.batch = self.read_batch()?.into_iter();
            match self.batch.as_slice().last() {
                Some(last) => self.from = [last.key(), &[0]].concat(),
                None => self.exhausted = true,
            }
        }
        Ok(self.batch.next())
    }

    fn read_batch(&self) -> Result<Vec<RawObject>, EmbeddedError> {
        // One more than the page holds tells whether it is the last.
        let limit = Self::BATCH.min(self.query.max.saturating_add(1)) as i64;
        let bound = if self.end.is_some() { "AND key < ?4" } else { "" };
        let sql = format!(
            "SELECT {} FROM objects WHERE bucket = ?1 AND key >= ?2 {bound} ORDER BY key LIMIT ?3",
            RawObject::COLUMNS
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = match &self.end {
            Some(end) => statement.query_map(params![self.bucket, self.from, limit, end], RawObject::of)?,
            None => statement.query_map(params![self.bucket, self.from, limit], RawObject::of)?,
        };
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn common_prefix(&self, key: &[u8]) -> Option<Vec<u8>> {
        let delimiter = self.query.delimiter?.as_bytes();
        let after = self.query.prefix.len();
        let at = key[after..].windows(delimiter.len()).position(|window| window == delimiter)?;
        Some(key[..after + at + delimiter.len()].to_vec())
    }
}

/// The first byte string after all those that start with `prefix`; `None` when there is no such.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut successor = prefix[..=last].to_vec();
    successor[last] += 1;
    Some(successor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_successor_is_the_first_after_the_prefix() {
        let check =
            |prefix: &[u8], expected: Option<&[u8]>| assert_eq!(successor(prefix).as_deref(), expected);
        check(b"a/", Some(b"a0"));
        check("é".as_bytes(), Some(&[0xc3, 0xaa]));
        check(&[b'a', 0xff], Some(b"b"));
        check(&[0xff], None);
        check(b"", None);
    }
}
