//! Hostile requests to the API: each is answered with a problem document and changes nothing.

use cloudyknight_tests::{Api, Client, Neighbour, Platform};
use serde_json::Value;

const ALL: [(&str, &str); 6] = [
    ("GET", "/api/v1/workspaces"),
    ("GET", "/api/v1/workspaces/neighbour"),
    ("GET", "/api/v1/workspaces/neighbour/wait"),
    ("GET", "/api/v1/workspaces/neighbour/logs"),
    ("POST", "/api/v1/workspaces/neighbour/reconcile"),
    ("GET", "/api/v1/platform"),
];

/// The answer is a problem document with this status; its `detail`.
#[track_caller]
fn problem(answer: &cloudyknight_tests::http::Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    let document: Value =
        serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
    assert_eq!(document["status"], status, "{document:#}");
    document["detail"].as_str().expect("a detail").to_owned()
}

#[test]
fn hostile_requests_are_refused_in_words() {
    let platform = Platform::builder().setting("quiet_ms", 20).setting("burst_quiet_ms", 20).start();
    let neighbour = Neighbour::of(&platform);
    let api = Api::of(&platform);
    let token = platform.variables()["CLOUDYKNIGHT_TOKEN"].clone();

    let wrong = [
        vec![],
        vec![("authorization", String::new())],
        vec![("authorization", "Bearer ".to_owned())],
        vec![("authorization", token.clone())],
        vec![("authorization", format!("Basic {token}"))],
        vec![("authorization", format!("Bearer {}", &token[1..]))],
        vec![("authorization", format!("Bearer {token}0"))],
        vec![("authorization", format!("Bearer {}", "x".repeat(10_000)))],
    ];
    for (method, path) in ALL {
        for headers in &wrong {
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let answer = api.request(method, path, &headers).expect("an answer");
            let detail = problem(&answer, 401);
            assert_eq!(detail, "the header `Authorization: Bearer …` is missing or wrong");
            assert!(!answer.body.contains(&token), "the token is not told");
        }
    }
    assert!(!platform.log().contains(&token), "nor logged");

    let get = |path: &str| api.get(path).unwrap_or_else(|error| panic!("GET {path}: {error}"));
    for path in ["/", "/api", "/api/v2/workspaces", "/api/v1/workspaces/neighbour/../../../etc", "//"] {
        problem(&get(path), 404);
    }
    for name in ["..", "..%2f..%2fetc", "My_App", "%00", "a%20b", "-", &"x".repeat(64), "caf%C3%A9"] {
        for tail in ["", "/wait?timeout=1", "/logs"] {
            problem(&get(&format!("/api/v1/workspaces/{name}{tail}")), 400);
        }
    }
    assert_eq!(problem(&get("/api/v1/workspaces/nobody"), 404), "there is no workspace `nobody`");
    assert_eq!(
        problem(&get("/api/v1/workspaces/nobody/logs"), 404),
        "nothing of the workspace `nobody` runs"
    );
    problem(&get("/api/v1/workspaces/neighbour/wait?release=xyz"), 400);
    problem(&get("/api/v1/workspaces/neighbour/wait?timeout=soon"), 400);
    problem(&get("/api/v1/workspaces/neighbour/logs?service=nobody"), 404);
    problem(&get("/api/v1/workspaces/%ff"), 400);
    let bearer = format!("Bearer {token}");
    let patched = api.request("PATCH", "/api/v1/workspaces/neighbour", &[("authorization", &bearer)]);
    problem(&patched.expect("an answer"), 405);
    let endless = api.request("GET", &format!("/{}", "x".repeat(200_000)), &[]);
    assert!(endless.map_or(true, |answer| (400..500).contains(&answer.status)), "an endless path is refused");

    platform.s3(Client::Boto3).put("other/index.html", "all works on");
    platform.live("other");
    assert_eq!(platform.get("/other/"), (200, "all works on".to_owned()));
    neighbour.is_unhurt();
}
