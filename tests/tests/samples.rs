//! The samples and the templates, as people get them: each goes live, answers, and says what it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cloudyknight_tests::docker::docker;
use cloudyknight_tests::run::succeeded;
use cloudyknight_tests::{Api, Client, Folder, Platform, eventually, http};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../workspaces").join(name)
}

/// The samples' own tests, in the image that they run in.
#[test]
fn the_samples_pass_their_own_tests() {
    for name in ["api", "www"] {
        let mount = format!("{}:/sample:ro", sample(name).canonicalize().expect("a folder").display());
        let output = docker(&[
            "run",
            "--rm",
            "--network",
            "none",
            "--volume",
            &mount,
            "--workdir",
            "/sample",
            "--entrypoint",
            "node",
            "workspace-node-ephemeral",
            "--test",
        ]);
        let words = succeeded(&format!("node --test in {name}"), &output);
        assert!(words.contains("# fail 0") && !words.contains("# pass 0\n"), "{words}");
    }
}

#[test]
fn the_landing_page_follows_what_is_live_and_shows_text_as_text() {
    // What the policy lets `www` do is part of what a platform begins with.
    let platform = Platform::start();
    let s3 = platform.s3(Client::Rclone);
    for name in ["www", "api", "blog"] {
        s3.sync(&sample(name), name);
    }
    for name in ["www", "api", "blog"] {
        platform.live(name);
    }
    let page = |path: &str| {
        let answer = http::get(platform.edge_address(), platform.host(), path).expect("an answer");
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer
    };
    for path in ["/", "/www/"] {
        let body = page(path).body;
        assert!(body.contains("<a href=\"/api/\">api</a>") && body.contains("🎲"), "{body}");
        assert!(body.contains("A small JSON API in Node, without dependencies."), "{body}");
        assert!(body.contains("<a href=\"/blog/\">Notes from a bucket</a>"), "{body}");
        assert!(body.contains("<img src=\"/blog/icon.svg\""), "{body}");
        assert!(!body.contains("href=\"/www/\""), "it does not list itself");
    }
    let policy = page("/").header("content-security-policy").expect("a policy").to_owned();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    for path in ["/style.css", "/live.js", "/icon.svg", "/www/style.css", "/blog/icon.svg", "/blog/blog.css"]
    {
        assert_eq!(platform.get(path).0, 200, "{path}");
    }
    let (status, body) = platform.get("/nowhere/at/all");
    assert_eq!(status, 404);
    assert!(body.contains("href=\"../../style.css\""), "{body}");
    let host = format!("www.localhost{}", platform.edge_port());
    let (_, body) = platform.get_as(&host, "/");
    assert!(
        body.contains(&format!("href=\"{}/api/\"", platform.url())),
        "below this name only www answers: {body}"
    );

    let hostile = Folder::of(&[(
        "index.html",
        "<title>&lt;img src=x onerror=alert(1)&gt;</title><meta name=description content='\"><script>alert(2)</script>'>",
    )]);
    s3.sync(hostile.path(), "hostile");
    platform.live("hostile");
    let body = eventually("the page lists it without a redeploy", PATIENCE, || {
        Some(page("/").body).filter(|body| body.contains("href=\"/hostile/\""))
    });
    assert!(body.contains("&lt;img src=x onerror=alert(1)&gt;"), "{body}");
    assert!(!body.contains("<img src=x") && !body.contains("<script>alert"), "{body}");
    s3.rm("hostile");
    platform.removed("hostile");
    eventually("and no longer once it is gone", PATIENCE, || {
        (!page("/").body.contains("/hostile/")).then_some(())
    });

    let hello: Value = serde_json::from_str(&platform.get("/api/hello?name=Ada").1).expect("JSON");
    assert_eq!(hello, json!({"message": "Hello, Ada"}));

    // What the operator takes back is not asked any more, and the page says so.
    platform.set_policy("");
    eventually("the page says that it does not know", PATIENCE, || {
        page("/").body.contains("The platform does not say what is live").then_some(())
    });
}

#[test]
fn every_template_becomes_a_workspace_that_is_live() {
    let platform = Platform::start();
    let api = Api::of(&platform);
    let templates = api.read("/api/v1/templates").expect("templates");
    let templates = templates["templates"].as_array().expect("a list");
    let make = |name: &str, template: &str| {
        let body = json!({"name": name, "template": template}).to_string();
        api.send("POST", "/api/v1/workspaces", "application/json", body.as_bytes()).expect("an answer")
    };
    for template in templates {
        let template = template["name"].as_str().expect("a name");
        let answer = make(&format!("my-{template}"), template);
        assert_eq!(answer.status, 201, "{template}: {}", answer.body);
    }
    assert!(templates.len() >= 4);
    for template in templates {
        let name = format!("my-{}", template["name"].as_str().expect("a name"));
        platform.live(&name);
        let (status, body) = platform.get(&format!("/{name}/"));
        assert_eq!(status, 200, "{name}: {body}");
        assert!(body.contains(&format!("<h1>{name}</h1>")), "{name}: {body}");
    }
    for name in ["my-node", "my-python"] {
        let time: Value = serde_json::from_str(&platform.get(&format!("/{name}/time")).1).expect("JSON");
        assert!(time["time"].as_str().is_some_and(|time| time.starts_with("20")), "{name}: {time}");
    }

    // Notes outlive a redeploy of both of its services.
    let note = b"text=buy+%3Cb%3Emilk%3C%2Fb%3E";
    let form = [("content-type", "application/x-www-form-urlencoded"), ("connection", "close")];
    let mut connection = platform.connection().expect("a connection");
    let kept = connection.request("POST", platform.host(), "/my-notes/", &form, note).expect("an answer");
    assert_eq!((kept.status, kept.header("location")), (303, Some("./")));
    assert!(platform.get("/my-notes/").1.contains("<li>buy &lt;b&gt;milk&lt;/b&gt;</li>"));
    platform.cli_json(&["restart", "my-notes"]);
    platform.live("my-notes");
    assert!(
        platform.get("/my-notes/").1.contains("<li>buy &lt;b&gt;milk&lt;/b&gt;</li>"),
        "the volume stays"
    );

    assert_eq!(make("my-node", "static").status, 409, "nobody's files are overwritten");
    assert_eq!(make("other", "nothing").status, 400);
    assert_eq!(make("No_Name", "node").status, 400);
}
