//! Who calls the API, and what they may. Each request is given a [`Caller`] before its handler sees it: by the token that
//! it brings, or by the socket that it comes through.
//!
//! What names a workspace in its path is decided here, for all handlers alike. Those that answer about several
//! workspaces, or about the platform, ask the caller themselves. What changes something is written into the audit here.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, MatchedPath, RawPathParams, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cloudyknight_core::workspace::WorkspaceName;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::admission::{self, Brought, For, Refusal, Via};
use super::{Api, Problem, sockets};
use crate::access::audit::Happened;
pub use crate::access::role::Role;
use crate::access::secret::Secret;
use crate::board::now;
use crate::policy::{ApiScope, Pattern};

/// Put into the extensions of each request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// As the audit names them.
    pub name: String,
    pub role: Role,
    /// The workspaces that the role is about; `None`: all of them.
    pub workspaces: Option<Vec<Pattern>>,
    pub kind: Kind,
    pub expires_at: Option<OffsetDateTime>,
}

/// How a caller is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CallerKind)]
pub enum Kind {
    Operator,
    Token,
    Session,
    Socket,
    Anonymous,
}

/// Where a request comes from, in the extensions of each: who guesses is told apart by it.
#[derive(Clone, Debug)]
pub(super) struct Peer(pub String);

/// In the extensions of an answer: who has signed in with it.
#[derive(Clone, Debug)]
pub(super) struct SignedIn {
    pub name: String,
    pub role: Role,
}

/// In the extensions of an answer: what it is about, where its path does not say it.
#[derive(Clone, Debug)]
pub(super) struct About(pub WorkspaceName);

impl Caller {
    pub fn sees(&self, workspace: &WorkspaceName) -> bool {
        self.role >= Role::Read && self.is_about(workspace)
    }

    pub fn changes(&self, workspace: &WorkspaceName) -> bool {
        self.role >= Role::Deploy && self.is_about(workspace)
    }

    /// What is of no single workspace: the platform's log, its queues, its parts.
    pub fn sees_platform(&self) -> bool {
        self.role >= Role::Read && self.workspaces.is_none()
    }

    /// Tokens, the audit, and everything else.
    pub fn administers(&self) -> bool {
        self.role == Role::Admin
    }

    /// For handlers about the platform.
    pub(super) fn must_see_platform(&self) -> Result<(), Problem> {
        if self.sees_platform() {
            return Ok(());
        }
        Err(Problem::forbidden(&format!("`{}` does not see the platform, but some workspaces", self.name)))
    }

    fn is_about(&self, workspace: &WorkspaceName) -> bool {
        self.workspaces.as_ref().is_none_or(|patterns| patterns.iter().any(|one| one.matches(workspace)))
    }
}

/// Finds out who calls, and whether they may; and writes down what they did.
pub(super) async fn known(
    State(api): State<Arc<Api>>,
    path: MatchedPath,
    parameters: RawPathParams,
    mut request: Request,
    next: Next,
) -> Response {
    let endpoint = admission::endpoint(request.method(), path.as_str());
    let (caller, peer) = match who(&api, &request, endpoint) {
        Ok(known) => known,
        Err(problem) => return problem.into_response(),
    };
    let named = parameters.iter().find(|(name, _)| *name == "name").and_then(|(_, value)| value.parse().ok());
    let (method, uri) = (request.method().clone(), request.uri().path().to_owned());
    let answer = match admission::may(&caller, endpoint, &method, named.as_ref()) {
        Ok(()) => {
            request.extensions_mut().insert(caller.clone());
            request.extensions_mut().insert(peer);
            next.run(request).await
        }
        Err(refusal) => {
            let socket = request.extensions().get::<sockets::Caller>();
            refused(&api, refusal, &caller, socket.map(|one| &one.0), named.as_ref()).into_response()
        }
    };
    note(&api, caller, &method, uri, named, &answer);
    answer
}

fn who(api: &Api, request: &Request, endpoint: For) -> Result<(Caller, Peer), Problem> {
    let access = &api.agent.access;
    let socket = request.extensions().get::<sockets::Caller>().map(|one| &one.0);
    // As the policy is now: what was taken back is refused at once.
    let scope = socket.map(|name| api.agent.reconciler.tools.settings.policy.current().api(name));
    let via = match (socket, scope) {
        (Some(workspace), Some(scope)) => Via::Socket(workspace, scope),
        _ => Via::Network,
    };
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|one| one.0.ip());
    let peer = peer(via, address, request.headers());
    let brought = brought(api, request.headers());
    let key = match &brought {
        Brought::Known(identity) => Some(identity.token.clone().unwrap_or_else(|| identity.name.clone())),
        _ => None,
    };
    if let (Brought::Known(identity), Some(token)) = (&brought, &key)
        && identity.token.is_some()
    {
        access.note_use(token);
    }
    let caller = admission::who(via, brought, endpoint);
    // Known by the socket alone, a workspace is one caller; whoever it speaks for is another.
    let key = key.or_else(|| match &caller {
        Ok(Caller { kind: Kind::Socket, name, .. }) => Some(name.clone()),
        _ => None,
    });
    let counted = match &key {
        Some(key) => access.limits.caller(key),
        None => access.limits.stranger(&peer.0),
    };
    counted.map_err(|wait| Problem::too_much("too much is asked at once", wait))?;
    match caller {
        Ok(caller) => Ok((caller, peer)),
        Err(refusal) => Err(unknown(api, refusal, socket)),
    }
}

fn brought(api: &Api, headers: &HeaderMap) -> Brought {
    let Some(header) = headers.get(header::AUTHORIZATION) else { return Brought::Nothing };
    let secret = Secret::bearer(header.as_bytes());
    match secret.and_then(|secret| api.agent.access.identify(&secret, &api.operator)) {
        Some(identity) => Brought::Known(identity),
        None => Brought::Wrong,
    }
}

/// A workspace that people sign in through says whom it speaks for, as the edge told it: it is trusted with their passwords
/// anyway. Nobody else is believed.
fn peer(via: Via<'_>, address: Option<IpAddr>, headers: &HeaderMap) -> Peer {
    Peer(match via {
        Via::Socket(workspace, Some(ApiScope::SignIn)) => {
            let forwarded = headers.get_all("x-forwarded-for").iter().next_back();
            let last =
                forwarded.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
            let last = last.map(network).unwrap_or_default();
            format!("workspace {workspace} {last}")
        }
        Via::Socket(workspace, _) => format!("workspace {workspace}"),
        Via::Network => address.map(network).unwrap_or_default(),
    })
}

/// What one person has: an address, or of the sixth version 64 bits of it.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// Nobody is let in.
fn unknown(api: &Api, refusal: Refusal, socket: Option<&WorkspaceName>) -> Problem {
    let file = &api.agent.reconciler.tools.settings.policy.current().platform.file;
    match (refusal, socket) {
        (Refusal::NoApi, Some(workspace)) => {
            let detail = format!("the policy does not let workspace `{workspace}` use the API");
            let hint = format!("ask the operator for `api = \"read\"` in {file}");
            Problem::new(StatusCode::FORBIDDEN, &detail).hint(&hint)
        }
        (Refusal::OnlyCatalogue, Some(workspace)) => {
            let detail = format!("the policy lets workspace `{workspace}` use nothing but the catalogue");
            let hint = format!("ask the operator for `api = \"read\"` in {file}");
            Problem::new(StatusCode::FORBIDDEN, &detail).hint(&hint)
        }
        _ => {
            let detail = "the header `Authorization: Bearer …` is missing or wrong";
            Problem::new(StatusCode::UNAUTHORIZED, detail).hint("`eval \"$(cloudyknight env)\"` sets it")
        }
    }
}

/// Somebody known may not do this. It is the same whether there is such a workspace or not.
fn refused(
    api: &Api,
    refusal: Refusal,
    caller: &Caller,
    socket: Option<&WorkspaceName>,
    named: Option<&WorkspaceName>,
) -> Problem {
    match (refusal, socket, named) {
        (Refusal::OnlyRead, Some(workspace), _) => {
            let file = &api.agent.reconciler.tools.settings.policy.current().platform.file;
            let detail = format!("the policy does not let, but to read, workspace `{workspace}` use the API");
            let hint = format!("ask the operator for `api = \"full\"` in {file}");
            Problem::new(StatusCode::FORBIDDEN, &detail).hint(&hint)
        }
        (Refusal::Elsewhere, _, Some(workspace)) => {
            Problem::forbidden(&format!("the token `{}` is not about `{workspace}`", caller.name))
        }
        _ => Problem::not_for(caller),
    }
}

/// What changes something is written down, and what was to.
fn note(
    api: &Api,
    caller: Caller,
    method: &Method,
    path: String,
    named: Option<WorkspaceName>,
    answer: &Response,
) {
    let left_out = [StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS, StatusCode::METHOD_NOT_ALLOWED];
    if admission::is_read(method) || left_out.contains(&answer.status()) {
        return;
    }
    let signed_in = answer.extensions().get::<SignedIn>();
    // Nobody, and nothing changed.
    if caller.kind == Kind::Anonymous && signed_in.is_none() {
        return;
    }
    let (who, role) = match signed_in {
        Some(SignedIn { name, role }) => (name.clone(), *role),
        None => (caller.name, caller.role),
    };
    let about = answer.extensions().get::<About>().map(|about| about.0.clone()).or(named);
    api.agent.access.audit.note(Happened {
        at: now(),
        who,
        role,
        method: method.to_string(),
        path,
        workspace: about.map(|name| name.to_string()),
        status: answer.status().as_u16(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_guesses_is_told_apart_by_their_network() {
        let monitor = "monitor".parse().unwrap();
        let check = |via, address: &str, forwarded: &[&'static str], expected: &str| {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            assert_eq!(peer(via, address.parse().ok(), &headers).0, expected, "{via:?} {forwarded:?}");
        };
        check(Via::Network, "192.0.2.7", &["198.51.100.1"], "192.0.2.7");
        check(Via::Network, "::ffff:192.0.2.7", &[], "192.0.2.7");
        check(Via::Network, "2001:db8:1:2:3:4:5:6", &[], "2001:db8:1:2::/64");
        let signs_in = Via::Socket(&monitor, Some(ApiScope::SignIn));
        check(signs_in, "", &["1.2.3.4, 198.51.100.1"], "workspace monitor 198.51.100.1");
        check(signs_in, "", &["1.2.3.4", "198.51.100.1"], "workspace monitor 198.51.100.1");
        check(signs_in, "", &["nonsense"], "workspace monitor ");
        check(signs_in, "", &[], "workspace monitor ");
        check(Via::Socket(&monitor, Some(ApiScope::Read)), "", &["198.51.100.1"], "workspace monitor");
    }
}
