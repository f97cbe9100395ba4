//! The webhook for servers that cannot speak SQS: what MinIO posts goes live, what it could not post goes live later, and
//! nobody else has anything to say there. MinIO's part is played: its images and binaries cannot be had everywhere.

use std::time::Duration;

use cloudyknight_tests::minio::MinIo;
use cloudyknight_tests::{Api, Client, Elsewhere, Mood, Neighbour, Platform, Proxy, eventually};
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
