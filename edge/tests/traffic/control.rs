//! The agent's view: the control socket, and what an edge remembers over a restart.

use std::path::Path;

use cloudyknight_core::route::RouteTable;
use cloudyknight_edge::control::{self, Client, ControlError};
use cloudyknight_edge::{Options, TableError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::stage::{Stage, Stand, route, until};

/// An edge with a control socket, and the agent's client for it.
async fn with_control(folder: &Path) -> (Stage, Client) {
    let stage =
        Stage::with(Options { saved_table: Some(folder.join("routes.json")), ..Options::default() }).await;
    let socket = folder.join("edge.sock");
    let listener = control::bind(&socket).await.unwrap();
    tokio::spawn(control::serve(stage.edge.clone(), listener, stage.stop.clone().cancelled_owned()));
    (stage, Client::new(socket))
}

#[tokio::test]
async fn a_table_that_was_put_is_in_force_and_readable() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, agent) = with_control(folder.path()).await;
    let stand = Stand::named("there").await;
    assert_eq!(agent.health().await.unwrap().generation, 0);
    assert_eq!(agent.routes().await.unwrap(), RouteTable::default());
    let table = RouteTable::new(vec![route("app", "PathPrefix(`/app`)", &[&stand])]);
    let in_force = agent.put_routes(&table).await.unwrap();
    assert_eq!((in_force.generation, in_force.not_saved), (1, None));
    assert_eq!(stage.get("/app").await.1, "there");
    assert_eq!(agent.routes().await.unwrap(), table);
    assert_eq!(agent.stats().await.unwrap().routes[0].requests, 1);
    let known = agent.backends().await.unwrap();
    assert_eq!((known[0].id.as_str(), known[0].in_flight, known[0].in_table), (stand.id.as_str(), 0, true));
    assert_eq!(agent.in_flight("unheard of").await.unwrap(), 0);
    assert_eq!(agent.health().await.unwrap().routes, 1);
}

#[tokio::test]
async fn a_table_with_one_bad_rule_is_refused_and_the_old_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, agent) = with_control(folder.path()).await;
    let stand = Stand::named("there").await;
    let good = RouteTable::new(vec![route("app", "PathPrefix(`/app`)", &[&stand])]);
    agent.put_routes(&good).await.unwrap();
    let bad = RouteTable::new(vec![route("app", "PathPrefix(`/app`", &[])]);
    let refused = agent.put_routes(&bad).await.unwrap_err();
    let ControlError::Refused { status, why, .. } = &refused else { panic!("{refused}") };
    assert_eq!(status.as_u16(), 422);
    assert!(why.contains("route `app` of workspace `app`") && why.contains("column 18: expected"), "{why}");
    assert_eq!(agent.routes().await.unwrap(), good);
    assert_eq!(stage.get("/app").await.1, "there");
    assert!(matches!(
        stage.edge.replace(RouteTable { version: 3, routes: vec![] }),
        Err(TableError::Version(3))
    ));
}

#[tokio::test]
async fn an_edge_that_restarts_without_the_agent_serves_the_last_table() {
    let folder = tempfile::tempdir().unwrap();
    let stand = Stand::named("there").await;
    let (first, agent) = with_control(folder.path()).await;
    agent.put_routes(&RouteTable::new(vec![route("app", "PathPrefix(`/app`)", &[&stand])])).await.unwrap();
    drop(first);
    until(|| async { matches!(agent.health().await, Err(ControlError::Connect { .. })) }).await;
    let (second, agent) = with_control(folder.path()).await;
    assert_eq!(second.get("/app").await.1, "there");
    assert_eq!(agent.routes().await.unwrap().routes.len(), 1);
}

#[tokio::test]
async fn a_table_that_cannot_be_saved_is_in_force_all_the_same_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, agent) = with_control(folder.path()).await;
    std::fs::create_dir(folder.path().join("routes.json")).unwrap();
    let stand = Stand::named("there").await;
    let table = RouteTable::new(vec![route("app", "PathPrefix(`/app`)", &[&stand])]);
    let in_force = agent.put_routes(&table).await.unwrap();
    assert!(in_force.not_saved.unwrap().contains("routes.json"));
    assert_eq!(stage.get("/app").await.1, "there");
}

#[tokio::test]
async fn an_edge_whose_saved_table_is_broken_starts_and_takes_the_agents() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("routes.json"), "{").unwrap();
    let (stage, agent) = with_control(folder.path()).await;
    assert_eq!(stage.get("/app").await.0.status, 404);
    assert_eq!(agent.put_routes(&RouteTable::default()).await.unwrap().not_saved, None);
}

#[tokio::test]
async fn nonsense_on_the_control_socket_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (_stage, _agent) = with_control(folder.path()).await;
    for (request, expected) in [
        (
            "GET /nothing HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n",
            "the control socket has no GET /nothing",
        ),
        (
            "PUT /routes HTTP/1.1\r\nHost: e\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]",
            "the body is no table",
        ),
    ] {
        let mut stream = UnixStream::connect(folder.path().join("edge.sock")).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 4") && answer.contains(expected), "{answer}");
    }
}
