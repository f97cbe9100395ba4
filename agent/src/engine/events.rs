//! What Docker does by itself: containers that it starts again.

use bollard::query_parameters::EventsOptionsBuilder;
use cloudyknight_core::workspace::WorkspaceName;
use futures::{Stream, StreamExt};

use super::{Engine, EngineError};
use crate::identity::WORKSPACE;

/// Something happened to a container of this workspace that we may not have done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    pub workspace: WorkspaceName,
}

impl Engine {
    /// Starts of our containers, since that time (in seconds of the Unix epoch), until the connection ends.
    pub fn happenings(
        &self,
        since: i64,
    ) -> Result<impl Stream<Item = Result<Happened, EngineError>> + '_, EngineError> {
        let mut filters = self.ours(None);
        filters.insert("type".into(), vec!["container".into()]);
        filters.insert("event".into(), vec!["start".into()]);
        let options = EventsOptionsBuilder::new().filters(&filters).since(&since.to_string()).build();
        Ok(self.patient()?.events(Some(options)).filter_map(|event| async {
            let event = match event {
                Ok(event) => event,
                Err(error) => return Some(Err(EngineError::of("follow events", error))),
            };
            let attributes = event.actor?.attributes?;
            let workspace = attributes.get(WORKSPACE)?.parse().ok()?;
            Some(Ok(Happened { workspace }))
        }))
    }
}
