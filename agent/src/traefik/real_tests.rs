//! What only the real Traefik can say: that it takes every label that we take it to know, and nothing else.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::known::{self, Kind};
use super::*;

struct Real {
    child: Child,
    dir: tempfile::TempDir,
    api: Api,
}

impl Real {
    fn start() -> Self {
        let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-servers");
        #[expect(clippy::disallowed_methods, reason = "test.sh says where it installed servers")]
        let servers = std::env::var_os("CLOUDYKNIGHT_TEST_SERVERS").map_or(usual, PathBuf::from);
        let binary = servers.join("traefik/bin/traefik");
        assert!(binary.is_file(), "there is no {}\nhint: ./test.sh installs it", binary.display());
        let dir = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(binary)
            .arg("--entrypoints.web.address=127.0.0.1:0")
            .arg(format!("--entrypoints.traefik.address=127.0.0.1:{port}"))
            .args(["--api=true", "--api.insecure=true", "--providers.file.watch=true"])
            .arg(format!("--providers.file.directory={}", dir.path().display()))
            .args(["--providers.providersThrottleDuration=10ms"])
            .args(["--global.checknewversion=false", "--global.sendanonymoususage=false"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, dir, api: Api::new(&format!("http://127.0.0.1:{port}")) }
    }

    async fn takes(&self, live: &Configuration) -> bool {
        let (text, mark) = document("app", live, None);
        Files::new(self.dir.path().to_owned(), "p").write("app", &text).unwrap();
        let give_up = Instant::now() + Duration::from_secs(60);
        while Instant::now() < give_up {
            if self.api.has_middleware(&mark).await.unwrap_or(false) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn example(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "{{ env `HOME` }} é\u{85}\u{feff}😀\"'\\ \n%",
        Kind::Flag | Kind::Group => "true",
        Kind::Number | Kind::Port => "42",
        Kind::Duration => "1m30s",
        Kind::List => "a, b",
        Kind::Middlewares | Kind::Service | Kind::Routers => "own",
        Kind::Operators => "shared@file",
        Kind::Refused(_) => unreachable!("they are left out"),
    }
}

#[tokio::test]
async fn every_label_that_we_know_is_known_whatever_it_holds_on_traefik() {
    let allow = BTreeSet::from(["shared@file", "forwardauth"].map(str::to_owned));
    let mut labels = BTreeMap::from(
        [
            ("routers.own.rule", "Path(`/`)"),
            ("routers.own.service", "own"),
            ("services.own.loadbalancer.server.port", "80"),
            ("middlewares.own.addprefix.prefix", "/x"),
        ]
        .map(|(label, value)| (format!("traefik.http.{label}"), value.to_owned())),
    );
    for (n, (pattern, kind)) in known::all().enumerate() {
        // A plugin must be declared in Traefik's static configuration.
        if matches!(kind, Kind::Refused(_)) || pattern.contains("plugin") {
            continue;
        }
        let name = pattern.replacen('*', &format!("n{n}"), 1).replace("[]", "[0]").replace('*', "503");
        let value = match pattern {
            _ if pattern.ends_with(".rule") => "Path(`/`)",
            _ if pattern.ends_with("server.scheme") => "https",
            _ if pattern.ends_with("healthcheck.path") => "/",
            _ => example(kind),
        };
        if pattern.starts_with("routers") {
            labels.insert(format!("traefik.http.routers.n{n}.rule"), "Path(`/`)".into());
            labels.entry(format!("traefik.http.routers.n{n}.service")).or_insert_with(|| "own".into());
        }
        labels.insert(format!("traefik.http.{name}"), value.into());
    }
    let web = Reached {
        labels,
        backends: BTreeMap::from([("c".into(), [127, 0, 0, 1].into())]),
        ..Reached::default()
    };
    let mut web = web;
    web.routes = crate::routes::defaults(&"app".parse().unwrap(), "localhost", 80, true, true);
    let services = BTreeMap::from([("web".to_owned(), web)]);
    let live = configuration(&"app".parse().unwrap(), &services, &allow, Purpose::Live).unwrap();
    assert_eq!(live.warnings, Vec::<String>::new());
    let real = Real::start();
    assert!(real.takes(&live).await, "Traefik does not take it");
    // And what it does not know, it does not take: a whole folder would stand still.
    let verdict = real.api.verdict("routers", "app.host").await.unwrap();
    assert_eq!(verdict, Verdict::InUse, "names with a point are names");
}
