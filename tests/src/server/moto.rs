//! moto, as a server.

use super::process::{Process, Stage};

pub struct Moto(Process);

impl Moto {
    pub fn start() -> Self {
        let stage = Stage::of("moto");
        let mut command = stage.command("moto_server");
        command.args(["-H", "127.0.0.1", "-p", &stage.ports.port(0).to_string()]);
        command.env("TMPDIR", stage.path());
        Self(stage.start(command, 0).until("/moto-api/", |answer| answer.status == 200))
    }

    pub fn endpoint(&self) -> &str {
        self.0.endpoint()
    }
}
