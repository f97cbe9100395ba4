//! What the tests play on: an edge that listens, backends of a few lines, and clients.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cloudyknight_core::route::{Backend, Route, RouteTable};
use cloudyknight_edge::{Edge, Options, serve};
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longer than anything here should take.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub type Answered = Response<BoxBody<Bytes, hyper::Error>>;

/// An edge that serves.
pub struct Stage {
    pub edge: Arc<Edge>,
    pub address: SocketAddr,
    pub stop: CancellationToken,
    pub served: JoinHandle<()>,
}

impl Stage {
    pub async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        let edge = Edge::new(options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let served = tokio::spawn(serve(edge.clone(), listener, stop.clone().cancelled_owned()));
        Self { edge, address, stop, served }
    }

    /// One route, `app`, with this rule to these backends.
    pub fn route(&self, rule: &str, backends: &[&Stand]) {
        self.edge.replace(RouteTable::new(vec![route("app", rule, backends)])).unwrap();
    }

    pub async fn get(&self, path: &str) -> (http::response::Parts, String) {
        self.ask(Request::get(path).header("host", "h.example").body(Full::default()).unwrap()).await
    }

    pub async fn ask(&self, mut request: Request<Full<Bytes>>) -> (http::response::Parts, String) {
        let path = request.uri().path_and_query().unwrap().clone();
        *request.uri_mut() = format!("http://{}{path}", self.address).parse().unwrap();
        let (parts, body) = client().request(request).await.unwrap().into_parts();
        (parts, String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    /// Sends bytes as they are, and reads until the edge closes.
    pub async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes.as_ref()).await.unwrap();
        read_to_end(&mut stream).await
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A backend on the stage. Dropping it closes its listener and every connection at once.
pub struct Stand {
    pub address: SocketAddr,
    pub id: String,
    serving: JoinHandle<()>,
}

impl Stand {
    /// A backend that answers each request with what `answer` makes of it.
    pub async fn new<F>(answer: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answered> + Send + 'static,
    {
        type Answering = Pin<Box<dyn Future<Output = Answered> + Send>>;
        let answer: Arc<dyn Fn(Request<Incoming>) -> Answering + Send + Sync> =
            Arc::new(move |request| Box::pin(answer(request)));
        Self::raw(move |stream| {
            let answer = answer.clone();
            async move {
                let service = service_fn(move |request| {
                    let answered = answer(request);
                    async move { Ok::<_, Infallible>(answered.await) }
                });
                let http = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), service);
                // Clients of a test may break off.
                let _ = http.with_upgrades().await;
            }
        })
        .await
    }

    /// A backend that does with each connection what `play` does.
    pub async fn raw<F>(play: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(play(stream));
            }
        });
        Self { address, id: format!("at-{address}"), serving }
    }

    /// A backend that says its name.
    pub async fn named(name: &'static str) -> Self {
        Self::new(move |_| async move { text(name) }).await
    }

    /// A backend that writes down what it was asked.
    pub async fn echo() -> Self {
        Self::new(|request| async move {
            let (parts, body) = request.into_parts();
            let mut told = format!("{} {}\n", parts.method, parts.uri);
            let mut fields: Vec<_> = parts.headers.iter().collect();
            fields.sort_by_key(|(name, _)| name.as_str());
            for (name, value) in fields {
                told.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
            }
            let body = body.collect().await.unwrap().to_bytes();
            told.push_str(&format!("\n{}", String::from_utf8_lossy(&body)));
            text(told)
        })
        .await
    }

    /// Nobody listens here.
    pub async fn absent() -> Self {
        let stand = Self::named("never").await;
        stand.serving.abort();
        until(|| async { TcpStream::connect(stand.address).await.is_err() }).await;
        stand
    }

    pub fn backend(&self) -> Backend {
        Backend { id: self.id.clone(), address: self.address }
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub fn route(name: &str, rule: &str, backends: &[&Stand]) -> Route {
    Route {
        workspace: "app".parse().unwrap(),
        name: name.into(),
        rule: rule.into(),
        priority: None,
        strip_prefixes: Vec::new(),
        page_root: None,
        syntax: Default::default(),
        middlewares: Vec::new(),
        hides_host: false,
        backends: backends.iter().map(|stand| stand.backend()).collect(),
    }
}

pub fn text(text: impl Into<Bytes>) -> Answered {
    Response::new(Full::new(text.into()).map_err(|never| match never {}).boxed())
}

pub fn client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

/// Waits until a condition holds.
pub async fn until<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    let wait = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the condition came about");
}

pub async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    // A reset after the answer is an end, too.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut read)).await.expect("the edge closes");
    String::from_utf8_lossy(&read).into_owned()
}

/// Reads until `wanted` has come.
pub async fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut read = Vec::new();
    let wait = async {
        while !String::from_utf8_lossy(&read).contains(wanted) {
            assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0, "closed before {wanted:?}");
        }
    };
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    let read = String::from_utf8_lossy(&read).into_owned();
    assert!(waited.is_ok(), "{wanted:?} did not come, only {read:?}");
    read
}
