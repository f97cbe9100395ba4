//! Who may do what on AWS, held to by a server that enforces policies: what the template allows the agent, the functions
//! and whoever pushes is enough for all that they do, and nothing beside it is allowed.
//!
//! AWS decides `SendMessageBatch` as `sqs:SendMessage`, and so with deletions and visibility; this server has names of its
//! own for the batches. So each policy is given those of the single actions that it allows, on the same queues.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cloudyknight_tests::cloud::{ACCOUNT, Key};
use cloudyknight_tests::run::{run, stderr, stdout, succeeded};
use cloudyknight_tests::{Api, Cloud, Folder, Platform, eventually};
use serde_json::{Value, json};

const WORKSPACES: &str = "cloudyknight-workspaces-000000000000-us-east-1";
const PLATFORM: &str = "cloudyknight-platform-000000000000-us-east-1";
const ARTIFACTS: &str = "cloudyknight-artifacts-000000000000-us-east-1";
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn what_the_policies_allow_carries_pushes_archives_and_dead_commands_and_all_else_is_refused_on_ministack() {
    let deployed = Deployed::with(&[]);
    let Deployed { cloud, agent, pusher, configuration } = &deployed;
    let platform = cloud.platform_as(agent, configuration).setting("quiet_ms", 50).start();
    let site = Folder::of(&[("index.html", "pushed"), ("about/index.html", "about")]);
    cloud.aws_as(pusher, &["s3", "sync", text(site.path()), &format!("s3://{WORKSPACES}/site")]);
    let status = platform.live("site");
    // By the functions: they may receive, and send.
    assert_eq!(status["deployment"]["cause"]["kind"], "put", "{status:#}");
    assert_eq!(platform.get("/site/"), (200, "pushed".to_owned()));
    push_archive(&deployed, "unpacked");
    eventually("the archive is live", PATIENCE, || (platform.get("/site/").1 == "unpacked").then_some(()));

    a_lost_notification_is_found_by_the_sweep(&deployed, &platform);
    a_dead_command_is_tried_again(&deployed, &platform);
    nothing_else_is_allowed(&deployed);
    let doctor = platform.cli(&["doctor"]);
    let words = stdout(&doctor);
    assert!(doctor.status.success(), "{words}");
    let told = [
        "ok    reading: ",
        "ok    publishing: ",
        "ok    platform bucket: ",
        "ok    rights on it: this identity may receive, delete, extend on `cloudyknight-commands.fifo`",
        "?     notifications: not checked: this identity may not see how the bucket is wired",
    ];
    for one in told {
        assert!(words.contains(one), "it does not say {one:?}: {words}");
    }
}

#[test]
fn an_agent_that_may_not_publish_deploys_what_is_pushed_and_says_so_of_archives_on_ministack() {
    let deployed = Deployed::with(&["--parameter", "AgentMayPublish=false"]);
    let Deployed { cloud, agent, pusher, configuration } = &deployed;
    let put = ("s3", "put_object", json!({"Bucket": WORKSPACES, "Key": "site/x", "Body": "x"}));
    let remove = ("s3", "delete_object", json!({"Bucket": WORKSPACES, "Key": "site/x"}));
    assert_eq!(cloud.asked(agent, &[put, remove]), ["AccessDenied"; 2]);

    let platform = cloud.platform_as(agent, configuration).setting("quiet_ms", 50).start();
    let site = Folder::of(&[("index.html", "pushed")]);
    cloud.aws_as(pusher, &["s3", "sync", text(site.path()), &format!("s3://{WORKSPACES}/site")]);
    platform.live("site");
    push_archive(&deployed, "unpacked");
    eventually("the archive is refused", PATIENCE, || {
        stdout(&platform.cli(&["status", "site"]))
            .contains("archives need an agent that may write")
            .then_some(())
    });
    assert_eq!(platform.get("/site/"), (200, "pushed".to_owned()));

    // That was chosen, and is nothing wrong.
    let doctor = platform.cli(&["doctor"]);
    let words = stdout(&doctor);
    assert!(words.contains("note  publishing: ") && words.contains("archives and `restore` fail"), "{words}");
    assert!(words.contains("`AgentMayPublish`") && doctor.status.success(), "{words}{}", stderr(&doctor));
}

/// A stack, and keys of those who use it.
struct Deployed {
    cloud: Cloud,
    agent: Key,
    pusher: Key,
    configuration: String,
}

impl Deployed {
    fn with(options: &[&str]) -> Self {
        let cloud = Cloud::enforcing();
        let (configuration, words) =
            cloud.deploy(&[&["--parameter", "AgentIdentity=user"], options].concat());
        let user = cloud.output("AgentUser");
        assert!(words.contains(&format!("aws iam create-access-key --user-name {user}")), "{words}");
        cloud.aws(&["iam", "create-user", "--user-name", "pusher"]);
        let policy = cloud.output("PushPolicyArn");
        cloud.aws(&["iam", "attach-user-policy", "--user-name", "pusher", "--policy-arn", &policy]);
        let widened = cloud.python_as(&Key::root(), BATCHES, &Value::Null);
        assert_eq!(widened.as_u64(), Some(4), "the policies of the agent and of three functions");
        let (agent, pusher) = (cloud.key_of(&user), cloud.key_of("pusher"));
        Self { cloud, agent, pusher, configuration }
    }
}

const BATCHES: &str = r#"
import json, boto3
iam = boto3.client("iam")
SINGLE = {"sqs:SendMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"}
widened = 0

def with_batches(document):
    global widened
    more = []
    for statement in document["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        batches = [action + "Batch" for action in actions if action in SINGLE]
        if batches:
            more.append({"Effect": statement["Effect"], "Action": batches, "Resource": statement["Resource"]})
    widened += bool(more)
    return json.dumps({**document, "Statement": document["Statement"] + more})

for role in iam.list_roles()["Roles"]:
    for name in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role["RoleName"], PolicyName=name)["PolicyDocument"]
        iam.put_role_policy(RoleName=role["RoleName"], PolicyName=name, PolicyDocument=with_batches(document))
for policy in iam.list_policies(Scope="Local")["Policies"]:
    version = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])
    document = with_batches(version["PolicyVersion"]["Document"])
    iam.create_policy_version(PolicyArn=policy["Arn"], PolicyDocument=document, SetAsDefault=True)
print(widened)
"#;

/// `site` as an archive beside its folder, with this page and no other.
#[track_caller]
fn push_archive(deployed: &Deployed, page: &str) {
    let site = Folder::of(&[("index.html", page)]);
    let archives = Folder::new();
    let archive = archives.path().join("site.tar.gz");
    let mut tar = Command::new("tar");
    tar.arg("-czf").arg(&archive).arg("-C").arg(site.path()).arg("index.html");
    succeeded("tar", &run(&mut tar));
    let target = format!("s3://{WORKSPACES}/site.tar.gz");
    deployed.cloud.aws_as(&deployed.pusher, &["s3", "cp", text(&archive), &target]);
}

#[track_caller]
fn push(deployed: &Deployed, page: &str) {
    let site = Folder::new();
    let file = site.write("index.html", page);
    let target = format!("s3://{WORKSPACES}/site/index.html");
    deployed.cloud.aws_as(&deployed.pusher, &["s3", "cp", text(&file), &target]);
}

/// Nobody hears of this push until the sweep does: it may list both buckets, read the statuses and send.
fn a_lost_notification_is_found_by_the_sweep(deployed: &Deployed, platform: &Platform) {
    let none = ["--bucket", WORKSPACES, "--notification-configuration", "{}"];
    deployed.cloud.aws(&[&["s3api", "put-bucket-notification-configuration"], &none[..]].concat());
    push(deployed, "swept");
    assert_eq!(deployed.cloud.sweep(), json!({"workspaces": 1, "drifted": ["site"]}));
    platform.live("site");
    assert_eq!(platform.get("/site/"), (200, "swept".to_owned()));
}

/// By an agent that may not send: it carries the command out itself. Nothing else tells of this push.
fn a_dead_command_is_tried_again(deployed: &Deployed, platform: &Platform) {
    push(deployed, "tried again");
    let command =
        json!({"version": 1, "workspace": "site", "action": "reconcile", "cause": {"kind": "sweep"}});
    let dead = deployed.cloud.queue("cloudyknight-commands-dead.fifo");
    dead.send_in_group("site", "once", &command.to_string());
    let api = Api::of(platform);
    // The function that writes it down may take it off the queue.
    let letter = eventually("the dead letter is seen", PATIENCE, || {
        api.read("/api/v1/dead-letters")?["dead_letters"].as_array()?.first().cloned()
    });
    assert_eq!(letter["workspaces"], json!(["site"]), "{letter:#}");
    assert_eq!(platform.get("/site/"), (200, "swept".to_owned()));
    let path = format!("/api/v1/dead-letters/{}/replay", letter["id"].as_str().expect("an id"));
    let answer = api.post(&path).expect("an answer");
    assert_eq!(answer.status, 202, "{}", answer.body);
    platform.live("site");
    assert_eq!(platform.get("/site/"), (200, "tried again".to_owned()));
    assert_eq!(api.read("/api/v1/dead-letters").expect("letters")["dead_letters"], json!([]));

    // One that it does not understand is another agent's, and would have to be sent.
    let newer = json!({"version": 9, "workspace": "site", "action": "reconcile", "cause": {"kind": "sweep"}});
    dead.send_in_group("site", "newer", &newer.to_string());
    let letter = eventually("the dead letter is seen", PATIENCE, || {
        api.read("/api/v1/dead-letters")?["dead_letters"].as_array()?.first().cloned()
    });
    let path = format!("/api/v1/dead-letters/{}", letter["id"].as_str().expect("an id"));
    let answer = api.post(&format!("{path}/replay")).expect("an answer");
    assert_eq!(answer.status, 409, "{}", answer.body);
    assert!(answer.body.contains("AccessDenied") && answer.body.contains("by hand"), "{}", answer.body);
    assert_eq!(api.delete(&path).expect("an answer").status, 204);
}

fn nothing_else_is_allowed(deployed: &Deployed) {
    let Deployed { cloud, agent, pusher, .. } = deployed;
    let queue = |name: &str| format!("{}/{ACCOUNT}/cloudyknight-{name}", cloud.endpoint());
    let send = |name: &str| {
        let mut message = json!({"QueueUrl": queue(name), "MessageBody": "x"});
        if name.ends_with(".fifo") {
            message["MessageGroupId"] = json!("x");
            message["MessageDeduplicationId"] = json!("x");
        }
        ("sqs", "send_message", message)
    };
    let receive = |name: &str| ("sqs", "receive_message", json!({"QueueUrl": queue(name)}));
    let read = |bucket: &str| ("s3", "get_object", json!({"Bucket": bucket, "Key": "x"}));
    let list = |bucket: &str| ("s3", "list_objects_v2", json!({"Bucket": bucket}));
    let put = |bucket: &str| ("s3", "put_object", json!({"Bucket": bucket, "Key": "x", "Body": "x"}));
    let notify = |bucket: &str| {
        let given = json!({"Bucket": bucket, "NotificationConfiguration": {}});
        ("s3", "put_bucket_notification_configuration", given)
    };
    let refused = |who: &str, key: &Key, requests: &[(&str, &str, Value)]| {
        let answers = cloud.asked(key, requests);
        for (request, answer) in requests.iter().zip(answers) {
            let denied = ["AccessDenied", "AccessDeniedException", "403"].contains(&answer.as_str());
            assert!(denied, "{who} asks for {request:?}: {answer}");
        }
    };
    let others = [
        receive("events"),
        receive("events-dead"),
        receive("commands-dead.fifo"),
        send("commands.fifo"),
        send("events"),
        read(ARTIFACTS),
        list(ARTIFACTS),
        put(ARTIFACTS),
        notify(WORKSPACES),
        notify(PLATFORM),
        ("s3", "delete_bucket", json!({"Bucket": PLATFORM})),
        ("s3", "get_bucket_policy", json!({"Bucket": WORKSPACES})),
        ("sqs", "purge_queue", json!({"QueueUrl": queue("commands.fifo")})),
        ("lambda", "list_functions", json!({})),
        ("iam", "list_users", json!({})),
        ("cloudformation", "describe_stacks", json!({})),
    ];
    refused("the agent", agent, &others);
    refused("who pushes", pusher, &others);
    refused("who pushes", pusher, &[receive("commands.fifo"), read(PLATFORM), list(PLATFORM), put(PLATFORM)]);
    // So that the refusals mean something.
    assert_eq!(cloud.asked(&Key::root(), &[list(ARTIFACTS), ("iam", "list_users", json!({}))]), ["done"; 2]);
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
