//! What holds for every text: nothing panics, nothing hides a good record, and a key that some dialect wrote marks its
//! workspace.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::change::ChangeKind::Put;

/// JSON that has the field names of notifications, in the wrong and the right places.
fn nearly_a_notification() -> impl Strategy<Value = Value> {
    let names = "Records|eventName|eventVersion|eventSource|s3|bucket|object|name|key|Event|Type|Message|TopicArn|Sns|body\
                 |EventName|Key|detail|detail-type|source|version|event_type|message|new_entry|is_directory";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        "(s3:)?Object(Created|Removed):Put|[%+/a-z\\PC]{0,12}|2\\.1|workspaces|Notification|aws\\.s3|Object Created|create"
            .prop_map(Value::from),
        "/buckets/workspaces(/[.a-z]{1,5}){0,3}|workspaces/[a-z]/[a-z%+]{0,5}".prop_map(Value::from),
        r#"\{"(Records|Message|body)":(\[\{?\}?\]|"\{\}"|null)\}"#.prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(names, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Wraps one message as something does on the way.
type Wrap = fn(String) -> String;

const WRAPS: [Wrap; 5] = [
    |message| message,
    |message| json!({"Type": "Notification", "TopicArn": "arn", "Message": message}).to_string(),
    |message| {
        json!({"Type": "Notification", "Message": json!({"TopicArn": "a", "Message": message}).to_string()})
            .to_string()
    },
    |message| json!({"Records": [{"eventSource": "aws:sqs", "body": message}]}).to_string(),
    |message| json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": message}}]}).to_string(),
];

fn wrap() -> impl Strategy<Value = Wrap> {
    prop::sample::select(WRAPS.to_vec())
}

fn s3(source: &str, written: &str) -> Value {
    json!({
        "eventVersion": "2.1", "eventSource": source, "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "workspaces"}, "object": {"key": written}},
    })
}

fn good() -> Value {
    s3("aws:s3", "good/one")
}

fn marks_good(text: &str) -> bool {
    parse(text, "workspaces").unwrap().changes.contains(&Change::of_key("good/one", Put).unwrap())
}

/// `keep` is what an encoding leaves as it is, beside letters and digits.
fn percent(key: &str, keep: &str, space: &str) -> String {
    key.chars()
        .map(|c| match c {
            ' ' => space.to_owned(),
            c if c.is_ascii_alphanumeric() || keep.contains(c) => c.to_string(),
            c => c.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect(),
        })
        .collect()
}

/// How a server writes a key, into which notification, and whether we know that well enough to read the path, too.
struct Dialect {
    name: &'static str,
    message: fn(&str) -> Value,
    exact: bool,
}

const DIALECTS: [Dialect; 8] = [
    Dialect { name: "AWS, Ministack", message: |key| s3("aws:s3", &percent(key, "/-_.*", "+")), exact: true },
    Dialect { name: "MinIO, RustFS", message: |key| s3("minio:s3", &percent(key, "-_.*", "+")), exact: true },
    Dialect { name: "LocalStack", message: |key| s3("aws:s3", &percent(key, "/-_.~", "%20")), exact: true },
    Dialect { name: "Floci", message: |key| s3("aws:s3", key), exact: false },
    Dialect { name: "Ceph", message: |key| s3("ceph:s3", key), exact: true },
    Dialect { name: "EventBridge", message: bridged, exact: true },
    Dialect {
        name: "EventBridge of LocalStack",
        message: |key| bridged(&percent(key, "/-_.~", "%20")),
        exact: false,
    },
    Dialect {
        name: "SeaweedFS",
        message: |key| json!({"event_type": "create", "key": format!("/buckets/workspaces/{key}"), "message": {}}),
        exact: true,
    },
];

fn bridged(written: &str) -> Value {
    json!({
        "detail-type": "Object Created", "source": "aws.s3",
        "detail": {"version": "0", "bucket": {"name": "workspaces"}, "object": {"key": written}},
    })
}

fn key() -> impl Strategy<Value = String> {
    "[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?/([%+ /a-f0-9é€ж&=?#\"\\\\~*]|\\PC){0,24}"
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,300}") {
        let _ = parse(&text, "workspaces");
    }

    #[test]
    fn no_json_panics_in_any_envelope(json in nearly_a_notification(), wrap in wrap()) {
        let _ = parse(&wrap(json.to_string()), "workspaces");
    }

    #[test]
    fn every_record_ends_as_a_change_or_as_ignored(
        records in prop::collection::vec(nearly_a_notification(), 0..5),
        wrap in wrap(),
    ) {
        let text = wrap(json!({ "Records": records }).to_string());
        let Parsed { changes, ignored, .. } = parse(&text, "workspaces").unwrap();
        prop_assert!(changes.len() + ignored.len() >= records.len());
    }

    #[test]
    fn no_garbage_hides_a_good_record(
        mut records in prop::collection::vec(nearly_a_notification(), 0..5),
        at in any::<prop::sample::Index>(),
        wrap in wrap(),
    ) {
        records.insert(at.index(records.len() + 1), good());
        let text = wrap(json!({ "Records": records }).to_string());
        prop_assert!(marks_good(&text), "{}", text);
    }

    #[test]
    fn no_field_that_cannot_be_read_hides_a_good_record(
        field in prop::sample::select(vec![
            r#""\ud800""#.to_owned(),
            "1e999".to_owned(),
            r#"{"\udc00":0}"#.to_owned(),
            format!("{}{}", "[".repeat(400), "]".repeat(400)),
        ]),
        name in "eventName|eventVersion|s3|body|Sns|x",
        first in any::<bool>(),
        wrap in wrap(),
    ) {
        let broken = format!(r#"{{"{name}":{field},"s3":{{"object":{{"key":{field}}}}}}}"#);
        let records = if first { [good().to_string(), broken] } else { [broken, good().to_string()] };
        let text = wrap(format!(r#"{{"Records":[{}]}}"#, records.join(",")));
        prop_assert!(marks_good(&text), "{}", text);
    }

    #[test]
    fn no_garbage_hides_a_good_message(
        garbage in prop::collection::vec((nearly_a_notification(), ".{0,20}", any::<bool>()), 0..5),
        at in any::<prop::sample::Index>(),
        wrap in wrap(),
        in_sns in any::<bool>(),
    ) {
        let carrier = |message: String| match in_sns {
            true => json!({"Sns": {"Type": "Notification", "Message": message}}),
            false => json!({"body": message}),
        };
        let mut records: Vec<_> = garbage
            .into_iter()
            .map(|(json, text, is_json)| carrier(if is_json { json.to_string() } else { text }))
            .collect();
        let good = json!({"Records": [good()]}).to_string();
        records.insert(at.index(records.len() + 1), carrier(good));
        let text = wrap(json!({ "Records": records }).to_string());
        prop_assert!(marks_good(&text), "{}", text);
    }

    #[test]
    fn a_key_marks_its_workspace_in_every_dialect(key in key(), wrap in wrap()) {
        prop_assume!(key.split_once('/').is_none_or(|(_, path)| leftover::of(path).is_none()));
        for Dialect { name, message, exact } in DIALECTS {
            let message = message(&key);
            let message = if message.get("s3").is_some() { json!({"Records": [message]}) } else { message };
            let Parsed { changes, ignored, .. } = parse(&wrap(message.to_string()), "workspaces").unwrap();
            let wanted = Change::of_key(&key, Put).unwrap();
            prop_assert_eq!(changes.len(), 1, "{}: {:?} {:?}", name, &changes, ignored);
            prop_assert_eq!(&changes[0].workspace, &wanted.workspace, "{}", name);
            prop_assert!(!exact || changes[0] == wanted, "{}: {:?}", name, changes);
        }
    }
}
