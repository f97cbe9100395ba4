//! Who calls the API, and what they may. Each request is given a [`Caller`] before its handler sees it: by the token that
//! it brings, or by the socket that it comes through.
//!
//! What names a workspace in its path is decided here, for all handlers alike. Those that answer about several
//! workspaces, or about the platform, ask the caller themselves.

use std::sync::Arc;

use axum::extract::{RawPathParams, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cloudyknight_core::workspace::WorkspaceName;
use subtle::ConstantTimeEq;

use super::{Api, Problem, sockets};
use crate::policy::{ApiScope, Pattern};

/// Put into the extensions of each request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// As the audit names them.
    pub name: String,
    pub role: Role,
    /// The workspaces that the role is about; `None`: all of them.
    pub workspaces: Option<Vec<Pattern>>,
}

/// Each may what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Only what everybody may know of public workspaces.
    Catalogue,
    Read,
    /// Also change workspaces.
    Deploy,
    /// Also what concerns the platform.
    Admin,
}

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

    fn is_about(&self, workspace: &WorkspaceName) -> bool {
        self.workspaces.as_ref().is_none_or(|patterns| patterns.iter().any(|one| one.matches(workspace)))
    }
}

/// Finds out who calls, and whether they may.
pub(super) async fn known(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    parameters: RawPathParams,
    mut request: Request,
    next: Next,
) -> Response {
    let caller = match who(&api, &headers, request.extensions().get()) {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    let named = parameters.iter().find(|(name, _)| *name == "name").map(|(_, value)| value);
    if let Err(problem) = may(&api, &caller, named, request.method(), request.extensions().get()) {
        return problem.into_response();
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

fn who(api: &Api, headers: &HeaderMap, socket: Option<&sockets::Caller>) -> Result<Caller, Problem> {
    if let Some(sockets::Caller(workspace)) = socket {
        // As the policy is now: what was taken back is refused at once.
        let policy = api.agent.reconciler.tools.settings.policy.current();
        let role = match policy.api(workspace) {
            Some(ApiScope::Full) => Role::Admin,
            Some(ApiScope::Read) => Role::Read,
            None => {
                let detail = format!("the policy does not let workspace `{workspace}` use the API");
                let hint = format!("ask the operator for `api = \"read\"` in {}", policy.platform.file);
                return Err(Problem::new(StatusCode::FORBIDDEN, &detail).hint(&hint));
            }
        };
        return Ok(Caller { name: format!("workspace {workspace}"), role, workspaces: None });
    }
    let given = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes()).unwrap_or_default();
    let expected = format!("Bearer {}", api.token);
    if bool::from(given.ct_eq(expected.as_bytes())) {
        return Ok(Caller { name: "operator".to_owned(), role: Role::Admin, workspaces: None });
    }
    let detail = "the header `Authorization: Bearer …` is missing or wrong";
    Err(Problem::new(StatusCode::UNAUTHORIZED, detail).hint("`eval \"$(cloudyknight env)\"` sets it"))
}

fn may(
    api: &Api,
    caller: &Caller,
    named: Option<&str>,
    method: &Method,
    socket: Option<&sockets::Caller>,
) -> Result<(), Problem> {
    let reads = method == Method::GET || method == Method::HEAD;
    let allowed = match named.and_then(|name| name.parse().ok()) {
        Some(name) => {
            if reads {
                caller.sees(&name)
            } else {
                caller.changes(&name)
            }
        }
        // Whoever may see something; handlers ask for more.
        None => caller.role >= if reads { Role::Read } else { Role::Deploy },
    };
    if allowed {
        return Ok(());
    }
    let (detail, hint) = match socket {
        Some(sockets::Caller(workspace)) => {
            let file = &api.agent.reconciler.tools.settings.policy.current().platform.file;
            let detail = format!("the policy does not let, but to read, workspace `{workspace}` use the API");
            (detail, format!("ask the operator for `api = \"full\"` in {file}"))
        }
        None => {
            (format!("`{}` may not do this", caller.name), "ask for a token with another role".to_owned())
        }
    };
    Err(Problem::new(StatusCode::FORBIDDEN, &detail).hint(&hint))
}
