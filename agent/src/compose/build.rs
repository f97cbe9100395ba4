//! `build`: an image made from a Dockerfile of the workspace.

use std::collections::BTreeMap;

use super::keys;
use super::model::Build;
use super::node::{Map, Node, Value};
use super::pairs;
use super::policy::Permission;
use super::problem::{Position, Problem, quoted};
use super::quantity::bytes;
use super::scope::Scope;
use super::service::refuse_own;
use super::surroundings::extra_hosts;
use super::workspace_path::{Place, inside, outside, place};

const DOCKERFILE: &str = "Dockerfile";

pub(super) fn build(node: &Node, scope: &mut Scope<'_>) -> Result<Build, Problem> {
    let Value::Map(map) = &node.value else {
        let context = context(node.text("`build`")?, node.at, scope)?;
        let build = Build { context, dockerfile: DOCKERFILE.to_owned(), ..Build::default() };
        return finish(build, node.at, scope);
    };
    keys::check(map, keys::BUILD, "`build`", scope)?;
    let network = network(map, scope)?;
    let context = match map.given("context") {
        Some(node) => context(node.text("`context`")?, node.at, scope)?,
        None => String::new(),
    };
    let (dockerfile, at) = match map.given("dockerfile") {
        Some(node) => (dockerfile(node.non_empty_text("`dockerfile`")?, &context, node.at, scope)?, node.at),
        None => (DOCKERFILE.to_owned(), node.at),
    };
    let mut args = BTreeMap::new();
    if let Some(node) = map.given("args") {
        for (name, value) in pairs::read_optional(node, "`args`")? {
            if let Some(value) = value.or_else(|| scope.variable(&name).map(str::to_owned)) {
                args.insert(name, value);
            }
        }
    }
    let target = map.given("target").map(|node| node.text("`target`")).transpose()?;
    let target = target.filter(|name| !name.is_empty()).map(str::to_owned);
    let inline = map.given("dockerfile_inline").map(|node| node.non_empty_text("`dockerfile_inline`"));
    let inline = inline.transpose()?.map(str::to_owned);
    if let (Some(_), Some(node)) = (&inline, map.given("dockerfile")) {
        let message = "`build`: `dockerfile` and `dockerfile_inline` exclude each other";
        return Err(Problem::at(node.at, message));
    }
    let boolean = |key: &str| -> Result<bool, Problem> {
        Ok(map.given(key).map(|node| node.boolean(&quoted(key))).transpose()?.unwrap_or(false))
    };
    let texts = |key: &str| -> Result<Vec<String>, Problem> {
        let read = map.given(key).map(|node| node.texts(&quoted(key))).transpose()?.unwrap_or_default();
        Ok(read.into_iter().map(|(text, _)| text.to_owned()).collect())
    };
    let platform = match map.given("platforms") {
        Some(node) => match texts("platforms")?.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            _ => {
                return Err(Problem::at(node.at, "`build`: more than one of `platforms` is not supported")
                    .hint("name the one that this engine runs"));
            }
        },
        None => None,
    };
    let shm_size = map.given("shm_size").map(|node| bytes(node, "`shm_size`")).transpose()?;
    if let (Some(size), Some(node)) = (shm_size, map.given("shm_size"))
        && size > i64::from(i32::MAX)
    {
        return Err(Problem::at(node.at, "`build`: `shm_size` is at most 2g"));
    }
    if let Some(node) = map.given("cache_from") {
        for (image, at) in node.texts("`cache_from`")? {
            refuse_own(image, at)?;
        }
    }
    let labels = map.given("labels").map(|node| pairs::read(node, "`labels`")).transpose()?;
    let build = Build {
        context,
        dockerfile,
        inline,
        args,
        target,
        labels: labels.unwrap_or_default(),
        cache_from: texts("cache_from")?,
        no_cache: boolean("no_cache")?,
        pull: boolean("pull")?,
        network,
        shm_size,
        extra_hosts: map.given("extra_hosts").map(extra_hosts).transpose()?.unwrap_or_default(),
        platform,
    };
    finish(build, at, scope)
}

fn finish(build: Build, dockerfile_at: Position, scope: &Scope<'_>) -> Result<Build, Problem> {
    let Build { context, dockerfile, .. } = &build;
    let path = if context.is_empty() { dockerfile.clone() } else { format!("{context}/{dockerfile}") };
    if build.inline.is_none() && !(scope.input.paths)(&path) {
        return Err(Problem::at(
            dockerfile_at,
            format!("the Dockerfile {} does not exist in the workspace", quoted(&path)),
        )
        .hint("upload it, or say where it is with `context` and `dockerfile`"));
    }
    Ok(build)
}

fn context(text: &str, at: Position, scope: &Scope<'_>) -> Result<String, Problem> {
    let remote = text.contains("://") || text.starts_with("git@") || text.starts_with("github.com/");
    if remote {
        return Err(Problem::at(at, format!("building from {} is not supported", quoted(text)))
            .hint("upload the source, and build from a path of the workspace"));
    }
    let path = inside(text, at, "`build`", scope)?;
    if !path.is_empty() && !(scope.input.paths)(&path) {
        return Err(Problem::at(
            at,
            format!("the build context {} does not exist in the workspace", quoted(text)),
        ));
    }
    Ok(path)
}

/// The path inside the context: it is written relative to it, and never leads outside of it.
fn dockerfile(text: &str, context: &str, at: Position, scope: &Scope<'_>) -> Result<String, Problem> {
    let from_root =
        if text.starts_with(['/', '~']) { text.to_owned() } else { format!("./{context}/{text}") };
    let path = match place(&from_root, scope.input.workspace) {
        Place::Workspace(path) => path,
        other => return Err(outside(&other, text, at, "`dockerfile`", scope)),
    };
    let in_context = match context {
        "" => Some(path.as_str()),
        context => path.strip_prefix(context).and_then(|rest| rest.strip_prefix('/')),
    };
    in_context.filter(|path| !path.is_empty()).map(str::to_owned).ok_or_else(|| {
        Problem::at(at, format!("the Dockerfile {} lies outside of its build context", quoted(text)))
            .hint("move it into the context, or make the context larger")
    })
}

/// In which network the steps of a build run; `None` for the engine's default.
fn network(map: &Map, scope: &Scope<'_>) -> Result<Option<String>, Problem> {
    let Some(node) = map.given("network") else { return Ok(None) };
    match node.text("`network`")? {
        "" | "default" | "bridge" => Ok(None),
        "none" => Ok(Some("none".to_owned())),
        "host" => {
            let what = "`build`: `network: host`";
            scope.require(Permission::HostNamespaces, node.at, what, "remove it")?;
            Ok(Some("host".to_owned()))
        }
        other => {
            Err(Problem::at(node.at, format!("`build`: the network {} is not supported", quoted(other)))
                .hint("remove `network`, or write `none`"))
        }
    }
}
