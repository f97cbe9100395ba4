//! The dashboard, as people meet it: pushed by S3 like any workspace, opened through the edge in a real browser. Each
//! story in `tests/browser/stories` is about one thing that it must do; the page's scripts may complain about nothing.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cloudyknight_tests::browser::Story;
use cloudyknight_tests::http::Answer;
use cloudyknight_tests::platform::Role;
use cloudyknight_tests::run::{run, succeeded};
use cloudyknight_tests::{Api, Client, Folder, Platform, StoreFile, Visitor, eventually};

const PATIENCE: Duration = Duration::from_secs(60);

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A copy of one of the repository's folders.
fn copy_of(path: &str) -> Folder {
    let folder = Folder::new();
    let copied = run(Command::new("cp").arg("-R").arg(repository().join(path).join(".")).arg(folder.path()));
    succeeded("copying a folder", &copied);
    folder
}

/// A platform with the dashboard live, and an app called `app`.
fn platform() -> Platform {
    let platform = Platform::builder().setting("quiet_ms", 50).setting("burst_quiet_ms", 100).start();
    platform.s3(Client::Aws).sync(&repository().join("workspaces/monitor"), "monitor");
    push_app(&platform);
    platform.live("monitor");
    platform
}

fn push_app(platform: &Platform) {
    let first = Folder::of(&[("package.json", "{}"), ("index.js", &app("one", 0))]);
    platform.s3(Client::Aws).sync(first.path(), "app");
    platform.live("app");
}

fn push(platform: &Platform, index: &str) {
    platform.s3(Client::Boto3).put("app/index.js", index);
}

/// A server that says one thing, logs what it is asked for, and listens after a while.
fn app(words: &str, after_ms: u32) -> String {
    format!(
        "const server = require('node:http').createServer((request, response) => {{
             console.log(request.url);
             if (request.url.endsWith('/fail')) response.statusCode = 500;
             response.end('{words}');
         }});
         setTimeout(() => server.listen(process.env.PORT), {after_ms});\n"
    )
}

#[test]
fn nothing_is_served_without_sign_in_but_the_sign_in_page() {
    let platform = platform();
    let door = Door(&platform);
    let page = door.get("/monitor/", &[]);
    assert_eq!(page.status, 200);
    assert!(page.body.contains("<title>Sign in"), "{}", page.body);
    for path in ["/sign-in.css", "/sign-in.js", "/icon.svg"] {
        assert_eq!(door.get(&format!("/monitor{path}"), &[]).status, 200, "{path}");
    }
    let secret = [
        "/assets/x/js/app.js",
        "/index.html",
        "/page/index.html",
        "/server.js",
        "/package.json",
        "/api/v1/me",
        "/api/v1/workspaces",
        "/api/v1/catalogue",
        "/api/v1/events",
        "/../server.js",
        "/%2e%2e/server.js",
        "//api/v1/workspaces",
    ];
    for path in secret {
        let answer = door.get(&format!("/monitor{path}"), &[]);
        assert_ne!(answer.status, 200, "{path}: {}", answer.body);
        assert!(!answer.body.contains("workspaces\":"), "{path}: {}", answer.body);
    }
    for cookie in ["cloudyknight=", "cloudyknight=ses_0000000000000000", "cloudyknight=../x"] {
        let named = cookie.replacen('=', &format!("-{}=", platform.edge_port().trim_start_matches(':')), 1);
        for path in
            ["workspaces", "openapi.json", "sessions", "sessions/current", "catalogue", "me", "events"]
        {
            let answer = door.get(&format!("/monitor/api/v1/{path}"), &[("cookie", &named)]);
            assert_eq!(answer.status, 401, "{named} {path}: {}", answer.body);
        }
        let posted =
            [("cookie", named.as_str()), ("x-requested-by", "monitor"), ("sec-fetch-site", "same-origin")];
        let answer = door.ask("POST", "/monitor/api/v1/sessions", &posted, "{}");
        assert_eq!(answer.status, 401, "{named}: {}", answer.body);
        assert!(door.get("/monitor/", &[("cookie", &named)]).body.contains("<title>Sign in"), "{named}");
    }
    // A token in a header is for the API's own address.
    let token = format!("Bearer {}", platform.variables()["CLOUDYKNIGHT_TOKEN"]);
    assert_eq!(door.get("/monitor/api/v1/workspaces", &[("authorization", &token)]).status, 401);

    let cookie = door.signed_in();
    let page = door.get("/monitor/", &[("cookie", &cookie)]);
    let script = page.body.split("src=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a script");
    assert_eq!(door.get(&format!("/monitor/{script}"), &[]).status, 401, "the page's own scripts, too");
    let answer = door.get(&format!("/monitor/{script}"), &[("cookie", &cookie)]);
    assert_eq!(answer.status, 200);
    let kept = answer.header("cache-control").expect("it says how long it may be kept");
    assert!(kept.contains("immutable") && kept.contains("private"), "{kept}");
    for path in ["workspaces", "openapi.json", "catalogue"] {
        assert_eq!(
            door.get(&format!("/monitor/api/v1/{path}"), &[("cookie", &cookie)]).status,
            200,
            "{path}"
        );
    }

    // Under any other prefix or host, too.
    let other = format!("monitor.localhost{}", platform.edge_port());
    assert!(platform.get_as(&other, "/").1.contains("<title>Sign in"));
    platform.s3(Client::Aws).sync(&repository().join("workspaces/monitor"), "board");
    platform.live("board");
    assert!(door.get("/board/", &[]).body.contains("<title>Sign in"));
}

#[test]
fn other_pages_can_neither_frame_the_dashboard_nor_have_it_do_anything() {
    let platform = platform();
    let door = Door(&platform);
    let cookie = door.signed_in();
    let set = door.sign_in(&[]).header("set-cookie").expect("a cookie").to_owned();
    for wanted in ["HttpOnly", "SameSite=Strict"] {
        assert!(set.contains(wanted), "{set}");
    }
    assert!(
        !set.contains("Path=") && !set.contains("Domain="),
        "the browser takes the folder of the page: {set}"
    );
    for path in ["/monitor/", "/monitor/api/v1/me", "/monitor/sign-in.js", "/monitor/nowhere"] {
        for headers in [&[][..], &[("cookie", cookie.as_str())]] {
            let answer = door.get(path, headers);
            let policy = answer.header("content-security-policy").expect("a policy");
            assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
            assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
            assert!(!policy.contains("unsafe"), "{path}: {policy}");
            assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
            assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
            assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
        }
    }
    let restart = "/monitor/api/v1/workspaces/app/restart";
    let own = format!("http://{}", platform.host());
    let (ours, from_us) = (("x-requested-by", "monitor"), ("origin", own.as_str()));
    let check = |headers: &[(&str, &str)], expected: u16| {
        let headers = [headers, &[("cookie", cookie.as_str())]].concat();
        assert_eq!(door.ask("POST", restart, &headers, "").status, expected, "{headers:?}");
    };
    check(&[], 403);
    check(&[from_us], 403);
    check(&[ours], 403);
    check(&[ours, ("origin", "http://evil.example")], 403);
    check(&[ours, ("origin", "null")], 403);
    check(&[ours, from_us, ("sec-fetch-site", "cross-site")], 403);
    check(&[ours, from_us, ("sec-fetch-site", "same-site")], 403);
    check(&[ours, from_us, ("sec-fetch-site", "same-origin")], 202);
    check(&[ours, from_us], 202);
    let sign_in = door.ask("POST", "/monitor/sign-in", &[from_us], "{}");
    assert_eq!(sign_in.status, 403, "nor sign somebody in");
    let read =
        door.get("/monitor/api/v1/workspaces", &[("cookie", &cookie), ("sec-fetch-site", "cross-site")]);
    assert_eq!(read.status, 403);
    let large = format!("{{\"token\": \"{}\"}}", "x".repeat(8_192));
    assert_eq!(door.ask("POST", "/monitor/sign-in", &[ours, from_us], &large).status, 400);
}

#[test]
fn a_workspace_is_seen_and_followed_and_what_is_asked_of_it_is_done() {
    let platform = platform();
    let s3 = platform.s3(Client::Boto3);
    // One whose containers hold more than the bucket does.
    let dockerfile = "FROM workspace-node-ephemeral:latest\nRUN head -c 3000000 /dev/urandom > /dependencies\n\
                      COPY index.js package.json /workspace/\n";
    let built =
        Folder::of(&[("Dockerfile", dockerfile), ("package.json", "{}"), ("index.js", &app("built", 0))]);
    platform.s3(Client::Aws).sync(built.path(), "built");
    platform.live("built");
    Story::of(&platform, "overview").told(|asked| match asked {
        "visit app, and have it fail once" => {
            (0..20).for_each(|_| assert_eq!(platform.get("/app/").0, 200));
            assert_eq!(platform.get("/app/fail").0, 500);
        }
        "push a second release of app" => push(&platform, &app("two", 0)),
        other => panic!("{other}"),
    });
    platform.live("app");
    Story::of(&platform, "deployment").told(|asked| match asked {
        "push a release of app that takes its time to start" => push(&platform, &app("three", 1_500)),
        "push another release of app that takes its time to start" => push(&platform, &app("four", 1_500)),
        "push an app with a dependency" => {
            let shop = Folder::of(&[("package.json", SHOP), ("index.js", &app("shop", 0))]);
            platform.s3(Client::Aws).sync(shop.path(), "shop");
        }
        other => panic!("{other}"),
    });
    platform.live("app");
    Story::of(&platform, "history").told(|asked| match asked {
        "push a release of app that says <b>history</b>" => {
            push(&platform, &app("<b>history</b>", 0));
            platform.live("app");
        }
        other => panic!("{other}"),
    });
    Story::of(&platform, "wishes").told(|asked| match asked {
        "push a release of app that never gets healthy" => push(&platform, "setInterval(() => {}, 1000);\n"),
        other => panic!("{other}"),
    });
    push(&platform, &app("five", 0));
    platform.live("app");
    Story::of(&platform, "failure").told(|asked| match asked {
        "push a release of app that cannot start" => {
            push(&platform, "throw new Error('this cannot start');\n");
        }
        other => panic!("{other}"),
    });
    assert_eq!(platform.get("/app/"), (200, "five".to_owned()));
    s3.rm("app");
}

#[test]
fn logs_of_containers_build_and_platform_are_followed_searched_and_downloaded() {
    let platform = platform();
    tell_of_logs(&platform, &platform.at("/monitor"));
}

#[test]
fn events_say_what_was_decided_and_dead_letters_are_replayed() {
    let platform = platform();
    tell_of_events(&platform, &platform.at("/monitor"));
}

/// Every workspace whom the policy lets sign people in can be a dashboard, and any name is a prefix.
#[test]
fn under_another_name_it_tells_the_same_stories() {
    let policy = "[[allow]]\nworkspaces = [\"board\"]\napi = \"sign-in\"\n";
    let platform =
        Platform::builder().setting("quiet_ms", 50).setting("burst_quiet_ms", 100).policy(policy).start();
    platform.s3(Client::Aws).sync(&repository().join("workspaces/monitor"), "board");
    push_app(&platform);
    platform.live("board");
    let board = platform.at("/board");
    tell_of_logs(&platform, &board);
    tell_of_events(&platform, &board);
}

fn tell_of_logs(platform: &Platform, at: &str) {
    let speaker = |name: &str| {
        format!(
            "console.log('{name} says hello');
             require('node:http').createServer((request, response) => {{
                 console.log('{name} saw ' + decodeURIComponent(request.url));
                 response.end('{name}');
             }}).listen(3000);\n"
        )
    };
    let dockerfile = "FROM workspace-node-ephemeral:latest\nRUN echo said while it was built\nCOPY *.js /\nENTRYPOINT []\n";
    let compose = "services:\n  one:\n    build: .\n    command: [node, /one.js]\n    labels: [\"traefik.http.services.one.loadbalancer.server.port=3000\", \"traefik.http.routers.one.rule=PathPrefix(`/twins`)\"]\n  two:\n    build: .\n    command: [node, /two.js]\n";
    let folder = Folder::of(&[
        ("one.js", &speaker("one")),
        ("two.js", &speaker("two")),
        ("Dockerfile", dockerfile),
        ("compose.yaml", compose),
    ]);
    platform.s3(Client::Aws).sync(folder.path(), "twins");
    platform.live("twins");
    Story::of(platform, "logs").at(at).told(|asked| match asked {
        "visit twins, so that it logs <i>a visit</i>" => {
            assert_eq!(platform.get("/twins/%3Ci%3Ea%20visit%3C/i%3E").0, 200);
        }
        "have Docker start the container of one again, and visit twins, so that it logs after the start" => {
            let docker = platform.docker();
            let containers = docker.containers_of("twins");
            let (_, one) = containers.iter().find(|(name, _)| name.contains("one")).expect("it runs");
            succeeded("docker restart", &run(Command::new("docker").args(["restart", "--time", "1", one])));
            eventually("it answers again", PATIENCE, || {
                (platform.get("/twins/after%20the%20start").0 == 200).then_some(())
            });
        }
        other => panic!("{other}"),
    });
}

/// Messages of the test bear numbers above this one; the platform counts from 1.
const OURS: u64 = 1 << 40;

/// Has the platform give up on messages that nobody can read.
fn give_up_on(platform: &Platform, messages: u64) {
    let (s3, file, api) = (platform.s3(Client::Boto3), StoreFile::of(platform), Api::of(platform));
    for id in 1..=messages {
        let statement = "INSERT INTO messages (id, queue, grp, body)
            SELECT ?, id, 'poison', 'no sense' FROM queues WHERE name = 'events'";
        file.sql(statement, &[(OURS + id).into()]);
    }
    let mut round = 0;
    eventually("all are given up on", PATIENCE, || {
        round += 1;
        file.sql("UPDATE messages SET visible_ms = 0 WHERE id > ?", &[OURS.into()]);
        s3.put("bell/index.html", format!("round {round}"));
        platform.live("bell");
        let letters = api.read("/api/v1/dead-letters")?["dead_letters"].as_array()?.len();
        (letters as u64 == messages).then_some(())
    });
}

fn tell_of_events(platform: &Platform, at: &str) {
    let s3 = platform.s3(Client::Boto3);
    Story::of(platform, "events").at(at).told(|asked| match asked {
        "put what triggers nothing, and a new file of app" => {
            s3.put("app/node_modules/x/index.js", "// nobody deploys this");
            s3.put("app/.index.js.swp", "an editor's");
            s3.put("top-level.txt", "in no workspace");
            s3.put("app/another.js", "// a file");
        }
        "give up on two messages" => give_up_on(platform, 2),
        other => panic!("{other}"),
    });
}

#[test]
fn a_workspace_is_added_from_a_template_a_folder_an_archive_and_by_a_command() {
    let platform = platform();
    let folder = Folder::of(&[
        ("site/index.html", "<h1>from here</h1>"),
        (
            "site/a long name, long enough that no old tar header has room for it, and not ASCII either: \u{e4}\u{f6}\u{fc}.txt",
            "long",
        ),
        ("site/node_modules/x/index.js", "never"),
    ]);
    let site = folder.path().join("site");
    let archive = folder.path().join("packed.tar.gz");
    let tar = Command::new("tar").arg("-czf").arg(&archive).arg("-C").arg(&site).arg("index.html").output();
    succeeded("tar", &tar.expect("tar runs"));
    let story = Story::of(&platform, "add").variable("STORY_FOLDER", site.display().to_string());
    story.variable("STORY_ARCHIVE", archive.display().to_string()).told(|asked| {
        if asked == "take the name" {
            platform.s3(Client::Boto3).put("taken/index.html", "somebody was faster");
            return;
        }
        let command = asked.strip_prefix("run in the folder: ").expect("a command");
        let mut shell = Command::new("sh");
        for name in ["CLOUDYKNIGHT_API", "CLOUDYKNIGHT_TOKEN"] {
            shell.env(name, &platform.variables()[name]);
        }
        let output = run(shell.args(["-c", command]).current_dir(&site).env("no_proxy", "127.0.0.1"));
        succeeded(command, &output);
    });
    for name in ["chosen", "dropped", "packed", "pasted", "sent"] {
        assert_eq!(platform.get(&format!("/{name}/")), (200, "<h1>from here</h1>".to_owned()), "{name}");
    }
    assert_eq!(platform.get("/templated/").0, 200);
    platform.live("taken");
    assert_eq!(platform.get("/taken/"), (200, "somebody was faster".to_owned()));
    for name in ["chosen", "packed"] {
        let keys = platform.s3(Client::Boto3).ls(&format!("{name}/"));
        assert!(keys.iter().any(|key| key.ends_with("\u{e4}\u{f6}\u{fc}.txt")), "{keys:?}");
        assert!(!keys.iter().any(|key| key.contains("node_modules")), "{keys:?}");
    }
}

#[test]
fn admins_give_access_and_read_the_audit_and_readers_change_nothing() {
    let platform = platform();
    let operator = platform.variables()["CLOUDYKNIGHT_TOKEN"].clone();
    Story::of(&platform, "access").told(|asked| match asked {
        "look for tokens in the log of the dashboard" => {
            let docker = platform.docker();
            let log = docker.logs(&docker.container_of("monitor"));
            for secret in ["ckt_", "ses_", "a long password", operator.as_str()] {
                assert!(!log.contains(secret), "{log}");
            }
        }
        other => panic!("{other}"),
    });
}

#[test]
fn what_others_wrote_stays_text() {
    const HOSTILE: &str = "<img src=x onerror=alert(1)>";
    let platform = platform();
    let s3 = platform.s3(Client::Boto3);
    let index = format!(
        "console.log({HOSTILE:?});
         require('node:http').createServer((_, response) => response.end('x')).listen(process.env.PORT);\n"
    );
    let mut compose =
        String::from("services:\n  hostile:\n    image: workspace-node-ephemeral:latest\n    labels:\n");
    for label in ["title", "description", "icon"] {
        writeln!(compose, "      cloudyknight.{label}: '{HOSTILE}'").expect("a text");
    }
    s3.put("hostile/compose.yaml", &compose);
    s3.put("hostile/index.js", &index);
    platform.live("hostile");
    s3.put(&format!("hostile/{HOSTILE}.txt"), HOSTILE);
    platform.live("hostile");
    Story::of(&platform, "injection").told_alone();
}

#[test]
fn the_dashboard_is_redeployed_and_rolled_back_while_it_is_open_and_outlives_the_agent() {
    let platform = platform();
    Story::of(&platform, "itself").told(|asked| match asked {
        "push the dashboard anew" => {
            let folder = copy_of("workspaces/monitor");
            folder.replace("page/css/views.css", "/* What only one view has. */", "/* Pushed anew. */");
            platform.s3(Client::Aws).sync(folder.path(), "monitor");
        }
        other => panic!("{other}"),
    });
    let mut visits = 0;
    let mut visit_twice = || {
        for _ in 0..2 {
            visits += 1;
            assert_eq!(platform.get(&format!("/app/visit-{visits}")).0, 200);
        }
    };
    Story::of(&platform, "reconnect").told(|asked| match asked {
        "visit app twice" => visit_twice(),
        "kill the agent, and visit app twice meanwhile" => {
            platform.kill(Role::Serve);
            visit_twice();
        }
        "have the agent end in order, and visit app twice meanwhile" => {
            platform.end(Role::Serve);
            visit_twice();
        }
        "take the platform down and up again" => {
            platform.down();
            platform.up();
            eventually("app is live again", PATIENCE, || (platform.get("/app/").0 == 200).then_some(()));
        }
        "push a release of app after the agent came back" => {
            push(&platform, &app("after", 0));
            platform.live("app");
        }
        other => panic!("{other}"),
    });
}

/// One whose containers hold more than the bucket does.
const SHOP: &str = r#"{"private": true, "dependencies": {"express": "4.21.2"}}"#;

#[test]
fn every_page_is_fit_for_all_in_light_and_dark_wide_and_narrow() {
    let platform = platform();
    let s3 = platform.s3(Client::Boto3);
    for sample in ["www", "api", "blog"] {
        platform.s3(Client::Aws).sync(&repository().join("workspaces").join(sample), sample);
    }
    let shop = Folder::of(&[("package.json", SHOP), ("index.js", &app("shop", 0))]);
    platform.s3(Client::Aws).sync(shop.path(), "shop");
    platform.live("shop");
    s3.put("shop/index.js", "throw new Error('the database does not answer');\n");
    platform.failed("shop");
    for sample in ["www", "api", "blog"] {
        platform.live(sample);
    }
    // What only a platform that is used has: a release before, a workspace that was removed, a message that was given up on.
    push(&platform, &app("two", 0));
    platform.live("app");
    assert_eq!(platform.get("/app/").1, "two");
    s3.put("gone/index.html", "it was here");
    platform.live("gone");
    s3.rm("gone");
    platform.removed("gone");
    give_up_on(&platform, 1);
    // Where the address is another one, and the prefix: as a host of its own.
    let own = format!("http://monitor.localhost{}", platform.edge_port());
    let mut releases = 0;
    Story::of(&platform, "fit").at(&own).told(|asked| match asked {
        "push a release of app that takes its time to start" => {
            releases += 1;
            push(&platform, &app(&format!("slow {releases}"), 30_000));
        }
        other => panic!("{other}"),
    });
    Story::of(&platform, "quality").at(&own).told_alone();
    if let Some(pictures) = std::env::var_os("CLOUDYKNIGHT_TEST_SCREENSHOTS").map(PathBuf::from) {
        let folder = std::path::absolute(pictures).expect("a folder");
        // As on a platform that is well but for one app.
        let api = Api::of(&platform);
        let letters = api.read("/api/v1/dead-letters").expect("what was given up on");
        for letter in letters["dead_letters"].as_array().into_iter().flatten() {
            let id = letter["id"].as_str().expect("an id");
            assert_eq!(api.delete(&format!("/api/v1/dead-letters/{id}")).expect("an answer").status, 204);
        }
        s3.rm("bell");
        platform.removed("bell");
        push(&platform, &app("two", 0));
        platform.live("app");
        let sample = copy_of("workspaces/api");
        sample.replace("app.js", "greeting = 'Hello'", "greeting = 'Good day'");
        platform.s3(Client::Aws).sync(sample.path(), "api");
        platform.live("api");
        let visitors = ["/", "/api/time", "/blog/", "/shop/"].map(|path| Visitor::at(&platform, path));
        let story = Story::of(&platform, "pictures").variable("STORY_PICTURES", folder.display().to_string());
        story.told_alone();
        for visitor in visitors {
            visitor.leave().all_answered();
        }
    }
}

#[test]
fn what_the_page_computes_by_itself_is_right() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/units.mjs");
    succeeded("node --test", &run(Command::new("node").arg("--test").arg(file)));
}

#[test]
fn behind_a_proxy_that_ends_tls_it_is_as_safe_as_tls_where_the_edge_believes_the_proxy() {
    let platform = platform();
    let index = "require('node:http').createServer(({ headers }, response) => response.end(JSON.stringify(headers))).listen(process.env.PORT);\n";
    let mirror = Folder::of(&[("package.json", "{}"), ("index.js", index)]);
    platform.s3(Client::Aws).sync(mirror.path(), "mirror");
    platform.live("mirror");
    let tell = |believed: bool| {
        let story = Story::of(&platform, "tls").variable("STORY_EDGE", platform.edge_address());
        story.variable("STORY_BELIEVED", believed.to_string()).told_alone();
    };
    tell(false);
    platform.configure("trusted_proxies", r#"["127.0.0.1"]"#);
    platform.down();
    platform.up();
    platform.live("monitor");
    platform.live("mirror");
    tell(true);
}

/// The dashboard by plain HTTP, as no browser would ask.
struct Door<'a>(&'a Platform);

impl Door<'_> {
    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask("GET", path, headers, "")
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = [headers, &[("connection", "close")]].concat();
        let mut connection = self.0.connection().expect("the edge listens");
        let answer = connection.request(method, self.0.host(), path, &headers, body.as_bytes());
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    fn sign_in(&self, headers: &[(&str, &str)]) -> Answer {
        let own = format!("http://{}", self.0.host());
        let headers = [headers, &[("x-requested-by", "monitor"), ("origin", &own)]].concat();
        let body = format!("{{\"token\": \"{}\"}}", self.0.variables()["CLOUDYKNIGHT_TOKEN"]);
        let answer = self.ask("POST", "/monitor/sign-in", &headers, &body);
        assert_eq!(answer.status, 204, "{}", answer.body);
        answer
    }

    /// The cookie of somebody who is signed in.
    fn signed_in(&self) -> String {
        let answer = self.sign_in(&[]);
        let set = answer.header("set-cookie").expect("a cookie");
        set.split(';').next().expect("a name and a value").to_owned()
    }
}
