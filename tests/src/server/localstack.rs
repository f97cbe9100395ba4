//! LocalStack without its image, in "host mode", with the init hooks that the compose file in `localstack/` gives it.

use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::Value;

use super::process::{Process, Stage};
use crate::http::Answer;

/// Has made the buckets, the queues and the notifications when it is there.
pub struct LocalStack(Process);

impl LocalStack {
    pub fn start() -> Self {
        let stage = Stage::of("localstack");
        let init = stage.path().join("etc/localstack/init");
        std::fs::create_dir_all(&init).expect("a folder");
        let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../localstack/init/ready.d");
        let hooks = hooks.canonicalize().expect("the hooks of the compose file");
        symlink(hooks, init.join("ready.d")).expect("a link to the hooks");

        let mut command = stage.command("python");
        command.args(["-m", "localstack.runtime.main"]);
        command.env("FILESYSTEM_ROOT", stage.path()).env("GATEWAY_LISTEN", stage.ports.address(0));
        for (name, value) in [
            ("SERVICES", "s3,sqs"),
            ("OVERRIDE_IN_DOCKER", "0"),
            ("DNS_ADDRESS", "0"),
            ("DISABLE_EVENTS", "1"),
            ("SKIP_SSL_CERT_DOWNLOAD", "1"),
            // The usual one listens on every address, whatever it is told.
            ("GATEWAY_SERVER", "hypercorn"),
        ] {
            command.env(name, value);
        }
        Self(stage.start(command, 0).until("/_localstack/init/ready", is_initialised))
    }

    pub fn endpoint(&self) -> &str {
        self.0.endpoint()
    }
}

fn is_initialised(answer: &Answer) -> bool {
    let state: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    for hook in state["scripts"].as_array().into_iter().flatten() {
        assert_ne!(hook["state"], "ERROR", "an init hook failed: {state:#}");
    }
    state["completed"] == true
}
