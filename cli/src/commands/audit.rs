//! `cloudyknight audit`: who changed what through the API, the newest first.

use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::client::Client;
use crate::home::Home;
use crate::output::Output;
use crate::show;

/// What `audit --json` prints.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct Audit {
    entries: Vec<Entry>,
    /// Where older ones begin, for the API; null at the end.
    next: Option<String>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct Entry {
    id: String,
    /// RFC 3339, UTC.
    at: String,
    who: String,
    role: String,
    method: String,
    path: String,
    workspace: Option<String>,
    /// What the API answered, as HTTP has it.
    status: u16,
}

pub async fn run(home: &Home, limit: u16, output: Output) -> anyhow::Result<ExitCode> {
    let audit: Audit = Client::new(home)?.get(&format!("/api/v1/audit?limit={limit}")).await?;
    if output.is_json() {
        anstream::println!("{}", serde_json::to_string(&audit)?);
    } else if audit.entries.is_empty() {
        anstream::println!("Nobody has changed anything through the API yet.");
    } else {
        anstream::print!("{}", table(&audit.entries));
    }
    Ok(ExitCode::SUCCESS)
}

fn table(entries: &[Entry]) -> String {
    let header = ["WHEN", "WHO", "ROLE", "WHAT", "ANSWER"].map(str::to_owned);
    let rows = entries.iter().map(|entry| {
        let Entry { at, who, role, method, path, status, .. } = entry;
        let what = format!("{method} {}", path.escape_debug());
        [show::when(at), who.escape_debug().to_string(), role.clone(), what, status.to_string()]
    });
    show::columns(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_who_did_what_and_how_it_was_answered() {
        let entry = Entry {
            id: "1".into(),
            at: "2026-11-23T12:00:00.123Z".into(),
            who: "ci".into(),
            role: "deploy".into(),
            method: "POST".into(),
            path: "/api/v1/workspaces/shop/rollback".into(),
            workspace: Some("shop".into()),
            status: 200,
        };
        insta::assert_snapshot!(table(&[entry]), @r"
        WHEN                  WHO  ROLE    WHAT                                   ANSWER
        2026-11-23 12:00:00Z  ci   deploy  POST /api/v1/workspaces/shop/rollback  200
        ");
    }
}
