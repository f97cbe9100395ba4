//! The edge and the real Traefik, side by side: both read the same labels of the same container, both are asked the same,
//! and what they answer and what their backend gets is the same. What is different by design is listed with the reason,
//! and must be different. A second Traefik reads the files that the agent makes of the labels, and answers as the first one
//! in every case.

mod cases;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;

use cases::{Asked, Case, cases, crowded, different};
use cloudyknight_agent::compose::policy::{Platform, Policy};
use cloudyknight_agent::compose::{self, Input};
use cloudyknight_agent::edge_link::{EdgeError, EdgeLink, Routing, backend_id};
use cloudyknight_agent::engine::Engine;
use cloudyknight_agent::policy::{self, PolicyFile};
use cloudyknight_agent::routes::assign;
use cloudyknight_agent::traefik::{Reached, TraefikSettings};
use cloudyknight_core::route::{Backend, Route, RouteTable};
use cloudyknight_core::rule::Syntax;
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_edge::{Edge, Options, serve};
use cloudyknight_tests::http::{Answer, Connection};
use cloudyknight_tests::run::run;
use cloudyknight_tests::server::{LabelRouter, Traefik};
use serde_json::Value;

const LABEL: &str = "cloudyknight.test.rules";
const PORT: u16 = 8000;
/// `bees`.
const BCRYPT: &str = "$2y$05$abcdefghijklmnopqrstuuq1hBGDIekiHoYGCmLm2tJriRwfz8Qqq";

#[test]
fn the_edge_and_traefik_agree_on_labels_and_requests() {
    let (cases, apart) = (cases(BCRYPT), different());
    let all = || cases.iter().chain(apart.iter().map(|different| &different.case));
    let labels: Vec<(String, String)> = all().flat_map(|case| case.labels.clone()).collect();
    let first = labels[0].0.split('.').nth(3).expect("a router");
    let backend = Container::start(&labels);
    let traefik = LabelRouter::start((LABEL, &backend.mark), first);
    let edge = OurEdge::start(&labels, backend.address);
    let mut files = Files::start(backend.address);
    files.put("app", &of(&cases)).expect("Traefik takes what it takes as labels");

    let (mut asked, mut wrong) = (0, Vec::new());
    for case in &cases {
        for request in &case.requests {
            asked += 1;
            let theirs = seen(traefik.entry(), request);
            for (who, answer) in
                [("edge ", seen(&edge.address, request)), ("files", seen(&files.entry, request))]
            {
                if answer != theirs {
                    let told = told(case, request);
                    wrong.push(format!("{told}\n  {who}  {answer}\n  labels {theirs}\n"));
                }
            }
        }
    }
    println!("{} label sets, {asked} requests, {} differences", cases.len(), wrong.len());
    assert!(
        cases.len() >= 80 && asked >= 400,
        "the table has shrunk: {} label sets, {asked} requests",
        cases.len()
    );
    assert!(wrong.is_empty(), "{} of {asked} are different:\n{}", wrong.len(), wrong.join("\n"));
    for (at, different) in apart.iter().enumerate() {
        // Whatever our own edge makes of them, through files Traefik does what it does by labels.
        let router = different.case.labels[0].0.split('.').nth(3).expect("a router");
        let is_taken = files.put(&format!("apart-{at}"), &of([&different.case])).is_ok();
        assert_eq!(!is_taken, traefik.about(router).contains("\"disabled\""), "{}", different.why);
        for request in &different.case.requests {
            let (ours, theirs) = (seen(&edge.address, request), seen(traefik.entry(), request));
            let told = told(&different.case, request);
            assert_ne!(ours, theirs, "no longer different, though {}: {told}", different.why);
            assert_eq!(seen(&files.entry, request), theirs, "{told}");
        }
    }
}

/// As often as a request is sent to a backend that answers early.
const TRIES: usize = 300;

/// What `docs/traefik.md` says of Traefik's usual proxy: Go's HTTP/1.1 server takes away a request's body when the answer
/// begins, and Traefik, if it still reads there, ends its connection to the backend in the middle of the answer.
#[test]
fn an_answer_that_begins_before_the_request_is_read_is_whole_at_the_edge_and_may_be_cut_by_traefik() {
    let backend = early();
    let file = format!(
        "http: {{routers: {{r: {{rule: PathPrefix(`/`), service: s}}}}, \
         services: {{s: {{loadBalancer: {{servers: [{{url: 'http://{backend}'}}]}}}}}}}}"
    );
    let traefik = |arguments: &[&str]| {
        let mut place = Traefik::place();
        for argument in arguments {
            place = place.argument(argument);
        }
        std::fs::write(place.dir().join("early.yml"), &file).expect("a file");
        let entry = place.entry();
        let traefik = place.start(&entry);
        cloudyknight_tests::eventually("it routes", std::time::Duration::from_secs(30), || {
            Connection::open(&entry).ok()?.get("h", "/").ok().filter(|answer| answer.status == 200)
        });
        (traefik, entry)
    };
    let cut = |address: &str| {
        let whole = || {
            let mut connection = Connection::open(address).expect("it listens");
            let answer = connection.request("POST", "h", "/", &[], b"a body");
            answer.is_ok_and(|answer| answer.status == 200 && answer.body == "onetwo")
        };
        (0..TRIES).filter(|_| !whole()).count()
    };
    let route = Route {
        workspace: "app".parse().expect("a name"),
        name: "r".into(),
        rule: "PathPrefix(`/`)".into(),
        syntax: Syntax::default(),
        priority: None,
        strip_prefixes: Vec::new(),
        page_root: None,
        middlewares: Vec::new(),
        hides_host: false,
        backends: vec![Backend { id: "early".into(), address: backend }],
    };
    let edge = OurEdge::of(vec![route]);
    assert_eq!(cut(&edge.address), 0, "our own edge");
    let (_fast, entry) = traefik(&["--experimental.fastproxy=true"]);
    assert_eq!(cut(&entry), 0, "Traefik's fast proxy");
    let (_traefik, entry) = traefik(&[]);
    assert_ne!(cut(&entry), 0, "Traefik has learned it: docs/traefik.md may say so");
}

/// A backend that begins to answer as soon as it has the head of a request; the rest follows after the request's body.
fn early() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer_early(stream));
        }
    });
    address
}

fn answer_early(stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.is_empty() {
                break;
            }
        }
        let begin = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n";
        reader.get_mut().write_all(begin)?;
        reader.read_exact(&mut vec![0; length])?;
        reader.get_mut().write_all(b"3\r\ntwo\r\n0\r\n\r\n")?;
    }
}

/// The labels of these.
fn of<'c>(cases: impl IntoIterator<Item = &'c Case>) -> Vec<(String, String)> {
    cases.into_iter().flat_map(|case| case.labels.clone()).collect()
}

#[test]
fn the_edge_and_traefik_agree_on_how_many_requests_may_be_in_flight() {
    let (one, three) = (crowded(1), crowded(3));
    let labels = of([&one, &three]);
    let backend = Container::start(&labels);
    let traefik = LabelRouter::start((LABEL, &backend.mark), "crowd1");
    let edge = OurEdge::start(&labels, backend.address);
    let mut files = Files::start(backend.address);
    files.put("app", &labels).expect("Traefik takes them");
    let at = SocketAddr::new(backend.address, PORT).to_string();
    for (who, address) in [("edge", &*edge.address), ("labels", traefik.entry()), ("files", &files.entry)] {
        for (case, amount) in [(&one, 1), (&three, 3)] {
            let [hold, rest @ ..] = case.requests.as_slice() else {
                panic!("a request that is held, and others")
            };
            let hold = || {
                let mut connection = Connection::open(address).expect("it listens");
                let answer =
                    connection.request_head(&hold.method, &hold.host, &hold.path, &[("x-want", "hold")]);
                (connection, answer.expect("the head of an answer").status)
            };
            let held: Vec<(Connection, u16)> = (0..amount).map(|_| hold()).collect();
            assert!(held.iter().all(|(_, status)| *status == 200), "{who}: there is room for {amount}");
            for request in rest {
                assert!(seen(address, request).starts_with("429 "), "{who}: {}", told(case, request));
            }
            let mut outside = Connection::open(&at).expect("it listens");
            outside.request("GET", "h", "/", &[("x-want", "let go")], b"").expect("an answer");
            drop(held);
            cloudyknight_tests::eventually("there is room again", std::time::Duration::from_secs(10), || {
                rest.iter().all(|request| seen(address, request).starts_with("200 ")).then_some(())
            });
        }
    }
}

fn told(case: &Case, request: &Asked) -> String {
    let labels: Vec<String> = case.labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
    let Asked { method, path, host, headers } = request;
    format!("{} {}\n  {method} {host}{path} {headers:?}", case.host(), labels.join(" "))
}

/// What a client sees of an answer, and what it says that the backend got.
fn seen(address: &str, request: &Asked) -> String {
    let mut connection = Connection::open(address).expect("it listens");
    let mut headers: Vec<(&str, &str)> =
        request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    headers.push(("connection", "close"));
    let body: &[u8] = if ["GET", "HEAD", "OPTIONS"].contains(&&*request.method) { b"" } else { b"x" };
    let answer = connection.request(&request.method, &request.host, &request.path, &headers, body);
    match answer {
        Ok(answer) => shown(&answer),
        Err(error) => format!("no answer: {error}"),
    }
}

fn shown(answer: &Answer) -> String {
    let from_backend = answer.header("x-backend").is_some();
    let mut fields: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| is_compared(name, from_backend))
        .map(|(name, value)| match name.as_str() {
            "vary" => format!("{name}: {}", value.to_lowercase()),
            // Each counts from its own first request.
            "retry-after" | "x-retry-in" => format!("{name}: some time"),
            _ => format!("{name}: {value}"),
        })
        .collect();
    fields.sort();
    let body = if from_backend && answer.header("content-encoding").is_none() {
        got(&answer.body)
    } else {
        String::new()
    };
    format!("{} {fields:?} {body}", answer.status)
}

/// What is about the connection is not, nor what each says in its own words about its own answers.
fn is_compared(name: &str, from_backend: bool) -> bool {
    let about_connection = ["connection", "date", "transfer-encoding", "content-length", "keep-alive"];
    let own_words = ["content-type", "x-content-type-options", "cache-control", "content-security-policy"];
    !about_connection.contains(&name) && (from_backend || !own_words.contains(&name))
}

/// What the backend got. Traefik also tells it ports and its own name, and asks it to compress when no client does.
fn got(body: &str) -> String {
    let Ok(mut echo) = serde_json::from_str::<Value>(body) else { return body.to_owned() };
    if let Some(headers) = echo["headers"].as_object_mut() {
        for name in ["x-forwarded-port", "x-forwarded-server", "connection", "accept-encoding"] {
            headers.remove(name);
        }
    }
    echo.to_string()
}

/// The backend, with the labels on it.
struct Container {
    id: String,
    mark: String,
    address: IpAddr,
}

impl Container {
    fn start(labels: &[(String, String)]) -> Self {
        let mark = format!(
            "{}-{:?}",
            std::process::id(),
            std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos()
        );
        let mut command = Command::new("docker");
        command.args([
            "run",
            "--detach",
            "--init",
            "--entrypoint",
            "node",
            "--label",
            &format!("{LABEL}={mark}"),
        ]);
        command.args(["--label", "traefik.enable=true"]);
        let port = format!("traefik.http.services.echo.loadbalancer.server.port={PORT}");
        command.args(["--label", &port]);
        for (label, value) in labels {
            command.args(["--label", &format!("{label}={value}")]);
        }
        command.args(["workspace-node-ephemeral:latest", "-e", include_str!("echo.js")]);
        let id = stdout(&mut command);
        let mut container = Self { id, mark, address: IpAddr::from([127, 0, 0, 1]) };
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let address = stdout(Command::new("docker").args(["inspect", "--format", format, &container.id]));
        container.address = address.parse().expect("an address");
        let at = SocketAddr::new(container.address, PORT).to_string();
        cloudyknight_tests::eventually("the echo answers", std::time::Duration::from_secs(60), || {
            Connection::open(&at).ok()?.get("h", "/").ok()
        });
        container
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        run(Command::new("docker").args(["rm", "--force", &self.id]));
    }
}

fn stdout(command: &mut Command) -> String {
    let output = run(command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// The edge with the routes that the agent reads from the same labels.
struct OurEdge {
    address: String,
    _runtime: tokio::runtime::Runtime,
}

impl OurEdge {
    fn start(labels: &[(String, String)], backend: IpAddr) -> Self {
        Self::of(routes(labels, backend))
    }

    fn of(routes: Vec<Route>) -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let edge = Edge::new(Options::default());
        edge.replace(RouteTable::new(routes)).expect("the edge takes what the agent makes");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        runtime.spawn(serve(Arc::clone(&edge), listener, std::future::pending()));
        Self { address, _runtime: runtime }
    }
}

/// A Traefik that reads the files which the agent makes of the same labels.
struct Files {
    entry: String,
    link: EdgeLink,
    backend: Ipv4Addr,
    runtime: tokio::runtime::Runtime,
    _traefik: Traefik,
}

impl Files {
    fn start(backend: IpAddr) -> Self {
        let IpAddr::V4(backend) = backend else { panic!("Docker gives addresses of IPv4") };
        let place = Traefik::place();
        let entry = place.entry();
        let policy = place.dir().with_file_name("policy.toml");
        std::fs::write(&policy, policy::DEFAULT).expect("a policy");
        let policy = Arc::new(PolicyFile::open(&policy, Platform::default()).expect("the default policy"));
        let settings =
            TraefikSettings { dir: place.dir(), api: Some(place.api()), policy, platform: "rules".into() };
        let link = EdgeLink::traefik(settings, Engine::new(None, "rules".into()));
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        Self { link, backend, runtime, _traefik: place.start(&entry), entry }
    }

    /// Routes a workspace whose only service has these labels.
    fn put(&mut self, workspace: &str, labels: &[(String, String)]) -> Result<(), EdgeError> {
        let mut labels: BTreeMap<String, String> = labels.iter().cloned().collect();
        labels.insert("traefik.http.services.echo.loadbalancer.server.port".into(), PORT.to_string());
        let backends = BTreeMap::from([(backend_id("echo", self.backend), self.backend)]);
        let reached = Reached { labels, routes: Vec::new(), backends };
        let routing = Routing { services: [("app".to_owned(), reached)].into(), ..Routing::default() };
        let workspace: WorkspaceName = workspace.parse().expect("a name");
        self.runtime.block_on(self.link.switch(&workspace, routing))
    }
}

fn routes(labels: &[(String, String)], backend: IpAddr) -> Vec<Route> {
    let workspace: WorkspaceName = "app".parse().expect("a name");
    let mut all: BTreeMap<String, String> =
        labels.iter().map(|(label, value)| (label.clone(), value.replace('$', "$$"))).collect();
    all.insert("traefik.http.services.echo.loadbalancer.server.port".into(), PORT.to_string());
    let text = serde_json::json!({"services": {"app": {"image": "echo", "labels": all}}}).to_string();
    let parsed = compose::parse(&Input {
        workspace: &workspace,
        file: "docker-compose.yml",
        text: &text,
        overrides: &[],
        files: &|_| None,
        paths: &|_| false,
        variables: &BTreeMap::new(),
        policy: &Policy::default(),
    })
    .expect("JSON is YAML");
    let assigned =
        assign(&workspace, "localhost", &parsed.project.services, &BTreeMap::new()).expect("routes");
    let route = |route: cloudyknight_agent::routes::ServiceRoute| Route {
        workspace: workspace.clone(),
        name: route.name,
        rule: route.rule,
        syntax: route.syntax,
        priority: route.priority,
        strip_prefixes: route.strip_prefixes,
        page_root: route.page_root,
        middlewares: route.middlewares,
        hides_host: route.hides_host,
        backends: vec![Backend { id: "echo".into(), address: SocketAddr::new(backend, route.port) }],
    };
    assigned.routes.into_values().flatten().map(route).collect()
}
