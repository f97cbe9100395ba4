//! Events that are lost, come twice, come in another order, or are no events at all: the end is the bucket's, nothing is
//! deployed for nothing, and what nobody understands is shown to somebody. Whatever no client can do is done to the
//! store's file from outside, while the platform runs on it.

use std::time::Duration;

use cloudyknight_tests::run::stdout;
use cloudyknight_tests::{Api, Client, Neighbour, Platform, StoreFile, eventually};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(30);

fn builder() -> cloudyknight_tests::platform::Builder {
    Platform::builder().setting("quiet_ms", 20).setting("burst_quiet_ms", 20)
}

/// Messages of the test bear numbers above this one; the platform counts from 1.
const OURS: u64 = 1 << 40;

/// Has the queues looked at: by a change of another workspace, which is live when this returns.
fn ring(platform: &Platform, content: &str) {
    platform.s3(Client::Boto3).put("bell/index.html", content);
    platform.live("bell");
}

#[test]
fn what_a_lost_event_was_about_is_found_by_the_sweep() {
    let platform = builder().setting("sweep_interval_s", 4).start();
    let (s3, file, api) = (platform.s3(Client::Boto3), StoreFile::of(&platform), Api::of(&platform));
    s3.put("app/index.html", "one");
    s3.put("old/index.html", "to be deleted");
    platform.live("app");
    platform.live("old");

    // From now on, changes emit nothing.
    assert_eq!(file.sql("DELETE FROM notifications RETURNING 1", &[]).len(), 1);
    s3.put("app/index.html", "two");
    s3.put("new/index.html", "three");
    s3.rm("old");
    let cause = |name: &str| {
        let status = api.read(&format!("/api/v1/workspaces/{name}"))?;
        let deployment = &status["deployment"];
        let found =
            deployment["cause"] == json!({"kind": "sweep"}) && deployment["outcome"]["result"] == "live";
        found.then_some(status["state"].clone())
    };
    for (name, state) in [("app", "live"), ("new", "live"), ("old", "removed")] {
        assert_eq!(eventually("a sweep finds it", PATIENCE, || cause(name)), state, "{name}");
    }
    assert_eq!(platform.get("/app/"), (200, "two".to_owned()));
    assert_eq!(platform.get("/new/"), (200, "three".to_owned()));
    assert_eq!(platform.get("/old/").0, 404);
}

#[test]
fn events_and_commands_that_come_again_and_in_another_order_change_nothing() {
    let platform = builder().start();
    let neighbour = Neighbour::of(&platform);
    let (s3, file) = (platform.s3(Client::Boto3), StoreFile::of(&platform));
    // Every message is kept beside the queue, as it was.
    file.sql("CREATE TABLE kept (queue INTEGER, grp TEXT, body TEXT)", &[]);
    file.sql(
        "CREATE TRIGGER keep AFTER INSERT ON messages BEGIN
         INSERT INTO kept VALUES (new.queue, new.grp, new.body); END",
        &[],
    );
    for content in ["one", "two", "three"] {
        s3.put("app/index.html", content);
        platform.live("app");
    }
    s3.put("gone/index.html", "for a moment");
    platform.live("gone");
    s3.rm("gone");
    platform.removed("gone");
    file.sql("DROP TRIGGER keep", &[]);
    let kept = |queue: &str| {
        let statement = "SELECT count(*) FROM kept JOIN queues ON queues.id = kept.queue WHERE name = ?";
        file.sql(statement, &[queue.into()])[0][0].as_u64().expect("a count")
    };
    assert!(kept("events") >= 5 && kept("commands") >= 4, "{} {}", kept("events"), kept("commands"));
    let before = ["app", "gone"].map(|name| platform.status(name)["deployment"].clone());
    let container = platform.docker().container_of("app");

    // All of it three times, the last first.
    file.sql(
        "INSERT INTO messages (id, queue, grp, body)
         SELECT ? - row_number() OVER (), queue, grp, body FROM kept, (VALUES (1), (2), (3))",
        &[(2 * OURS).into()],
    );
    ring(&platform, "have a look");
    let handled = || {
        let left = file.sql("SELECT count(*) FROM messages WHERE id > ?", &[OURS.into()]);
        (left[0][0] == 0).then_some(())
    };
    eventually("all of it is handled", PATIENCE, handled);
    assert_eq!(["app", "gone"].map(|name| platform.status(name)["deployment"].clone()), before);
    assert_eq!(platform.docker().container_of("app"), container);
    assert_eq!(platform.get("/app/"), (200, "three".to_owned()));
    assert_eq!(platform.get("/gone/").0, 404);
    neighbour.is_unhurt();
}

#[test]
fn a_notification_of_an_unknown_version_marks_its_workspace_and_is_told() {
    let platform = builder().start();
    let (s3, file, api) = (platform.s3(Client::Boto3), StoreFile::of(&platform), Api::of(&platform));
    s3.put("app/index.html", "one");
    platform.live("app");
    let doctor = || stdout(&platform.cli(&["doctor"]));
    let words = doctor();
    assert!(words.contains("ok    events: all were understood"), "{words}");

    // The usual notification of this change is lost, and one of a later day comes.
    file.sql("CREATE TABLE kept AS SELECT * FROM notifications", &[]);
    file.sql("DELETE FROM notifications", &[]);
    s3.put("app/index.html", "two");
    file.sql("INSERT INTO notifications SELECT * FROM kept", &[]);
    let later = json!({"Records": [{
        "eventVersion": "9.0", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "invention": {"of": 2030},
        "s3": {"bucket": {"name": "workspaces"}, "object": {"key": "app/index.html"}},
    }]});
    let statement =
        "INSERT INTO messages (id, queue, grp, body) SELECT ?, id, 'x', ? FROM queues WHERE name = 'events'";
    file.sql(statement, &[OURS.into(), later.to_string().into()]);
    ring(&platform, "have a look");
    eventually("the change is live", PATIENCE, || (platform.get("/app/").1 == "two").then_some(()));

    let words = doctor();
    assert!(
        words.contains("note  events: ") && words.contains("version \"9.0\" of the event format"),
        "{words}"
    );
    let told = api.read("/api/v1/platform").expect("an answer")["notifications"]["doubts"].clone();
    assert!(told.as_u64() >= Some(1), "{told}");
}

#[test]
fn a_message_that_nobody_understands_becomes_a_dead_letter_while_others_are_handled() {
    let platform = builder().start();
    let neighbour = Neighbour::of(&platform);
    let (file, api) = (StoreFile::of(&platform), Api::of(&platform));
    ring(&platform, "once");
    for (id, queue) in [(OURS + 1, "events"), (OURS + 2, "commands")] {
        let statement = "INSERT INTO messages (id, queue, grp, body)
            SELECT ?, id, 'poison', 'no \u{1f480} sense' FROM queues WHERE name = ?";
        file.sql(statement, &[id.into(), queue.into()]);
    }
    let letters = || {
        let platform = api.read("/api/v1/platform").expect("an answer");
        platform["dead_letters"].as_array().expect("a list").clone()
    };
    assert_eq!(letters(), [Value::Null; 0]);
    // What is received in vain comes back after a while; here the while is made short.
    let mut round = 0;
    eventually("both are given up on", Duration::from_secs(60), || {
        round += 1;
        file.sql("UPDATE messages SET visible_ms = 0 WHERE id > ?", &[OURS.into()]);
        ring(&platform, &format!("round {round}"));
        (letters().len() == 2).then_some(())
    });
    assert!(round >= 5, "they were given up on after {round} rounds");

    let mut told: Vec<_> = letters().iter().map(|one| (one["queue"].clone(), one["body"].clone())).collect();
    told.sort_by_key(|(queue, _)| queue.to_string());
    let body = json!("no \u{1f480} sense");
    assert_eq!(told, [(json!("commands-dead"), body.clone()), (json!("events-dead"), body)]);
    for letter in letters() {
        let reason = letter["reason"].as_str().expect("a reason");
        assert!(reason.starts_with("neither a command nor a notification"), "{reason}");
    }
    let doctor = platform.cli(&["doctor"]);
    let words = stdout(&doctor);
    assert_eq!(doctor.status.code(), Some(1), "{words}");
    assert!(words.contains("WRONG dead letters: 2 messages were given up on"), "{words}");
    assert!(platform.log().matches("gave up on a message").count() == 2, "the log tells of both");
    for queue in ["events", "events-dead", "commands", "commands-dead"] {
        eventually(queue, PATIENCE, || (file.messages(queue) == 0).then_some(()));
    }
    neighbour.is_unhurt();
}
