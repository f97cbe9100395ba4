//! What everybody may know of what is live here: the list that the landing page shows.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::status::{State, WorkspaceStatus};
use crate::workspace::WorkspaceName;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Catalogue {
    pub version: u32,
    /// By name.
    pub workspaces: Vec<Listed>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Listed {
    #[schema(value_type = String)]
    pub name: WorkspaceName,
    /// What it calls itself, or its name.
    pub title: String,
    pub description: Option<String>,
    /// The URL of a picture, below `url`; or one character to show in its place, such as an emoji.
    pub icon: Option<String>,
    pub url: String,
    /// Where it answers below the address at which the platform answers, whatever that is called; `None` for one that has
    /// only host names of its own.
    pub path: Option<String>,
}

/// Not apps of somebody: the platform's own pages.
const OWN: [&str; 2] = ["monitor", "www"];

impl Catalogue {
    pub const VERSION: u32 = 1;

    /// Of all statuses those of which everybody may know. `edge_url` is what the edge is called from outside.
    pub fn of(statuses: impl IntoIterator<Item = WorkspaceStatus>, edge_url: &str) -> Self {
        let mut workspaces: Vec<Listed> =
            statuses.into_iter().filter_map(|status| listed(status, edge_url)).collect();
        workspaces.sort_by(|a, b| a.name.cmp(&b.name));
        Self { version: Self::VERSION, workspaces }
    }
}

fn listed(status: WorkspaceStatus, edge_url: &str) -> Option<Listed> {
    let serves = matches!(status.state, State::Live | State::Updating | State::Degraded);
    // One that went live before anybody asked what it says about itself may have a guard.
    let about = status.about.filter(|about| about.public && serves)?;
    let name = status.workspace;
    if OWN.contains(&name.as_str()) {
        return None;
    }
    let mut url = status.urls.into_iter().next()?;
    let path = url.strip_prefix(edge_url).filter(|path| path.starts_with('/')).map(|path| {
        // A folder: what it links to is below it.
        if path.ends_with('/') { path.to_owned() } else { format!("{path}/") }
    });
    if let Some(path) = &path {
        url = format!("{edge_url}{path}");
    }
    Some(Listed {
        icon: about.icon_at(&url),
        title: about.title.unwrap_or_else(|| name.to_string()),
        description: about.description,
        name,
        url,
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::About;

    const EDGE: &str = "http://localhost:8080";

    fn status(name: &str, state: State, urls: &[&str]) -> WorkspaceStatus {
        let mut status = WorkspaceStatus::new(name.parse().unwrap(), String::new());
        status.state = state;
        status.urls = urls.iter().map(|url| (*url).to_owned()).collect();
        let (icon, title) = (Some("i.svg".to_owned()), Some("Title".to_owned()));
        status.about = Some(About { title, description: None, icon, public: true });
        status
    }

    fn names(statuses: Vec<WorkspaceStatus>) -> Vec<String> {
        Catalogue::of(statuses, EDGE).workspaces.into_iter().map(|one| one.name.to_string()).collect()
    }

    #[test]
    fn what_serves_and_is_public_is_listed_and_nothing_of_the_platform_itself() {
        let at = |name: &str, state| status(name, state, &[&format!("{EDGE}/{name}/")]);
        let mut hidden = at("hidden", State::Live);
        hidden.about.as_mut().unwrap().public = false;
        let mut silent = at("silent", State::Live);
        silent.about = None;
        let all = vec![
            at("shop", State::Live),
            at("busy", State::Updating),
            at("old", State::Degraded),
            at("new", State::Deploying),
            at("broken", State::Failed),
            at("stopped", State::Stopped),
            at("gone", State::Removed),
            at("ignored", State::Ignored),
            at("monitor", State::Live),
            at("www", State::Live),
            status("worker", State::Live, &[]),
            hidden,
            silent,
        ];
        assert_eq!(names(all), ["busy", "old", "shop"]);
    }

    #[test]
    fn the_first_address_counts_and_its_path_is_told_where_it_is_the_platforms_own() {
        let check = |urls: &[&str], url: &str, path: Option<&str>, icon: &str| {
            let listed = Catalogue::of([status("shop", State::Live, urls)], EDGE).workspaces.remove(0);
            assert_eq!((listed.url.as_str(), listed.path.as_deref()), (url, path));
            assert_eq!(listed.icon.as_deref(), Some(icon));
        };
        let path = "http://localhost:8080/shop/";
        check(&[path, "http://shop.localhost:8080/"], path, Some("/shop/"), &format!("{path}i.svg"));
        check(&["http://localhost:8080/shop"], path, Some("/shop/"), &format!("{path}i.svg"));
        check(&["http://shop.example/"], "http://shop.example/", None, "http://shop.example/i.svg");
        // The edge's address, and more of a port.
        check(&["http://localhost:80801/"], "http://localhost:80801/", None, "http://localhost:80801/i.svg");
    }

    #[test]
    fn one_that_says_nothing_is_called_by_its_name() {
        let mut silent = status("shop", State::Live, &["http://localhost:8080/shop/"]);
        silent.about = Some(About { title: None, description: None, icon: None, public: true });
        let listed = Catalogue::of([silent], EDGE).workspaces.remove(0);
        assert_eq!((listed.title.as_str(), listed.icon), ("shop", None));
    }
}
