//! The platform's home: which file lies where, the secrets made at first start, and what the running processes
//! say about themselves.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::environment::variable;
use crate::errors::hinted;

#[derive(Clone, Debug)]
pub struct Home(PathBuf);

/// Made once, at random, and never printed unless asked for.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secrets {
    pub access_key: String,
    pub secret_key: String,
    pub api_token: String,
    /// Homes from before the webhook have none yet.
    #[serde(default)]
    pub ingest_token: String,
}

/// Where the running platform answers; written by it when it is ready.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Endpoints {
    pub s3: String,
    pub edge: String,
    pub api: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingest: Option<String>,
}

/// Why the platform cannot begin, where somebody has to act first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    pub message: String,
    pub hint: String,
}

impl Home {
    /// The one asked for, else `/var/lib/cloudyknight` for root, else the user's data directory.
    pub fn new(asked: Option<PathBuf>) -> anyhow::Result<Self> {
        let path = match asked {
            Some(path) => std::path::absolute(&path)?,
            None if rustix::process::geteuid().is_root() => PathBuf::from("/var/lib/cloudyknight"),
            None => user_data()?.join("cloudyknight"),
        };
        Ok(Self(path))
    }

    /// The address of a platform elsewhere, as `cloudyknight env` or an operator set it: unless another home was asked
    /// for than the one that was set with it.
    pub fn remote(&self) -> Option<(String, String)> {
        let other = variable("CLOUDYKNIGHT_HOME").is_some_and(|home| Path::new(&home) != self.0);
        if other { None } else { variable("CLOUDYKNIGHT_API").zip(variable("CLOUDYKNIGHT_TOKEN")) }
    }

    /// The address of that platform, unless it is the one of this home: `cloudyknight env` names that one as well.
    pub fn elsewhere(&self) -> Option<String> {
        let (address, token) = self.remote()?;
        let has_token = matches!(self.known_secrets(), Ok(Some(secrets)) if secrets.api_token == token);
        let is_there = matches!(self.endpoints(), Ok(Some(endpoints)) if endpoints.api == address);
        (!has_token && !is_there).then_some(address)
    }

    /// For what is about this machine: nobody is to take the answer for that of a platform elsewhere. `what` cannot be done
    /// from here.
    pub fn must_be_here(&self, what: &str) -> anyhow::Result<()> {
        let Some(address) = self.elsewhere() else { return Ok(()) };
        Err(hinted(
            format!("CLOUDYKNIGHT_API names the platform at {address}, and {what}"),
            "run it on that platform's machine; or unset CLOUDYKNIGHT_API and CLOUDYKNIGHT_TOKEN for the platform of this one",
        ))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn config(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    pub fn store(&self) -> PathBuf {
        self.0.join("store")
    }

    pub fn run(&self, file: &str) -> PathBuf {
        self.0.join("run").join(file)
    }

    pub fn log(&self, role: &str) -> PathBuf {
        self.0.join("log").join(format!("{role}.log"))
    }

    /// Tells this platform from others on the same machine: short, and the same for as long as the home stays.
    pub fn platform(&self) -> String {
        use std::os::unix::ffi::OsStrExt;
        hex::encode(&blake3::hash(self.0.as_os_str().as_bytes()).as_bytes()[..4])
    }

    /// Folders that only their owner can read.
    pub fn make(&self) -> anyhow::Result<()> {
        for folder in [self.0.clone(), self.0.join("run"), self.0.join("log")] {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
            made.with_context(|| format!("could not make the folder {}", folder.display()))?;
        }
        Ok(())
    }

    /// The platform's secrets, made now if there are none.
    pub fn secrets(&self) -> anyhow::Result<Secrets> {
        let path = self.0.join("secrets.json");
        let known: Option<Secrets> = read_json(&path)?;
        if let Some(secrets) = known.as_ref().filter(|secrets| !secrets.ingest_token.is_empty()) {
            return Ok(secrets.clone());
        }
        let ingest_token = random_hex(20)?;
        let secrets = match known {
            Some(secrets) => Secrets { ingest_token, ..secrets },
            None => Secrets {
                access_key: format!("CK{}", random_hex(9)?.to_uppercase()),
                secret_key: random_hex(20)?,
                api_token: random_hex(20)?,
                ingest_token,
            },
        };
        write_private(&path, &serde_json::to_vec_pretty(&secrets)?)?;
        Ok(secrets)
    }

    pub fn known_secrets(&self) -> anyhow::Result<Option<Secrets>> {
        read_json(&self.0.join("secrets.json"))
    }

    pub fn endpoints(&self) -> anyhow::Result<Option<Endpoints>> {
        read_json(&self.run("endpoints.json"))
    }

    pub fn failure(&self) -> anyhow::Result<Option<Failure>> {
        read_json(&self.run("failure.json"))
    }

    pub fn write_failure(&self, failure: &Failure) -> anyhow::Result<()> {
        write_private(&self.run("failure.json"), &serde_json::to_vec_pretty(failure)?)
    }

    pub fn forget_failure(&self) -> anyhow::Result<()> {
        match fs::remove_file(self.run("failure.json")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).context("could not forget an old failure")
            }
            _ => Ok(()),
        }
    }

    pub fn write_endpoints(&self, endpoints: &Endpoints) -> anyhow::Result<()> {
        write_private(&self.run("endpoints.json"), &serde_json::to_vec_pretty(endpoints)?)
    }
}

fn user_data() -> anyhow::Result<PathBuf> {
    let of = |name: &str| variable(name).map(PathBuf::from);
    let data = of("XDG_DATA_HOME").or_else(|| Some(of("HOME")?.join(".local/share")));
    data.context("neither XDG_DATA_HOME nor HOME says where to keep data")
}

fn random_hex(bytes: usize) -> anyhow::Result<String> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("the system has no randomness: {error}"))?;
    Ok(hex::encode(random))
}

/// `None` when the file does not exist.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
    match fs::read(path) {
        Ok(text) => {
            let parsed = serde_json::from_slice(&text);
            parsed.map(Some).with_context(|| format!("{} is not readable", path.display()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("could not read {}", path.display())),
    }
}

/// Writes a file that only its owner can read, whole or not at all.
pub fn write_private(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let next = path.with_extension("next");
    let write = || {
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&next, path)
    };
    write().with_context(|| format!("could not write {}", path.display()))
}
