//! `docker-compose config` of two majors: the one that this Debian has, and 2.26 out of a newer one, which `test.sh` fetches where
//! it can be had.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Reference {
    program: PathBuf,
    /// Its major version.
    pub version: u32,
}

impl Reference {
    /// All that are here, and the one of this Debian is.
    pub fn all() -> Vec<Self> {
        let out = Command::new("sh").args(["-c", "command -v docker-compose"]).output().unwrap();
        let path = String::from_utf8(out.stdout).unwrap().trim().to_owned();
        assert!(
            !path.is_empty(),
            "these tests compare with Debian's docker-compose, which ./test.sh installs"
        );
        let mut all = vec![Self::of(path.into())];
        let newer = fetched().join("docker-compose");
        if newer.exists() {
            let newer = Self::of(newer);
            all.retain(|one| one.version != newer.version);
            all.push(newer);
        } else {
            eprintln!("there is no {}: ./test.sh fetches it; not compared with it", newer.display());
        }
        all
    }

    fn of(program: PathBuf) -> Self {
        let out = Command::new(&program).args(["version", "--short"]).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).trim().trim_start_matches('v').to_owned();
        let major = text.split('.').next().and_then(|major| major.parse().ok());
        let version = major.unwrap_or_else(|| panic!("what version is {text:?}?"));
        Self { program, version }
    }

    /// What it makes of the compose files in each folder; or what it says is wrong with them.
    pub fn configs(&self, folders: &[PathBuf]) -> Vec<Result<String, String>> {
        if self.version == 1 {
            let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/config.py");
            let status = quiet(Command::new("/usr/bin/python3").arg(driver).args(folders)).status().unwrap();
            assert!(status.success(), "{status}");
            return folders.iter().map(|folder| left_beside(folder)).collect();
        }
        let run = |folder: &PathBuf| {
            let out = quiet(Command::new(&self.program).arg("config").current_dir(folder)).output().unwrap();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            if out.status.success() { Ok(text(&out.stdout)) } else { Err(text(&out.stderr)) }
        };
        folders.iter().map(run).collect()
    }
}

/// Where `test.sh` puts it.
#[expect(clippy::disallowed_methods, reason = "where it is is said to the test itself")]
fn fetched() -> PathBuf {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-compose");
    std::env::var_os("CLOUDYKNIGHT_TEST_COMPOSE").map_or(usual, PathBuf::from)
}

/// Without the variables of whoever runs the tests.
fn quiet(command: &mut Command) -> &mut Command {
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", "/nonexistent")
}

fn left_beside(folder: &Path) -> Result<String, String> {
    let read = |name: &str| fs::read_to_string(folder.with_file_name(name)).unwrap();
    if read("code") == "0" { Ok(read("out")) } else { Err(read("err")) }
}
