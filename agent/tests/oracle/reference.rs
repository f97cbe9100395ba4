//! Debian's `docker-compose config`: 1.29, or 2.x where Debian is newer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where it is.
fn program() -> String {
    let out = Command::new("sh").args(["-c", "command -v docker-compose"]).output().unwrap();
    let path = String::from_utf8(out.stdout).unwrap().trim().to_owned();
    assert!(!path.is_empty(), "these tests compare with Debian's docker-compose, which ./test.sh installs");
    path
}

/// Its major version.
pub fn version() -> u32 {
    let out = Command::new(program()).args(["version", "--short"]).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).trim().trim_start_matches('v').to_owned();
    let major = text.split('.').next().and_then(|major| major.parse().ok());
    major.unwrap_or_else(|| panic!("what version is {text:?}?"))
}

/// What it makes of the compose files in each folder; or what it says is wrong with them.
pub fn configs(folders: &[PathBuf]) -> Vec<Result<String, String>> {
    if version() == 1 {
        let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/config.py");
        let status = quiet(Command::new("/usr/bin/python3").arg(driver).args(folders)).status().unwrap();
        assert!(status.success(), "{status}");
        return folders.iter().map(|folder| left_beside(folder)).collect();
    }
    let program = program();
    let run = |folder: &PathBuf| {
        let out = quiet(Command::new(&program).arg("config").current_dir(folder)).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if out.status.success() { Ok(text(&out.stdout)) } else { Err(text(&out.stderr)) }
    };
    folders.iter().map(run).collect()
}

/// Without the variables of whoever runs the tests.
fn quiet(command: &mut Command) -> &mut Command {
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", "/nonexistent")
}

fn left_beside(folder: &Path) -> Result<String, String> {
    let read = |name: &str| fs::read_to_string(folder.with_file_name(name)).unwrap();
    if read("code") == "0" { Ok(read("out")) } else { Err(read("err")) }
}
