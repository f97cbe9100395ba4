//! Who a request is from, and whether its caller may ask that: decided from what it brought, the way it came, and what its
//! path is about. Nothing here waits or looks anything up.

use axum::http::Method;
use cloudyknight_core::workspace::WorkspaceName;

use super::caller::{Caller, Kind, Role};
use crate::access::identity::{self, Identity};
use crate::access::name::ANONYMOUS;
use crate::policy::ApiScope;

/// How a request came.
#[derive(Clone, Copy, Debug)]
pub(super) enum Via<'a> {
    Network,
    /// The socket of a workspace, with what the policy says of it now.
    Socket(&'a WorkspaceName, Option<ApiScope>),
}

/// What its header says.
#[derive(Clone, Debug)]
pub(super) enum Brought {
    Nothing,
    /// Something that is nobody's, or not any more.
    Wrong,
    Known(Identity),
}

/// Who an endpoint is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// Whoever asks.
    Anybody,
    /// The same, as long as what they bring is right.
    Catalogue,
    /// Whoever is known, about themselves.
    Themselves,
    /// Those who see or change something, which their handlers look at more closely.
    Callers,
    Admins,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The policy gives the workspace no API.
    NoApi,
    /// The policy gives it no more than the catalogue.
    OnlyCatalogue,
    /// The policy gives it no more than reading.
    OnlyRead,
    /// There is no token, or it is wrong.
    Unknown,
    /// The role does not allow it.
    Role,
    /// The role is about other workspaces.
    Elsewhere,
}

/// By its method and its path as it is routed. What is not listed is for callers, who may change nothing but workspaces.
pub(super) fn endpoint(method: &Method, path: &str) -> For {
    let is_read = is_read(method);
    match path.strip_prefix("/api/v1/").unwrap_or_default() {
        "openapi.json" if is_read => For::Anybody,
        "sessions" if *method == Method::POST => For::Anybody,
        "catalogue" if is_read => For::Catalogue,
        "me" | "sessions/current" => For::Themselves,
        "tokens" | "tokens/{id}" | "audit" => For::Admins,
        path if is_read || path.starts_with("workspaces") => For::Callers,
        _ => For::Admins,
    }
}

pub(super) fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Who calls.
pub(super) fn who(via: Via<'_>, brought: Brought, endpoint: For) -> Result<Caller, Refusal> {
    match via {
        Via::Socket(_, None) => return Err(Refusal::NoApi),
        // It carries nobody's token: what is open to everybody is all there is.
        Via::Socket(workspace, Some(ApiScope::Catalogue)) => {
            return match endpoint {
                For::Catalogue => Ok(of_socket(workspace, Role::Catalogue)),
                _ => Err(Refusal::OnlyCatalogue),
            };
        }
        Via::Socket(_, Some(_)) | Via::Network => {}
    }
    match (brought, via) {
        (Brought::Known(identity), _) => Ok(known(identity)),
        // Whoever signs in may still bring what has expired.
        (Brought::Wrong, _) if endpoint != For::Anybody => Err(Refusal::Unknown),
        (_, Via::Socket(workspace, Some(ApiScope::Read))) => Ok(of_socket(workspace, Role::Read)),
        (_, Via::Socket(workspace, Some(ApiScope::Full))) => Ok(of_socket(workspace, Role::Admin)),
        _ if matches!(endpoint, For::Anybody | For::Catalogue) => Ok(Caller {
            name: ANONYMOUS.to_owned(),
            role: Role::Catalogue,
            workspaces: None,
            kind: Kind::Anonymous,
            expires_at: None,
        }),
        _ => Err(Refusal::Unknown),
    }
}

fn of_socket(workspace: &WorkspaceName, role: Role) -> Caller {
    let name = format!("workspace {workspace}");
    Caller { name, role, workspaces: None, kind: Kind::Socket, expires_at: None }
}

fn known(identity: Identity) -> Caller {
    let kind = match identity.kind {
        identity::Kind::Operator => Kind::Operator,
        identity::Kind::Token => Kind::Token,
        identity::Kind::Session => Kind::Session,
    };
    let Identity { name, role, workspaces, expires_at, .. } = identity;
    Caller { name, role, workspaces, kind, expires_at }
}

/// Whether a caller may ask this. `workspace` is the one that the path names.
pub(super) fn may(
    caller: &Caller,
    endpoint: For,
    method: &Method,
    workspace: Option<&WorkspaceName>,
) -> Result<(), Refusal> {
    let needed = match endpoint {
        For::Anybody | For::Catalogue => return Ok(()),
        For::Themselves => Role::Read,
        For::Admins => Role::Admin,
        For::Callers if is_read(method) => Role::Read,
        For::Callers => Role::Deploy,
    };
    if caller.role < needed {
        return Err(if caller.kind == Kind::Socket { Refusal::OnlyRead } else { Refusal::Role });
    }
    let is_elsewhere = workspace.is_some_and(|name| !caller.sees(name));
    if is_elsewhere { Err(Refusal::Elsewhere) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Pattern;

    fn name(text: &str) -> WorkspaceName {
        text.parse().unwrap()
    }

    fn token(role: Role, workspaces: Option<&str>) -> Brought {
        let workspaces = workspaces.map(|text| vec![Pattern::try_from(text.to_owned()).unwrap()]);
        Brought::Known(Identity {
            name: "ci".into(),
            role,
            workspaces,
            kind: identity::Kind::Token,
            expires_at: None,
            token: Some("id".into()),
        })
    }

    #[test]
    fn what_is_not_said_to_be_open_is_for_callers_or_for_admins() {
        let check = |method, path: &str, expected| {
            assert_eq!(endpoint(&method, &format!("/api/v1/{path}")), expected, "{method} {path}");
        };
        check(Method::GET, "openapi.json", For::Anybody);
        check(Method::POST, "sessions", For::Anybody);
        check(Method::GET, "catalogue", For::Catalogue);
        check(Method::POST, "catalogue", For::Admins);
        check(Method::GET, "sessions", For::Callers);
        check(Method::DELETE, "sessions/current", For::Themselves);
        check(Method::GET, "me", For::Themselves);
        check(Method::GET, "tokens", For::Admins);
        check(Method::DELETE, "tokens/{id}", For::Admins);
        check(Method::GET, "audit", For::Admins);
        check(Method::GET, "workspaces/{name}", For::Callers);
        check(Method::POST, "workspaces", For::Callers);
        check(Method::PUT, "workspaces/{name}/files/{*path}", For::Callers);
        check(Method::GET, "anything/new", For::Callers);
        check(Method::POST, "anything/new", For::Admins);
        assert_eq!(endpoint(&Method::GET, "/openapi.json"), For::Callers);
    }

    #[test]
    fn who_calls_follows_from_the_token_and_from_the_socket() {
        let monitor = name("monitor");
        let check = |via, brought: Brought, endpoint, expected: Result<(&str, Role), Refusal>| {
            let found = who(via, brought.clone(), endpoint);
            let found = found.as_ref().map(|one| (one.name.as_str(), one.role)).map_err(|error| *error);
            assert_eq!(found, expected, "{via:?} {brought:?} {endpoint:?}");
        };
        let socket = |scope| Via::Socket(&monitor, scope);
        let deploy = || token(Role::Deploy, None);
        let (ci, anonymous) = (Ok(("ci", Role::Deploy)), Ok(("anonymous", Role::Catalogue)));

        check(Via::Network, deploy(), For::Callers, ci);
        check(Via::Network, deploy(), For::Anybody, ci);
        for endpoint in [For::Anybody, For::Catalogue] {
            check(Via::Network, Brought::Nothing, endpoint, anonymous);
            check(socket(Some(ApiScope::SignIn)), Brought::Nothing, endpoint, anonymous);
        }
        for endpoint in [For::Themselves, For::Callers, For::Admins] {
            for brought in [Brought::Nothing, Brought::Wrong] {
                check(Via::Network, brought.clone(), endpoint, Err(Refusal::Unknown));
                check(socket(Some(ApiScope::SignIn)), brought, endpoint, Err(Refusal::Unknown));
            }
        }
        check(Via::Network, Brought::Wrong, For::Anybody, anonymous);
        check(Via::Network, Brought::Wrong, For::Catalogue, Err(Refusal::Unknown));

        let by_socket = |role| Ok(("workspace monitor", role));
        check(socket(Some(ApiScope::SignIn)), deploy(), For::Callers, ci);
        check(socket(Some(ApiScope::Read)), deploy(), For::Callers, ci);
        check(socket(Some(ApiScope::Read)), Brought::Nothing, For::Callers, by_socket(Role::Read));
        check(socket(Some(ApiScope::Full)), Brought::Nothing, For::Admins, by_socket(Role::Admin));
        check(socket(Some(ApiScope::Full)), Brought::Wrong, For::Callers, Err(Refusal::Unknown));
        for brought in [Brought::Nothing, Brought::Wrong, deploy()] {
            let catalogue = socket(Some(ApiScope::Catalogue));
            check(catalogue, brought.clone(), For::Catalogue, by_socket(Role::Catalogue));
            check(catalogue, brought.clone(), For::Callers, Err(Refusal::OnlyCatalogue));
            check(catalogue, brought.clone(), For::Anybody, Err(Refusal::OnlyCatalogue));
            check(socket(None), brought, For::Catalogue, Err(Refusal::NoApi));
        }
    }

    #[test]
    fn what_a_caller_may_follows_from_the_role_and_its_workspaces() {
        let check = |role, workspaces, endpoint, method, about: Option<&str>, expected| {
            let caller = who(Via::Network, token(role, workspaces), For::Callers).unwrap();
            let about = about.map(name);
            let found = may(&caller, endpoint, &method, about.as_ref());
            assert_eq!(found, expected, "{role:?} {workspaces:?} {endpoint:?} {method} {about:?}");
        };
        let (get, post) = (|| Method::GET, || Method::POST);
        let shop = Some("shop-*");
        check(Role::Read, None, For::Callers, get(), Some("app"), Ok(()));
        check(Role::Read, None, For::Callers, Method::HEAD, Some("app"), Ok(()));
        check(Role::Read, None, For::Callers, post(), Some("app"), Err(Refusal::Role));
        check(Role::Read, shop, For::Callers, get(), Some("shop-a"), Ok(()));
        check(Role::Read, shop, For::Callers, get(), Some("app"), Err(Refusal::Elsewhere));
        check(Role::Deploy, None, For::Callers, post(), Some("app"), Ok(()));
        check(Role::Deploy, shop, For::Callers, post(), Some("shop-a"), Ok(()));
        check(Role::Deploy, shop, For::Callers, post(), Some("app"), Err(Refusal::Elsewhere));
        check(Role::Deploy, shop, For::Callers, get(), Some("app"), Err(Refusal::Elsewhere));
        check(Role::Deploy, shop, For::Callers, post(), None, Ok(()));
        check(Role::Read, None, For::Callers, post(), None, Err(Refusal::Role));
        check(Role::Admin, None, For::Callers, Method::DELETE, Some("app"), Ok(()));
        for (role, expected) in
            [(Role::Read, Err(Refusal::Role)), (Role::Deploy, Err(Refusal::Role)), (Role::Admin, Ok(()))]
        {
            check(role, None, For::Admins, get(), None, expected);
            check(role, None, For::Themselves, Method::DELETE, None, Ok(()));
        }
        let socket = who(Via::Socket(&name("monitor"), Some(ApiScope::Read)), Brought::Nothing, For::Callers);
        let refused = may(&socket.unwrap(), For::Callers, &post(), Some(&name("app")));
        assert_eq!(refused, Err(Refusal::OnlyRead));
        let anonymous = who(Via::Network, Brought::Nothing, For::Catalogue).unwrap();
        assert_eq!(may(&anonymous, For::Catalogue, &get(), None), Ok(()));
        assert!(!anonymous.sees(&name("app")) && !anonymous.sees_platform());
    }
}
