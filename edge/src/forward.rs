//! One request, from the client to a backend and back: choose, rewrite, send, send again where that is safe,
//! and stream the answer. Nothing is buffered on the way; each side is read as fast as the other takes it.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::time::{Instant, sleep, sleep_until};

use crate::answer::{self, Answer};
use crate::asked::Asked;
use crate::connection::Visitor;
use crate::edge::Edge;
use crate::headers;
use crate::lease::{BackendState, Lease, NoLease};
use crate::middleware::{Chain, Outward, Passing};
use crate::replay::{self, Failure, How, Situation, Verdict};
use crate::reply::{Content, Reply};
use crate::stats::add_one;
use crate::strip::strip;
use crate::tunnel;
use crate::upload::{Slot, Upload};

pub(crate) async fn respond(visitor: &Arc<Visitor>, request: Request<Incoming>) -> Response<Reply> {
    let busy = visitor.busy();
    let as_page = answer::wants_page(request.headers());
    let mut outgoing = match Outgoing::of(request, visitor) {
        Ok(outgoing) => outgoing,
        Err(answer) => return answer.response(as_page).map(|words| Reply::new(words.into(), busy)),
    };
    let answered = forward(visitor, &mut outgoing).await;
    let response = answered.unwrap_or_else(|answer| answer.response(as_page).map(Content::from));
    let passed = outgoing.passed.take();
    let response = passed.map(|passed| passed.outward).unwrap_or_default().apply(response);
    response.map(|content| Reply::new(content, busy))
}

/// What stays the same over all attempts.
struct Outgoing {
    asked: Asked,
    method: Method,
    headers: HeaderMap,
    slot: Arc<Slot>,
    switch: Option<Switch>,
    /// What the middlewares of a route have made of it.
    passed: Option<Passed>,
}

struct Passed {
    chain: Arc<Chain>,
    headers: HeaderMap,
    target: PathAndQuery,
    outward: Outward,
}

/// The protocol a client wants to switch to, and its side of the tunnel.
struct Switch {
    protocol: HeaderValue,
    client: OnUpgrade,
}

async fn forward(visitor: &Arc<Visitor>, outgoing: &mut Outgoing) -> Result<Response<Content>, Answer> {
    let edge = &visitor.listening.edge;
    let mut tried: Vec<Arc<BackendState>> = Vec::new();
    let (mut failed, mut broken) = (0, 0);
    loop {
        // Each attempt asks the table anew: what was replaced meanwhile is not tried again.
        let lease = take_lease(edge, outgoing, visitor.peer, &tried)?;
        if let Some(page) = outgoing.page_at(&lease) {
            lease.route.counts.answered(page.status());
            return Err(page);
        }
        if let Some(own) = outgoing.pass(&lease, visitor.peer).await {
            lease.route.counts.answered(own.status());
            return Ok(own.map(Content::from));
        }
        let failure = match send(edge, outgoing.request(&lease)?, &outgoing.slot).await {
            Ok(response) => return outgoing.deliver(visitor, lease, response),
            Err(failure) => failure,
        };
        tried.push(lease.backend.clone());
        failed += 1;
        broken += usize::from(failure.how == How::Broken);
        let situation = Situation {
            failed,
            broken,
            untried: lease.route.has_untried(&tried),
            idempotent: replay::is_idempotent(&outgoing.method),
            no_body: outgoing.slot.is_empty(),
            body_untouched: outgoing.slot.is_untouched(),
        };
        match replay::verdict(failure.how, situation) {
            Verdict::GiveUp => return Err(give_up(&lease, &failure)),
            verdict => {
                lease.route.counts.retried();
                drop(lease);
                if let Verdict::AgainAfter(pause) = verdict {
                    sleep(pause).await;
                }
            }
        }
    }
}

fn take_lease(
    edge: &Edge,
    outgoing: &Outgoing,
    client: IpAddr,
    tried: &[Arc<BackendState>],
) -> Result<Lease, Answer> {
    let Outgoing { asked, method, headers, .. } = outgoing;
    let leased = asked.routed(method, headers, client, |request| edge.in_force.lease(request, tried));
    leased.map_err(|none| match none {
        NoLease::NoRoute => {
            add_one(&edge.unrouted);
            Answer::NoRoute { host: asked.host_text().to_owned(), path: asked.path().to_owned() }
        }
        NoLease::NoBackend(route) => {
            let answer = Answer::Stopped(route.workspace.clone());
            route.counts.answered(answer.status());
            answer
        }
    })
}

fn give_up(lease: &Lease, failure: &Failure) -> Answer {
    let Lease { route, backend, .. } = lease;
    let workspace = route.workspace.clone();
    let answer = match failure.how {
        How::Unsent | How::Broken => {
            route.counts.unreachable();
            Answer::Unreachable(workspace)
        }
        How::ConnectTimedOut | How::Silent => {
            route.counts.timed_out();
            Answer::TimedOut(workspace)
        }
        How::BadBody => Answer::BadRequest("its body is malformed"),
        How::Starved => Answer::ClientStalled,
    };
    route.counts.answered(answer.status());
    let (workspace, status, how, cause) = (&route.workspace, answer.status(), failure.how, &failure.story);
    if status.is_server_error() && route.counts.may_log() {
        tracing::warn!(%workspace, route = route.name, backend = backend.id, %status, ?how, cause, "no answer");
    } else {
        tracing::debug!(%workspace, route = route.name, backend = backend.id, %status, ?how, cause, "no answer");
    }
    answer
}

async fn send(edge: &Edge, request: Request<Upload>, slot: &Slot) -> Result<Response<Incoming>, Failure> {
    let began = Instant::now();
    let deadline = || slot.last_frame().max(began) + edge.options.response_timeout;
    let mut response = edge.client.request(request);
    loop {
        tokio::select! {
            result = &mut response => return result.map_err(|error| Failure::of(&error)),
            () = sleep_until(deadline()) => if deadline() <= Instant::now() {
                return Err(if slot.is_starved() { How::Starved.into() } else { How::Silent.into() });
            },
        }
    }
}

impl Outgoing {
    fn of(mut request: Request<Incoming>, visitor: &Visitor) -> Result<Self, Answer> {
        let wanted = headers::wanted_upgrade(request.version(), request.headers());
        let client = wanted.is_some().then(|| hyper::upgrade::on(&mut request));
        let (parts, body) = request.into_parts();
        let asked = Asked::of(&parts)?;
        let slot = Slot::new(body);
        // Bytes of a body would be indistinguishable from the tunnel's.
        let switch = wanted.zip(client).filter(|_| slot.is_empty());
        let switch = switch.map(|(protocol, client)| Switch { protocol, client });
        let mut headers = parts.headers;
        let from = (visitor.peer, &visitor.listening.edge.options.trusted_proxies);
        headers::towards_backend(&mut headers, &asked, from, switch.as_ref().map(|s| &s.protocol));
        Ok(Self { asked, method: parts.method, headers, slot, switch, passed: None })
    }

    /// Leads it through the middlewares of its route, once. With an answer, it goes no further.
    async fn pass(&mut self, lease: &Lease, client: IpAddr) -> Option<Response<Bytes>> {
        let chain = &lease.route.chain;
        if self.passed.as_ref().is_some_and(|passed| Arc::ptr_eq(&passed.chain, chain)) {
            return None;
        }
        self.passed = None;
        if chain.is_empty() {
            return None;
        }
        let (mut headers, mut target) = (self.headers.clone(), self.target(lease).clone());
        let method = &self.method;
        let passing = Passing { method, target: &mut target, headers: &mut headers, client, bare: false };
        let (outward, own) = chain.inward(passing).await;
        self.passed = Some(Passed { chain: chain.clone(), headers, target, outward });
        own
    }

    /// The form of the target that the route is about.
    fn target(&self, lease: &Lease) -> &PathAndQuery {
        if lease.route.is_as_sent() { &self.asked.target } else { self.asked.normal() }
    }

    /// Where a browser finds the page that it asked for without the slash.
    fn page_at(&self, lease: &Lease) -> Option<Answer> {
        let path = self.asked.path();
        let asks_for_page = self.method == Method::GET && answer::wants_page(&self.headers);
        if !asks_for_page || lease.route.page_root.as_deref() != Some(path) {
            return None;
        }
        let query = self.asked.target.query().map(|query| format!("?{query}")).unwrap_or_default();
        let location = HeaderValue::from_str(&format!("{path}/{query}"));
        location.ok().map(Answer::PageAt)
    }

    /// The request as this backend gets it.
    fn request(&self, lease: &Lease) -> Result<Request<Upload>, Answer> {
        let unreadable = |_| Answer::BadRequest("its path cannot be read");
        let mut request = Request::new(self.slot.upload());
        *request.method_mut() = self.method.clone();
        *request.version_mut() = Version::HTTP_11;
        let (headers, target) = match &self.passed {
            Some(passed) => (&passed.headers, &passed.target),
            None => (&self.headers, self.target(lease)),
        };
        *request.headers_mut() = headers.clone();
        let address = lease.address.to_string();
        if lease.route.hides_host {
            let host = HeaderValue::from_str(&address).expect("a socket address is plain ASCII");
            request.headers_mut().insert(HOST, host);
        }
        let target = match strip(&lease.route.strip_prefixes, target.path()) {
            None => target.clone(),
            Some((prefix, path)) => {
                headers::with_prefix(request.headers_mut(), prefix);
                let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
                PathAndQuery::try_from(format!("{path}{query}")).map_err(unreadable)?
            }
        };
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(Scheme::HTTP);
        let authority = Authority::try_from(address);
        parts.authority = Some(authority.expect("a socket address is an authority"));
        parts.path_and_query = Some(target);
        *request.uri_mut() = Uri::from_parts(parts).expect("a scheme, an authority and a path make a URI");
        Ok(request)
    }

    /// The backend's answer as the client gets it.
    fn deliver(
        &mut self,
        visitor: &Arc<Visitor>,
        lease: Lease,
        mut response: Response<Incoming>,
    ) -> Result<Response<Content>, Answer> {
        *response.version_mut() = Version::HTTP_11;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            lease.route.counts.answered(response.status());
            headers::towards_client(response.headers_mut(), None);
            return Ok(response.map(|body| Content::streamed(body, lease)));
        }
        let Some(switch) = self.switch.take() else {
            tracing::warn!(workspace = %lease.route.workspace, "a backend switched protocols without being asked");
            lease.route.counts.unreachable();
            lease.route.counts.answered(StatusCode::BAD_GATEWAY);
            return Err(Answer::Unreachable(lease.route.workspace.clone()));
        };
        lease.route.counts.answered(response.status());
        let protocol = response.headers().get(http::header::UPGRADE).cloned().unwrap_or(switch.protocol);
        headers::towards_client(response.headers_mut(), Some(protocol));
        tunnel::open(visitor, lease, switch.client, hyper::upgrade::on(&mut response));
        Ok(response.map(|_| Content::from(Bytes::new())))
    }
}
