//! The servers of other people, as the stage starts them: they take what real clients put, tell of it, and are gone
//! with everything when they should be.

use std::path::Path;
use std::time::Duration;

use cloudyknight_tests::client::S3;
use cloudyknight_tests::{Backend, Client, Sqs, eventually};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_put_on_localstack_is_told_to_the_events_queue() {
    tells(&Backend::localstack());
}

#[test]
fn a_put_on_moto_is_told_to_the_events_queue() {
    tells(&Backend::moto());
}

#[test]
fn a_put_on_ministack_is_told_to_the_events_queue() {
    tells(&Backend::ministack());
}

#[test]
fn a_put_on_seaweedfs_is_listed_by_every_client() {
    lists(&Backend::seaweedfs());
}

#[test]
fn a_server_on_moto_ends_with_its_owner() {
    let server = Backend::moto();
    let address = server.endpoint().expect("it listens").replace("http://", "");
    assert!(std::net::TcpStream::connect(&address).is_ok());
    drop(server);
    assert!(std::net::TcpStream::connect(&address).is_err());
}

/// test.sh leaves those tests out, by their names, whose server cannot be had: one that did not say so would fail.
#[test]
fn a_test_that_starts_a_server_says_which_in_its_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut tests = 0;
    for folder in ["tests/tests", "store/tests/servers", "functions/tests/lambda"] {
        for entry in std::fs::read_dir(root.join(folder)).expect(folder) {
            let path = entry.expect("an entry").path();
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            for test in text.split("test]\n").skip(1) {
                let test = test.split("\n}\n").next().unwrap_or_default();
                let name = test.split("fn ").nth(1).and_then(|rest| rest.split('(').next());
                let name = name.unwrap_or_else(|| panic!("{}: no name: {test}", path.display()));
                for (server, starts) in STARTS {
                    if starts.iter().any(|one| test.contains(one)) {
                        tests += 1;
                        assert!(name.contains(&format!("on_{server}")), "{}: {name}", path.display());
                    }
                }
            }
        }
    }
    assert!(tests > 50, "only {tests} start a server");
}

/// What a test says that starts one.
const STARTS: [(&str, &[&str]); 4] = [
    ("localstack", &["Backend::localstack()", "Server::start(\"localstack\")"]),
    ("moto", &["Backend::moto()", "Server::start(\"moto\")"]),
    (
        "ministack",
        &[
            "Backend::ministack()",
            "Backend::deployed()",
            "Server::start(\"ministack\")",
            "Cloud::start()",
            "Deployed::with(",
        ],
    ),
    ("seaweedfs", &["Backend::seaweedfs()", "Server::start(\"seaweedfs\")"]),
];

fn lists(backend: &Backend) {
    let endpoint = backend.endpoint().expect("it listens");
    for client in Client::ALL {
        S3::at(client, endpoint).put(&format!("app/{client:?}"), "content");
        assert!(S3::at(Client::Boto3, endpoint).ls("app/").contains(&format!("app/{client:?}")));
    }
}

fn tells(backend: &Backend) {
    lists(backend);
    let endpoint = backend.endpoint().expect("it listens");
    let [events, commands] = ["events", "commands.fifo"].map(|name| Sqs::at(endpoint, &backend.queue(name)));
    let mut told = String::new();
    eventually("every put is told", PATIENCE, || {
        told.extend(events.take());
        Client::ALL.iter().all(|client| told.contains(&format!("{client:?}"))).then_some(())
    });
    commands.send_in_group("app", "once", "words");
    assert_eq!(commands.take(), ["words"]);
    assert_eq!(commands.depth(), 0);
}
