//! A service of several containers, as several entries of the plan: `web`, `web~2`, `web~3`. No service can be called so,
//! and the first keeps the name, so that a service that grows or shrinks keeps the containers that it had.

use std::collections::BTreeMap;

use super::images::Image;
use crate::compose::model::Project;
use crate::routes::ServiceRoute;

const MARK: char = '~';

/// The service that an entry belongs to.
pub fn service_of(entry: &str) -> &str {
    entry.split_once(MARK).map_or(entry, |(service, _)| service)
}

/// The number of an entry, from 1.
pub fn number_of(entry: &str) -> u32 {
    entry.split_once(MARK).and_then(|(_, number)| number.parse().ok()).unwrap_or(1)
}

fn further(service: &str, replicas: u32) -> impl Iterator<Item = String> {
    (2..=replicas).map(move |number| format!("{service}{MARK}{number}"))
}

/// Gives each container of each service an entry of its own. Whoever waits for a service waits for all of them.
pub fn expand(
    project: &mut Project,
    images: &mut BTreeMap<String, Image>,
    routes: &mut BTreeMap<String, Vec<ServiceRoute>>,
) {
    let counts: BTreeMap<String, u32> =
        project.services.iter().map(|(name, service)| (name.clone(), service.replicas)).collect();
    for service in project.services.values_mut() {
        let awaited: Vec<_> = service
            .depends_on
            .iter()
            .flat_map(|(name, on)| {
                further(name, counts.get(name).copied().unwrap_or(1)).map(|entry| (entry, *on))
            })
            .collect();
        service.depends_on.extend(awaited);
    }
    for (name, replicas) in &counts {
        for entry in further(name, *replicas) {
            project.services.insert(entry.clone(), project.services[name].clone());
            if let Some(image) = images.get(name).cloned() {
                images.insert(entry.clone(), image);
            }
            if let Some(own) = routes.get(name).cloned() {
                routes.insert(entry, own);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::model::{Condition, DependsOn, ImageSource, Service};

    #[test]
    fn each_container_has_an_entry_and_is_waited_for() {
        let on = DependsOn { condition: Condition::Healthy, required: true, restart: false };
        let plain = || Service::plain(ImageSource::Image("i".into()));
        let db = Service { replicas: 3, ..plain() };
        let web = Service { depends_on: BTreeMap::from([("db".to_owned(), on)]), replicas: 2, ..plain() };
        let mut project = Project {
            workspace: "app".parse().unwrap(),
            services: BTreeMap::from([("db".to_owned(), db), ("web".to_owned(), web)]),
            volumes: BTreeMap::new(),
            networks: BTreeMap::new(),
            fresh: false,
        };
        expand(&mut project, &mut BTreeMap::new(), &mut BTreeMap::new());
        let entries: Vec<&str> = project.services.keys().map(String::as_str).collect();
        assert_eq!(entries, ["db", "db~2", "db~3", "web", "web~2"]);
        for web in ["web", "web~2"] {
            let awaited: Vec<&str> = project.services[web].depends_on.keys().map(String::as_str).collect();
            assert_eq!(awaited, ["db", "db~2", "db~3"]);
        }
        assert_eq!((service_of("db~3"), number_of("db~3")), ("db", 3));
        assert_eq!((service_of("db"), number_of("db")), ("db", 1));
    }
}
