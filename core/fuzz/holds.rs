// What holds of any text, as one message of the events queue. Read by the fuzz target and by a test that runs everywhere
// (core/tests/strange_notifications.rs), each of which brings `cloudyknight_core` and `serde_json`.

use cloudyknight_core::dead_letter::DeadLetter;
use cloudyknight_core::notification::{Parsed, parse};

const GOOD: &str = r#"{"eventVersion":"2.1","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"workspaces"},"object":{"key":"good/one"}}}"#;

/// Beyond not panicking, it must hold whatever the text is: a well-formed record put beside it in `Records`, as a record
/// and as a message of its own, still marks its workspace; and what is read of a text is read of it again.
pub fn whatever_the_text(text: &str) {
    let parsed = parse(text, "workspaces").ok();
    assert_eq!(parse(text, "workspaces").ok(), parsed);
    let letter = DeadLetter::of("1", "events-dead", text, "workspaces", String::new());
    if let Some(parsed) = &parsed {
        assert!(parsed.changes.iter().all(|change| letter.workspaces.contains(&change.workspace)));
    }

    let message = format!(r#"{{"Records":[{GOOD}]}}"#);
    let carried = |text: &str| serde_json::json!({ "body": text, "Sns": { "Message": text } }).to_string();
    let mut beside = vec![
        format!(r#"{{"Records":[{},{}]}}"#, carried(text), carried(&message)),
        format!(r#"{{"Records":[{},{GOOD}]}}"#, carried(text)),
    ];
    if serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok() {
        beside.push(format!(r#"{{"Records":[{text},{GOOD}]}}"#));
        beside.push(format!(r#"{{"Records":[{GOOD},{text}]}}"#));
    }
    for text in beside {
        let Parsed { changes, ignored, .. } = parse(&text, "workspaces").expect("there are records");
        assert!(changes.iter().any(|change| change.workspace.as_str() == "good"), "lost a sibling: {text}");
        assert!(changes.len() + ignored.len() >= 2, "a record vanished: {text}");
    }
}
