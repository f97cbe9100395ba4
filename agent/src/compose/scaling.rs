//! `scale` and `deploy`: how many containers a service has, and whether they are started again.

use cloudyknight_core::status::Strategy;

use super::keys;
use super::model::Restart;
use super::node::{Map, Node};
use super::problem::{Problem, quoted};
use super::scope::Scope;

/// The networks of a workspace have room for some thirty containers.
const MAX_REPLICAS: u32 = 20;

pub(super) struct Deploy {
    pub replicas: u32,
    /// Counts where the service says nothing under `restart`.
    pub restart: Option<Restart>,
    /// The same for the strategy under `x-cloudyknight`.
    pub strategy: Option<Strategy>,
}

pub(super) fn deploy(service: &Map, place: &str, scope: &mut Scope<'_>) -> Result<Deploy, Problem> {
    let scale = service.given("scale").map(|node| Ok((replicas(node, "`scale`", place)?, node.at)));
    let scale = scale.transpose()?;
    let mut read = Deploy { replicas: scale.map_or(1, |(number, _)| number), restart: None, strategy: None };
    let Some(node) = service.given("deploy") else { return Ok(read) };
    let map = node.map("`deploy`")?;
    keys::check(map, keys::DEPLOY, &format!("{place}: `deploy`"), scope)?;
    if let Some(node) = map.given("replicas") {
        let number = replicas(node, "`replicas`", place)?;
        if let Some((other, at)) = scale
            && other != number
        {
            let message = format!("{place}: `scale` and `replicas` below `deploy` say different things");
            return Err(Problem::at(at, message).hint("keep one of them"));
        }
        read.replicas = number;
    }
    if let Some(node) = map.given("mode") {
        match node.text("`mode`")? {
            "replicated" => {}
            "global" => {
                if read.replicas != 1 {
                    let message = format!(
                        "{place}: `mode: global` is one container on each engine, and there is one: {} are not to be had",
                        read.replicas
                    );
                    scope.warn(node.at, message);
                }
                read.replicas = 1;
            }
            other => {
                let message = format!("{place}: `mode`: {} is not supported", quoted(other));
                return Err(Problem::at(node.at, message)
                    .hint("a service that others wait for with `service_completed_successfully` runs once"));
            }
        }
    }
    if let Some(node) = map.given("restart_policy") {
        read.restart = Some(restart_policy(node, place, scope)?);
    }
    if let Some(node) = map.given("update_config") {
        read.strategy = update_order(node, place, scope)?;
    }
    Ok(read)
}

fn update_order(node: &Node, place: &str, scope: &mut Scope<'_>) -> Result<Option<Strategy>, Problem> {
    let map = node.map("`update_config`")?;
    keys::check(map, keys::UPDATE_CONFIG, &format!("{place}: `update_config`"), scope)?;
    let Some(node) = map.given("order") else { return Ok(None) };
    match node.text("`order`")? {
        "start-first" => Ok(Some(Strategy::Rolling)),
        "stop-first" => Ok(Some(Strategy::Recreate)),
        other => Err(Problem::at(node.at, format!("`order`: {} is no order", quoted(other)))
            .hint("it is `start-first` or `stop-first`")),
    }
}

fn replicas(node: &Node, what: &str, place: &str) -> Result<u32, Problem> {
    match node.number(what)? {
        0 => Err(Problem::at(node.at, format!("{place}: a service without any container is not supported"))
            .hint("remove the service, or give it a profile")),
        number if number > MAX_REPLICAS => {
            Err(Problem::at(node.at, format!("{place}: {what} is at most {MAX_REPLICAS}")))
        }
        number => Ok(number),
    }
}

fn restart_policy(node: &Node, place: &str, scope: &mut Scope<'_>) -> Result<Restart, Problem> {
    let map = node.map("`restart_policy`")?;
    keys::check(map, keys::RESTART_POLICY, "`restart_policy`", scope)?;
    let most = map.given("max_attempts").map(|node| node.number("`max_attempts`")).transpose()?;
    match map.given("condition").map(|node| Ok((node.text("`condition`")?, node.at))).transpose()? {
        None | Some(("any", _)) if most.is_none() => Ok(Restart::UnlessStopped),
        Some(("on-failure", _)) => Ok(Restart::OnFailure { max_retries: most }),
        None | Some(("any", _)) => {
            let message = format!(
                "{place}: `restart_policy`: with `max_attempts` it is `on-failure`: the engine counts only attempts after \
                 failures"
            );
            scope.warn(node.at, message);
            Ok(Restart::OnFailure { max_retries: most })
        }
        Some(("none", _)) => Ok(Restart::No),
        Some((other, at)) => Err(Problem::at(at, format!("`condition`: {} is no condition", quoted(other)))
            .hint("it is `none`, `on-failure` or `any`")),
    }
}
