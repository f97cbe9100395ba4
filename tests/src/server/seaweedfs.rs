//! SeaweedFS, all of it in one process. It has no queues and sends no notifications of buckets.

use super::process::{Process, Stage};
use super::{ACCESS_KEY, SECRET_KEY};

pub struct SeaweedFs(Process);

const S3: u16 = 0;

impl SeaweedFs {
    pub fn start() -> Self {
        let stage = Stage::of("seaweedfs");
        let identity = serde_json::json!({
            "name": "test",
            "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
            "actions": ["Admin"],
        });
        let config = serde_json::json!({"identities": [identity]}).to_string();
        std::fs::write(stage.path().join("s3.json"), config).expect("a file");
        std::fs::create_dir(stage.path().join("data")).expect("a folder");

        let mut command = stage.command("weed");
        command.args(["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-dir=data"]);
        command.args(["-s3", "-s3.config=s3.json", "-s3.iam=false"]);
        command.args(["-master.volumeSizeLimitMB=128", "-volume.max=50", "-filer"]);
        // Each part wants two ports, and takes fixed ones unless it is told.
        let parts = [("s3", S3), ("master", 2), ("volume", 4), ("filer", 6)];
        for (part, at) in parts {
            command.arg(format!("-{part}.port={}", stage.ports.port(at)));
            command.arg(format!("-{part}.port.grpc={}", stage.ports.port(at + 1)));
        }
        command.args(["-s3.port.iceberg=0", "-s3.port.lance=0"]);
        command.env("TMPDIR", stage.path());
        // Whoever says no to strangers is there.
        Self(stage.start(command, S3).until("/", |answer| answer.status == 403))
    }

    pub fn endpoint(&self) -> &str {
        self.0.endpoint()
    }
}
