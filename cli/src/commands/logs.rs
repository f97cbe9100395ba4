//! `cloudyknight logs`: what the containers of a workspace say.

use std::io::Write;
use std::process::ExitCode;

use serde_json::json;

use crate::client::{Client, segment};
use crate::home::Home;

pub async fn run(
    home: &Home,
    name: &str,
    service: Option<&str>,
    tail: usize,
    follow: bool,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let client = Client::new(home)?;
    let service = service.map(|service| format!("&service={}", segment(service))).unwrap_or_default();
    let path = format!("/api/v1/workspaces/{}/logs?tail={tail}&follow={follow}{service}", segment(name));
    let mut lines = Lines::default();
    let mut write = |text: &[u8]| {
        let mut out = std::io::stdout().lock();
        let written = if as_json {
            lines.take(text).into_iter().try_for_each(|line| writeln!(out, "{}", json!({ "line": line })))
        } else {
            out.write_all(text)
        };
        // Whoever reads may stop reading, as `head` does.
        if written.and_then(|()| out.flush()).is_err() {
            std::process::exit(0);
        }
    };
    client.stream(&path, |piece| write(piece)).await?;
    Ok(ExitCode::SUCCESS)
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
    #[test]
    fn lines_are_put_together_from_pieces() {
        let mut lines = super::Lines::default();
        assert_eq!(lines.take(b"one\ntw"), ["one"]);
        assert_eq!(lines.take(b"o"), [""; 0]);
        assert_eq!(lines.take(b"\nthree\n"), ["two", "three"]);
    }
}
