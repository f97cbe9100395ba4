//! The AWS side as a stranger deploys it: `infra/deploy.sh` with the template, on a server that runs the functions for
//! real. What only AWS itself can show, such as TLS, is said in infra/README.md.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use cloudyknight_tests::run::{run, stderr, stdout, succeeded};
use cloudyknight_tests::server::{Ministack, variables};
use cloudyknight_tests::{Api, Folder, Platform, Sqs, eventually, http};
use serde_json::{Value, json};
use tempfile::TempDir;

const FUNCTIONS: [&str; 4] = ["object_changed", "sweep", "dead_letter", "ingest"];
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

    let platform = platform(&configuration);
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

    let token = cloud.folder.path().join("token");
    let published = || cloud.agent_may().iter().any(|sid| sid == "PublishFiles");
    assert!(published());
    let (_, words) = cloud.deploy(&[
        "--ingest",
        text(&token),
        "--parameter",
        "SweepSchedule=rate(1 hour)",
        "--parameter",
        "AgentMayPublish=false",
    ]);
    assert!(!published() && cloud.agent_may().iter().any(|sid| sid == "ReadSource"));
    assert!(words.contains("The webhook is http"), "{words}");
    let token = std::fs::read_to_string(&token).expect("a token is made where there is none");
    assert!(token.trim().len() >= 32 && !words.contains(token.trim()), "{words}");
    the_webhook_takes_what_comes_with_the_token(&cloud, token.trim());
    let (changed, words) = cloud.deploy(&["--no-ingest"]);
    assert!(!words.contains("The webhook is"), "{words}");
    assert_eq!(changed, configuration);
    let rules = cloud.json(&["events", "list-rules", "--query", "Rules[].ScheduleExpression"]);
    assert_eq!(rules, json!(["rate(1 hour)"]), "what was asked for once stays");

    push(&cloud, &Folder::new(), "kept\n");
    let words = cloud.delete(&[]);
    assert!(words.contains(&format!("The bucket {WORKSPACES} stays")), "{words}");
    assert_eq!(cloud.buckets(), ALL);
    let (back, words) = cloud.deploy(&[]);
    assert!(words.contains("the stack takes it over"), "{words}");
    assert_eq!(back, configuration);
    let kept = cloud.aws(&["s3", "cp", "--quiet", &format!("s3://{WORKSPACES}/site/index.html"), "-"]);
    assert_eq!(kept, "kept\n");

    cloud.delete(&["--purge"]);
    assert_eq!(cloud.buckets(), [""; 0]);
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
    let query = "Stacks[0].Outputs[?OutputKey=='IngestUrl'].OutputValue | [0]";
    let url = cloud.json(&["cloudformation", "describe-stacks", "--query", query]);
    let host = url.as_str().and_then(|url| url.split_once("://")).expect("a URL").1;
    // The name is one of AWS; this server has another way in.
    let path = format!("/_aws/lambda-url/{}/", host.split('.').next().expect("its id"));
    let notification = json!({"EventName": "s3:ObjectCreated:Put", "Records": [{
        "eventVersion": "2.0", "eventSource": "minio:s3", "eventName": "s3:ObjectCreated:Put",
        "s3": {"bucket": {"name": WORKSPACES}, "object": {"key": "hooked%2Findex.html"}}}]});
    let address = cloud.server.endpoint().strip_prefix("http://").expect("it speaks HTTP");
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

/// A platform with the configuration as it was printed.
fn platform(configuration: &str) -> Platform {
    let mut builder = Platform::builder();
    for (name, value) in configuration.lines().filter_map(|line| line.split_once(" = ")) {
        builder = builder.setting(name, value);
    }
    for (name, value) in variables("").into_iter().filter(|(name, _)| name.contains("KEY")) {
        builder = builder.variable(name, value);
    }
    builder.start()
}

/// The server, and what it takes to deploy there.
struct Cloud {
    server: Ministack,
    zips: PathBuf,
    folder: TempDir,
}

impl Cloud {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let given = std::env::var_os("CLOUDYKNIGHT_TEST_LAMBDA_DIR").map(PathBuf::from);
        let zips = given.unwrap_or_else(|| pack(folder.path()));
        Self { server: Ministack::start(), zips, folder }
    }

    /// Runs the script, which must succeed, and answers what it printed and what it said.
    #[track_caller]
    fn deploy(&self, options: &[&str]) -> (String, String) {
        let output = self.script(options);
        (succeeded("infra/deploy.sh", &output), stderr(&output))
    }

    #[track_caller]
    fn delete(&self, options: &[&str]) -> String {
        let output = self.script(&[&["--delete"], options].concat());
        assert_eq!(succeeded("infra/deploy.sh --delete", &output), "");
        stderr(&output)
    }

    fn script(&self, options: &[&str]) -> Output {
        let mut command = self.command("bash");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/deploy.sh");
        command.arg(script).arg("--zips").arg(&self.zips).args(options);
        run(&mut command)
    }

    #[track_caller]
    fn aws(&self, arguments: &[&str]) -> String {
        succeeded(&format!("aws {}", arguments.join(" ")), &run(self.command("aws").args(arguments)))
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let answer = self.aws(&[arguments, &["--output", "json"]].concat());
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {answer}"))
    }

    /// What the agent's policy says it may, as the names of its statements.
    fn agent_may(&self) -> Vec<String> {
        let query = "Stacks[0].Outputs[?OutputKey=='AgentPolicyArn'].OutputValue | [0]";
        let arn = self.json(&["cloudformation", "describe-stacks", "--query", query]);
        let arn = arn.as_str().expect("an ARN");
        let version =
            self.json(&["iam", "get-policy", "--policy-arn", arn, "--query", "Policy.DefaultVersionId"]);
        let version = version.as_str().expect("a version");
        let policy = self.json(&["iam", "get-policy-version", "--policy-arn", arn, "--version-id", version]);
        let document = &policy["PolicyVersion"]["Document"];
        let statements = document["Statement"].as_array().unwrap_or_else(|| panic!("{policy:#}"));
        statements.iter().filter_map(|one| one["Sid"].as_str().map(str::to_owned)).collect()
    }

    fn buckets(&self) -> Vec<String> {
        let mut names: Vec<String> =
            serde_json::from_value(self.json(&["s3api", "list-buckets", "--query", "Buckets[].Name"]))
                .expect("names");
        names.sort();
        names
    }

    /// Sweeps now, and answers what the function does.
    #[track_caller]
    fn sweep(&self) -> Value {
        let file = self.folder.path().join("swept.json");
        self.aws(&["lambda", "invoke", "--function-name", "cloudyknight-sweep", text(&file)]);
        let answer = std::fs::read_to_string(&file).expect("an answer");
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    fn queue(&self, name: &str) -> Sqs {
        Sqs::at(self.server.endpoint(), &format!("{}/000000000000/{name}", self.server.endpoint()))
    }

    /// A program that knows this server and nothing else of the machine's.
    fn command(&self, program: &str) -> Command {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let clients = std::env::var_os("CLOUDYKNIGHT_TEST_CLIENTS").map(PathBuf::from);
        let path = std::env::join_paths(clients.into_iter().chain(std::env::split_paths(&path)));
        let path = path.expect("a path");
        let mut command = Command::new("env");
        command.env_clear().env("PATH", path).env("LANG", "C.UTF-8").env("HOME", self.folder.path());
        command.envs(variables(self.server.endpoint())).arg(program);
        command
    }
}

/// The functions as they were built for the tests, each as a zip file. Releases of them are another matter, and slow to
/// build; CLOUDYKNIGHT_TEST_LAMBDA_DIR names a folder of those.
fn pack(folder: &Path) -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debug/cloudyknight");
    let built = std::env::var_os("CLOUDYKNIGHT_TEST_BIN").map_or(built, PathBuf::from);
    let built = built.parent().expect("the folder of the binaries");
    for name in FUNCTIONS {
        let function = folder.join(name);
        std::fs::create_dir(&function).expect("a folder");
        // Debug information is most of it, and would have to be uploaded.
        let mut strip = Command::new("strip");
        strip.arg("-o").arg(function.join("bootstrap")).arg(built.join(name));
        succeeded(&format!("strip {name}"), &run(&mut strip));
        let mut zip = Command::new("python3");
        zip.args(["-m", "zipfile", "-c", "bootstrap.zip", "bootstrap"]).current_dir(&function);
        succeeded(&format!("packing {name}"), &run(&mut zip));
    }
    folder.to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
