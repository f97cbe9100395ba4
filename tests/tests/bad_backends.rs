//! Stores and queues that are not what the settings say, that say no, or that have a bad day; and messages from people
//! who should not send any. Each is told clearly, nothing is asked in a hurry, nothing is lost, and the workspaces beside
//! it notice nothing.

use std::time::{Duration, Instant};

use cloudyknight_tests::client::S3;
use cloudyknight_tests::platform::Builder;
use cloudyknight_tests::run::{run, stderr, stdout};
use cloudyknight_tests::{
    Api, Backend, Client, Elsewhere, Mood, Neighbour, Platform, Proxy, Sqs, eventually,
};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(60);
/// Whoever cannot start says so within this time.
const SOON: Duration = Duration::from_secs(30);

fn builder() -> Builder {
    Platform::builder().setting("quiet_ms", 50)
}

/// What `up` says when it fails: soon, and with a hint.
#[track_caller]
fn fails_soon(platform: &Platform) -> String {
    let began = Instant::now();
    let output = platform.try_up();
    let words = format!("{}{}", stdout(&output), stderr(&output));
    assert!(!output.status.success(), "it started: {words}");
    assert!(began.elapsed() < SOON, "it took {:?} to say: {words}", began.elapsed());
    assert!(words.contains("hint: "), "{words}");
    words
}

#[track_caller]
fn contains(words: &str, each: &[&str]) {
    for one in each {
        assert!(words.contains(one), "it does not say {one:?}: {words}");
    }
}

#[test]
fn wrong_credentials_are_told_at_the_start() {
    let store = Elsewhere::start();
    let with =
        |access_key: &str, secret_key: &str| store.below_with(builder(), access_key, secret_key).prepare();
    let words = fails_soon(&with(store.access_key(), "not the secret"));
    contains(&words, &["AWS_SECRET_ACCESS_KEY", store.url()]);
    assert!(!words.contains("not the secret"), "the secret is told: {words}");
    let words = fails_soon(&with("nobody", store.secret_key()));
    contains(&words, &["AWS_ACCESS_KEY_ID", store.url()]);
    assert!(!words.contains(store.secret_key()), "the secret is told: {words}");
}

#[test]
fn a_platform_bucket_that_is_not_there_is_told_at_the_start_on_moto() {
    let server = Backend::moto();
    let platform = builder().backend(&server).prepare();
    platform.configure("platform_bucket", "\"nowhere\"");
    contains(&fails_soon(&platform), &["`nowhere`", "create it"]);
}

/// These may be made while the platform waits for them.
#[test]
fn a_bucket_or_a_queue_that_is_not_there_is_told_by_doctor_on_moto() {
    let server = Backend::moto();
    for (setting, value, name) in [
        ("workspaces_bucket", "nothing".to_owned(), "nothing"),
        ("commands", server.queue("nobody.fifo"), "nobody.fifo"),
        ("events", server.queue("silence"), "silence"),
    ] {
        let platform = builder().backend(&server).prepare();
        platform.configure(setting, format!("{value:?}"));
        platform.up();
        let doctor = platform.cli(&["doctor"]);
        let words = stdout(&doctor);
        assert_eq!(doctor.status.code(), Some(1), "{setting}: {words}");
        let told = words.lines().any(|line| line.starts_with("WRONG") && line.contains(name));
        assert!(told && words.contains("hint: "), "{setting}: {words}");
    }
}

#[test]
fn a_server_that_is_not_there_is_told_at_the_start() {
    // A port that nobody listens on: the proxy's, once it is gone.
    let proxy = Proxy::before("http://127.0.0.1:9");
    let nowhere = proxy.endpoint();
    drop(proxy);
    let platform = builder()
        .setting("store", format!("{nowhere:?}"))
        .setting("events", "\"none\"")
        .variable("AWS_ACCESS_KEY_ID", "test")
        .variable("AWS_SECRET_ACCESS_KEY", "test")
        .prepare();
    // It may come yet, so that this takes as long as `up` waits.
    let output = platform.try_up();
    assert!(!output.status.success());
    contains(&stderr(&output), &["hint: nobody listens at", &nowhere]);
}

/// A notification as this server sends them: of a key in a bucket.
fn notification(bucket: &str, key: &str) -> String {
    let object = json!({"key": key, "size": 3, "eTag": "d41d8cd98f00b204e9800998ecf8427e"});
    let bucket = json!({"name": bucket, "arn": format!("arn:aws:s3:::{bucket}")});
    let record = json!({
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1",
        "eventTime": "2026-01-01T00:00:00.000Z", "eventName": "ObjectCreated:Put",
        "s3": {"s3SchemaVersion": "1.0", "bucket": bucket, "object": object},
    });
    json!({"Records": [record]}).to_string()
}

#[test]
fn a_notification_for_another_bucket_marks_no_workspace_on_moto() {
    let server = Backend::moto();
    let platform = builder().backend(&server).start();
    let neighbour = Neighbour::of(&platform);
    let endpoint = server.endpoint().expect("it listens");
    let events = Sqs::at(endpoint, &server.queue("events"));
    let before = platform.status("neighbour");
    events
        .send(&[notification("photos", "neighbour/index.html"), notification("photos", "holiday/beach.jpg")]);
    eventually("they are handled", PATIENCE, || (events.depth() == 0).then_some(()));
    assert_eq!(platform.status("neighbour")["deployment"], before["deployment"]);
    assert_eq!(Api::of(&platform).get("/api/v1/workspaces/holiday").expect("an answer").status, 404);
    assert_eq!(Sqs::at(endpoint, &server.queue("events-dead")).depth(), 0, "it is no dead letter");
    neighbour.is_unhurt();
}

#[test]
fn a_poison_message_becomes_a_dead_letter_that_is_told_on_ministack() {
    let server = Backend::ministack();
    let endpoint = server.endpoint().expect("it listens");
    let queue = |name: &str| Sqs::at(endpoint, &server.queue(name));
    let (events, commands) = (queue("events"), queue("commands.fifo"));
    // A message that is not handled comes again after half a minute: once is enough here.
    for (queue, dead) in [(&events, "events-dead"), (&commands, "commands-dead.fifo")] {
        let arn = format!("arn:aws:sqs:us-east-1:000000000000:{dead}");
        let policy = json!({"deadLetterTargetArn": arn, "maxReceiveCount": 1}).to_string();
        queue.set(&[("RedrivePolicy", policy.as_str())].into());
    }
    let platform = builder().backend(&server).start();
    let neighbour = Neighbour::of(&platform);
    let poison = "no \u{1f480} sense";
    events.send(&[poison.to_owned()]);
    commands.send_in_group("poison", "once", poison);

    let api = Api::of(&platform);
    let letters = eventually("both are given up on", 2 * PATIENCE, || {
        let platform = api.read("/api/v1/platform")?;
        let letters = platform["dead_letters"].as_array()?.clone();
        (letters.len() == 2).then_some(letters)
    });
    let mut told: Vec<_> = letters.iter().map(|one| (one["queue"].clone(), one["body"].clone())).collect();
    told.sort_by_key(|(queue, _)| queue.to_string());
    assert_eq!(told, [(json!("commands-dead.fifo"), json!(poison)), (json!("events-dead"), json!(poison))]);
    let status = platform.cli(&["status"]);
    contains(&stderr(&status), &["was given up on, found on events-dead", "found on commands-dead.fifo"]);
    let doctor = platform.cli(&["doctor"]);
    contains(&stdout(&doctor), &["WRONG dead letters: 2 messages were given up on"]);
    assert_eq!(doctor.status.code(), Some(1));
    neighbour.is_unhurt();
}

/// How long a bad day lasts, and how often anything may be asked meanwhile: several who ask wait longer each time.
const OUTAGE: Duration = Duration::from_secs(10);
const AT_MOST: usize = 150;

/// Lets an outage begin and last while `meanwhile` happens. Nothing is asked in a hurry, and something is asked.
#[track_caller]
fn outage(proxy: &Proxy, mood: Mood, meanwhile: impl FnOnce()) {
    let (before, began) = (proxy.requests(), Instant::now());
    proxy.turns(mood);
    meanwhile();
    eventually("the outage is noticed", PATIENCE, || (proxy.requests() > before).then_some(()));
    eventually("the outage lasts", 2 * OUTAGE, || (began.elapsed() > OUTAGE).then_some(()));
    let asked = proxy.requests() - before;
    println!("{mood:?}: {asked} requests in {:?}", began.elapsed());
    assert!(asked <= AT_MOST, "{asked} requests in {:?}", began.elapsed());
}

#[test]
fn a_store_that_answers_500_amid_a_deployment_delays_it_and_nothing_else_on_ministack() {
    store_outage(Mood::Answers500);
}

#[test]
fn a_store_that_hangs_amid_a_deployment_delays_it_and_nothing_else_on_ministack() {
    store_outage(Mood::Hangs);
}

fn store_outage(mood: Mood) {
    let server = Backend::ministack();
    let direct = server.endpoint().expect("it listens");
    let proxy = Proxy::before(direct);
    // Time enough to have the outage begin in the middle.
    let platform = Platform::builder().backend(&server).setting("quiet_ms", 1_500).prepare();
    platform.configure("store", format!("{:?}", proxy.endpoint()));
    let platform = begun(platform);
    let neighbour = Neighbour::of(&platform);
    let s3 = S3::at(Client::Boto3, direct);
    s3.put("app/index.html", "one");
    platform.live("app");

    s3.put("app/index.html", "two");
    let api = Api::of(&platform);
    eventually("the deployment has begun", PATIENCE, || (api.step("app")? == "settle").then_some(()));
    // Others are pushed to as well.
    outage(&proxy, mood, || s3.put("other/index.html", "of another"));
    assert_eq!(platform.get("/app/"), (200, "one".to_owned()));

    proxy.turns(Mood::Passes);
    platform.live("app");
    assert_eq!(platform.get("/app/"), (200, "two".to_owned()));
    platform.live("other");
    assert_eq!(platform.get("/other/"), (200, "of another".to_owned()));
    neighbour.is_unhurt();
}

#[test]
fn what_cannot_be_told_is_told_later_and_nothing_is_done_twice_for_it_on_ministack() {
    let server = Backend::ministack();
    let direct = server.endpoint().expect("it listens");
    let proxy = Proxy::before(direct);
    let platform = builder().backend(&server).prepare();
    platform.configure("store", format!("{:?}", proxy.endpoint()));
    let platform = begun(platform);
    let s3 = S3::at(Client::Boto3, direct);
    s3.put("app/index.html", "one");
    platform.live("app");

    proxy.turns(Mood::KeepsNoStatus);
    let broken = "services:\n  app:\n    image: workspace-static-ephemeral:latest\n    command: ['false']\n";
    s3.put("app/docker-compose.yml", broken);
    platform.failed("app");
    // It tries on to tell, and does not try on to deploy.
    eventually("it has tried to tell four times", PATIENCE, || (proxy.refused() >= 4).then_some(()));
    assert_eq!(platform.log().matches("the deployment failed").count(), 1, "{}", platform.log());
    assert_eq!(platform.get("/app/"), (200, "one".to_owned()));

    proxy.turns(Mood::Passes);
    let document =
        "print(s3.get_object(Bucket='cloudyknight', Key='status/app.json')['Body'].read().decode())";
    eventually("the bucket tells what happened", PATIENCE, || {
        // There is none yet where even the first release could not be told.
        let read = run(&mut s3.python(document, &[]));
        let told: serde_json::Value = serde_json::from_slice(&read.stdout).ok()?;
        (told["state"] == "degraded").then_some(())
    });
    assert_eq!(platform.log().matches("the deployment failed").count(), 1, "{}", platform.log());
}

#[test]
fn queues_that_are_away_for_a_while_delay_what_is_pushed_and_lose_nothing_on_ministack() {
    queue_outage(Mood::Breaks);
}

#[test]
fn queues_that_answer_500_delay_what_is_pushed_and_lose_nothing_on_ministack() {
    queue_outage(Mood::Answers500);
}

#[test]
fn queues_that_hang_delay_what_is_pushed_and_lose_nothing_on_ministack() {
    queue_outage(Mood::Hangs);
}

fn queue_outage(mood: Mood) {
    let server = Backend::ministack();
    let direct = server.endpoint().expect("it listens");
    let proxy = Proxy::before(direct);
    let platform = builder().backend(&server).prepare();
    for (setting, queue) in [("events", "events"), ("commands", "commands.fifo")] {
        let url = server.queue(queue).replace(direct, &proxy.endpoint());
        platform.configure(setting, format!("{url:?}"));
    }
    let platform = begun(platform);
    let neighbour = Neighbour::of(&platform);
    let s3 = platform.s3(Client::Boto3);
    s3.put("app/index.html", "one");
    platform.live("app");

    outage(&proxy, mood, || {
        s3.put("app/index.html", "two");
        s3.put("new/index.html", "three");
    });
    assert_eq!(platform.get("/app/"), (200, "one".to_owned()));

    proxy.turns(Mood::Passes);
    for (name, words) in [("app", "two"), ("new", "three")] {
        platform.live(name);
        assert_eq!(platform.get(&format!("/{name}/")), (200, words.to_owned()));
        let cause = platform.status(name)["deployment"]["cause"].clone();
        assert_ne!(cause, json!({"kind": "sweep"}), "what waited in the queue was not lost");
    }
    neighbour.is_unhurt();
}

/// All of it by way of the proxy: store and queues.
fn behind(proxy: &Proxy, server: &Backend) -> Platform {
    let direct = server.endpoint().expect("it listens");
    let platform = builder().backend(server).prepare();
    platform.configure("store", format!("{:?}", proxy.endpoint()));
    for (setting, queue) in [("events", "events"), ("commands", "commands.fifo")] {
        let url = server.queue(queue).replace(direct, &proxy.endpoint());
        platform.configure(setting, format!("{url:?}"));
    }
    platform
}

/// Something that only a person can mend begins while all is well, and somebody pushes meanwhile. It is told by whoever
/// is asked, and once it is mended the push goes live by itself.
#[track_caller]
fn refusal(mood: Mood, told: &[&str]) {
    let server = Backend::ministack();
    let direct = server.endpoint().expect("it listens");
    let proxy = Proxy::before(direct);
    let platform = begun(behind(&proxy, &server));
    let neighbour = Neighbour::of(&platform);
    let s3 = S3::at(Client::Boto3, direct);
    s3.put("app/index.html", "one");
    platform.live("app");

    outage(&proxy, mood, || s3.put("app/index.html", "two"));
    // A poll that was broken off may still have taken the notification: then it comes half a minute later.
    eventually("all of it is told", PATIENCE, || {
        let words = stdout(&platform.cli(&["doctor"]));
        told.iter().all(|one| words.contains(one)).then_some(())
    });
    let doctor = platform.cli(&["doctor"]);
    assert_eq!(doctor.status.code(), Some(1), "{mood:?}");
    contains(&stdout(&doctor), &["WRONG", "hint: "]);
    if matches!(mood, Mood::IsElsewhere(_) | Mood::TokenExpired) {
        contains(&stderr(&platform.cli(&["status"])), &["the bucket cannot be listed", "hint: ", told[0]]);
    }
    assert_eq!(platform.get("/app/"), (200, "one".to_owned()));

    proxy.turns(Mood::Passes);
    platform.live("app");
    assert_eq!(platform.get("/app/"), (200, "two".to_owned()));
    neighbour.is_unhurt();
    // Of what the functions do as well, nothing is left to tell.
    let api = Api::of(&platform);
    eventually("all is well again", PATIENCE, || {
        let platform = api.read("/api/v1/platform")?;
        let well = |part: &str| platform[part]["ok"] == json!(true);
        ["bucket", "commands", "events", "commands_sent"].into_iter().all(well).then_some(())
    });
}

#[test]
fn a_bucket_in_another_region_is_told_with_the_region_on_ministack() {
    let server = Backend::ministack();
    let proxy = Proxy::before(server.endpoint().expect("it listens"));
    let platform = behind(&proxy, &server);
    proxy.turns(Mood::IsElsewhere("eu-west-1"));
    contains(&fails_soon(&platform), &["the bucket is in another region: set `region` to \"eu-west-1\""]);
    refusal(Mood::IsElsewhere("eu-west-1"), &["another region: set `region` to \"eu-west-1\""]);
}

#[test]
fn queues_that_nothing_may_be_received_from_are_told_and_what_is_in_them_goes_live_later_on_ministack() {
    refusal(
        Mood::MayNot("ReceiveMessage"),
        &["sqs:ReceiveMessage on the queue `events`", "WRONG agent to commands", "WRONG functions to events"],
    );
}

#[test]
fn a_queue_that_nothing_may_be_sent_to_is_told_and_what_waits_for_it_goes_live_later_on_ministack() {
    refusal(
        Mood::MayNot("SendMessage"),
        &["sqs:SendMessage on the queue `commands.fifo`", "WRONG functions to commands"],
    );
}

#[test]
fn credentials_that_ran_out_are_told_and_work_goes_on_when_they_are_renewed_on_ministack() {
    refusal(Mood::TokenExpired, &["the credentials ran out", "WRONG functions to events"]);
}

/// Started, after its settings were changed.
fn begun(mut platform: Platform) -> Platform {
    platform.up();
    platform.learn();
    platform
}
