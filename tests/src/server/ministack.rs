//! Ministack, which also deploys templates and runs functions, without Docker.

use super::process::{Process, Stage};

pub struct Ministack(Process);

impl Ministack {
    pub fn start() -> Self {
        let stage = Stage::of("ministack");
        let mut command = stage.command("ministack");
        // It would listen on every address, and leave its files in the folder for temporary ones.
        command.env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", stage.ports.port(0).to_string());
        command.env("TMPDIR", stage.path()).env("STATE_DIR", stage.path().join("state"));
        command.env("S3_DATA_DIR", stage.path().join("s3"));
        // Where the functions that it runs find it.
        command.env("AWS_ENDPOINT_URL", format!("http://{}", stage.ports.address(0)));
        Self(stage.start(command, 0).until("/_ministack/health", |answer| answer.status == 200))
    }

    pub fn endpoint(&self) -> &str {
        self.0.endpoint()
    }
}
