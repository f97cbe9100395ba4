//! Pushes through the API: single files, archives, and archives by a URL that anyone may be given.

use std::process::Command;
use std::time::Duration;

use cloudyknight_tests::http::Answer;
use cloudyknight_tests::run::{run, stdout, succeeded};
use cloudyknight_tests::{Api, Client, Folder, Platform, eventually};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

fn parsed(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("no JSON ({error}): {}", answer.body))
}

/// Packs a folder as `tar` does.
fn packed(folder: &Folder) -> Vec<u8> {
    let file = folder.path().with_extension("tar.gz");
    let path = file.to_str().expect("a path of text");
    let inside = folder.path().to_str().expect("a path of text");
    succeeded("tar", &run(Command::new("tar").args(["-C", inside, "-czf", path, "."])));
    let bytes = std::fs::read(&file).expect("the archive");
    std::fs::remove_file(&file).expect("it is ours");
    bytes
}

#[test]
fn files_that_the_api_is_given_are_a_push_like_any_other() {
    let platform = Platform::start();
    let api = Api::of(&platform);
    let put = |path: &str, body: &str| {
        api.send("PUT", &format!("/api/v1/workspaces/site/files/{path}"), "text/plain", body.as_bytes())
            .expect("an answer")
    };
    assert_eq!(put("index.html", "one").status, 201);
    assert_eq!(put("a%20folder/%C3%BC%2B.txt", "inside").status, 201);
    platform.live("site");
    assert_eq!(platform.get("/site/"), (200, "one".to_owned()));
    assert_eq!(platform.get("/site/a%20folder/%C3%BC%2B.txt"), (200, "inside".to_owned()));
    let answer = put("index.html", "second");
    assert_eq!((answer.status, parsed(&answer)["size_bytes"].clone()), (200, json!(6)));
    platform.live("site");
    assert_eq!(platform.get("/site/").1, "second");

    let list = |query: &str| api.read(&format!("/api/v1/workspaces/site/files{query}")).expect("a list");
    let first = list("?limit=1");
    assert_eq!(first["files"][0]["path"], "a folder/ü+.txt");
    let cursor = first["next"].as_str().expect("there is more");
    let second = list(&format!("?limit=1&cursor={cursor}"));
    assert_eq!((&second["files"][0]["path"], &second["next"]), (&json!("index.html"), &Value::Null));
    assert_eq!(second["files"][0]["size_bytes"], 6);
    assert!(second["files"][0]["modified_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{second:#}");

    // Nobody leaves the workspace, and nothing becomes a file that could be none.
    for path in ["..%2Fother%2Findex.html", "a/..%2F..%2Fb", "a//b", "a%00b", "%2Fetc%2Fpasswd", "a%2F"] {
        let answer = put(path, "x");
        assert_eq!(answer.status, 400, "{path}: {}", answer.body);
    }
    assert_eq!(
        api.send("PUT", "/api/v1/workspaces/No_Name/files/a", "text/plain", b"x").expect("an answer").status,
        400
    );
    for query in ["?limit=0", "?limit=1001", "?cursor=zz"] {
        let answer = api.get(&format!("/api/v1/workspaces/site/files{query}")).expect("an answer");
        assert_eq!(answer.status, 400, "{query}");
    }
    assert_eq!(platform.s3(Client::Rclone).ls(""), ["site/a folder/ü+.txt", "site/index.html"]);

    let delete = |path: &str| api.send("DELETE", path, "text/plain", b"").expect("an answer").status;
    assert_eq!(delete("/api/v1/workspaces/site/files/a%20folder/%C3%BC%2B.txt"), 204);
    platform.live("site");
    assert_eq!(platform.get("/site/a%20folder/%C3%BC%2B.txt").0, 404);
    assert_eq!(delete("/api/v1/workspaces/site"), 202);
    platform.removed("site");
    assert_eq!(delete("/api/v1/workspaces/site"), 404);
    platform.cli_json(&["restore", "site"]);
    platform.live("site");
    assert_eq!(platform.get("/site/").1, "second", "its releases stayed");
}

#[test]
fn an_archive_that_the_api_or_a_url_is_given_is_the_workspace() {
    let platform = Platform::builder().setting("max_source_mb", 8).start();
    let api = Api::of(&platform);
    let site = Folder::of(&[("index.html", "first"), ("old.html", "old")]);
    let path = "/api/v1/workspaces/site/archive?format=tar.gz";
    let answer = api.send("PUT", path, "application/gzip", &packed(&site)).expect("an answer");
    assert_eq!((answer.status, parsed(&answer)["key"].clone()), (202, json!("site.tar.gz")));
    platform.live("site");
    assert_eq!(platform.get("/site/").1, "first");

    let answer = api.post("/api/v1/workspaces/site/upload-url").expect("an answer");
    let told = parsed(&answer);
    assert_eq!(
        (answer.status, &told["method"], &told["only_on_this_host"]),
        (200, &json!("PUT"), &json!(true))
    );
    let folder = Folder::new();
    let next = Folder::of(&[("index.html", "second")]);
    folder.write("site.tar.gz", packed(&next));
    let command = told["command"].as_str().expect("a command");
    let mut shell = Command::new("sh");
    let done = run(shell.args(["-c", command]).current_dir(folder.path()).env("no_proxy", "127.0.0.1"));
    succeeded(command, &done);
    eventually("what was put by the URL is live", PATIENCE, || {
        (platform.get("/site/").1 == "second").then_some(())
    });
    assert_eq!(platform.get("/site/old.html").0, 404, "it was the whole workspace");

    // It lets nobody do anything else.
    let url = told["url"].as_str().expect("a URL");
    let curl = |arguments: &[&str]| {
        let usual = ["--silent", "--noproxy", "*", "--output", "/dev/null", "--write-out", "%{http_code}"];
        stdout(&run(Command::new("curl").args(usual).args(arguments)))
    };
    assert_eq!(curl(&[url]), "403", "it does not read");
    assert_eq!(
        curl(&["-X", "PUT", "-d", "x", &url.replace("site.tar.gz", "other.tar.gz")]),
        "403",
        "nor write others"
    );

    for (format, body, status) in
        [("tar.gz", vec![], 400), ("tar.xz", b"x".to_vec(), 400), ("tar", vec![0; (8 << 20) + 1], 413)]
    {
        let path = format!("/api/v1/workspaces/site/archive?format={format}");
        let answer = api.send("PUT", &path, "application/octet-stream", &body);
        // A server that refuses in the middle may close before all was sent.
        assert!(
            answer.as_ref().map_or(status == 413, |answer| answer.status == status),
            "{format}: {answer:?}"
        );
    }
    let path = "/api/v1/workspaces/site/archive?format=zip";
    assert_eq!(api.send("PUT", path, "application/zip", b"no archive").expect("an answer").status, 202);
    eventually("it is refused where all archives are", PATIENCE, || {
        let status = api.read("/api/v1/workspaces/site")?;
        (status["archive"]["result"]["result"] == "refused").then_some(())
    });
    assert_eq!(platform.get("/site/").1, "second");
    let left = std::fs::read_dir(platform.source_dir()).expect("the sources").flatten();
    let left: Vec<_> =
        left.map(|entry| entry.file_name()).filter(|name| name.to_string_lossy().starts_with('.')).collect();
    assert!(left.is_empty(), "nothing of any upload stays: {left:?}");
}

#[test]
fn what_is_only_for_a_new_name_replaces_nothing_also_when_two_come_at_once() {
    let platform = Platform::start();
    let api = Api::of(&platform);
    let packed = packed(&Folder::of(&[("index.html", "packed")]));
    let put = |name: &str, query: &str| {
        let path = format!("/api/v1/workspaces/{name}/archive?{query}");
        Api::of(&platform).send("PUT", &path, "application/gzip", &packed).expect("an answer")
    };
    platform.s3(Client::Boto3).put("site/index.html", "first");
    platform.live("site");
    let answer = put("site", "format=tar.gz&only_new=true");
    assert_eq!(answer.status, 409, "{}", answer.body);
    assert_eq!(parsed(&answer)["hint"], "leave out `only_new` to replace them all");
    assert_eq!(platform.s3(Client::Boto3).ls(""), ["site/index.html"]);
    assert_eq!(put("site", "format=tar.gz&only_new=false").status, 202);
    eventually("it is replaced", PATIENCE, || (platform.get("/site/").1 == "packed").then_some(()));

    // An archive of another format is of the same workspace.
    for round in 0..5 {
        let name = format!("new-{round}");
        let mut statuses = std::thread::scope(|threads| {
            let formats = ["tar.gz", "tar", "zip"];
            let asked = formats.map(|format| {
                let (put, name) = (&put, &name);
                threads.spawn(move || put(name, &format!("format={format}&only_new=true")).status)
            });
            asked.map(|one| one.join().expect("it was answered"))
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [202, 409, 409], "{name}");
    }

    // A name is new again when nothing is left of it in the bucket.
    platform.s3(Client::Boto3).rm("site");
    platform.removed("site");
    assert_eq!(put("site", "format=tar.gz&only_new=true").status, 202);
    platform.live("site");
    assert_eq!(api.read("/api/v1/workspaces/site").expect("a status")["state"], "live");
}
