//! What a queue does, as SQL inside the writer's transaction: send, receive, delete, extend, count.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::error::EmbeddedError;
use super::writer::Unit;
use crate::queue::{Depth, Message, Outgoing, Receipt};

/// As SQS has it: 1 MiB.
const MAX_BODY: usize = 1 << 20;
/// How long a FIFO queue remembers the ids of what was sent.
const DEDUP_WINDOW: Duration = Duration::from_secs(5 * 60);

/// One row of `queues`.
pub(super) struct QueueRow {
    pub id: i64,
    pub name: String,
    pub fifo: bool,
    dead_letter: Option<(i64, String, u32)>,
}

/// What a receive found; when it is nothing, the time of [`Unit::elapsed_ms`] at which something comes back.
pub(super) struct Received {
    pub messages: Vec<Message>,
    pub next_ms: Option<i64>,
}

pub(super) fn find(connection: &Connection, name: &str) -> Result<QueueRow, EmbeddedError> {
    let mut statement = connection.prepare_cached(
        "SELECT q.id, q.fifo, d.id, d.name, q.max_receives
         FROM queues q LEFT JOIN queues d ON d.id = q.dead_letter WHERE q.name = ?",
    )?;
    let row = statement.query_row([name], |row| {
        let dead_letter = match (row.get(2)?, row.get(3)?, row.get(4)?) {
            (Some(id), Some(name), Some(max_receives)) => Some((id, name, max_receives)),
            _ => None,
        };
        Ok(QueueRow { id: row.get(0)?, name: name.to_owned(), fifo: row.get(1)?, dead_letter })
    });
    row.optional()?.ok_or_else(|| EmbeddedError::NoSuchQueue(name.to_owned()))
}

pub(super) fn create(
    connection: &Connection,
    name: &str,
    fifo: bool,
    dead_letter: Option<(&str, u32)>,
) -> Result<(), EmbeddedError> {
    match find(connection, name) {
        Ok(existing) if existing.fifo != fifo => return Err(EmbeddedError::QueueKind(name.to_owned())),
        Ok(_) | Err(EmbeddedError::NoSuchQueue(_)) => {}
        Err(error) => return Err(error),
    }
    let dead_letter = match dead_letter {
        None => None,
        Some((to, max_receives)) => {
            let row = find(connection, to)?;
            if row.fifo != fifo || to == name {
                return Err(EmbeddedError::DeadLetterKind {
                    queue: name.to_owned(),
                    dead_letter: to.to_owned(),
                });
            }
            Some((row.id, max_receives))
        }
    };
    connection.execute(
        "INSERT INTO queues (name, fifo, dead_letter, max_receives) VALUES (?, ?, ?, ?)
         ON CONFLICT (name) DO UPDATE SET dead_letter = excluded.dead_letter, max_receives = excluded.max_receives",
        params![name, fifo, dead_letter.map(|to| to.0), dead_letter.map(|to| to.1)],
    )?;
    Ok(())
}

pub(super) fn send(unit: &mut Unit<'_>, queue: &str, messages: &[Outgoing]) -> Result<(), EmbeddedError> {
    let queue = find(unit.connection, queue)?;
    for message in messages {
        if message.body.len() > MAX_BODY {
            return Err(EmbeddedError::MessageSize(message.body.len()));
        }
        if queue.fifo {
            if message.group.is_none() {
                return Err(EmbeddedError::NoGroup(queue.name));
            }
            if let Some(dedup) = &message.dedup
                && is_duplicate(unit, queue.id, dedup)?
            {
                continue;
            }
        }
        let mut insert = unit
            .connection
            .prepare_cached("INSERT INTO messages (id, queue, grp, body) VALUES (?, ?, ?, ?)")?;
        insert.execute(params![unit.next_number()?, queue.id, message.group, message.body])?;
    }
    unit.wake(&queue.name);
    Ok(())
}

fn is_duplicate(unit: &Unit<'_>, queue: i64, dedup: &str) -> Result<bool, EmbeddedError> {
    let now = unit.wall_ms();
    let mut forget = unit.connection.prepare_cached("DELETE FROM dedup WHERE sent_ms <= ?")?;
    forget.execute([now - DEDUP_WINDOW.as_millis() as i64])?;
    let mut remember = unit
        .connection
        .prepare_cached("INSERT OR IGNORE INTO dedup (queue, id, sent_ms) VALUES (?, ?, ?)")?;
    Ok(remember.execute(params![queue, dedup, now])? == 0)
}

pub(super) fn receive(
    unit: &mut Unit<'_>,
    queue: &str,
    max: usize,
    visibility: Duration,
) -> Result<Received, EmbeddedError> {
    let queue = find(unit.connection, queue)?;
    let now = unit.elapsed_ms();
    let mut messages = Vec::new();
    // Messages that go to the dead-letter queue make room for others, so look again until none went.
    loop {
        let found = available(unit.connection, &queue, now, max - messages.len())?;
        let mut redriven = false;
        for row in found {
            match &queue.dead_letter {
                Some((to, name, max_receives)) if row.receives >= *max_receives => {
                    redrive(unit, row.id, *to, name)?;
                    redriven = true;
                }
                _ => messages.push(row),
            }
        }
        if !redriven {
            break;
        }
        // Nothing was delivered yet, so what stays is found again, in order.
        messages.clear();
    }
    let until = now.saturating_add(visibility.as_millis().min(i64::MAX as u128) as i64);
    let messages =
        messages.into_iter().map(|row| deliver(unit, row, until)).collect::<Result<Vec<_>, _>>()?;
    let next_ms = if messages.is_empty() { next_visible(unit.connection, &queue, now)? } else { None };
    Ok(Received { messages, next_ms })
}

struct Available {
    id: i64,
    group: Option<String>,
    body: String,
    receives: u32,
}

fn available(
    connection: &Connection,
    queue: &QueueRow,
    now: i64,
    max: usize,
) -> Result<Vec<Available>, EmbeddedError> {
    const STANDARD: &str = "SELECT id, grp, body, receives FROM messages
        WHERE queue = ?1 AND visible_ms <= ?2 ORDER BY id LIMIT ?3";
    // The order of a group holds because all of it is visible, or none of it is taken.
    const FIFO: &str = "SELECT id, grp, body, receives FROM messages m
        WHERE queue = ?1 AND visible_ms <= ?2 AND NOT EXISTS
            (SELECT 1 FROM messages f WHERE f.queue = ?1 AND f.grp = m.grp AND f.visible_ms > ?2)
        ORDER BY id LIMIT ?3";
    let mut statement = connection.prepare_cached(if queue.fifo { FIFO } else { STANDARD })?;
    let rows = statement.query_map(params![queue.id, now, max as i64], |row| {
        Ok(Available { id: row.get(0)?, group: row.get(1)?, body: row.get(2)?, receives: row.get(3)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn redrive(unit: &mut Unit<'_>, message: i64, to: i64, name: &str) -> Result<(), EmbeddedError> {
    let mut update = unit.connection.prepare_cached(
        "UPDATE messages SET queue = ?, visible_ms = 0, receives = 0, receipt = NULL WHERE id = ?",
    )?;
    update.execute([to, message])?;
    unit.wake(name);
    Ok(())
}

fn deliver(unit: &Unit<'_>, row: Available, until: i64) -> Result<Message, EmbeddedError> {
    let delivery = unit.next_number()?;
    let mut update = unit.connection.prepare_cached(
        "UPDATE messages SET visible_ms = ?, receives = receives + 1, receipt = ? WHERE id = ?",
    )?;
    update.execute(params![until, delivery, row.id])?;
    Ok(Message {
        id: row.id.to_string(),
        receipt: Receipt(format!("{}-{delivery}", row.id)),
        body: row.body,
        group: row.group,
        receive_count: row.receives + 1,
    })
}

fn next_visible(connection: &Connection, queue: &QueueRow, now: i64) -> Result<Option<i64>, EmbeddedError> {
    let mut statement = connection
        .prepare_cached("SELECT min(visible_ms) FROM messages WHERE queue = ? AND visible_ms > ?")?;
    Ok(statement.query_row([queue.id, now], |row| row.get(0))?)
}

pub(super) fn delete(unit: &mut Unit<'_>, queue: &str, receipts: &[Receipt]) -> Result<(), EmbeddedError> {
    let queue = find(unit.connection, queue)?;
    let now = unit.elapsed_ms();
    let mut delete = unit.connection.prepare_cached(
        "DELETE FROM messages WHERE id = ? AND receipt = ? AND queue = ? AND visible_ms > ?",
    )?;
    for (message, delivery) in receipts.iter().filter_map(parse) {
        delete.execute([message, delivery, queue.id, now])?;
    }
    // The rest of their groups may be received now.
    if queue.fifo {
        unit.wake(&queue.name);
    }
    Ok(())
}

pub(super) fn extend(
    unit: &mut Unit<'_>,
    queue: &str,
    receipt: &Receipt,
    visibility: Duration,
) -> Result<(), EmbeddedError> {
    let queue = find(unit.connection, queue)?;
    let (message, delivery) = parse(receipt).ok_or(EmbeddedError::ReceiptRanOut)?;
    let now = unit.elapsed_ms();
    let until = now.saturating_add(visibility.as_millis().min(i64::MAX as u128) as i64);
    let mut update = unit.connection.prepare_cached(
        "UPDATE messages SET visible_ms = ? WHERE id = ? AND receipt = ? AND queue = ? AND visible_ms > ?",
    )?;
    if update.execute([until, message, delivery, queue.id, now])? == 0 {
        return Err(EmbeddedError::ReceiptRanOut);
    }
    unit.wake(&queue.name);
    Ok(())
}

pub(super) fn depth(connection: &Connection, queue: &str, now: i64) -> Result<Depth, EmbeddedError> {
    let queue = find(connection, queue)?;
    let mut statement = connection.prepare_cached(
        "SELECT count(*) FILTER (WHERE visible_ms <= ?2), count(*) FILTER (WHERE visible_ms > ?2)
         FROM messages WHERE queue = ?1",
    )?;
    let count = |row: &rusqlite::Row<'_>, at| row.get(at).map(|count: i64| count as u64);
    let depth = statement
        .query_row([queue.id, now], |row| Ok(Depth { waiting: count(row, 0)?, in_flight: count(row, 1)? }))?;
    Ok(depth)
}

fn parse(receipt: &Receipt) -> Option<(i64, i64)> {
    let (message, delivery) = receipt.0.split_once('-')?;
    Some((message.parse().ok()?, delivery.parse().ok()?))
}
