//! One process a role and home. Whoever holds the lock plays the role and says its process id in the file; a second
//! one waits for its turn, so that a restarted supervisor and an orphaned process never get in each other's way.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use rustix::process::Pid;

use crate::home::Home;

pub struct RoleLock(File);

fn path(home: &Home, role: &str) -> PathBuf {
    home.run(&format!("{role}.lock"))
}

const LOOK_AGAIN: Duration = Duration::from_millis(200);

impl RoleLock {
    /// Takes the role only if nobody plays it.
    pub fn try_take(home: &Home, role: &str) -> anyhow::Result<Option<Self>> {
        let path = path(home, role);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.with_context(|| format!("could not open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("could not lock {}", path.display()))
            }
        }
    }

    /// Waits until this process is the only one of its role.
    pub async fn take(home: &Home, role: &str) -> anyhow::Result<Self> {
        let path = path(home, role);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.with_context(|| format!("could not open {}", path.display()))?;
        let mut reported = false;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {
                    if !reported {
                        tracing::info!(role, "another process plays this role; waiting for it to end");
                    }
                    reported = true;
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("could not lock {}", path.display()));
                }
            }
        }
        Self::say(file)
    }

    /// Plays the role unless somebody does.
    pub fn take_if_free(home: &Home, role: &str) -> anyhow::Result<Option<Self>> {
        match Self::try_take(home, role)? {
            Some(Self(file)) => Self::say(file).map(Some),
            None => Ok(None),
        }
    }

    /// Says who plays it.
    fn say(mut file: File) -> anyhow::Result<Self> {
        file.set_len(0)?;
        file.rewind()?;
        write!(file, "{}", std::process::id())?;
        file.flush()?;
        Ok(Self(file))
    }
}

/// The process that plays a role now.
pub fn holder(home: &Home, role: &str) -> anyhow::Result<Option<Pid>> {
    let path = path(home, role);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("could not open {}", path.display())),
    };
    match file.try_lock_shared() {
        // Nobody holds it: the number in it is of a process that is gone.
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            Ok(text.trim().parse().ok().and_then(Pid::from_raw))
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("could not look at {}", path.display()))
        }
    }
}
