//! What the running platform says of itself.

use serde_json::Value;

use super::{Findings, broken, fine, noted, wrong};
use crate::client::Client;
use crate::home::Home;

pub async fn platform(home: &Home, findings: &mut Findings) {
    let asked = match Client::new(home) {
        Ok(client) => client.get::<Value>("/api/v1/platform").await,
        Err(error) => Err(error),
    };
    let platform = match asked {
        Ok(platform) => platform,
        Err(error) => {
            findings.push(broken("platform", error, "`cloudyknight up` starts it"));
            return;
        }
    };
    findings.push(fine("platform", "its API answers"));
    for (check, part) in [
        ("agent to docker", "docker"),
        ("agent to edge", "edge"),
        ("agent to bucket", "bucket"),
        ("agent to platform bucket", "platform_bucket"),
        ("agent to commands", "commands"),
        ("functions to events", "events"),
        ("functions to commands", "commands_sent"),
    ] {
        let text = |field| platform.pointer(&format!("/{part}/{field}")).and_then(Value::as_str);
        // The functions run elsewhere.
        if platform.get(part).is_none_or(Value::is_null) {
            continue;
        }
        findings.push(match text("message") {
            None => fine(check, "answers"),
            Some(message) => {
                wrong(check, message, text("hint").unwrap_or("its log is in the `log` folder of the home"))
            }
        });
    }
    let text = |field| platform.pointer(&format!("/firewall/{field}")).and_then(Value::as_str);
    findings.push(match text("message") {
        None => fine("firewall", "containers reach neither the platform's own doors nor metadata services"),
        Some(message) => wrong("firewall", message, text("hint").unwrap_or_default()),
    });
    let text = |field| platform.pointer(&format!("/policy/{field}")).and_then(Value::as_str);
    findings.push(match text("message") {
        None => fine("policy", "what its file says holds"),
        Some(message) => wrong("policy", message, text("hint").unwrap_or_default()),
    });
    if let Some(at) = platform.pointer("/rival_at").and_then(Value::as_str) {
        findings.push(wrong(
            "only agent",
            format!("another agent wrote to the platform bucket at {at}"),
            "stop the other platform, or give one of them buckets of its own; a restart forgets this",
        ));
    }
    // `null` where the functions run elsewhere.
    if let Some(notifications) = platform.get("notifications").filter(|told| !told.is_null()) {
        let doubts = notifications.get("doubts").and_then(Value::as_u64).unwrap_or_default();
        let last = |field| notifications.pointer(&format!("/last_doubt/{field}")).and_then(Value::as_str);
        findings.push(match (doubts, last("message"), last("at")) {
            (1.., Some(message), Some(at)) => noted(
                "events",
                format!("{doubts} records were not wholly understood since the start, the last one at {at}: {message}"),
                "their workspaces were looked at all the same; a newer version of the platform may understand them",
            ),
            _ => fine("events", "all were understood since the start"),
        });
    }
    let letters = platform.get("dead_letters").and_then(Value::as_array).map_or(0, Vec::len);
    findings.push(match letters {
        0 => fine("dead letters", "none"),
        count => wrong(
            "dead letters",
            format!("{count} messages were given up on"),
            "`cloudyknight status` lists them; one that is dealt with is forgotten when its document is deleted",
        ),
    });
}
