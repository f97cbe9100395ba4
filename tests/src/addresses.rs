//! Addresses on the loopback for a platform: fixed numbers, so that a process that is killed and started again has
//! the same, and held for as long as the platform is there, so that no other test takes them meanwhile.

use std::fs::{DirBuilder, File};
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;

/// Ports that belong to one platform.
pub struct Addresses {
    pub s3: String,
    pub edge: String,
    pub api: String,
    /// A lock that other tests respect, in this process and in others. The system takes it back when they end.
    _claim: File,
}

/// Below the range out of which Linux numbers outgoing connections: nothing takes them while a process is away.
const FIRST: u16 = 20_000;
const EACH: u16 = 3;
const COUNT: u16 = 1_000;

impl Addresses {
    pub fn claim() -> Self {
        (0..COUNT).find_map(Self::claim_one).expect("not all ports are taken")
    }

    fn claim_one(n: u16) -> Option<Self> {
        let user = rustix::process::geteuid().as_raw();
        let claims = std::env::temp_dir().join(format!("cloudyknight-test-ports-{user}"));
        DirBuilder::new().recursive(true).mode(0o700).create(&claims).expect("a folder for the locks");
        let claim = File::create(claims.join(n.to_string())).expect("a lock");
        claim.try_lock().ok()?;
        let mut free = (0..EACH).map(|at| {
            let port = FIRST + n * EACH + at;
            TcpListener::bind(("127.0.0.1", port)).ok().map(|_| format!("127.0.0.1:{port}"))
        });
        let (s3, edge, api) = (free.next()??, free.next()??, free.next()??);
        Some(Self { s3, edge, api, _claim: claim })
    }
}
