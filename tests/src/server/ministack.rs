//! Ministack, which also deploys templates and runs functions, without Docker.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::{Process, Stage};
use crate::client::python;
use crate::run::{run, succeeded};
use crate::wait::eventually;

pub struct Ministack {
    process: Process,
    endpoint: String,
    certificate: Option<PathBuf>,
}

impl Ministack {
    pub fn start() -> Self {
        let stage = Stage::of("ministack");
        let endpoint = format!("http://{}", stage.ports.address(0));
        let process = stage.command("ministack");
        let process = settled(process, &stage, &endpoint);
        let process = stage.start(process, 0).until("/_ministack/health", |answer| answer.status == 200);
        Self { process, endpoint, certificate: None }
    }

    /// One that lets nobody do what no policy allows, except those who have the keys of all tests; over TLS, without which
    /// the template's own policies refuse everything.
    pub fn enforcing() -> Self {
        let stage = Stage::of("ministack");
        let endpoint = format!("https://localhost:{}", stage.ports.port(0));
        let (certificate, key) = (stage.path().join("certificate.pem"), stage.path().join("key.pem"));
        let mut openssl = Command::new("openssl");
        openssl.args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ]);
        openssl.args([
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-addext",
            "subjectAltName=DNS:localhost",
        ]);
        openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate);
        succeeded("a certificate", &run(&mut openssl));
        let mut command = settled(stage.command("ministack"), &stage, &endpoint);
        command.env("AUTH", "true").env("USE_SSL", "1");
        command.env("MINISTACK_SSL_CERT", &certificate).env("MINISTACK_SSL_KEY", &key);
        // The functions that it runs inherit it.
        command.env("SSL_CERT_FILE", &certificate);
        let process = stage.start(command, 0);
        let look = "import sys, ssl, urllib.request as http
http.urlopen(sys.argv[1], context=ssl.create_default_context(cafile=sys.argv[2]))";
        eventually("ministack answers over TLS", Duration::from_secs(120), || {
            let mut python = python();
            let url = format!("{endpoint}/_ministack/health");
            let answered = run(python.args(["-c", look, &url]).arg(&certificate));
            answered.status.success().then_some(())
        });
        Self { process, endpoint, certificate: Some(certificate) }
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What to trust, where it speaks TLS.
    pub fn certificate(&self) -> Option<&Path> {
        self.certificate.as_deref()
    }

    pub fn log(&self) -> String {
        self.process.log()
    }
}

fn settled(mut command: Command, stage: &Stage, endpoint: &str) -> Command {
    // It would listen on every address, and leave its files in the folder for temporary ones.
    command.env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", stage.ports.port(0).to_string());
    command.env("TMPDIR", stage.path()).env("STATE_DIR", stage.path().join("state"));
    command.env("S3_DATA_DIR", stage.path().join("s3"));
    // Where the functions that it runs find it.
    command.env("AWS_ENDPOINT_URL", endpoint);
    command
}
