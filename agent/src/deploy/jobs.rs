//! Services that may end: migrations, makers of buckets, whatever does its work once. Their end with code 0 is no failure, and
//! they are not started again for it. Whether a container has come to such an end is for Docker to tell, also to an agent that
//! was not there ([`Condition::Completed`]).

use std::collections::{BTreeMap, BTreeSet};

use super::Tools;
use crate::compose::model::{Condition as Awaited, Project, Restart};
use crate::plan::{Condition, Running};
use crate::routes::ServiceRoute;

/// The services that may end, by their names in the file: those that another one waits for until they have; and those that
/// their `restart` does not keep up, unless somebody relies on them to be there: the router, the host at a published port, or
/// a service that waits for their health.
pub fn may_end(project: &Project, routes: &BTreeMap<String, Vec<ServiceRoute>>) -> BTreeSet<String> {
    let is_awaited = |name: &String, condition: Awaited| {
        let mut all = project.services.values().filter_map(|other| other.depends_on.get(name));
        all.any(|on| on.condition == condition)
    };
    let may = |name: &&String| {
        let service = &project.services[*name];
        let is_kept_up = matches!(service.restart, Restart::Always | Restart::UnlessStopped);
        let is_relied_on = routes.get(*name).is_some_and(|own| !own.is_empty())
            || !service.ports.is_empty()
            || is_awaited(name, Awaited::Healthy);
        is_awaited(name, Awaited::CompletedSuccessfully) || !(is_kept_up || is_relied_on)
    };
    project.services.keys().filter(may).cloned().collect()
}

/// Starts again what ended with 0 but not by itself: Docker took it down with it, and brings back only what failed. Answers
/// whether there was anything.
pub async fn wake(tools: &Tools, running: &Running) -> bool {
    let mut woken = false;
    let taken_down = |condition: Condition| condition == Condition::Exited { code: 0 };
    for one in running.live.values().filter(|one| taken_down(one.condition) && one.identity.may_end()) {
        match tools.engine.start(&one.id).await {
            Ok(()) => woken = true,
            // Then it is deployed again.
            Err(error) => tracing::debug!(container = one.name, %error, "it cannot be started again"),
        }
    }
    woken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::{Input, parse, policy::Policy};

    #[test]
    fn who_is_not_kept_up_and_not_relied_on_may_end() {
        let check = |text: &str, expected: &[&str]| {
            let parsed = parse(&Input {
                workspace: &"app".parse().unwrap(),
                file: "compose.yaml",
                text,
                overrides: &[],
                files: &|_| None,
                paths: &|_| false,
                variables: &BTreeMap::new(),
                policy: &Policy::default(),
            });
            let routes = crate::routes::defaults(&"app".parse().unwrap(), "localhost", 80, true, true);
            let routes = BTreeMap::from([("web".to_owned(), routes)]);
            let found = may_end(&parsed.unwrap().project, &routes);
            assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{text}");
        };
        let with = |job: &str| format!("services: {{web: {{image: x}}, job: {{image: x{job}}}}}");
        for may in
            ["", ", restart: 'no'", ", restart: on-failure", ", restart: 'on-failure:3'", ", expose: [80]"]
        {
            check(&with(may), &["job"]);
        }
        for must_not in
            [", restart: always", ", restart: unless-stopped", ", ports: [80]", ", ports: ['8080:80']"]
        {
            check(&with(must_not), &[]);
        }
        let waits = |condition: &str, job: &str| {
            format!(
                "services:\n  web: {{image: x, depends_on: {{job: {{condition: {condition}}}}}}}\n  job: {{image: x{job}}}\n"
            )
        };
        check(&waits("service_started", ""), &["job"]);
        check(&waits("service_healthy", ""), &[]);
        check(&waits("service_completed_successfully", ", restart: always"), &["job"]);
    }
}
