//! The AWS side as a stranger deploys it: `infra/deploy.sh` with the template, on a server that runs the functions for
//! real. What only AWS itself can show, such as TLS, is said in infra/README.md.

use std::path::Path;
use std::time::Duration;

use cloudyknight_tests::cloud::Key;
use cloudyknight_tests::run::{run, stderr, stdout, succeeded};
use cloudyknight_tests::{Api, Client, Cloud, Folder, Platform, eventually, http};
use serde_json::{Value, json};

const WORKSPACES: &str = "cloudyknight-workspaces-000000000000-us-east-1";
const PLATFORM: &str = "cloudyknight-platform-000000000000-us-east-1";
const ARTIFACTS: &str = "cloudyknight-artifacts-000000000000-us-east-1";
const ALL: [&str; 3] = [ARTIFACTS, PLATFORM, WORKSPACES];

#[test]
fn what_is_deployed_on_ministack_carries_pushes_and_repairs_and_failures_to_the_platform() {
    let cloud = Cloud::start();
    let (configuration, words) = cloud.deploy(&[]);
    assert!(words.contains("ObjectChangedFunction"), "{words}");
    is_private(&cloud);

    let platform = cloud.platform_as(&Key::root(), &configuration).start();
    let site = Folder::of(&[("index.html", "first\n"), ("about/index.html", "about\n")]);
    cloud.aws(&["s3", "sync", text(site.path()), &format!("s3://{WORKSPACES}/site")]);
    platform.live("site");
    assert_eq!(platform.get("/site/"), (200, "first\n".to_owned()));
    assert_eq!(platform.get("/site/about/"), (200, "about\n".to_owned()));

    push(&cloud, &site, "second\n");
    let status = platform.live("site");
    // It began with the function that was told of the object.
    let trace = status["deployment"]["traceparent"].as_str().unwrap_or_default();
    assert!(trace.len() == 55 && trace.starts_with("00-"), "{status:#}");
    assert_eq!(platform.get("/site/"), (200, "second\n".to_owned()));

    what_is_not_wholly_understood_is_counted(&cloud);
    poison_becomes_a_dead_letter(&cloud, &platform);
    a_lost_notification_is_made_up_for(&cloud, &platform, &site);

    cloud.aws(&["s3", "rm", "--recursive", &format!("s3://{WORKSPACES}/site")]);
    assert_eq!(cloud.sweep()["drifted"], json!(["site"]));
    platform.removed("site");
    assert_eq!(platform.get("/site/").0, 404);
}

#[test]
fn a_stack_on_ministack_is_deployed_again_changed_deleted_and_taken_back_with_its_buckets() {
    let cloud = Cloud::start();
    let (configuration, _) = cloud.deploy(&[]);
    let (again, words) = cloud.deploy(&[]);
    assert!(words.contains("Nothing to change"), "{words}");
    assert_eq!(again, configuration);

    let failed = cloud.script(&["--parameter", "SweepKey=missing.zip"]);
    let words = stderr(&failed);
    assert!(!failed.status.success() && stdout(&failed).is_empty(), "{words}");
    assert!(words.contains("What failed") && words.contains("missing.zip"), "{words}");

    let token = cloud.folder().join("token");
    let published = || agent_may(&cloud).iter().any(|sid| sid == "PublishFiles");
    assert!(published());
    let (_, words) = cloud.deploy(&[
        "--ingest",
        text(&token),
        "--parameter",
        "SweepSchedule=rate(1 hour)",
        "--parameter",
        "AgentMayPublish=false",
    ]);
    assert!(!published() && agent_may(&cloud).iter().any(|sid| sid == "ReadSource"));
    assert!(words.contains("The webhook is http"), "{words}");
    let token = std::fs::read_to_string(&token).expect("a token is made where there is none");
    assert!(token.trim().len() >= 32 && !words.contains(token.trim()), "{words}");
    the_webhook_takes_what_comes_with_the_token(&cloud, token.trim());
    let (changed, words) = cloud.deploy(&["--no-ingest"]);
    assert!(!words.contains("The webhook is"), "{words}");
    assert_eq!(changed, configuration);
    let rules = cloud.json(&["events", "list-rules", "--query", "Rules[].ScheduleExpression"]);
    assert_eq!(rules, json!(["rate(1 hour)"]), "what was asked for once stays");

    // Nothing is run here: these are built for the other kind of machine.
    let architecture = || {
        let of = |name: &&str| {
            cloud.json(&[
                "lambda",
                "get-function-configuration",
                "--query",
                "Architectures[0]",
                "--function-name",
                name,
            ])
        };
        ["cloudyknight-object-changed", "cloudyknight-sweep", "cloudyknight-dead-letter"]
            .iter()
            .map(of)
            .collect::<Vec<_>>()
    };
    cloud.deploy(&["--arm64"]);
    assert_eq!(architecture(), ["arm64"; 3]);
    cloud.deploy(&["--x86-64"]);
    assert_eq!(architecture(), ["x86_64"; 3]);

    push(&cloud, &Folder::new(), "kept\n");
    let words = cloud.delete(&[]);
    assert!(words.contains(&format!("The bucket {WORKSPACES} stays")), "{words}");
    assert_eq!(buckets(&cloud), ALL);
    let (back, words) = cloud.deploy(&[]);
    assert!(words.contains("the stack takes it over"), "{words}");
    assert_eq!(back, configuration);
    let kept = cloud.aws(&["s3", "cp", "--quiet", &format!("s3://{WORKSPACES}/site/index.html"), "-"]);
    assert_eq!(kept, "kept\n");

    cloud.delete(&["--purge"]);
    assert_eq!(buckets(&cloud), [""; 0]);
}

#[test]
fn a_platform_moves_into_what_is_deployed_on_ministack_with_its_releases_and_deploys_each_once() {
    let laptop = Platform::builder().setting("quiet_ms", 50).start();
    let site = Folder::of(&[("index.html", "one\n"), ("about/index.html", "about\n")]);
    laptop.s3(Client::Boto3).sync(site.path(), "site");
    laptop.live("site");
    laptop.s3(Client::Boto3).put("site/index.html", "two\n");
    let release = laptop.live("site")["release"].clone();
    let deployments = laptop.deployments_of("site");

    let cloud = Cloud::start();
    let (configuration, _) = cloud.deploy(&[]);
    let settings = Folder::new();
    let there = settings.write("config.toml", &configuration);
    let mut migrate = laptop.cli_command(&["migrate", "--json", "--to", text(&there)]);
    migrate.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    let moved = succeeded("cloudyknight migrate", &run(&mut migrate));
    let report: Value = serde_json::from_str(&moved).expect("a report");
    assert_eq!(report["copied"], report["verified"], "{report}");
    laptop.down();
    // What was copied was told of as well, and waits for an agent.
    let (events, commands) = (cloud.queue("cloudyknight-events"), cloud.queue("cloudyknight-commands.fifo"));
    eventually("the functions have read it", Duration::from_secs(60), || {
        (events.depth() == 0 && commands.depth() > 0).then_some(())
    });

    let server = cloud.platform_as(&Key::root(), &configuration).setting("quiet_ms", 50).start();
    assert_eq!(server.live("site")["release"], release, "the same release, under the same digest");
    assert_eq!(server.get("/site/"), (200, "two\n".to_owned()));
    assert_eq!(server.get("/site/about/"), (200, "about\n".to_owned()));
    eventually("all commands are done with", Duration::from_secs(60), || {
        (commands.depth() == 0).then_some(())
    });
    assert_eq!(
        server.deployments_of("site"),
        deployments + 1,
        "one for the new host, and none for the copies"
    );
    assert_eq!(cloud.sweep(), json!({"workspaces": 1, "drifted": []}));
    cloud.aws(&[
        "s3",
        "cp",
        text(&site.write("index.html", "three\n")),
        &format!("s3://{WORKSPACES}/site/index.html"),
    ]);
    server.live("site");
    assert_eq!(server.get("/site/"), (200, "three\n".to_owned()));
}

/// What stands in the way of everybody but the account, as far as this server keeps it.
fn is_private(cloud: &Cloud) {
    for bucket in [WORKSPACES, PLATFORM] {
        let read = |what: &str| cloud.json(&["s3api", what, "--bucket", bucket]);
        let blocked = read("get-public-access-block");
        let blocked = blocked["PublicAccessBlockConfiguration"].as_object().expect("it is set");
        assert!(blocked.len() == 4 && blocked.values().all(|value| value == &json!(true)), "{blocked:?}");
        let rule = &read("get-bucket-encryption")["ServerSideEncryptionConfiguration"]["Rules"][0];
        assert_eq!(rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"], "AES256", "{bucket}");
        let policy = read("get-bucket-policy");
        let policy: Value =
            serde_json::from_str(policy["Policy"].as_str().unwrap_or_default()).expect("JSON");
        let statement = &policy["Statement"][0];
        assert_eq!(statement["Effect"], "Deny", "{bucket}");
        assert_eq!(statement["Condition"], json!({"Bool": {"aws:SecureTransport": "false"}}), "{bucket}");
    }
    for queue in ["events", "events-dead", "commands.fifo", "commands-dead.fifo"] {
        let policy = cloud.queue(&format!("cloudyknight-{queue}")).attribute("Policy").unwrap_or_default();
        let policy: Value = serde_json::from_str(&policy).unwrap_or_default();
        let denies = policy["Statement"].as_array().into_iter().flatten().any(|statement| {
            statement["Effect"] == "Deny"
                && statement["Condition"] == json!({"Bool": {"aws:SecureTransport": "false"}})
        });
        assert!(denies, "{queue}: {policy}");
    }
    let versioning = cloud.json(&["s3api", "get-bucket-versioning", "--bucket", WORKSPACES]);
    assert_eq!(versioning["Status"], "Enabled");
}

/// A message that is no notification comes as often as the queue allows, and is then seen by whoever looks.
fn poison_becomes_a_dead_letter(cloud: &Cloud, platform: &Platform) {
    let events = cloud.queue("cloudyknight-events");
    // It comes again when its time is over; the deployed minute is too long for a test.
    events.set(&[("VisibilityTimeout", "1")].into());
    events.send(&["no notification at all".to_owned()]);
    let api = Api::of(platform);
    let letter = eventually("the dead letter is seen", Duration::from_secs(60), || {
        let seen = api.read("/api/v1/platform")?["dead_letters"].take();
        seen.as_array()?.first().cloned()
    });
    assert_eq!(letter["queue"], "cloudyknight-events-dead", "{letter:#}");
    assert_eq!(letter["body"], "no notification at all", "{letter:#}");
}

/// A notification of a version that nobody knows yet is heeded, and its line in the log is what the alarm's metric counts.
fn what_is_not_wholly_understood_is_counted(cloud: &Cloud) {
    let newer = json!({"Records": [{
        "eventVersion": "3.0", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": WORKSPACES}, "object": {"key": "site/index.html"}}}]});
    cloud.queue("cloudyknight-events").send(&[newer.to_string()]);
    let group = "/aws/lambda/cloudyknight-object-changed";
    let filters = cloud.json(&["logs", "describe-metric-filters", "--log-group-name", group]);
    let filter = &filters["metricFilters"][0];
    let counted = json!({"metricNamespace": "CloudyKnight", "metricName": "cloudyknight-records-in-doubt",
        "metricValue": "$.fields.records"});
    assert_eq!(filter["metricTransformations"], json!([counted]));
    // This server keeps filters and does not apply them: what the pattern asks for is looked for by hand.
    let pattern = filter["filterPattern"].as_str().expect("a pattern");
    let text = pattern.strip_prefix("{ $.fields.message = \"").and_then(|rest| rest.strip_suffix("\" }"));
    let text = text.expect("it asks for one text");
    let line = eventually("the log has a line that is counted", Duration::from_secs(60), || {
        let lines = ["--log-group-name", group, "--query", "events[].message"];
        let lines = cloud.json(&[&["logs", "filter-log-events"], &lines[..]].concat());
        let parsed = |line: &Value| serde_json::from_str::<Value>(line.as_str()?).ok();
        lines.as_array()?.iter().filter_map(parsed).find(|line| line["fields"]["message"] == text)
    });
    assert_eq!((&line["level"], &line["fields"]["records"]), (&json!("WARN"), &json!(1)), "{line:#}");
    let alarms = cloud.json(&[
        "cloudwatch",
        "describe-alarms-for-metric",
        "--namespace",
        "CloudyKnight",
        "--metric-name",
        "cloudyknight-records-in-doubt",
    ]);
    assert_eq!(alarms["MetricAlarms"].as_array().map(Vec::len), Some(1), "{alarms:#}");
}

/// Nobody hears of this push until the sweep does.
fn a_lost_notification_is_made_up_for(cloud: &Cloud, platform: &Platform, site: &Folder) {
    let none = ["--bucket", WORKSPACES, "--notification-configuration", "{}"];
    cloud.aws(&[&["s3api", "put-bucket-notification-configuration"], &none[..]].concat());
    push(cloud, site, "third\n");
    assert_eq!(cloud.sweep(), json!({"workspaces": 1, "drifted": ["site"]}));
    platform.live("site");
    assert_eq!(platform.get("/site/"), (200, "third\n".to_owned()));
}

/// As a server of MinIO's family posts it.
fn the_webhook_takes_what_comes_with_the_token(cloud: &Cloud, token: &str) {
    let url = cloud.output("IngestUrl");
    let host = url.split_once("://").expect("a URL").1;
    // The name is one of AWS; this server has another way in.
    let path = format!("/_aws/lambda-url/{}/", host.split('.').next().expect("its id"));
    let notification = json!({"EventName": "s3:ObjectCreated:Put", "Records": [{
        "eventVersion": "2.0", "eventSource": "minio:s3", "eventName": "s3:ObjectCreated:Put",
        "s3": {"bucket": {"name": WORKSPACES}, "object": {"key": "hooked%2Findex.html"}}}]});
    let address = cloud.endpoint().strip_prefix("http://").expect("it speaks HTTP");
    let post = |token: &str| {
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let mut connection = http::Connection::open(address).expect("a connection");
        let body = notification.to_string();
        connection.request("POST", address, &path, &headers, body.as_bytes()).expect("an answer").status
    };
    assert_eq!((post("somebody"), post(token)), (401, 200));
    let commands = cloud.queue("cloudyknight-commands.fifo");
    eventually("the command is there", Duration::from_secs(60), || {
        commands.take().iter().any(|command| command.contains("\"hooked\"")).then_some(())
    });
}

fn push(cloud: &Cloud, site: &Folder, content: &str) {
    let file = site.write("index.html", content);
    cloud.aws(&["s3", "cp", text(&file), &format!("s3://{WORKSPACES}/site/index.html")]);
}

/// What the agent's policy says it may, as the names of its statements.
fn agent_may(cloud: &Cloud) -> Vec<String> {
    let arn = cloud.output("AgentPolicyArn");
    let version =
        cloud.json(&["iam", "get-policy", "--policy-arn", &arn, "--query", "Policy.DefaultVersionId"]);
    let version = version.as_str().expect("a version");
    let policy = cloud.json(&["iam", "get-policy-version", "--policy-arn", &arn, "--version-id", version]);
    let document = &policy["PolicyVersion"]["Document"];
    let statements = document["Statement"].as_array().unwrap_or_else(|| panic!("{policy:#}"));
    statements.iter().filter_map(|one| one["Sid"].as_str().map(str::to_owned)).collect()
}

fn buckets(cloud: &Cloud) -> Vec<String> {
    let mut names: Vec<String> =
        serde_json::from_value(cloud.json(&["s3api", "list-buckets", "--query", "Buckets[].Name"]))
            .expect("names");
    names.sort();
    names
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
