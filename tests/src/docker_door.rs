//! The way to Docker, which a test may shut: for the platform, Docker is away then, and so are its events, as when its
//! daemon restarts. Docker itself, which others use too, notices nothing.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use tempfile::TempDir;

pub struct DockerDoor {
    folder: TempDir,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    is_shut: bool,
    through: Vec<UnixStream>,
}

const DOCKER: &str = "/var/run/docker.sock";

impl DockerDoor {
    pub fn open() -> Self {
        let folder = tempfile::Builder::new().prefix("ck-door-").tempdir_in("/tmp").expect("a folder");
        let door = Self { folder, state: Arc::default() };
        let listener = UnixListener::bind(door.path()).expect("a socket");
        let state = Arc::clone(&door.state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // One that is turned away sees its connection end.
                let _ = let_through(&client, &state);
            }
        });
        door
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// The setting of a platform that goes this way.
    pub fn setting(&self) -> (&'static str, String) {
        ("docker_host", format!("\"unix://{}\"", self.path().display()))
    }

    /// Ends whatever goes through, and lets nobody in.
    pub fn shut(&self) {
        let mut state = lock(&self.state);
        state.is_shut = true;
        for stream in state.through.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub fn reopen(&self) {
        lock(&self.state).is_shut = false;
    }
}

fn let_through(client: &UnixStream, state: &Arc<Mutex<State>>) -> io::Result<()> {
    let docker = UnixStream::connect(DOCKER)?;
    let mut state = lock(state);
    if state.is_shut {
        return Ok(());
    }
    state.through.extend([client.try_clone()?, docker.try_clone()?]);
    for (mut from, mut to) in
        [(client.try_clone()?, docker.try_clone()?), (docker.try_clone()?, client.try_clone()?)]
    {
        std::thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
    Ok(())
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("nobody panics while they hold it")
}
