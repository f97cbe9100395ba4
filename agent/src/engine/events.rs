//! What Docker does by itself: containers that end, and that it starts again.

use std::collections::HashMap;

use bollard::query_parameters::EventsOptionsBuilder;
use cloudyknight_core::workspace::WorkspaceName;
use futures::{Stream, StreamExt};

use super::{Engine, EngineError};
use crate::identity::{IDENTITY, Identity, WORKSPACE};

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
    /// It died with 0, and may, and serves or did.
    Ended,
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
                Some(if code == 0 && may_end(attributes) { Self::Ended } else { Self::Died { code } })
            }
            "oom" => Some(Self::Starved),
            "health_status: unhealthy" => Some(Self::Unhealthy),
            _ => None,
        }
    }
}

/// Docker tells the labels of a container, and its name, with what happens to it.
fn may_end(attributes: &HashMap<String, String>) -> bool {
    let identity = attributes.get(IDENTITY).and_then(|text| Identity::read(text));
    let name = attributes.get("name").map(String::as_str).unwrap_or_default();
    identity.is_some_and(|identity| identity.may_end() && identity.retired_by(name).is_none())
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
