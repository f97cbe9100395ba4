//! The webhook for servers that cannot speak SQS: what MinIO posts goes live, what it could not post goes live later, and
//! nobody else has anything to say there. MinIO's part is played: its images and binaries cannot be had everywhere.

use std::process::{Child, Stdio};
use std::time::Duration;

use cloudyknight_tests::client::S3;
use cloudyknight_tests::minio::MinIo;
use cloudyknight_tests::run::{run, succeeded};
use cloudyknight_tests::{Api, Backend, Client, Elsewhere, Mood, Neighbour, Platform, Proxy, eventually};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(30);
const CREATED: &str = "ObjectCreated:Put";
const REMOVED: &str = "ObjectRemoved:Delete";

/// A platform that hears of changes by its webhook only.
fn on(store: &Elsewhere) -> Platform {
    store.below(Platform::builder().setting("quiet_ms", 50)).ingest().start()
}

#[test]
fn what_minio_posts_goes_live_and_what_it_could_not_post_goes_live_later() {
    let store = Elsewhere::start();
    let platform = on(&store);
    let s3 = platform.s3(Client::Boto3);
    let mut minio = MinIo::of(&platform);
    assert_eq!(
        minio.request("HEAD", None, b"").expect("an answer").status,
        200,
        "MinIO asks whether it is there"
    );
    for (key, words) in [("app/index.html", "one"), ("app/a page.html", "a page")] {
        s3.put(key, words);
        minio.emits(CREATED, key);
    }
    minio.posts().expect("they are taken");
    platform.live("app");
    assert_eq!(platform.get("/app/"), (200, "one".to_owned()));
    assert_eq!(platform.get("/app/a%20page.html"), (200, "a page".to_owned()));

    // Nobody is there, and then somebody is.
    s3.put("app/index.html", "two");
    minio.emits(CREATED, "app/index.html");
    platform.down();
    minio.posts().expect_err("nobody listens");
    platform.up();
    eventually("it is taken when it comes again", PATIENCE, || minio.posts().ok());
    platform.live("app");
    assert_eq!(platform.get("/app/"), (200, "two".to_owned()));

    // The same while the platform is there and hears nothing: only the notification can tell it.
    let proxy = Proxy::before(&format!("http://{}", platform.ingest_address()));
    let mut minio = MinIo::of(&platform).through(&proxy.endpoint());
    proxy.turns(Mood::Breaks);
    s3.put("app/index.html", "three");
    s3.rm_one("app/a page.html");
    minio.emits(CREATED, "app/index.html");
    minio.emits(REMOVED, "app/a page.html");
    minio.posts().expect_err("the way is broken");
    proxy.turns(Mood::Passes);
    minio.posts().expect("they are taken when they come again");
    let status = platform.live("app");
    assert_ne!(status["deployment"]["cause"], json!({"kind": "sweep"}), "{status:#}");
    assert_eq!(platform.get("/app/"), (200, "three".to_owned()));
    assert_eq!(platform.get("/app/a%20page.html").0, 404);
}

/// On a host that is no platform, beside a server that cannot queue: the functions take the events from SQS, wherever they
/// run.
#[test]
fn the_webhook_by_itself_puts_what_comes_on_the_queue_of_a_platform_elsewhere_on_ministack() {
    let server = Backend::ministack();
    let endpoint = server.endpoint().expect("it listens");
    let platform = Platform::builder().setting("quiet_ms", 50).backend(&server).start();
    let beside = Platform::builder().backend(&server).variable("CLOUDYKNIGHT_INGEST_TOKEN", TOKEN).prepare();
    let address = beside.ingest_address().to_owned();
    let mut role = beside.cli_command(&["ingest", "--ingest-listen", &address]);
    let role = Role(role.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts"));
    let mut minio = MinIo::at(&address, TOKEN);
    eventually("the webhook answers", PATIENCE, || {
        let answer = minio.request("HEAD", None, b"").ok()?;
        (answer.status == 200).then_some(())
    });
    let answer = minio.request("POST", Some("Bearer another"), MinIo::body(CREATED, "app/x").as_bytes());
    assert_eq!(answer.expect("an answer").status, 401);

    // The bucket itself tells nobody: only what is posted can bring this there.
    let s3 = S3::at(Client::Boto3, endpoint);
    let silent =
        "s3.put_bucket_notification_configuration(Bucket='workspaces', NotificationConfiguration={})";
    succeeded("the bucket is silent", &run(&mut s3.python(silent, &[])));
    s3.put("app/index.html", "posted");
    minio.emits(CREATED, "app/index.html");
    minio.posts().expect("it is taken");
    let status = platform.live("app");
    assert_eq!(status["deployment"]["cause"]["kind"], "put", "{status:#}");
    assert_eq!(platform.get("/app/"), (200, "posted".to_owned()));

    // Told to stop, it ends in order.
    role.stops();
    minio.request("HEAD", None, b"").expect_err("nobody listens");
}

/// By itself, too, it takes nothing that it cannot put on the queue, and whoever posts tries again.
#[test]
fn a_webhook_that_may_not_send_answers_503_and_what_was_posted_meanwhile_goes_live_later_on_ministack() {
    let server = Backend::ministack();
    let direct = server.endpoint().expect("it listens");
    let proxy = Proxy::before(direct);
    let platform = Platform::builder().setting("quiet_ms", 50).backend(&server).start();
    let beside = Platform::builder().backend(&server).variable("CLOUDYKNIGHT_INGEST_TOKEN", TOKEN).prepare();
    beside.configure("events", format!("{:?}", server.queue("events").replace(direct, &proxy.endpoint())));
    let address = beside.ingest_address().to_owned();
    let mut role = beside.cli_command(&["ingest", "--ingest-listen", &address]);
    let role = Role(role.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts"));
    let mut minio = MinIo::at(&address, TOKEN);
    eventually("the webhook answers", PATIENCE, || {
        (minio.request("HEAD", None, b"").ok()?.status == 200).then_some(())
    });
    // The bucket itself tells nobody.
    let s3 = S3::at(Client::Boto3, direct);
    let silent =
        "s3.put_bucket_notification_configuration(Bucket='workspaces', NotificationConfiguration={})";
    succeeded("the bucket is silent", &run(&mut s3.python(silent, &[])));
    s3.put("app/index.html", "posted");

    let token = format!("Bearer {TOKEN}");
    let body = MinIo::body(CREATED, "app/index.html");
    for mood in [Mood::MayNot("SendMessage"), Mood::TokenExpired, Mood::Answers500] {
        proxy.turns(mood);
        let answer = minio.request("POST", Some(&token), body.as_bytes()).expect("an answer");
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("3")), "{mood:?}");
    }
    minio.emits(CREATED, "app/index.html");
    minio.posts().expect_err("it is not taken");
    assert_eq!(Api::of(&platform).get("/api/v1/workspaces/app").expect("an answer").status, 404);
    proxy.turns(Mood::Passes);
    minio.posts().expect("it is taken when it comes again");
    let status = platform.live("app");
    assert_eq!(status["deployment"]["cause"]["kind"], "put", "{status:#}");
    assert_eq!(platform.get("/app/"), (200, "posted".to_owned()));
    role.stops();
}

const TOKEN: &str = "correct-horse-battery-staple";

/// The process of a role, gone with its owner.
struct Role(Child);

impl Role {
    fn stops(mut self) {
        let process = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw).expect("its id");
        kill_process(process, Signal::TERM).expect("it runs");
        let ended = eventually("it ends", PATIENCE, || self.0.try_wait().expect("its state"));
        assert!(ended.success(), "{ended}");
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn forged_and_oversized_posts_are_refused_and_change_nothing() {
    let store = Elsewhere::start();
    let platform = on(&store);
    let mut minio = MinIo::of(&platform);
    platform.s3(Client::Boto3).put("neighbour/index.html", "all is well next door");
    minio.emits(CREATED, "neighbour/index.html");
    minio.posts().expect("it is taken");
    platform.live("neighbour");
    let neighbour = Neighbour::of(&platform);

    platform.s3(Client::Boto3).put("app/index.html", "not yet");
    let token = format!("Bearer {}", platform.variables()["CLOUDYKNIGHT_INGEST_TOKEN"]);
    let event = MinIo::body(CREATED, "app/index.html");
    let cut = &token[..token.len() - 1];
    for (what, authorization) in [("none", None), ("another", Some("Bearer another")), ("a part", Some(cut))]
    {
        let answer = minio.request("POST", authorization, event.as_bytes()).expect("an answer");
        assert_eq!(answer.status, 401, "{what}: {}", answer.body);
    }
    let padded = format!("{event}{}", " ".repeat(2 << 20));
    let answer = minio.request("POST", Some(&token), padded.as_bytes()).expect("an answer");
    assert_eq!(answer.status, 413, "{}", answer.body);
    assert_eq!(minio.request("GET", Some(&token), b"").expect("an answer").status, 405);
    // Whoever has the token is heard, and after them nobody was before.
    platform.s3(Client::Boto3).put("bell/index.html", "rings");
    minio.emits(CREATED, "bell/index.html");
    minio.posts().expect("it is taken");
    platform.live("bell");
    assert_eq!(Api::of(&platform).get("/api/v1/workspaces/app").expect("an answer").status, 404);
    neighbour.is_unhurt();
}
