//! What a request passes between its route and its backends, ready to be carried out. On the way in, each step may
//! change the request, let it pass, or answer it; what has to be done about the answer is noted, and done on the way out
//! in the opposite order, whoever gave the answer.

mod allow;

mod auth;

mod compress;

mod headers;

mod limit;

mod md5_crypt;

mod redirect;

mod rewrite;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use cloudyknight_core::middleware::{Middleware, MiddlewareError};
use http::header::CONTENT_TYPE;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::reply::Content;
pub(crate) use compress::{Compressing, Encoding, Turn};
pub(crate) use limit::Place;

/// The middlewares of a route.
#[derive(Default)]
pub(crate) struct Chain(Vec<Step>);

enum Step {
    Rewrite(rewrite::Rewrite),
    Redirect(redirect::Redirect),
    Headers(Arc<headers::Active>),
    Auth(auth::Auth),
    Allow(allow::Allow),
    Rate(limit::Rate),
    InFlight(limit::InFlight),
    Compress(Arc<compress::Active>),
}

/// A request on its way in.
pub(crate) struct Passing<'r> {
    pub method: &'r Method,
    pub target: &'r mut PathAndQuery,
    /// With `Host`, as the backend is to get it.
    pub headers: &'r mut HeaderMap,
    pub client: IpAddr,
    /// Nothing is left of the path. On the wire that is a `/`, but not to what comes before it.
    pub bare: bool,
}

/// What is to be done about the answer.
#[derive(Default)]
pub(crate) struct Outward(Vec<Out>);

enum Out {
    Headers(Arc<headers::Active>, headers::Asked),
    Compress(Arc<compress::Active>, compress::Encoding),
    Place(Place),
}

/// A step's own answer.
type Own = Response<Bytes>;

impl Chain {
    pub(crate) fn new(middlewares: &[Middleware]) -> Result<Self, MiddlewareError> {
        middlewares.iter().map(Step::new).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Leads a request inwards. With an answer, it goes no further.
    pub(crate) async fn inward(&self, mut passing: Passing<'_>) -> (Outward, Option<Own>) {
        let mut outward = Outward::default();
        for step in &self.0 {
            if let Err(own) = step.inward(&mut passing, &mut outward).await {
                return (outward, Some(own));
            }
        }
        (outward, None)
    }
}

impl Step {
    fn new(middleware: &Middleware) -> Result<Self, MiddlewareError> {
        middleware.check()?;
        Ok(match middleware {
            Middleware::StripPrefix(strip) => Self::Rewrite(rewrite::strip_prefix(strip)),
            Middleware::StripPrefixRegex(strip) => Self::Rewrite(rewrite::strip_prefix_regex(strip)?),
            Middleware::AddPrefix(add) => Self::Rewrite(rewrite::add_prefix(add)),
            Middleware::ReplacePath(replace) => Self::Rewrite(rewrite::replace_path(replace)),
            Middleware::ReplacePathRegex(replace) => Self::Rewrite(rewrite::replace_path_regex(replace)?),
            Middleware::RedirectRegex(redirect) => Self::Redirect(redirect::regex(redirect)?),
            Middleware::RedirectScheme(redirect) => Self::Redirect(redirect::scheme(redirect)),
            Middleware::Headers(headers) => Self::Headers(Arc::new(headers::Active::new(headers)?)),
            Middleware::BasicAuth(auth) => Self::Auth(auth::Auth::new(auth)?),
            Middleware::IpAllowList(list) => Self::Allow(allow::Allow::new(list)?),
            Middleware::RateLimit(limit) => Self::Rate(limit::Rate::new(limit)),
            Middleware::InFlightReq(limit) => Self::InFlight(limit::InFlight::new(limit)),
            Middleware::Compress(compress) => Self::Compress(Arc::new(compress::Active::new(compress))),
        })
    }

    async fn inward(&self, passing: &mut Passing<'_>, outward: &mut Outward) -> Result<(), Own> {
        match self {
            Self::Rewrite(rewrite) => rewrite.apply(passing),
            Self::Redirect(redirect) => redirect.apply(passing),
            Self::Headers(headers) => {
                let asked = headers.inward(passing)?;
                outward.0.push(Out::Headers(headers.clone(), asked));
                headers.admit(passing)
            }
            Self::Auth(auth) => auth.admit(passing.headers).await,
            Self::Allow(allow) => allow.admit(passing.client),
            Self::Rate(rate) => rate.admit(passing.client).await,
            Self::InFlight(limit) => {
                outward.0.push(Out::Place(limit.admit(passing.headers)?));
                Ok(())
            }
            Self::Compress(compress) => {
                if let Some(encoding) = compress.negotiate(passing.method, passing.headers) {
                    outward.0.push(Out::Compress(compress.clone(), encoding));
                }
                Ok(())
            }
        }
    }
}

impl Outward {
    /// Leads an answer outwards.
    pub(crate) fn apply(self, mut response: Response<Content>) -> Response<Content> {
        for out in self.0.into_iter().rev() {
            match out {
                Out::Headers(headers, asked) => headers.outward(&asked, response.headers_mut()),
                Out::Compress(compress, encoding) => response = compress.outward(encoding, response),
                Out::Place(place) => response.body_mut().hold(place),
            }
        }
        response
    }
}

/// An answer that says no more than its status.
fn own(status: StatusCode) -> Own {
    let words = status.canonical_reason().unwrap_or_default();
    let mut response = Response::new(Bytes::from_static(words.as_bytes()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
