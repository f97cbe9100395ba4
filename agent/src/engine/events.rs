//! What Docker does by itself: containers that end, and that it starts again.

use std::collections::HashMap;

use bollard::query_parameters::EventsOptionsBuilder;
use cloudyknight_core::workspace::WorkspaceName;
use futures::{Stream, StreamExt};

use super::{Engine, EngineError};
use crate::identity::WORKSPACE;

/// Something happened to a container of this workspace that we may not have done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    pub workspace: WorkspaceName,
    /// Its id.
    pub container: String,
    pub what: What,
    /// In nanoseconds of the Unix epoch by Docker's clock, where Docker says it.
    pub at: Option<i128>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Started,
    Died {
        code: i64,
    },
    /// The kernel ended a process in it for want of memory.
    Starved,
    /// Its own health check says so.
    Unhealthy,
}

impl What {
    fn of(action: &str, attributes: &HashMap<String, String>) -> Option<Self> {
        match action {
            "start" => Some(Self::Started),
            "die" => {
                let code = attributes.get("exitCode").and_then(|code| code.parse().ok()).unwrap_or(-1);
                Some(Self::Died { code })
            }
            "oom" => Some(Self::Starved),
            "health_status: unhealthy" => Some(Self::Unhealthy),
            _ => None,
        }
    }
}

impl Engine {
    /// What happens to our containers, since that time (in seconds of the Unix epoch), until the connection ends.
    pub fn happenings(
        &self,
        since: i64,
    ) -> Result<impl Stream<Item = Result<Happened, EngineError>> + '_, EngineError> {
        let mut filters = self.ours(None);
        filters.insert("type".into(), vec!["container".into()]);
        filters.insert("event".into(), ["start", "die", "oom", "health_status"].map(String::from).into());
        let options = EventsOptionsBuilder::new().filters(&filters).since(&since.to_string()).build();
        Ok(self.patient()?.events(Some(options)).filter_map(|event| async {
            let event = match event {
                Ok(event) => event,
                Err(error) => return Some(Err(EngineError::of("follow events", error))),
            };
            let at = event.time_nano.map(i128::from);
            let actor = event.actor?;
            let attributes = actor.attributes?;
            let what = What::of(&event.action?, &attributes)?;
            let workspace = attributes.get(WORKSPACE)?.parse().ok()?;
            Some(Ok(Happened { workspace, container: actor.id?, what, at }))
        }))
    }
}
