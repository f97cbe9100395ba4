//! Whether a container that has ended with 0 did so by itself. Docker does not say it of a container; but it tells, for a while,
//! what happened to one, and to be stopped is to be killed first. What is found out is written down in Docker before that is
//! forgotten: what is over by itself is not to be started again, by nobody.

use std::collections::HashMap;

use bollard::models::RestartPolicyNameEnum;
use bollard::query_parameters::EventsOptionsBuilder;
use futures::TryStreamExt;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Engine, EngineError};
use crate::compose::model::Restart;

impl Engine {
    /// What nobody saw and nobody remembers did not end by itself: rather is a job done twice than a database not at all.
    pub(super) async fn ended_by_itself(&self, id: &str) -> Result<bool, EngineError> {
        let inspected = match self.inspect(id).await {
            Err(error) if error.is_not_found() => return Ok(false),
            inspected => inspected?,
        };
        let policy =
            inspected.host_config.and_then(|host| host.restart_policy).and_then(|policy| policy.name);
        if matches!(policy, None | Some(RestartPolicyNameEnum::NO | RestartPolicyNameEnum::EMPTY)) {
            return Ok(true);
        }
        let started = inspected.state.and_then(|state| state.started_at);
        let started = started.and_then(|at| OffsetDateTime::parse(&at, &Rfc3339).ok());
        let Some(started) = started else { return Ok(false) };
        let happened = self.deaths(id, started, OffsetDateTime::now_utc()).await?;
        let by_itself =
            happened.iter().any(|what| what == "die") && !happened.iter().any(|what| what == "kill");
        if by_itself {
            self.set_restart(id, Restart::No).await?;
        }
        Ok(by_itself)
    }

    /// Whether it was killed and whether it died, as far as Docker remembers.
    async fn deaths(
        &self,
        id: &str,
        since: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<Vec<String>, EngineError> {
        let seconds = |at: OffsetDateTime| format!("{}.{:09}", at.unix_timestamp(), at.nanosecond());
        let filters = HashMap::from([
            ("type", vec!["container"]),
            ("container", vec![id]),
            ("event", vec!["kill", "die"]),
        ]);
        let (since, until) = (seconds(since), seconds(until));
        let options = EventsOptionsBuilder::new().filters(&filters).since(&since).until(&until).build();
        let events = self.patient()?.events(Some(options)).try_collect::<Vec<_>>().await;
        let events = events.map_err(|error| EngineError::of("read what happened to a container", error))?;
        Ok(events.into_iter().filter_map(|event| event.action).collect())
    }
}
