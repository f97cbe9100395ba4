use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::change::ChangeKind::{Delete, Put};

fn record(event: &str, key: &str) -> Value {
    json!({
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-west-1", "eventName": event,
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": {"name": "workspaces", "arn": "arn:aws:s3:::workspaces"},
            "object": {"key": key, "size": 3, "eTag": "d41d8cd98f00b204e9800998ecf8427e", "sequencer": "0A1B"},
        },
    })
}

fn parsed(records: &[Value]) -> Parsed {
    parse(&json!({ "Records": records }).to_string(), "workspaces").unwrap()
}

fn change(key: &str, kind: ChangeKind) -> Change {
    Change::of_key(key, kind).unwrap()
}

fn only_change(record: Value) -> Change {
    let Parsed { mut changes, ignored, doubts } = parsed(&[record]);
    assert_eq!((changes.len(), ignored, doubts), (1, vec![], vec![]));
    changes.remove(0)
}

fn only_reason(record: Value) -> WhyIgnored {
    let Parsed { changes, mut ignored, .. } = parsed(&[record]);
    assert_eq!((changes, ignored.len()), (vec![], 1));
    ignored.remove(0).why
}

#[test]
fn creations_put_and_removals_delete_with_and_without_prefix() {
    let check = |event: &str, kind| assert_eq!(only_change(record(event, "app/x")), change("app/x", kind));
    check("ObjectCreated:Put", Put);
    check("s3:ObjectCreated:Put", Put);
    check("ObjectCreated:Copy", Put);
    check("ObjectCreated:CompleteMultipartUpload", Put);
    check("ObjectRemoved:Delete", Delete);
    check("s3:ObjectRemoved:DeleteMarkerCreated", Delete);
    check("LifecycleExpiration:Delete", Delete);
}

#[test]
fn keys_are_decoded_as_forms() {
    let check = |written: &str, key: &str| {
        assert_eq!(only_change(record("ObjectCreated:Put", written)), change(key, Put));
    };
    check("app/a+b.txt", "app/a b.txt");
    check("app/a%2Bb%25.txt", "app/a+b%.txt");
    check("app%2Fsub%2Fx", "app/sub/x");
    check("app/line%0Abreak", "app/line\nbreak");
    check("app/%D0%B6", "app/ж");
    check("app/", "app/");
    check("app/a/../b//c", "app/a/../b//c");
}

#[test]
fn a_key_that_is_no_form_is_taken_as_it_is() {
    assert_eq!(only_change(record("ObjectCreated:Put", "app/100%.txt")), change("app/100%.txt", Put));
    assert_eq!(only_change(record("ObjectCreated:Put", "app/%FF")), change("app/%FF", Put));
}

#[test]
fn a_key_of_ceph_is_shown_as_it_is() {
    let mut record = record("ObjectCreated:Put", "app/a+b");
    record["eventSource"] = json!("ceph:s3");
    assert_eq!(only_change(record), change("app/a+b", Put));
}

#[test]
fn a_key_that_no_reading_can_place_tells_the_likeliest_reason() {
    let check = |written: &str, why: WhyIgnored| {
        assert_eq!(only_reason(record("ObjectCreated:Put", written)), why);
    };
    check("%FFapp/x", WhyIgnored::Key(Undecodable::Utf8));
    check("100%/x", WhyIgnored::Key(Undecodable::Escape(3)));
    check("top+level", WhyIgnored::NotInWorkspace(NotInWorkspace::TopLevel("top level".into())));
    assert!(matches!(
        only_reason(record("ObjectCreated:Put", "My_App/x")),
        WhyIgnored::NotInWorkspace(NotInWorkspace::Name { .. })
    ));
}

#[test]
fn every_workspace_that_an_ambiguous_key_may_mean_is_marked() {
    // `app/%2E%2E/x` and `app/../x` are both in `app`; there is no key that names two workspaces today, since a
    // name holds neither `+` nor `%`. What must hold is that no reading hides another.
    for written in ["app/a+b", "app/a%2Bb", "app%2Fa+b", "app/100%+b"] {
        let changes = parsed(&[record("ObjectCreated:Put", written)]).changes;
        let names: Vec<_> = changes.iter().map(|change| change.workspace.as_str()).collect();
        assert_eq!(names, ["app"], "{written}");
    }
}

#[test]
fn a_bad_record_does_not_lose_its_siblings() {
    let records = [
        record("ObjectCreated:Put", "a/1"),
        json!(null),
        json!({"s3": {"object": {"key": 7}, "bucket": {"name": "workspaces"}}}),
        record("ObjectCreated:Put", "%FF/x"),
        json!({"s3": "text", "eventName": ["x"]}),
        record("ObjectRemoved:Delete", "b/2"),
    ];
    let Parsed { changes, ignored, .. } = parsed(&records);
    assert_eq!(changes, [change("a/1", Put), change("b/2", Delete)]);
    let ignored: Vec<_> = ignored.into_iter().map(|record| (record.key, record.why)).collect();
    assert_eq!(
        ignored,
        [
            (None, WhyIgnored::NoKey),
            (None, WhyIgnored::NoKey),
            (Some("%FF/x".into()), WhyIgnored::Key(Undecodable::Utf8)),
            (None, WhyIgnored::NoKey),
        ]
    );
}

#[test]
fn another_bucket_is_not_ours() {
    let mut record = record("ObjectCreated:Put", "app/x");
    record["s3"]["bucket"]["name"] = json!("cloudyknight");
    assert_eq!(only_reason(record), WhyIgnored::OtherBucket("cloudyknight".into()));
}

#[test]
fn what_changes_no_content_is_ignored() {
    for event in ["s3:ObjectAccessed:Get", "ObjectTagging:Put", "ObjectAcl:Put"] {
        assert_eq!(only_reason(record(event, "app/x")), WhyIgnored::NoContent(event.into()));
    }
}

#[test]
fn minor_versions_are_alike() {
    for version in ["2.0", "2.1", "2.6", "2.99"] {
        let mut record = record("ObjectCreated:Put", "app/x");
        record["eventVersion"] = json!(version);
        assert_eq!(only_change(record), change("app/x", Put));
    }
}

#[test]
fn what_is_doubtful_still_marks_and_is_told() {
    let check = |field: &str, value: Value, doubt: Doubt| {
        let mut record = record("ObjectCreated:Put", "app/x");
        record[field] = value;
        let Parsed { changes, ignored, doubts } = parsed(&[record]);
        assert_eq!((changes, ignored, doubts), (vec![change("app/x", Put)], vec![], vec![doubt]));
    };
    check("eventVersion", json!("3.0"), Doubt::Version("3.0".into()));
    check("eventVersion", json!("20.1"), Doubt::Version("20.1".into()));
    check("eventVersion", json!(2), Doubt::Version(String::new()));
    check("eventName", json!("ObjectTeleported:Put"), Doubt::Kind("ObjectTeleported:Put".into()));
    check("eventName", json!(null), Doubt::Kind(String::new()));
    check("s3", json!({"object": {"key": "app/x"}}), Doubt::NoBucket);
}

#[test]
fn a_test_event_changes_nothing() {
    let text = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2014-10-13T15:57:02.089Z","Bucket":"workspaces"}"#;
    let parsed = parse(text, "workspaces").unwrap();
    assert_eq!(parsed.ignored, [Ignored { key: None, why: WhyIgnored::Test }]);
    assert_eq!((parsed.changes, parsed.doubts), (vec![], vec![]));
}

#[test]
fn minio_adds_fields_beside_the_records() {
    let mut record = record("s3:ObjectCreated:Put", "app%2Findex.js");
    record["eventVersion"] = json!("2.0");
    record["eventSource"] = json!("minio:s3");
    let text =
        json!({"EventName": "s3:ObjectCreated:Put", "Key": "workspaces/app/index.js", "Records": [record]});
    assert_eq!(parse(&text.to_string(), "workspaces").unwrap().changes, [change("app/index.js", Put)]);
}

#[test]
fn what_is_no_notification_is_an_error() {
    let error = |text: &str| parse(text, "workspaces").unwrap_err();
    for text in ["{}", "[]", "null", "7", r#""Records""#, r#"{"Records":{}}"#, r#"{"Event":"s3:Other"}"#] {
        assert!(matches!(error(text), NotANotification::Shape), "{text}");
    }
    for text in ["", "{", "hello", &"[".repeat(100_000)] {
        assert!(matches!(error(text), NotANotification::Json(_)), "{text}");
    }
    assert!(matches!(error(&" ".repeat(MAX_TEXT + 1)), NotANotification::TooLong(_)));
}

/// JSON that has the field names of notifications, in the wrong and the right places.
fn nearly_a_notification() -> impl Strategy<Value = Value> {
    let names = "Records|eventName|eventVersion|eventSource|s3|bucket|object|name|key|Event";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        "(s3:)?Object(Created|Removed):Put|[%+/a-z\\PC]{0,12}|2\\.1|workspaces".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(names, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,300}") {
        let _ = parse(&text, "workspaces");
    }

    #[test]
    fn every_record_ends_as_a_change_or_as_ignored(records in prop::collection::vec(nearly_a_notification(), 0..5)) {
        let Parsed { changes, ignored, .. } = parsed(&records);
        prop_assert_eq!(changes.len() + ignored.len(), records.len());
    }

    #[test]
    fn no_garbage_hides_a_good_record(garbage in nearly_a_notification(), first in any::<bool>()) {
        let good = record("ObjectCreated:Put", "good/one");
        let records = if first { [good, garbage] } else { [garbage, good] };
        prop_assert!(parsed(&records).changes.contains(&change("good/one", Put)));
    }
}
