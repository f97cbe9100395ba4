//! `cloudyknight doctor`: looks at everything the platform needs, and says what to do about what is missing.

use std::process::ExitCode;

use cloudyknight_agent::engine::Engine;
use cloudyknight_store::bucket::Bucket;
use serde::Serialize;
use serde_json::Value;

use crate::args::Listen;
use crate::client::Client;
use crate::config::Config;
use crate::home::Home;
use crate::s3;

#[derive(Serialize)]
struct Finding {
    check: &'static str,
    ok: bool,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

const RUNTIMES: [&str; 2] = ["workspace-node-ephemeral:latest", "workspace-static-ephemeral:latest"];

pub async fn run(home: &Home, json: bool) -> anyhow::Result<ExitCode> {
    let mut findings = Vec::new();
    let config = Config::load(home, &Listen::default());
    findings.push(match &config {
        Ok(_) => fine("settings", format!("{} is well formed or absent", home.config().display())),
        Err(error) => wrong("settings", format!("{error:#}"), "correct the file"),
    });
    let config = config.unwrap_or_default();
    docker(&config, home, &mut findings).await;
    source_dir(&config, &mut findings);
    platform(home, &mut findings).await;
    bucket(home, &mut findings).await;

    let well = findings.iter().all(|finding| finding.ok);
    if json {
        anstream::println!("{}", serde_json::json!({ "ok": well, "findings": findings }));
    } else {
        for finding in &findings {
            let mark = if finding.ok { "ok   " } else { "WRONG" };
            anstream::println!("{mark} {}: {}", finding.check, finding.message);
            if let Some(hint) = &finding.hint {
                anstream::println!("      hint: {hint}");
            }
        }
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn fine(check: &'static str, message: impl Into<String>) -> Finding {
    Finding { check, ok: true, message: message.into(), hint: None }
}

fn wrong(check: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding { check, ok: false, message: message.into(), hint: Some(hint.into()) }
}

async fn docker(config: &Config, home: &Home, findings: &mut Vec<Finding>) {
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

fn source_dir(config: &Config, findings: &mut Vec<Finding>) {
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

async fn platform(home: &Home, findings: &mut Vec<Finding>) {
    let asked = match Client::new(home) {
        Ok(client) => client.get::<Value>("/api/v1/platform").await,
        Err(error) => Err(error),
    };
    let platform = match asked {
        Ok(platform) => platform,
        Err(error) => {
            findings.push(wrong("platform", format!("{error:#}"), "`cloudyknight up` starts it"));
            return;
        }
    };
    findings.push(fine("platform", "its API answers"));
    for (check, part) in
        [("agent to docker", "docker"), ("agent to edge", "edge"), ("agent to bucket", "bucket")]
    {
        let message = platform.pointer(&format!("/{part}/message")).and_then(Value::as_str);
        findings.push(match message {
            None => fine(check, "answers"),
            Some(message) => wrong(check, message, "its log is in the `log` folder of the home"),
        });
    }
    let letters = platform.get("dead_letters").and_then(Value::as_array).map_or(0, Vec::len);
    findings.push(match letters {
        0 => fine("dead letters", "none"),
        count => wrong(
            "dead letters",
            format!("{count} messages were given up on"),
            "the API at /api/v1/platform lists them with their reason",
        ),
    });
}

async fn bucket(home: &Home, findings: &mut Vec<Finding>) {
    let listed = match s3::workspaces(home).await {
        Ok(bucket) => bucket.folders().await.map_err(anyhow::Error::from),
        Err(error) => Err(error),
    };
    findings.push(match listed {
        Ok(folders) => fine("bucket", format!("s3://{} holds {} folders", s3::WORKSPACES, folders.len())),
        Err(error) => {
            wrong("bucket", format!("{error:#}"), "are the credentials those of `cloudyknight env`?")
        }
    });
}
