//! Why labels give no routes, and what to do about it.

use cloudyknight_core::middleware::MiddlewareError;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    #[error("service `{service}`: label `{label}` is no rule: {message}")]
    Rule { service: String, label: String, message: String },
    #[error("service `{service}`: label `{label}` has the value `{value}`, which is no {expected}")]
    Value { service: String, label: String, value: String, expected: &'static str },
    #[error(
        "service `{service}`: router `{router}` uses the middleware `{middleware}`, which no label defines"
    )]
    Middleware { service: String, router: String, middleware: String },
    #[error("service `{service}`: the middleware `{middleware}` ({kind}) cannot be carried out: {source}")]
    Option { service: String, middleware: String, kind: &'static str, source: MiddlewareError },
    #[error("service `{service}`: the middleware `{middleware}` is of several kinds: {kinds}")]
    Kinds { service: String, middleware: String, kinds: String },
    #[error(
        "service `{service}`: router `{router}` uses the middleware `{middleware}`, and the edge knows no `{kind}`"
    )]
    Unsupported { service: String, router: String, middleware: String, kind: String },
    #[error("service `{service}`: the chain `{middleware}` leads back to itself")]
    Circle { service: String, middleware: String },
    #[error("service `{service}`: router `{router}` leads to the service `{target}`, which no label defines")]
    Target { service: String, router: String, target: String },
    #[error("service `{service}` has a router but no port")]
    NoPort { service: String },
}

impl RouteError {
    pub fn service(&self) -> &str {
        match self {
            Self::Rule { service, .. }
            | Self::Value { service, .. }
            | Self::Middleware { service, .. }
            | Self::Option { service, .. }
            | Self::Kinds { service, .. }
            | Self::Unsupported { service, .. }
            | Self::Circle { service, .. }
            | Self::Target { service, .. }
            | Self::NoPort { service } => service,
        }
    }

    /// The label that it is about, or how the names of the labels begin.
    pub fn label(&self) -> Option<String> {
        match self {
            Self::Rule { label, .. } | Self::Value { label, .. } => Some(label.clone()),
            Self::Middleware { router, .. }
            | Self::Unsupported { router, .. }
            | Self::Target { router, .. } => Some(format!("traefik.http.routers.{router}")),
            Self::Option { middleware, .. }
            | Self::Kinds { middleware, .. }
            | Self::Circle { middleware, .. } => Some(format!("traefik.http.middlewares.{middleware}")),
            Self::NoPort { .. } => None,
        }
    }

    /// What stands in the value of that label, where several begin alike.
    pub fn reference(&self) -> Option<&str> {
        match self {
            Self::Middleware { middleware, .. } | Self::Unsupported { middleware, .. } => Some(middleware),
            Self::Target { target, .. } => Some(target),
            _ => None,
        }
    }

    pub fn hint(&self) -> String {
        match self {
            Self::Rule { .. } => {
                "rules are built from Host(`…`), Path(`…`), PathPrefix(`…`) and the like, with &&, ||, ! and parentheses"
                    .into()
            }
            Self::Value { label, expected, .. } => format!("give `{label}` a {expected}"),
            Self::Middleware { middleware, .. } => format!(
                "define it in the labels of a service of this workspace, as in \
                 `traefik.http.middlewares.{middleware}.stripprefix.prefixes=/…`"
            ),
            Self::Option { middleware, .. } => {
                format!("mend the labels that begin with `traefik.http.middlewares.{middleware}.`")
            }
            Self::Kinds { .. } => "give each kind a middleware of its own, and list them in the router".into(),
            Self::Unsupported { router, .. } => format!(
                "it may keep visitors out, so `{router}` is not put up without it: take it off the router, or have a \
                 real Traefik as the edge"
            ),
            Self::Circle { .. } => "take one of its middlewares off".into(),
            Self::Target { target, .. } => {
                format!("define it with `traefik.http.services.{target}.loadbalancer.server.port=…`")
            }
            Self::NoPort { service } => format!(
                "add `traefik.http.services.{service}.loadbalancer.server.port=…` or `expose:` to the service"
            ),
        }
    }
}
