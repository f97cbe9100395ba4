//! Addresses on the loopback for a platform or a server: fixed numbers, so that a process that is killed and started
//! again has the same, and held for as long as they are used, so that no other test takes them meanwhile.

use std::fs::{DirBuilder, File};
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;

/// A few ports that belong to one owner.
pub struct Ports {
    first: u16,
    /// A lock that other tests respect, in this process and in others. The system takes it back when they end.
    _claim: File,
}

/// Below the range out of which Linux numbers outgoing connections: nothing takes them while a process is away.
const FIRST: u16 = 20_000;
const EACH: u16 = 8;
const COUNT: u16 = 1_000;

impl Ports {
    pub fn claim() -> Self {
        (0..COUNT).find_map(Self::claim_one).expect("not all ports are taken")
    }

    fn claim_one(n: u16) -> Option<Self> {
        let user = rustix::process::geteuid().as_raw();
        let claims = std::env::temp_dir().join(format!("cloudyknight-test-ports-{user}"));
        DirBuilder::new().recursive(true).mode(0o700).create(&claims).expect("a folder for the locks");
        let claim = File::create(claims.join(n.to_string())).expect("a lock");
        claim.try_lock().ok()?;
        let ports = Self { first: FIRST + n * EACH, _claim: claim };
        let free = |at| TcpListener::bind(("127.0.0.1", ports.port(at))).is_ok();
        (0..EACH).all(free).then_some(ports)
    }

    /// One of them, counted from 0.
    pub fn port(&self, at: u16) -> u16 {
        assert!(at < EACH, "there are {EACH} ports");
        self.first + at
    }

    /// The same, as an address.
    pub fn address(&self, at: u16) -> String {
        format!("127.0.0.1:{}", self.port(at))
    }
}

/// What a platform listens on.
pub struct Addresses {
    pub s3: String,
    pub edge: String,
    pub api: String,
    /// Used only by a platform that takes the notifications of other servers.
    pub ingest: String,
    _ports: Ports,
}

impl Addresses {
    pub fn claim() -> Self {
        let ports = Ports::claim();
        let [s3, edge, api, ingest] = [0, 1, 2, 3].map(|at| ports.address(at));
        Self { s3, edge, api, ingest, _ports: ports }
    }

    /// All but the edge, on all addresses of the machine.
    pub fn open(&mut self) {
        for address in [&mut self.s3, &mut self.api, &mut self.ingest] {
            *address = address.replace("127.0.0.1", "0.0.0.0");
        }
    }
}
