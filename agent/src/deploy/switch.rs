//! The switch: the edge sends new requests to the new containers, in one step; then the names follow.

use std::collections::{BTreeMap, BTreeSet};

use super::clear::Needs;
use super::retire::Retirement;
use super::start::Started;
use super::{DeployError, Job, Prepared, Tools, names, refresh};
use crate::edge_link::routes_to;
use crate::engine::EngineError;
use crate::identity::Identity;
use crate::plan::{Condition, Plan};
use crate::routes::ServiceRoute;
use crate::settings::Settings;

/// What a release is once its containers have their names.
pub struct Promoted {
    pub retirement: Retirement,
    pub needs: Needs,
    /// Of its containers, by service.
    pub names: BTreeMap<String, String>,
    /// The services that have done their work already.
    pub completed: BTreeSet<String>,
}

/// Replaces the routes of the workspace.
pub async fn routes(tools: &Tools, job: &Job<'_>, plan: &Plan, started: &Started) -> Result<(), DeployError> {
    let mut live = Vec::new();
    for kept in plan.keep.values() {
        let (addresses, _) = tools.engine.addresses(&kept.id).await?;
        live.extend(refresh::address(&addresses, plan.slot).map(|ip| (kept.id.as_str(), &kept.identity, ip)));
    }
    for one in started.containers.values() {
        live.extend(one.address.map(|ip| (one.id.as_str(), &one.identity, ip)));
    }
    Ok(tools.edge.switch(job.workspace, routes_to(live)).await?)
}

/// Gives the new containers their names. The routes are switched: from here on nothing
/// is taken back.
pub async fn promote(
    tools: &Tools,
    job: &Job<'_>,
    prepared: &Prepared,
    plan: &Plan,
    started: &Started,
) -> Result<Promoted, EngineError> {
    let engine = &tools.engine;
    let mut names: BTreeMap<String, String> =
        plan.keep.iter().map(|(service, kept)| (service.clone(), kept.name.clone())).collect();
    for old in &plan.retire {
        match engine.rename(&old.id, &old.identity.retired_name(job.deployment)).await {
            // Somebody removed it already.
            Err(error) if error.is_not_found() => {}
            renamed => renamed?,
        }
    }
    let kept = plan.keep.iter().filter(|(_, kept)| kept.condition == Condition::Completed);
    let mut completed: BTreeSet<String> = kept.map(|(service, _)| service.clone()).collect();
    for (service, one) in &started.containers {
        let (name, has_ended) = make_live(tools, &one.id, &one.identity).await?;
        names.insert(service.clone(), name);
        if has_ended {
            completed.insert(service.clone());
        }
    }
    let platform = engine.platform();
    let networks = prepared.project.services.values().flat_map(|service| service.networks.keys());
    let networks =
        networks.map(|name| names::network_of_any_slot(platform, &prepared.project, name)).collect();
    let retirement = Retirement::of(tools, job.workspace, plan.retire.clone());
    let needs = Needs {
        networks,
        images: prepared.images.values().map(|image| image.id.clone()).collect(),
        keep_images: tools.settings.keep_images,
        sources: sources(plan, started, prepared),
    };
    Ok(Promoted { retirement, needs, names, completed })
}

/// Gives a container that serves its restart policy and its name, and answers the name, and whether it has ended well
/// already. The name was free when the container was made, but another workspace or platform may have taken it since; then
/// it gets one that nobody else has.
pub(super) async fn make_live(
    tools: &Tools,
    container: &str,
    identity: &Identity,
) -> Result<(String, bool), EngineError> {
    // The name last: it is the record that all this is done.
    let ended = if identity.may_end() { tools.engine.outcome(container).await? } else { None };
    let has_ended = ended.is_some_and(|ended| ended.code == 0);
    // That Docker starts it never is also the mark of one that ended by itself.
    if !has_ended {
        tools.engine.set_restart(container, identity.restart_once_live()).await?;
    }
    let name = identity.name.clone();
    match tools.engine.rename(container, &name).await {
        Err(error) if error.is_conflict() => {
            let spare = identity.spare_name();
            tools.engine.rename(container, &spare).await?;
            Ok((spare, has_ended))
        }
        renamed => renamed.map(|()| (name, has_ended)),
    }
}

/// Source folders that containers of the live release mount.
fn sources(plan: &Plan, started: &Started, prepared: &Prepared) -> Vec<String> {
    let kept = plan.keep.values().filter_map(|kept| kept.identity.source.clone());
    let new = started.containers.values().filter_map(|one| one.identity.source.clone());
    // The newest is kept in any case: the next release links what it shares with it.
    kept.chain(new).chain([prepared.source.folder.clone()]).collect()
}

/// Where people find the workspace.
pub fn urls(settings: &Settings, routes: &BTreeMap<String, Vec<ServiceRoute>>) -> Vec<String> {
    let mut urls: Vec<String> =
        routes.values().flatten().flat_map(|route| urls_of(settings, &route.rule)).collect();
    // Paths before hosts: they answer without a name server.
    urls.sort_by_key(|url| (!url.starts_with(&settings.edge_url), url.len(), url.clone()));
    urls.dedup();
    urls
}

/// The addresses that a plain rule names; a rule with conditions on both host and path names one for each host.
fn urls_of(settings: &Settings, rule: &str) -> Vec<String> {
    let arguments = |matcher: &str| -> Vec<String> {
        let mut found = Vec::new();
        for (at, _) in rule.match_indices(&format!("{matcher}(`")) {
            let before = rule[..at].chars().next_back();
            if before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '!') {
                continue;
            }
            let inside = rule[at + matcher.len() + 1..].split(')').next().unwrap_or_default();
            found.extend(inside.split(',').map(|one| one.trim().trim_matches('`').to_owned()));
        }
        found
    };
    let hosts = arguments("Host");
    let mut paths = arguments("PathPrefix");
    if paths.is_empty() {
        paths = arguments("Path");
    }
    let path = paths.first().map_or("/", String::as_str);
    let Some((scheme, authority)) = settings.edge_url.split_once("://") else { return Vec::new() };
    let port = authority.rsplit_once(':').map(|(_, port)| format!(":{port}")).unwrap_or_default();
    if hosts.is_empty() {
        vec![format!("{}{path}", settings.edge_url)]
    } else {
        hosts.iter().map(|host| format!("{scheme}://{host}{port}{path}")).collect()
    }
}
