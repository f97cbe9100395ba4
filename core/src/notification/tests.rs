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
    check("s3:ObjectLifecycle:Expiration:Current", Delete);
    check("ObjectSynced:Create", Put);
    check("ObjectSynced:Delete", Delete);
    check("ObjectRestore:Completed", Put);
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
fn a_key_that_is_encoded_wrongly_marks_its_folder_and_is_doubted() {
    let check = |written: &str, key: &str| {
        let Parsed { changes, ignored, doubts } = parsed(&[record("ObjectCreated:Put", written)]);
        assert_eq!((changes, ignored), (vec![change(key, Put)], vec![]));
        assert_eq!(doubts, [Doubt::Key(written.into())]);
    };
    check("app%2F100%.txt", "app/100%.txt");
    check("app%2F%FF.txt", "app/\u{FFFD}.txt");
}

#[test]
fn a_key_of_ceph_is_shown_as_it_is() {
    let mut record = record("ObjectCreated:Put", "app/a+b");
    record["eventSource"] = json!("ceph:s3");
    assert_eq!(only_change(record), change("app/a+b", Put));
}

#[test]
fn what_an_editor_leaves_marks_nothing() {
    let check = |written: &str| {
        for event in ["ObjectCreated:Put", "ObjectRemoved:Delete"] {
            let why = only_reason(record(event, written));
            assert!(matches!(why, WhyIgnored::Leftover(_)), "{written}: {why:?}");
            assert!(why.is_ordinary());
        }
    };
    check("app/.index.js.swp");
    check("app/src/index.js~");
    check("app/a+b~");
    // The listing tells: here it may be a name with a percent sign, and there a file that is not empty.
    let marks =
        |written, key| assert_eq!(only_change(record("ObjectCreated:Put", written)), change(key, Put));
    marks("app/index.js%7E", "app/index.js%7E");
    marks("app/4913", "app/4913");
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
fn a_field_that_nobody_can_read_costs_only_itself() {
    let text = format!(r#"{{"Records":[{}]}}"#, record("ObjectCreated:Put", "app/KEY"));
    let check = |broken: &str| {
        let text = text.replace(r#""size":3"#, &format!(r#""size":3,"userMetadata":{broken}"#));
        assert_eq!(parse(&text, "workspaces").unwrap().changes, [change("app/KEY", Put)], "{broken}");
    };
    check(r#"{"x":"\ud800"}"#);
    check("1e999");
    check(&format!("{}{}", "[".repeat(400), "]".repeat(400)));
    let text = text.replace("KEY", r"\ud800");
    assert_eq!(parse(&text, "workspaces").unwrap().changes[0].workspace.as_str(), "app");
}

#[test]
fn another_bucket_is_not_ours() {
    let mut record = record("ObjectCreated:Put", "app/x");
    record["s3"]["bucket"]["name"] = json!("cloudyknight");
    assert_eq!(only_reason(record), WhyIgnored::OtherBucket("cloudyknight".into()));
}

#[test]
fn what_changes_no_content_is_ignored() {
    for event in [
        "s3:ObjectAccessed:Get",
        "ObjectTagging:Put",
        "ObjectAcl:Put",
        "s3:ObjectCreated:PutTagging",
        "s3:ObjectRemoved:NoOP",
        "ObjectRestore:Post",
        "ObjectLifecycle:Expiration:AbortMultipartUpload",
        "s3:Scanner:BigPrefix",
    ] {
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
fn a_test_event_among_records_changes_nothing() {
    assert_eq!(only_reason(record("s3:TestEvent", "app/x")), WhyIgnored::Test);
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
    for records in [json!([]), json!(null), json!("gone")] {
        let mut text = text.clone();
        text["Records"] = records;
        assert_eq!(parse(&text.to_string(), "workspaces").unwrap().changes, [change("app/index.js", Put)]);
    }
}

fn in_sns(message: &str) -> String {
    json!({"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": message}).to_string()
}

#[test]
fn messages_may_lie_in_each_other_to_a_bound() {
    let records = json!({"Records": [record("ObjectCreated:Put", "app/x")]}).to_string();
    let mut text = records.clone();
    for _ in 1..MAX_DEPTH {
        text = in_sns(&text);
        assert_eq!(parse(&text, "workspaces").unwrap().changes, [change("app/x", Put)]);
    }
    assert!(matches!(parse(&in_sns(&text), "workspaces"), Err(NotANotification::TooDeep)));
}

#[test]
fn what_a_function_is_called_with_is_opened_and_each_message_stands_alone() {
    let good = |key: &str| json!({"Records": [record("ObjectCreated:Put", key)]}).to_string();
    let text = json!({"Records": [
        {"messageId": "1", "eventSource": "aws:sqs", "body": good("a/1")},
        {"messageId": "2", "eventSource": "aws:sqs", "body": "hello"},
        {"messageId": "3", "eventSource": "aws:sqs", "body": in_sns(&good("b/1"))},
        {"messageId": "4", "eventSource": "aws:sqs", "body": r#"{"Records":[]}"#},
        {"EventSource": "aws:sns", "Sns": {"Type": "Notification", "Message": good("c/1")}},
    ]});
    let Parsed { changes, ignored, doubts } = parse(&text.to_string(), "workspaces").unwrap();
    assert_eq!(changes, [change("a/1", Put), change("b/1", Put), change("c/1", Put)]);
    assert_eq!(doubts, []);
    let told: Vec<_> = ignored.iter().map(|ignored| ignored.why.to_string()).collect();
    assert!(
        told[0].starts_with("what the record carries is no notification: the text is no JSON: "),
        "{}",
        told[0]
    );
    assert_eq!(told[1..], ["the record names no object"]);
}

#[test]
fn a_confirmation_of_sns_is_ignored_with_what_to_do() {
    for kind in ["SubscriptionConfirmation", "UnsubscribeConfirmation"] {
        let text = json!({"Type": kind, "TopicArn": "arn", "Message": "You have chosen …", "SubscribeURL": "https://…"});
        let parsed = parse(&text.to_string(), "workspaces").unwrap();
        assert_eq!(parsed.ignored, [Ignored { key: None, why: WhyIgnored::Confirmation(kind.into()) }]);
    }
}

fn bridged(detail_type: &str, key: &str) -> Value {
    json!({
        "version": "0", "id": "1", "detail-type": detail_type, "source": "aws.s3",
        "detail": {"version": "0", "bucket": {"name": "workspaces"}, "object": {"key": key}},
    })
}

fn parsed_alone(json: Value) -> Parsed {
    parse(&json.to_string(), "workspaces").unwrap()
}

#[test]
fn events_of_eventbridge_have_names_of_their_own() {
    let check =
        |name: &str, kind| assert_eq!(parsed_alone(bridged(name, "app/x")).changes, [change("app/x", kind)]);
    check("Object Created", Put);
    check("Object Deleted", Delete);
    check("Object Restore Completed", Put);
    for name in
        ["Object Tags Added", "Object ACL Updated", "Object Restore Expired", "Object Access Tier Changed"]
    {
        let Parsed { changes, ignored, .. } = parsed_alone(bridged(name, "app/x"));
        assert_eq!((changes, &ignored[0].why), (vec![], &WhyIgnored::NoContent(name.into())));
    }
}

#[test]
fn what_is_doubtful_at_eventbridge_still_marks() {
    let doubts = |json: Value| {
        let parsed = parsed_alone(json);
        assert_eq!(parsed.changes, [change("app/x", Put)]);
        parsed.doubts
    };
    let mut later = bridged("Object Created", "app/x");
    later["detail"]["version"] = json!("1");
    assert_eq!(doubts(later), [Doubt::Version("1".into())]);
    let kind = "Object Teleported";
    assert_eq!(doubts(bridged(kind, "app/x")), [Doubt::Kind(kind.into())]);
    // An imitation may name its source as it likes.
    let mut other = bridged("Object Created", "app/x");
    other["source"] = json!("other.s3");
    assert_eq!(doubts(other), []);
}

#[test]
fn a_key_at_eventbridge_is_plain_first_and_decoded_where_only_that_names_a_workspace() {
    let key = |written: &str| parsed_alone(bridged("Object Created", written)).changes;
    assert_eq!(key("app/a+b%20c"), [change("app/a+b%20c", Put)]);
    assert_eq!(key("app%2Fa%20b"), [change("app/a b", Put)]);
}

#[test]
fn other_events_of_eventbridge_are_no_notifications() {
    let mut other = bridged("EC2 Instance State-change Notification", "x");
    other["source"] = json!("aws.ec2");
    other["detail"] = json!({"instance-id": "i-1"});
    assert!(matches!(parse(&other.to_string(), "workspaces"), Err(NotANotification::Shape)));
    // What CloudTrail tells of S3 names the object elsewhere, if at all.
    let mut trail = bridged("AWS API Call via CloudTrail", "x");
    trail["detail"] = json!({"eventName": "PutBucketPolicy"});
    assert_eq!(parsed_alone(trail).ignored, [Ignored { key: None, why: WhyIgnored::NoKey }]);
}

fn filed(event: &str, path: &str, folder: bool) -> Value {
    json!({
        "event_type": event, "key": path,
        "message": {"old_entry": {"name": "x", "is_directory": folder, "attributes": {}}},
    })
}

#[test]
fn a_path_of_a_filer_is_a_key_that_nobody_encoded() {
    let check = |event: &str, path: &str, key: &str, kind| {
        assert_eq!(parsed_alone(filed(event, path, false)).changes, [change(key, kind)]);
    };
    check("create", "/buckets/workspaces/app/a+b%2F.txt", "app/a+b%2F.txt", Put);
    check("update", "/buckets/workspaces/app/x", "app/x", Put);
    check("delete", "/buckets/workspaces/app/x", "app/x", Delete);
    check("create", "/buckets/workspaces/app/x.versions/v_1", "app/x", Put);
}

#[test]
fn a_filer_tells_of_much_that_changes_nothing() {
    let check = |json: Value, why: WhyIgnored| {
        let Parsed { changes, ignored, doubts } = parsed_alone(json);
        assert_eq!((changes, ignored.len(), doubts), (vec![], 1, vec![]));
        assert_eq!(ignored[0].why, why);
    };
    check(filed("create", "/buckets/workspaces/app", true), WhyIgnored::Folder);
    check(filed("update", "/buckets/workspaces", true), WhyIgnored::Folder);
    check(filed("create", "/buckets/workspaces/.uploads", true), WhyIgnored::Unfinished);
    check(filed("delete", "/buckets/workspaces/.uploads/1/0001.part", false), WhyIgnored::Unfinished);
    check(
        filed("create", "/buckets/cloudyknight/app/x", false),
        WhyIgnored::OtherBucket("cloudyknight".into()),
    );
    check(filed("create", "/topics/x", false), WhyIgnored::OutsideBuckets("/topics/x".into()));
    check(json!({"event_type": "create", "message": {}}), WhyIgnored::NoKey);
}

#[test]
fn a_folder_of_a_filer_counts_when_it_goes_with_all_that_is_in_it_or_when_somebody_put_it() {
    let changes = |json: Value| parsed_alone(json).changes;
    assert_eq!(changes(filed("delete", "/buckets/workspaces/app", true)), [change("app/", Delete)]);
    assert_eq!(changes(filed("update", "/buckets/workspaces/app/x.versions", true)), [change("app/x", Put)]);
    let mut marker = filed("create", "/buckets/workspaces/app/empty", true);
    marker["message"]["old_entry"]["attributes"]["mime"] = json!("httpd/unix-directory");
    assert_eq!(changes(marker), [change("app/empty/", Put)]);
}

#[test]
fn what_moves_between_workspaces_marks_both() {
    let moved = |path: &str, folder: bool, to: &str, name: &str| {
        parsed_alone(json!({
            "event_type": "rename", "key": path,
            "message": {
                "old_entry": {"name": "x", "is_directory": folder},
                "new_entry": {"name": name, "is_directory": folder}, "new_parent_path": to,
            },
        }))
        .changes
    };
    let file = moved("/buckets/workspaces/old/x", false, "/buckets/workspaces/new", "y");
    assert_eq!(file, [change("old/x", Delete), change("new/y", Put)]);
    let folder = moved("/buckets/workspaces/old", true, "/buckets/workspaces", "new");
    assert_eq!(folder, [change("old/", Delete), change("new/", Put)]);
}

#[test]
fn what_servers_say_all_day_is_told_apart_from_what_somebody_should_look_at() {
    let why = |json: Value| parsed_alone(json).ignored.remove(0).why;
    assert!(why(filed("create", "/buckets/workspaces/app", true)).is_ordinary());
    assert!(why(json!({"Records": [record("s3:ObjectAccessed:Get", "app/x")]})).is_ordinary());
    assert!(!why(json!({"Type": "SubscriptionConfirmation", "Message": "…"})).is_ordinary());
    assert!(!why(json!({"Records": [record("ObjectCreated:Put", "top-level")]})).is_ordinary());
    assert!(!why(json!({"Records": [null]})).is_ordinary());
}

#[test]
fn an_unknown_event_of_a_filer_still_marks() {
    let parsed = parsed_alone(filed("teleport", "/buckets/workspaces/app/x", false));
    assert_eq!(
        (parsed.changes, parsed.doubts),
        (vec![change("app/x", Put)], vec![Doubt::Kind("teleport".into())])
    );
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
