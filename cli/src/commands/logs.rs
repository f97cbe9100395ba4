//! `cloudyknight logs`: what the containers of a workspace say, or its last build, or the platform.

use std::io::Write;
use std::process::ExitCode;

use cloudyknight_core::status::WorkspaceStatus;
use serde::Serialize;
use utoipa::ToSchema;

use crate::args;
use crate::client::{Client, segment, workspace};
use crate::errors::{Hinted, hinted};
use crate::home::Home;
use crate::output::Output;
use crate::suggest;

/// What `logs --json` prints, one a line.
#[derive(Serialize, ToSchema)]
#[schema(as = LogLine)]
pub struct Line {
    line: String,
}

pub async fn run(home: &Home, asked: &args::Logs, output: Output) -> anyhow::Result<ExitCode> {
    let client = Client::new(home)?;
    let mut lines = Lines::default();
    let mut write = |text: &[u8]| {
        let mut out = std::io::stdout().lock();
        let written = if output.is_json() {
            lines.take(text).into_iter().try_for_each(|line| {
                let line = serde_json::to_string(&Line { line }).expect("it is plain data");
                writeln!(out, "{line}")
            })
        } else {
            out.write_all(text)
        };
        // Whoever reads may stop reading, as `head` does.
        if written.and_then(|()| out.flush()).is_err() {
            std::process::exit(0);
        }
    };
    match client.stream(&path(asked), |piece| write(piece)).await {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(mistyped_service(&client, asked, error).await),
    }
}

fn path(asked: &args::Logs) -> String {
    let args::Logs { name, service, tail, follow, timestamps, build, platform } = asked;
    let name = name.as_deref().unwrap_or_default();
    if *platform {
        return format!("/api/v1/platform/log?tail={tail}&follow={follow}");
    }
    if *build {
        return workspace(name, &format!("build-log?tail={tail}&follow={follow}"));
    }
    let service =
        service.as_ref().map(|service| format!("&service={}", segment(service))).unwrap_or_default();
    let timestamps = if *timestamps { "&timestamps=true" } else { "" };
    workspace(name, &format!("logs?tail={tail}&follow={follow}{service}{timestamps}"))
}

/// The error, with the service in its hint that may have been meant.
async fn mistyped_service(client: &Client, asked: &args::Logs, error: anyhow::Error) -> anyhow::Error {
    let (Some(name), Some(service)) = (&asked.name, &asked.service) else { return error };
    let Some(Hinted { message, hint }) = error.downcast_ref() else { return error };
    let status: anyhow::Result<WorkspaceStatus> = client.get(workspace(name, "").trim_end_matches('/')).await;
    let Ok(status) = status else { return error };
    let services: Vec<&str> = status.services.iter().map(|one| one.service.as_str()).collect();
    if services.contains(&service.as_str()) {
        return error;
    }
    hinted(message, suggest::hint(service, services, hint))
}

/// Whole lines out of pieces.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn take(&mut self, piece: &[u8]) -> Vec<String> {
        self.0.extend_from_slice(piece);
        let end = self.0.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let whole: Vec<u8> = self.0.drain(..end).collect();
        String::from_utf8_lossy(&whole).lines().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_from_pieces() {
        let mut lines = Lines::default();
        assert_eq!(lines.take(b"one\ntw"), ["one"]);
        assert_eq!(lines.take(b"o"), [""; 0]);
        assert_eq!(lines.take(b"\nthree\n"), ["two", "three"]);
    }

    #[test]
    fn each_kind_of_log_has_its_path() {
        use clap::Parser;
        let check = |arguments: &str, expected: &str| {
            let all = ["cloudyknight", "logs"].into_iter().chain(arguments.split(' '));
            let args::Command::Logs(asked) = args::Args::try_parse_from(all).unwrap().command else {
                panic!("{arguments}")
            };
            assert_eq!(path(&asked), format!("/api/v1{expected}"));
        };
        check("shop", "/workspaces/shop/logs?tail=100&follow=false");
        check("shop -f -n 5", "/workspaces/shop/logs?tail=5&follow=true");
        check(
            "shop --service a/b -t",
            "/workspaces/shop/logs?tail=100&follow=false&service=a%2Fb&timestamps=true",
        );
        check("shop --build", "/workspaces/shop/build-log?tail=100&follow=false");
        check("--platform -n 3", "/platform/log?tail=3&follow=false");
    }
}
