//! What the platform needs of its host: Docker with the runtime images, and memory for sources.

use cloudyknight_agent::engine::Engine;

use super::{Findings, fine, wrong};
use crate::config::Config;
use crate::home::Home;

const RUNTIMES: [&str; 3] = [
    "workspace-node-ephemeral:latest",
    "workspace-static-ephemeral:latest",
    "workspace-python-ephemeral:latest",
];

pub async fn docker(config: &Config, home: &Home, findings: &mut Findings) {
    let engine = Engine::new(config.docker_host.clone(), home.platform());
    let version = match engine.ready().await {
        Ok(version) => version,
        Err(error) => {
            let message = cloudyknight_agent::deploy::with_causes(&error);
            findings.push(wrong("docker", message, "start Docker; `./bootstrap.sh` installs and starts it"));
            return;
        }
    };
    findings.push(fine("docker", format!("Docker Engine {version} answers")));
    for image in RUNTIMES {
        findings.push(match engine.image(image).await {
            Ok(Some(_)) => fine("runtime image", format!("{image} is there")),
            Ok(None) => wrong("runtime image", format!("there is no {image}"), "`docker/build.sh` makes it"),
            Err(error) => wrong("runtime image", error.to_string(), "is Docker well?"),
        });
    }
}

/// Below this, a single larger workspace can fill the memory that holds the sources.
const LITTLE_MB: u64 = 256;

pub fn source_dir(config: &Config, findings: &mut Findings) {
    let dir = &config.source_dir;
    findings.push(match rustix::fs::statvfs(dir) {
        Ok(space) => {
            let free = space.f_bavail * space.f_frsize / 1024 / 1024;
            let message = format!("{} has {free} MB free", dir.display());
            if free >= LITTLE_MB {
                fine("memory for sources", message)
            } else {
                wrong(
                    "memory for sources",
                    message,
                    "make the tmpfs larger, or set `source_dir` to another one",
                )
            }
        }
        Err(error) => {
            wrong("memory for sources", format!("{}: {error}", dir.display()), "set `source_dir` to a tmpfs")
        }
    });
}
