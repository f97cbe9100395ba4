//! The API's stream of events, read as a browser reads it: with the id of the last event to come back with.

use std::io::{self, BufRead};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::api::Api;
use crate::http::Connection;

/// One event of the stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub name: String,
    /// None where it is nothing to come back with.
    pub id: Option<String>,
    pub data: Value,
}

pub struct Events {
    connection: Connection,
    /// All that came, in order.
    seen: Vec<Event>,
}

impl Events {
    /// Begins to listen; with the id of the last event, where that was.
    #[track_caller]
    pub fn of(api: &Api, query: &str, last_event_id: Option<&str>) -> Self {
        let token = format!("Bearer {}", api.operator());
        let mut headers = vec![("authorization", token.as_str()), ("accept", "text/event-stream")];
        headers.extend(last_event_id.map(|id| ("last-event-id", id)));
        let mut connection = Connection::open(api.address()).expect("the API answers");
        let path = format!("/api/v1/events{query}");
        let head = connection.request_head("GET", api.address(), &path, &headers).expect("an answer");
        assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
        Self { connection, seen: Vec::new() }
    }

    /// All that came so far.
    pub fn seen(&self) -> &[Event] {
        &self.seen
    }

    /// Reads on until an event is what is looked for, and answers what is found in it.
    #[track_caller]
    pub fn until<T>(&mut self, what: &str, limit: Duration, look: impl Fn(&Event) -> Option<T>) -> T {
        let give_up = Instant::now() + limit;
        loop {
            assert!(Instant::now() < give_up, "waited {limit:?} in vain: {what}: {:#?}", self.seen);
            let event = self.next().unwrap_or_else(|error| panic!("{what}: {error}: {:#?}", self.seen));
            let Some(event) = event else { panic!("{what}: the stream ended: {:#?}", self.seen) };
            self.seen.push(event.clone());
            if let Some(found) = look(&event) {
                return found;
            }
        }
    }

    /// Reads on until the server ends the stream.
    pub fn until_it_ends(&mut self) -> io::Result<()> {
        while let Some(event) = self.next()? {
            self.seen.push(event);
        }
        Ok(())
    }

    fn next(&mut self) -> io::Result<Option<Event>> {
        let (mut name, mut id, mut data) = (String::new(), None, String::new());
        loop {
            let Some(line) = self.line()? else { return Ok(None) };
            match line.split_once(": ").or_else(|| line.split_once(':')) {
                // A comment keeps the connection alive, and the rest is how soon to come back.
                Some(("" | "retry", _)) => {}
                Some(("event", text)) => name = text.to_owned(),
                Some(("id", text)) => id = Some(text.to_owned()),
                Some(("data", text)) => data.push_str(text),
                Some(_) => return Err(io::Error::other(format!("no line of an event: {line:?}"))),
                None if name.is_empty() => {}
                None => {
                    let data = serde_json::from_str(&data).map_err(io::Error::other)?;
                    return Ok(Some(Event { name, id, data }));
                }
            }
        }
    }

    /// The next line within the chunks; none at the end. A server writes each event as one chunk.
    fn line(&mut self) -> io::Result<Option<String>> {
        let stream = self.connection.stream();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            let line = line.trim_end_matches('\n');
            match line.strip_suffix('\r') {
                // Around a chunk: its size, in digits, or the end of it.
                Some("0") => return Ok(None),
                Some(_) => {}
                None => return Ok(Some(line.to_owned())),
            }
        }
    }
}
