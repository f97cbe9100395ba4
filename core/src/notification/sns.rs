//! What SNS delivers, where it is not told to deliver raw: the message as a text within its own JSON.
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>

use serde_json::Value;

pub(super) enum Delivered<'a> {
    Message(&'a Value),
    /// SNS asks whether somebody is there: `SubscriptionConfirmation` or `UnsubscribeConfirmation`. Comes also where
    /// delivery is raw.
    Confirmation(&'a str),
}

pub(super) fn delivered(json: &Value) -> Option<Delivered<'_>> {
    let message = json.get("Message")?;
    match json.get("Type").and_then(Value::as_str) {
        Some(kind @ ("SubscriptionConfirmation" | "UnsubscribeConfirmation")) => {
            Some(Delivered::Confirmation(kind))
        }
        Some("Notification") => Some(Delivered::Message(message)),
        _ => json.get("TopicArn").map(|_| Delivered::Message(message)),
    }
}
