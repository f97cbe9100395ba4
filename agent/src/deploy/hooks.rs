//! Commands that a compose file wants run inside a container: after its start, and before its stop.

use std::time::Duration;

use super::{DeployError, Tools, retire};
use crate::compose::model::Hook;
use crate::engine::EngineError;
use crate::plan::{Condition, Seen};

/// Runs what is to follow the start; one that fails ends the deployment.
pub async fn after_start(
    tools: &Tools,
    service: &str,
    container: &str,
    hooks: &[Hook],
) -> Result<(), DeployError> {
    for hook in hooks {
        let mut log = Vec::new();
        let limit = tools.settings.health_timeout;
        let message = match tools.engine.hook(container, hook, limit, &mut log).await {
            Ok(0) => continue,
            Ok(code) => format!("ended with {code}"),
            Err(error @ (EngineError::TooLong { .. } | EngineError::Refused { .. })) => error.to_string(),
            Err(error) => return Err(error.into()),
        };
        let command = hook.command.join(" ");
        return Err(DeployError::Hook { service: service.to_owned(), command, message, log });
    }
    Ok(())
}

/// Runs what is to precede the stop of a container, and stops it. Both together have its grace; a hook that fails is
/// told, and keeps nothing alive.
pub async fn stop(tools: &Tools, seen: &Seen) -> Result<(), EngineError> {
    if seen.condition == Condition::Completed {
        return Ok(());
    }
    let grace = seen.identity.stop_grace.unwrap_or(retire::STOP_GRACE);
    let began = tokio::time::Instant::now();
    for hook in &seen.identity.pre_stop {
        let rest = grace.saturating_sub(began.elapsed());
        let mut said = Vec::new();
        let (container, command) = (&seen.name, hook.command.join(" "));
        match tools.engine.hook(&seen.id, hook, rest, &mut said).await {
            Ok(0) => {}
            Ok(code) => {
                tracing::warn!(container, command, code, output = said.join("\n"), "`pre_stop` failed");
            }
            Err(error) => tracing::warn!(container, command, %error, "`pre_stop` failed"),
        }
    }
    let rest = grace.saturating_sub(began.elapsed()).max(Duration::from_secs(1).min(grace));
    tools.engine.stop(&seen.id, rest).await
}
