//! What a function that cannot start says.

use std::net::SocketAddr;
use std::process::Stdio;

use crate::function::{SOON, command};

#[tokio::test]
async fn a_function_without_a_setting_says_which_and_ends() {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    for (function, settings) in [
        ("object_changed", vec!["WORKSPACES_BUCKET", "COMMANDS_QUEUE_URL"]),
        ("sweep", vec!["WORKSPACES_BUCKET", "PLATFORM_BUCKET", "COMMANDS_QUEUE_URL"]),
        ("dead_letter", vec!["WORKSPACES_BUCKET", "PLATFORM_BUCKET"]),
        ("ingest", vec!["WORKSPACES_BUCKET", "EVENTS_QUEUE_URL", "INGEST_TOKEN"]),
    ] {
        for missing in &settings {
            let mut command = command(function, nowhere);
            command.envs(settings.iter().map(|name| (name, "http://127.0.0.1:9/queue")));
            // An empty one is as good as none.
            command.env(missing, "").stdout(Stdio::piped()).stderr(Stdio::piped());
            let ended = tokio::time::timeout(SOON, command.output()).await.expect("it ends").unwrap();
            assert!(!ended.status.success());
            let log = String::from_utf8(ended.stdout).unwrap();
            let told = format!("the environment variable {missing} must be set, and not empty");
            assert!(log.contains(&told), "{function} without {missing}: {log}");
        }
    }
}
