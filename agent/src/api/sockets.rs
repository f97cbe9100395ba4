//! The API for containers: a socket for each workspace that the policy lets use it, which only its containers have. Who
//! calls is known by the socket, so that no container needs a token; what it may is looked up for each request.

use std::collections::BTreeSet;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use axum::{Extension, Router};
use cloudyknight_core::workspace::WorkspaceName;
use tokio::net::UnixListener;

/// Where a container finds the folder that holds the socket. The folder is mounted, and not the socket: that one is
/// another one after each start of the agent.
pub const IN_CONTAINER: &str = "/run/cloudyknight";
const SOCKET: &str = "api.sock";

/// The path of the socket in a container.
pub fn path() -> String {
    format!("{IN_CONTAINER}/{SOCKET}")
}

/// Who speaks through a socket.
#[derive(Clone, Debug)]
pub struct Caller(pub WorkspaceName);

pub struct Sockets {
    dir: PathBuf,
    router: OnceLock<Router>,
    open: Mutex<BTreeSet<WorkspaceName>>,
}

impl Sockets {
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, router: OnceLock::new(), open: Mutex::default() }
    }

    /// What answers, from now on. Only the first one counts.
    pub fn begin(&self, router: Router) {
        self.router.get_or_init(|| router);
    }

    /// The folder with the socket of a workspace.
    pub fn folder(&self, workspace: &WorkspaceName) -> PathBuf {
        self.dir.join(workspace.as_str())
    }

    /// Makes sure that the folder is there, and that the socket in it answers.
    pub fn ensure(&self, workspace: &WorkspaceName) -> std::io::Result<()> {
        let folder = self.folder(workspace);
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(&folder)?;
        let Some(router) = self.router.get() else { return Ok(()) };
        let mut open = self.open.lock().expect("no thread panics while it holds the names");
        if open.contains(workspace) && folder.join(SOCKET).exists() {
            return Ok(());
        }
        let listener = listen(&folder)?;
        open.insert(workspace.clone());
        let router = router.clone().layer(Extension(Caller(workspace.clone())));
        let whose = workspace.clone();
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::warn!(workspace = %whose, %error, "the API's socket ended");
            }
        });
        Ok(())
    }
}

fn listen(folder: &Path) -> std::io::Result<UnixListener> {
    let socket = folder.join(SOCKET);
    match std::fs::remove_file(&socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // A socket's path may have about a hundred letters, and a home and a name together have more.
    let opened = std::fs::File::open(folder)?;
    let listener = UnixListener::bind(format!("/proc/self/fd/{}/{SOCKET}", opened.as_raw_fd()))?;
    // Whoever an app runs as: nobody else sees the folder.
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}
