//! What `doctor` finds: one thing is made wrong at a time, and that is what it names, with what to do about it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;

use cloudyknight_tests::client::S3;
use cloudyknight_tests::run::{run, stdout, succeeded};
use cloudyknight_tests::{Backend, Client, Mood, Platform, Proxy, Sqs};
use serde_json::Value;

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
        // What may not be written is worth a note: it may be what somebody chose.
        let well = [Mood::Passes, Mood::MayNotWrite].contains(&mood);
        assert_eq!(doctor.status.code(), Some(i32::from(!well)), "{mood:?}: {words}");
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
    check(Mood::MayNotReadState, &["WRONG platform bucket", "s3:GetObject"]);
    check(Mood::MayNotWrite, &["note  publishing", "archives and `restore` fail", "`AgentMayPublish`"]);
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
    the_queue_policy(&platform, &Sqs::at(direct, &server.queue("events")));
}

#[test]
fn it_says_when_docker_does_not_answer_and_when_its_images_are_not_there() {
    let platform = Platform::start();
    let doctor = |docker: &str| {
        let mut doctor = platform.cli_command(&["doctor"]);
        let output = run(doctor.env("DOCKER_HOST", docker));
        (output.status.code(), stdout(&output))
    };
    let (code, words) = doctor("unix:///var/run/docker.sock");
    assert!(code == Some(0) && words.contains("ok    docker: Docker Engine "), "{words}");
    for image in ["node", "static", "python"] {
        let there = format!("ok    runtime image: workspace-{image}-ephemeral:latest is there");
        assert!(words.contains(&there), "{words}");
    }

    // A port that nobody listens on any more.
    let nobody = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = nobody.local_addr().expect("its address");
    drop(nobody);
    let (code, words) = doctor(&format!("tcp://{address}"));
    assert!(code == Some(1) && words.contains("WRONG docker: "), "{words}");
    assert!(words.contains("start Docker; `./bootstrap.sh` installs and starts it"), "{words}");

    let (code, words) = doctor(&format!("tcp://{}", engine_without_images()));
    assert!(code == Some(1) && words.contains("ok    docker: Docker Engine "), "{words}");
    for image in ["node", "static", "python"] {
        let missing = format!("WRONG runtime image: there is no workspace-{image}-ephemeral:latest");
        assert!(words.contains(&missing), "{words}");
    }
    assert!(words.contains("`docker/build.sh` makes it"), "{words}");
}

/// The machine's Docker, as if it had no images. Answers its address, and goes on until the test ends.
fn engine_without_images() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("its address").to_string();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            std::thread::spawn(move || {
                // Whoever goes away in between has had enough.
                let _ = without_images(&mut client);
            });
        }
    });
    address
}

fn without_images(client: &mut TcpStream) -> std::io::Result<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if client.read(&mut byte)? == 0 {
            return Ok(());
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    if head.lines().next().is_some_and(|line| line.contains("/images/")) {
        let body = r#"{"message":"No such image"}"#;
        let length = body.len();
        let head = "HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\nconnection: close";
        write!(client, "{head}\r\ncontent-length: {length}\r\n\r\n{body}")?;
        return client.shutdown(Shutdown::Both);
    }
    let mut docker = UnixStream::connect("/var/run/docker.sock")?;
    docker.write_all(head.trim_end().as_bytes())?;
    docker.write_all(b"\r\nconnection: close\r\n\r\n")?;
    std::io::copy(&mut docker, client)?;
    client.shutdown(Shutdown::Both)
}

/// The exact line, with the policy that the queue has and without one.
fn the_queue_policy(platform: &Platform, events: &Sqs) {
    let line = || {
        let words = stdout(&platform.cli(&["doctor"]));
        let line = words.lines().find(|line| line.contains(" queue policy: ")).map(str::to_owned);
        line.unwrap_or_else(|| panic!("nothing of the policy: {words}"))
    };
    assert_eq!(line(), "ok    queue policy: it lets S3 send the notifications of the bucket");
    events.set(&[("Policy", "")].into());
    assert_eq!(
        line(),
        "note  queue policy: that of arn:aws:sqs:us-east-1:000000000000:events does not let S3 send what \
         s3://workspaces notifies; this server sends all the same, and AWS would not"
    );
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
    said(&words, "ok    queue policy: it lets S3 send the notifications of the bucket");

    wire(direct, "{}");
    said(&doctor(), "WRONG notifications: s3://workspaces notifies nobody");
    restore(platform.home(), &settings);
    said(&doctor(), "WRONG notifications: s3://workspaces does not notify arn:");
    let half = "{'QueueConfigurations': [{'QueueArn': 'arn:aws:sqs:us-east-1:000000000000:events', 'Events': ['s3:ObjectCreated:*']}]}";
    wire(direct, half);
    said(&doctor(), "not of ObjectRemoved:*");
    // Whoever pushes elsewhere would not be heard.
    let filter = "'Filter': {'Key': {'FilterRules': [{'Name': 'prefix', 'Value': 'app/'}]}}";
    let all = "'Events': ['s3:ObjectCreated:*', 's3:ObjectRemoved:*', 's3:LifecycleExpiration:*']";
    let arn = "'QueueArn': 'arn:aws:sqs:us-east-1:000000000000:events'";
    wire(direct, &format!("{{'QueueConfigurations': [{{{arn}, {all}, {filter}}}]}}"));
    said(
        &doctor(),
        "WRONG notifications: s3://workspaces notifies the queue of ObjectCreated:* only for `app/*`",
    );
    // What EventBridge passes on is not seen from here, and that is nothing wrong.
    wire(direct, "{'EventBridgeConfiguration': {}}");
    said(&doctor(), "note  notifications: s3://workspaces notifies EventBridge");
    said(&doctor(), "?     queue policy: not checked: S3 does not send there itself");
    let diagnosis: Value =
        serde_json::from_str(&stdout(&platform.cli(&["doctor", "--json"]))).expect("a document");
    let unchecked =
        diagnosis["findings"].as_array().expect("findings").iter().filter(|one| one["checked"] == false);
    assert_eq!(unchecked.map(|one| one["check"].as_str().unwrap()).collect::<Vec<_>>(), ["queue policy"]);
    wire(direct, &format!("{{'QueueConfigurations': [{{{arn}, {all}}}]}}"));
    said(&doctor(), "ok    notifications: s3://workspaces notifies the events queue");
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
