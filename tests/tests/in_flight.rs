//! Commands on SQS while their deployment goes on: they stay away from everybody for as long as it takes.

use std::time::{Duration, Instant};

use cloudyknight_tests::{Api, Backend, Client, Deployments, Folder, Platform, Sqs, eventually};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(60);
/// For which a message stays away that nobody says more of.
const VISIBILITY: Duration = Duration::from_secs(30);

#[test]
fn a_deployment_that_outlasts_the_visibility_of_its_command_is_one_and_leaves_nothing_behind_on_ministack() {
    let server = Backend::ministack();
    let endpoint = server.endpoint().expect("it listens");
    let queue = |name: &str| Sqs::at(endpoint, &server.queue(name));
    let (events, commands) = (queue("events"), queue("commands.fifo"));
    let dead = [queue("events-dead"), queue("commands-dead.fifo")];
    // A command that comes a second time goes there.
    let arn = "arn:aws:sqs:us-east-1:000000000000:commands-dead.fifo";
    let redrive = json!({"deadLetterTargetArn": arn, "maxReceiveCount": 1}).to_string();
    commands.set(&[("RedrivePolicy", redrive.as_str())].into());
    let platform =
        Platform::builder().backend(&server).setting("quiet_ms", 50).setting("sweep_interval_s", 0);
    let platform = platform.start();
    let api = Api::of(&platform);

    // Long before anybody asks it anything it is not there.
    let slow = "setTimeout(() => require('http').createServer((_, answer) => answer.end('slow')).listen(process.env.PORT), 40_000);";
    let folder = Folder::of(&[("package.json", r#"{"name": "slow"}"#), ("index.js", slow)]);
    let deployments = Deployments::of(&platform, "slow");
    platform.s3(Client::Boto3).sync(folder.path(), "slow");
    eventually("the app is being started", PATIENCE, || {
        api.step("slow").is_some_and(|step| ["start", "check"].contains(&step.as_str())).then_some(())
    });
    let began = Instant::now();
    platform.live("slow");
    let took = began.elapsed();
    assert!(took > VISIBILITY + Duration::from_secs(5), "it took only {took:?}");
    assert_eq!(platform.get("/slow/"), (200, "slow".to_owned()));

    eventually("the command is done with", PATIENCE, || {
        (events.depth() + commands.depth() == 0).then_some(())
    });
    assert_eq!(deployments.seen().len(), 1);
    assert_eq!(platform.deployments_of("slow"), 1);
    assert_eq!(dead.each_ref().map(Sqs::depth), [0, 0]);
    assert_eq!(api.read("/api/v1/dead-letters").expect("letters")["dead_letters"], json!([]));
}
