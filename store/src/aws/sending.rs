//! How messages are cut into the batches that SQS takes.

use std::collections::HashSet;

use crate::queue::Outgoing;

/// How many messages SQS takes at once.
const MESSAGES: usize = 10;
/// How many bytes of bodies we send at once: SQS took 256 KiB for a whole batch until 2025, and servers like it do.
const BYTES: usize = 256 * 1024;

/// Batches in the order of the messages. No batch holds two of one group: a batch may be accepted in part, and what
/// is sent again must not overtake.
pub(super) fn batches(messages: Vec<Outgoing>) -> Vec<Vec<Outgoing>> {
    let mut batches: Vec<Vec<Outgoing>> = Vec::new();
    let (mut bytes, mut groups) = (0, HashSet::new());
    for message in messages {
        let again = message.group.as_ref().is_some_and(|group| !groups.insert(group.clone()));
        bytes += message.body.len();
        match batches.last_mut() {
            Some(batch) if batch.len() < MESSAGES && bytes <= BYTES && !again => batch.push(message),
            _ => {
                bytes = message.body.len();
                groups = message.group.iter().cloned().collect();
                batches.push(vec![message]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(body: &str, group: Option<&str>) -> Outgoing {
        Outgoing { body: body.into(), group: group.map(Into::into), dedup: None }
    }

    fn sizes(messages: Vec<Outgoing>) -> Vec<usize> {
        batches(messages).iter().map(Vec::len).collect()
    }

    #[test]
    fn a_batch_has_ten_messages_at_most() {
        assert_eq!(sizes((0..25).map(|n| outgoing(&n.to_string(), None)).collect()), [10, 10, 5]);
        assert_eq!(sizes(vec![]), [0; 0]);
    }

    #[test]
    fn a_batch_has_so_many_bytes_at_most_and_a_large_message_goes_alone() {
        let (half, whole) = ("x".repeat(BYTES / 2), "x".repeat(BYTES));
        assert_eq!(sizes(vec![outgoing(&half, None), outgoing(&half, None), outgoing("x", None)]), [2, 1]);
        assert_eq!(sizes(vec![outgoing("x", None), outgoing(&whole, None), outgoing("x", None)]), [1, 1, 1]);
    }

    #[test]
    fn a_group_stands_once_in_a_batch_and_order_is_kept() {
        let messages = [("1", "a"), ("2", "b"), ("3", "a"), ("4", "c"), ("5", "b")];
        let batches = batches(messages.iter().map(|(body, group)| outgoing(body, Some(group))).collect());
        let bodies: Vec<Vec<_>> =
            batches.iter().map(|batch| batch.iter().map(|message| message.body.as_str()).collect()).collect();
        assert_eq!(bodies, [vec!["1", "2"], vec!["3", "4", "5"]]);
    }
}
