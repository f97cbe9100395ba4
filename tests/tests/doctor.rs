//! What `doctor` finds: one thing is made wrong at a time, and that is what it names, with what to do about it.

use std::path::Path;

use cloudyknight_tests::client::S3;
use cloudyknight_tests::run::{run, stdout, succeeded};
use cloudyknight_tests::{Backend, Client, Mood, Platform, Proxy};

#[test]
fn it_names_what_is_wrong_with_store_and_queues_on_ministack() {
    let server = Backend::ministack();
    let direct = server.endpoint().expect("it listens");
    let proxy = Proxy::before(direct);
    let queue = |name: &str| format!("{:?}", server.queue(name).replace(direct, &proxy.endpoint()));
    let platform = Platform::builder().backend(&server).start();
    // Whoever looks goes by way of the proxy, and what runs does not: it goes on well.
    platform.configure("store", format!("{:?}", proxy.endpoint()));
    platform.configure("events", queue("events"));
    platform.configure("commands", queue("commands.fifo"));

    let check = |mood: Mood, told: &[&str]| {
        proxy.turns(mood);
        let doctor = platform.cli(&["doctor"]);
        proxy.turns(Mood::Passes);
        let words = stdout(&doctor);
        assert_eq!(doctor.status.code(), Some(i32::from(mood != Mood::Passes)), "{mood:?}: {words}");
        for told in told {
            assert!(words.contains(told), "{mood:?}: it does not say {told:?}: {words}");
        }
    };
    check(
        Mood::Passes,
        &["ok    reading", "ok    rights on it", "ok    its dead letters", "ok    notifications"],
    );
    check(Mood::Tells("date: Thu, 01 Jan 2026 00:00:00 GMT"), &["WRONG clock", "by NTP"]);
    check(Mood::Tells("x-amz-bucket-region: eu-west-1"), &["WRONG region", "`region = \"eu-west-1\"`"]);
    check(Mood::IsElsewhere("eu-west-1"), &["WRONG bucket", "set `region` to \"eu-west-1\""]);
    check(Mood::TokenExpired, &["WRONG bucket", "the credentials ran out"]);
    check(Mood::MayNotRead, &["WRONG reading", "s3:GetObject"]);
    check(Mood::MayNotWrite, &["WRONG publishing", "`PublishFiles`"]);
    for (action, right) in [
        ("ReceiveMessage", "sqs:ReceiveMessage on the queue `events`"),
        ("DeleteMessage", "sqs:DeleteMessage on the queue `events-dead`"),
        ("ChangeMessageVisibility", "sqs:ChangeMessageVisibility on the queue `commands.fifo`"),
        ("SendMessage", "sqs:SendMessage on the queue `commands.fifo`"),
    ] {
        check(Mood::MayNot(action), &["WRONG rights on it", right]);
    }

    // None to ask with, wherever they are looked for.
    let mut nobody = platform.cli_command(&["doctor"]);
    nobody.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    nobody.env("HOME", platform.home()).env("AWS_EC2_METADATA_DISABLED", "true");
    let words = stdout(&run(&mut nobody));
    assert!(words.contains("WRONG credentials") && words.contains("set AWS_ACCESS_KEY_ID"), "{words}");

    the_wiring(&platform, direct);
}

/// Also where the functions run elsewhere.
fn the_wiring(platform: &Platform, direct: &str) {
    let doctor = || stdout(&platform.cli(&["doctor"]));
    let said = |words: &str, told: &str| assert!(words.contains(told), "it does not say {told:?}: {words}");
    let settings = std::fs::read_to_string(platform.home().join("config.toml")).expect("settings");
    platform.configure("events", "\"none\"");
    platform.configure("sweep_interval_s", 0);
    let words = doctor();
    said(&words, "ok    notifications: s3://workspaces notifies the events queue");
    said(&words, "queue policy: ");

    wire(direct, "{}");
    said(&doctor(), "WRONG notifications: s3://workspaces notifies nobody");
    restore(platform.home(), &settings);
    said(&doctor(), "WRONG notifications: s3://workspaces does not notify arn:");
    let half = "{'QueueConfigurations': [{'QueueArn': 'arn:aws:sqs:us-east-1:000000000000:events', 'Events': ['s3:ObjectCreated:*']}]}";
    wire(direct, half);
    said(&doctor(), "not of ObjectRemoved:*");
}

fn wire(direct: &str, configuration: &str) {
    let program = format!(
        "s3.put_bucket_notification_configuration(Bucket='workspaces', NotificationConfiguration={configuration})"
    );
    succeeded("the wiring is changed", &run(&mut S3::at(Client::Boto3, direct).python(&program, &[])));
}

fn restore(home: &Path, settings: &str) {
    std::fs::write(home.join("config.toml"), settings).expect("the settings are written");
}
