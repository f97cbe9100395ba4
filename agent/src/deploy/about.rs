//! What a release says about its workspace, and whether everybody may know of it.

use std::collections::BTreeMap;

use cloudyknight_core::about::About;

use super::Prepared;
use crate::routes::ServiceRoute;

/// In bytes. A larger file is not read for what it says about itself.
const LARGEST: u64 = 256 << 10;

pub(super) fn about(prepared: &Prepared) -> About {
    let source = &prepared.source;
    let text = |path: &str| {
        let small = source.layout.files.get(path).is_some_and(|entry| entry.size <= LARGEST);
        if small { source.text(path) } else { None }
    };
    let labels = || prepared.project.services.values().map(|service| &service.labels);
    let (package, page) = (text("package.json"), text("index.html"));
    let about = About::read(package.as_deref(), page.as_deref(), labels());
    let guarded = prepared.routes.values().flatten().any(is_guarded) || labels().any(asks_for_a_guard);
    About { public: about.public && !guarded, ..about }
}

fn is_guarded(route: &ServiceRoute) -> bool {
    route.middlewares.iter().any(|middleware| middleware.guards())
}

/// What keeps people out, in Traefik's words and in lower case.
const GUARDS: [&str; 6] = ["basicauth", "digestauth", "forwardauth", "ipallowlist", "ipwhitelist", "plugin"];

/// Where a Traefik routes, only the labels say it. One that is defined and used nowhere counts as well: at worst a
/// workspace is not listed. What is defined outside of the workspace may be anything.
fn asks_for_a_guard(labels: &BTreeMap<String, String>) -> bool {
    labels.iter().any(|(label, value)| {
        let label = label.to_ascii_lowercase();
        let Some(rest) = label.strip_prefix("traefik.http.") else { return false };
        match rest.split('.').collect::<Vec<_>>().as_slice() {
            ["middlewares", _, kind, ..] => GUARDS.contains(kind),
            ["routers", _, "middlewares"] => {
                value.split(',').any(|name| name.contains('@') && !name.trim_end().ends_with("@docker"))
            }
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_keep_people_out_are_known_in_any_case() {
        let check = |label: &str, value: &str, expected: bool| {
            let labels = BTreeMap::from([(label.to_owned(), value.to_owned())]);
            assert_eq!(asks_for_a_guard(&labels), expected, "{label}={value}");
        };
        check("traefik.http.middlewares.door.basicauth.users", "a:b", true);
        check("traefik.HTTP.Middlewares.door.forwardAuth.address", "http://auth", true);
        check("traefik.http.middlewares.door.ipAllowList.sourcerange", "10.0.0.0/8", true);
        check("traefik.http.middlewares.door.stripprefix.prefixes", "/a", false);
        check("traefik.http.routers.a.middlewares", "strip, auth@file", true);
        check("traefik.http.routers.a.middlewares", "strip@docker,other", false);
        check("traefik.http.routers.a.rule", "Host(`basicauth`)", false);
        check("basicauth", "x", false);
    }
}
