//! Where a path of a compose file leads: into the workspace, into another one, or to the host.
//!
//! The compose file stands in `/workspaces/<name>`, though no such folder exists on any disk: paths are resolved
//! as text.

use cloudyknight_core::workspace::WorkspaceName;

use super::policy::Permission;
use super::problem::{Position, Problem, quoted};
use super::scope::Scope;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Path inside the workspace; empty for its root.
    Workspace(String),
    /// Another workspace's folder, or the folder of them all.
    OtherWorkspace,
    /// Absolute path on the host.
    Host(String),
    /// Below somebody's home folder (`~`); a container platform has none.
    Home,
}

const WORKSPACES: &str = "workspaces";
const ENGINE_SOCKETS: [&str; 6] =
    ["docker.sock", "docker.raw.sock", "containerd.sock", "podman.sock", "crio.sock", "cri-dockerd.sock"];

/// Whether a source is a path, and not the name of a volume.
pub(super) fn is_path(source: &str) -> bool {
    source.starts_with(['.', '/', '~', '\\']) || is_windows(source)
}

pub(super) fn place(path: &str, workspace: &WorkspaceName) -> Place {
    if path.starts_with('~') {
        return Place::Home;
    }
    if is_windows(path) || path.starts_with('\\') {
        return Place::Host(path.to_owned());
    }
    let mut parts = if path.starts_with('/') { vec![] } else { vec![WORKSPACES, workspace.as_str()] };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    match parts.as_slice() {
        [WORKSPACES, name, inside @ ..] if *name == workspace.as_str() => Place::Workspace(inside.join("/")),
        [WORKSPACES, ..] => Place::OtherWorkspace,
        parts => Place::Host(format!("/{}", parts.join("/"))),
    }
}

/// `C:\…`
pub(super) fn is_windows(path: &str) -> bool {
    path.starts_with(|c: char| c.is_ascii_alphabetic()) && path[1..].starts_with(":\\")
}

/// The path inside the workspace that `path` leads to; anything else is refused. `what` names the key.
pub(super) fn inside(path: &str, at: Position, what: &str, scope: &Scope<'_>) -> Result<String, Problem> {
    match place(path, scope.input.workspace) {
        Place::Workspace(inside) => Ok(inside),
        other => Err(outside(&other, path, at, what, scope)),
    }
}

/// The path on the host, if policy allows it.
pub(super) fn on_host(path: &str, at: Position, what: &str, scope: &Scope<'_>) -> Result<String, Problem> {
    match place(path, scope.input.workspace) {
        Place::Host(host) if host.rsplit('/').next().is_some_and(|name| ENGINE_SOCKETS.contains(&name)) => {
            let what = format!("{what}: the container engine's socket {} (root on the host)", quoted(path));
            scope.require(Permission::DockerSocket, at, &what, "remove the mount")?;
            Ok(host)
        }
        Place::Host(host) => {
            let what =
                format!("{what}: the host path {}, which lies outside of the workspace,", quoted(path));
            let instead = "use a path of the workspace (`./…`) or a named volume";
            refuse_own(&host, at, &what, scope)?;
            scope.require_named(Permission::HostPaths, &host, at, &what, instead)?;
            Ok(host)
        }
        Place::Workspace(inside) => Ok(inside),
        other @ (Place::OtherWorkspace | Place::Home) => Err(outside(&other, path, at, what, scope)),
    }
}

/// The platform's home and the source of all workspaces are nobody's, whatever the policy says.
fn refuse_own(host: &str, at: Position, what: &str, scope: &Scope<'_>) -> Result<(), Problem> {
    let below = |path: &String| {
        host.strip_prefix(path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if scope.input.policy.platform.paths.iter().any(below) {
        let message = format!("{what} is refused: it is the platform's own");
        return Err(Problem::at(at, message).hint("use a named volume").by_policy());
    }
    Ok(())
}

/// The refusal of a `path` that leads to such a `place`.
pub(super) fn outside(place: &Place, path: &str, at: Position, what: &str, scope: &Scope<'_>) -> Problem {
    let (workspace, path) = (scope.input.workspace, quoted(path));
    let reason = match place {
        Place::OtherWorkspace => "it leads to another workspace",
        Place::Home => "there is no home folder here",
        Place::Workspace(_) | Place::Host(_) => "it lies outside of the workspace",
    };
    Problem::at(at, format!("{what}: {path} is refused: {reason}"))
        .hint(format!("paths start with `./`, or with `/workspaces/{workspace}/`"))
        .by_policy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_one_place() {
        let check = |path: &str, expected: Place| {
            assert_eq!(place(path, &"app".parse().unwrap()), expected, "{path}")
        };
        let workspace = |path: &str| Place::Workspace(path.to_owned());
        let host = |path: &str| Place::Host(path.to_owned());
        check(".", workspace(""));
        check("./", workspace(""));
        check("./x", workspace("x"));
        check("x//y/.", workspace("x/y"));
        check("./x/../y", workspace("y"));
        check("/workspaces/app", workspace(""));
        check("/workspaces/app/", workspace(""));
        check("/workspaces/app/x/y", workspace("x/y"));
        check("//workspaces/./app/x", workspace("x"));
        check("../app/x", workspace("x"));
        check("..", Place::OtherWorkspace);
        check("../other", Place::OtherWorkspace);
        check("./x/../../other", Place::OtherWorkspace);
        check("/workspaces", Place::OtherWorkspace);
        check("/workspaces/other/x", Place::OtherWorkspace);
        check("/workspaces/app/../other", Place::OtherWorkspace);
        check("/workspaces/application", Place::OtherWorkspace);
        check("../../etc", host("/etc"));
        check("../../../../../etc/passwd", host("/etc/passwd"));
        check("/", host("/"));
        check("/var/run/docker.sock", host("/var/run/docker.sock"));
        check("C:\\data", host("C:\\data"));
        check("~/x", Place::Home);
        check("~", Place::Home);
    }
}
