//! The servers of other people, as the stage starts them: they take what real clients put, tell of it, and are gone
//! with everything when they should be.

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
