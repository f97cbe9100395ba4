//! A healthy workspace beside the one that a test is about: whatever happens there, this one notices nothing.

use crate::client::Client;
use crate::platform::Platform;
use crate::visitor::Visitor;

pub struct Neighbour<'a> {
    platform: &'a Platform,
    container: String,
    started_at: String,
    visitor: Visitor,
}

const NAME: &str = "neighbour";
const WORDS: &str = "all is well next door";

impl<'a> Neighbour<'a> {
    /// Deploys it, and asks it for its page from now on.
    pub fn of(platform: &'a Platform) -> Self {
        platform.s3(Client::Boto3).put("neighbour/index.html", WORDS);
        platform.live(NAME);
        let container = platform.docker().container_of(NAME);
        let started_at = started_at(platform, &container);
        Self { platform, container, started_at, visitor: Visitor::at(platform, "/neighbour/") }
    }

    /// It has kept its container, which was not even restarted, and has answered all the time.
    #[track_caller]
    pub fn is_unhurt(self) {
        let container = self.platform.docker().container_of(NAME);
        assert_eq!(container, self.container, "the neighbour keeps its container");
        assert_eq!(started_at(self.platform, &container), self.started_at, "which runs on");
        let status = self.platform.status(NAME);
        assert_eq!(status["state"], "live", "{status:#}");
        let visits = self.visitor.leave();
        visits.all_answered();
        assert_eq!(visits.bodies, [WORDS]);
    }
}

fn started_at(platform: &Platform, container: &str) -> String {
    platform.docker().inspect(container, "{{.State.StartedAt}} {{.RestartCount}}")
}
