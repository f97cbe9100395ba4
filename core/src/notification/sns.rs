//! What SNS delivers, where it is not told to deliver raw: the message as a text within its own JSON.
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>

use super::json::Json;

pub(super) enum Delivered<'a, 'text> {
    Message(&'a Json<'text>),
    /// SNS asks whether somebody is there: `SubscriptionConfirmation` or `UnsubscribeConfirmation`. Comes also where
    /// delivery is raw.
    Confirmation(&'a str),
}

pub(super) fn delivered<'a, 'text>(json: &'a Json<'text>) -> Option<Delivered<'a, 'text>> {
    let message = json.at(&["Message"])?;
    match json.text(&["Type"]) {
        Some(kind @ ("SubscriptionConfirmation" | "UnsubscribeConfirmation")) => {
            Some(Delivered::Confirmation(kind))
        }
        Some("Notification") => Some(Delivered::Message(message)),
        _ => json.at(&["TopicArn"]).map(|_| Delivered::Message(message)),
    }
}
