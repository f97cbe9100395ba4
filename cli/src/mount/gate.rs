//! `cloudyknight mount-gate`: rclone asks it before each upload, and what it refuses stays on this machine. rclone's own
//! filters do not do that: they hide what is in the bucket, and upload what is hidden.
//!
//! It is rclone's metadata mapper, a program that is given an object in JSON and answers its metadata; an upload whose
//! mapper fails does not take place. So the metadata are none, and to fail is to refuse.

use std::io::Read;
use std::process::ExitCode;

use serde::Deserialize;

use super::excluded;

#[derive(Deserialize)]
struct Asked {
    #[serde(rename = "Remote")]
    remote: String,
}

pub fn run(names: &[String]) -> anyhow::Result<ExitCode> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let asked: Asked = serde_json::from_str(&text)?;
    if excluded::is_excluded(&asked.remote, names) {
        eprintln!("{STAYS}");
        return Ok(ExitCode::FAILURE);
    }
    println!(r#"{{"Metadata":{{}}}}"#);
    Ok(ExitCode::SUCCESS)
}

/// By these words the keeper knows what rclone says of it, which is no news to anybody.
pub const STAYS: &str = "it stays on this machine";
