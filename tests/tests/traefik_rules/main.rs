//! The edge and the real Traefik, side by side: both read the same labels of the same container, both are asked the same,
//! and what they answer and what their backend gets is the same. What is different by design is listed with the reason,
//! and must be different.

mod cases;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::sync::Arc;

use cases::{Asked, Case, cases, different};
use cloudyknight_agent::compose::{self, Input, policy::Policy};
use cloudyknight_agent::routes::assign;
use cloudyknight_core::route::{Backend, Route, RouteTable};
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_edge::{Edge, Options, serve};
use cloudyknight_tests::http::{Answer, Connection};
use cloudyknight_tests::run::run;
use cloudyknight_tests::server::LabelRouter;
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

    let (mut asked, mut wrong) = (0, Vec::new());
    for case in &cases {
        for request in &case.requests {
            asked += 1;
            let (ours, theirs) = (seen(&edge.address, request), seen(traefik.entry(), request));
            if ours != theirs {
                wrong.push(format!("{}\n  ours   {ours}\n  theirs {theirs}\n", told(case, request)));
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
    for different in &apart {
        for request in &different.case.requests {
            let (ours, theirs) = (seen(&edge.address, request), seen(traefik.entry(), request));
            let told = told(&different.case, request);
            assert_ne!(ours, theirs, "no longer different, though {}: {told}", different.why);
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
    let body: &[u8] = if request.method == "GET" || request.method == "OPTIONS" { b"" } else { b"x" };
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
        .map(|(name, value)| {
            format!("{name}: {}", if name == "vary" { value.to_lowercase() } else { value.clone() })
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
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let edge = Edge::new(Options::default());
        edge.replace(RouteTable::new(routes(labels, backend))).expect("the edge takes what the agent makes");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        runtime.spawn(serve(Arc::clone(&edge), listener, std::future::pending()));
        Self { address, _runtime: runtime }
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
