//! Who may use the API: what each role may, what stops at once, what outlives a restart, and what is written down of it.

use std::time::Duration;

use cloudyknight_tests::http::{Answer, Connection};
use cloudyknight_tests::platform::Role;
use cloudyknight_tests::{Api, Client, Platform, eventually};
use serde_json::{Value, json};

fn quick() -> Platform {
    Platform::builder().setting("quiet_ms", 20).setting("burst_quiet_ms", 20).start()
}

#[track_caller]
fn document(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

/// Signs in; the answer.
fn sign_in(api: &Api, name: &str, password: &str) -> Answer {
    api.ask("", "POST", "/api/v1/sessions", &json!({ "name": name, "password": password }).to_string())
}

#[track_caller]
fn session(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{answer:?}");
    document(answer)["session"].as_str().expect("a session").to_owned()
}

/// What the audit tells, the newest first: who did what, and how it ended.
fn audit(api: &Api) -> Vec<String> {
    let told = api.read("/api/v1/audit").expect("the audit");
    let entries = told["entries"].as_array().expect("entries").iter();
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or("-").to_owned();
    entries
        .map(|entry| {
            let [who, role, method, path, workspace] =
                ["who", "role", "method", "path", "workspace"].map(|name| text(entry, name));
            let path = path.strip_prefix("/api/v1/").expect("a path of the API");
            format!("{who} ({role}) {method} {path} [{workspace}] {}", entry["status"])
        })
        .collect()
}

#[test]
fn each_role_may_what_it_says_and_some_workspaces_are_not_all() {
    let platform = quick();
    for name in ["shop-a", "other"] {
        platform.s3(Client::Boto3).put(&format!("{name}/index.html"), name);
        platform.live(name);
    }
    let api = Api::of(&platform);
    let (_, read) = api.token(r#"{"name": "read", "role": "read"}"#);
    let (_, read_shop) = api.token(r#"{"name": "read-shop", "role": "read", "workspaces": ["shop-*"]}"#);
    let (_, deploy) = api.token(r#"{"name": "deploy", "role": "deploy"}"#);
    let (_, shop) = api.token(r#"{"name": "shop", "role": "deploy", "workspaces": ["shop-*"]}"#);
    let (_, admin) = api.token(r#"{"name": "admin", "role": "admin"}"#);
    let callers = ["", &read, &read_shop, &deploy, &shop, &admin];
    let names = ["nobody", "read", "read some", "deploy", "deploy some", "admin"];
    #[rustfmt::skip]
    let table = [
        // nobody, read, read some, deploy, deploy some, admin
        ("GET", "openapi.json", [200, 200, 200, 200, 200, 200]),
        ("GET", "me", [401, 200, 200, 200, 200, 200]),
        ("GET", "workspaces", [401, 200, 200, 200, 200, 200]),
        ("GET", "workspaces/shop-a", [401, 200, 200, 200, 200, 200]),
        ("HEAD", "workspaces/shop-a", [401, 200, 200, 200, 200, 200]),
        ("GET", "workspaces/other", [401, 200, 403, 200, 403, 200]),
        ("GET", "workspaces/other/logs", [401, 200, 403, 200, 403, 200]),
        ("GET", "workspaces/other/wait", [401, 200, 403, 200, 403, 200]),
        ("GET", "workspaces/other/history", [401, 200, 403, 200, 403, 200]),
        ("GET", "workspaces/other/volumes", [401, 200, 403, 200, 403, 200]),
        ("GET", "workspaces/nobody", [401, 404, 403, 404, 403, 404]),
        ("GET", "workspaces/%6fther", [401, 200, 403, 200, 403, 200]),
        ("POST", "workspaces/shop-a/reconcile", [401, 403, 403, 202, 202, 202]),
        ("POST", "workspaces/other/reconcile", [401, 403, 403, 202, 403, 202]),
        ("POST", "workspaces/other/unpin", [401, 403, 403, 202, 403, 202]),
        ("POST", "workspaces/nobody/stop", [401, 403, 403, 404, 403, 404]),
        ("DELETE", "workspaces/other/releases", [401, 403, 403, 409, 403, 409]),
        ("DELETE", "workspaces/other/volumes/v", [401, 403, 403, 404, 403, 404]),
        ("GET", "volumes", [401, 200, 200, 200, 200, 200]),
        ("GET", "platform", [401, 200, 403, 200, 403, 200]),
        ("GET", "tokens", [401, 403, 403, 403, 403, 200]),
        ("POST", "tokens", [401, 403, 403, 403, 403, 415]),
        ("DELETE", "tokens/0", [401, 403, 403, 403, 403, 404]),
        ("GET", "audit", [401, 403, 403, 403, 403, 200]),
        ("DELETE", "sessions/current", [401, 409, 409, 409, 409, 409]),
    ];
    for (method, path, expected) in table {
        for (at, (caller, expected)) in callers.iter().zip(expected).enumerate() {
            let answer = api.ask(caller, method, &format!("/api/v1/{path}"), "");
            assert_eq!(answer.status, expected, "{method} {path}, {}: {answer:?}", names[at]);
            if expected >= 400 && method != "HEAD" {
                assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
            }
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    }

    // Not a word of what lies outside of a token's workspaces.
    let list = api.ask(&shop, "GET", "/api/v1/workspaces", "");
    let named: Vec<Value> = document(&list)["workspaces"].as_array().expect("a list").clone();
    let named: Vec<&str> = named.iter().filter_map(|one| one["workspace"].as_str()).collect();
    assert_eq!(named, ["shop-a"]);
    assert!(!list.body.contains("other/"), "{}", list.body);
    let unseen = api.ask(&shop, "GET", "/api/v1/workspaces/other", "");
    let unknown = api.ask(&shop, "GET", "/api/v1/workspaces/nobody", "");
    assert_eq!(unseen.body.replace("`other`", "`nobody`"), unknown.body, "nobody learns whether it is there");

    // Page by page it is the same list.
    let page = |query: &str| api.read(&format!("/api/v1/workspaces?limit=1{query}")).expect("a page");
    let first = page("");
    assert_eq!((&first["workspaces"][0]["workspace"], &first["next"]), (&json!("other"), &json!("other")));
    let second = page("&cursor=other");
    assert_eq!((&second["workspaces"][0]["workspace"], &second["next"]), (&json!("shop-a"), &Value::Null));

    // Who asked is told where people look.
    assert_eq!(api.ask(&shop, "POST", "/api/v1/workspaces/shop-a/stop", "").status, 202);
    let by = eventually("the stop is on record", Duration::from_secs(30), || {
        let history = api.read("/api/v1/workspaces/shop-a/history")?;
        let last = history["deployments"][0].clone();
        (last["cause"]["kind"] == "stopped").then(|| last["by"].clone())
    });
    assert_eq!(by, "shop");
}

#[test]
fn what_is_deleted_has_expired_or_signed_out_stops_at_once() {
    let platform = quick();
    let api = Api::of(&platform);
    let me = |token: &str| api.ask(token, "GET", "/api/v1/me", "");
    let (id, token) = api.token(r#"{"name": "ci", "role": "deploy", "workspaces": ["shop-*", "db"]}"#);
    let told = document(&me(&token));
    assert_eq!(
        (&told["name"], &told["role"], &told["kind"]),
        (&json!("ci"), &json!("deploy"), &json!("token"))
    );
    assert_eq!((&told["workspaces"], &told["expires_at"]), (&json!(["shop-*", "db"]), &Value::Null));

    let signed_in = api.ask("", "POST", "/api/v1/sessions", &json!({ "token": token }).to_string());
    let first = session(&signed_in);
    assert_eq!(document(&signed_in)["workspaces"], json!(["shop-*", "db"]));
    let second = session(&api.ask("", "POST", "/api/v1/sessions", &json!({ "token": token }).to_string()));
    assert_eq!(document(&me(&first))["kind"], "session");
    let again = api.ask("", "POST", "/api/v1/sessions", &json!({ "token": first }).to_string());
    assert_eq!(again.status, 401, "a session makes no session");
    assert_eq!(api.ask(&first, "DELETE", "/api/v1/sessions/current", "").status, 204);
    assert_eq!((me(&first).status, me(&second).status), (401, 200));

    // It ends with its token.
    assert_eq!(api.ask(api.operator(), "DELETE", &format!("/api/v1/tokens/{id}"), "").status, 204);
    assert_eq!((me(&token).status, me(&second).status), (401, 401));
    assert_eq!(me(&token).header("www-authenticate"), Some("Bearer"));

    let (_, short) = api.token(r#"{"name": "short", "role": "read", "expires_in_s": 3}"#);
    let signed_in = session(&api.ask("", "POST", "/api/v1/sessions", &json!({ "token": short }).to_string()));
    assert_eq!((me(&short).status, me(&signed_in).status), (200, 200));
    eventually("the token expires", Duration::from_secs(10), || (me(&short).status == 401).then_some(()));
    assert_eq!(me(&signed_in).status, 401, "and with it what was made from it");

    let refused = |body: &str, status: u16| {
        let answer = api.ask(api.operator(), "POST", "/api/v1/tokens", body);
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    };
    refused(r#"{"name": "short", "role": "read"}"#, 409);
    refused(r#"{"name": "a", "role": "admin", "workspaces": ["*"]}"#, 400);
    refused(r#"{"name": "a", "role": "read", "expires_in_s": 0}"#, 400);
    refused(r#"{"name": "a", "role": "read", "password": "too short"}"#, 400);
    refused(r#"{"name": "a", "role": "catalogue"}"#, 422);
    refused(r#"{"name": "operator", "role": "read"}"#, 422);
    refused(r#"{"name": "a b", "role": "read"}"#, 422);
    refused(r#"{"name": "a", "role": "read", "workspaces": ["Shop_*"]}"#, 422);
    refused(r#"{"name": "a", "role": "read", "isAdmin": true}"#, 422);
    refused("{", 400);
    refused(&format!(r#"{{"name": "{}"}}"#, "x".repeat(100_000)), 413);
}

#[test]
fn people_sign_in_with_a_password_and_whoever_guesses_waits() {
    let platform = quick();
    let api = Api::of(&platform);
    let password = "correct horse battery staple";
    let (_, none) = api.token(&json!({ "name": "anna", "role": "read", "password": password }).to_string());
    assert_eq!(none, "", "people have no token");
    let session_of_anna = session(&sign_in(&api, "anna", password));
    let me = document(&api.ask(&session_of_anna, "GET", "/api/v1/me", ""));
    assert_eq!((&me["name"], &me["kind"]), (&json!("anna"), &json!("session")));
    assert!(me["expires_at"].is_string());
    assert_eq!(api.ask(password, "GET", "/api/v1/me", "").status, 401, "a password is no token");

    let wrong = sign_in(&api, "anna", "correct horse battery stapler");
    let unknown = sign_in(&api, "bert", password);
    assert_eq!((wrong.status, unknown.status), (401, 401));
    assert_eq!(wrong.body, unknown.body, "nobody learns who there is");
    let refused = eventually("whoever guesses is told to wait", Duration::from_secs(60), || {
        let answer = sign_in(&api, "anna", "a wrong password again");
        (answer.status != 401).then_some(answer)
    });
    assert_eq!(refused.status, 429, "{refused:?}");
    let wait: u64 = refused.header("retry-after").and_then(|text| text.parse().ok()).expect("seconds");
    assert!((1..=13).contains(&wait), "{wait}");
    assert_eq!(sign_in(&api, "anna", password).status, 429, "the right one is not looked at either");
    assert_eq!(api.ask(&session_of_anna, "GET", "/api/v1/me", "").status, 200, "who is signed in goes on");

    let log = platform.log();
    for secret in [password, &session_of_anna, api.operator()] {
        assert!(!log.contains(secret), "nothing secret is logged");
    }
    assert!(log.contains("somebody could not sign in"));
}

#[test]
fn tokens_sessions_and_the_audit_outlive_the_agent() {
    let platform = quick();
    platform.s3(Client::Boto3).put("app/index.html", "app");
    platform.live("app");
    let api = Api::of(&platform);
    let (id, ci) = api.token(r#"{"name": "ci", "role": "deploy", "workspaces": ["app"]}"#);
    let anna = json!({ "name": "anna", "role": "read", "password": "correct horse battery" }).to_string();
    api.token(&anna);
    let signed_in = session(&sign_in(&api, "anna", "correct horse battery"));
    assert_eq!(api.ask(&signed_in, "POST", "/api/v1/workspaces/app/stop", "").status, 403);
    assert_eq!(api.ask(&ci, "POST", "/api/v1/workspaces/elsewhere/stop", "").status, 403);
    assert_eq!(api.ask(&ci, "POST", "/api/v1/workspaces/app/restart?", "").status, 202);
    assert_eq!(api.ask(&ci, "GET", "/api/v1/workspaces/app", "").status, 200);
    assert_eq!(api.ask("wrong", "POST", "/api/v1/workspaces/app/stop", "").status, 401);

    let expected = [
        "ci (deploy) POST workspaces/app/restart [app] 202",
        "ci (deploy) POST workspaces/elsewhere/stop [elsewhere] 403",
        "anna (read) POST workspaces/app/stop [app] 403",
        "anna (read) POST sessions [-] 201",
        "operator (admin) POST tokens [-] 201",
        "operator (admin) POST tokens [-] 201",
    ];
    assert_eq!(audit(&api), expected);
    platform.down();
    platform.up();
    assert_eq!(audit(&api), expected, "all of it is written down before the end");
    let me = |token: &str| document(&api.ask(token, "GET", "/api/v1/me", ""))["name"].clone();
    assert_eq!((me(&ci), me(&signed_in)), (json!("ci"), json!("anna")));
    let told = api.read("/api/v1/tokens").expect("the tokens");
    let names: Vec<&Value> =
        told["tokens"].as_array().expect("a list").iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["anna", "ci"]);
    assert_eq!((&told["tokens"][0]["kind"], &told["tokens"][1]["id"]), (&json!("password"), &json!(id)));
    assert!(told["tokens"][1]["last_used_at"].is_string());

    // Also when nobody had time to say good-bye.
    assert_eq!(api.ask(api.operator(), "DELETE", &format!("/api/v1/tokens/{id}"), "").status, 204);
    platform.kill(Role::Serve);
    eventually("the API answers again", Duration::from_secs(60), || {
        api.get("/api/v1/me").ok().filter(|answer| answer.status == 200)
    });
    assert_eq!(api.ask(&ci, "GET", "/api/v1/me", "").status, 401, "what is deleted stays deleted");
    assert_eq!(me(&signed_in), "anna");
    let first = api.read("/api/v1/audit?limit=1").expect("a page");
    let cursor = first["next"].as_str().expect("there is more");
    let rest = api.read(&format!("/api/v1/audit?cursor={cursor}")).expect("the rest");
    let mut pages = first["entries"].as_array().expect("entries").clone();
    pages.extend(rest["entries"].as_array().expect("entries").iter().cloned());
    let whole = api.read("/api/v1/audit").expect("all of it");
    assert_eq!(whole["entries"], Value::Array(pages));
    assert_eq!(whole["next"], Value::Null);

    let log = platform.log();
    for secret in [&ci, &signed_in, "correct horse battery"] {
        assert!(
            !log.contains(secret) && !whole.to_string().contains(secret),
            "nothing secret is written down"
        );
    }
}

#[test]
fn whoever_asks_too_much_is_told_to_wait_and_nobody_else_is() {
    let platform = quick();
    let api = Api::of(&platform);
    let (_, busy) = api.token(r#"{"name": "busy", "role": "read"}"#);
    let address = platform.variables()["CLOUDYKNIGHT_API"].strip_prefix("http://").expect("HTTP").to_owned();
    let bearer = format!("Bearer {busy}");
    let mut connection = Connection::open(&address).expect("a connection");
    let mut flood = (0..100_000).map(|_| {
        let asked = connection.request("GET", &address, "/api/v1/me", &[("authorization", &bearer)], b"");
        asked.expect("an answer")
    });
    let refused = flood.find(|answer| answer.status != 200).expect("there is an end to it");
    assert_eq!(refused.status, 429, "{refused:?}");
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    assert_eq!(api.get("/api/v1/me").expect("an answer").status, 200, "others go on");
    eventually("there is a place again", Duration::from_secs(10), || {
        (api.ask(&busy, "GET", "/api/v1/me", "").status == 200).then_some(())
    });
}
