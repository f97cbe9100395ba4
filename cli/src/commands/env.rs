//! `cloudyknight env`: what S3 clients and scripts need to know, as shell exports.

use std::process::ExitCode;

use serde_json::json;

use crate::home::Home;
use crate::s3::{REGION, running};

pub fn run(home: &Home, as_json: bool) -> anyhow::Result<ExitCode> {
    let (endpoints, secrets) = running(home)?;
    let variables = [
        ("AWS_ENDPOINT_URL", endpoints.s3.as_str()),
        ("AWS_ACCESS_KEY_ID", &secrets.access_key),
        ("AWS_SECRET_ACCESS_KEY", &secrets.secret_key),
        ("AWS_REGION", REGION),
        ("AWS_DEFAULT_REGION", REGION),
        ("CLOUDYKNIGHT_HOME", &home.path().display().to_string()),
        // For `docker ps --filter label=cloudyknight.platform=…`.
        ("CLOUDYKNIGHT_PLATFORM", &home.platform()),
        ("CLOUDYKNIGHT_URL", &endpoints.edge),
        ("CLOUDYKNIGHT_API", &endpoints.api),
        ("CLOUDYKNIGHT_TOKEN", &secrets.api_token),
    ];
    if as_json {
        let map: serde_json::Map<_, _> =
            variables.iter().map(|(name, value)| ((*name).into(), json!(value))).collect();
        anstream::println!("{}", serde_json::Value::Object(map));
    } else {
        for (name, value) in variables {
            anstream::println!("export {name}={}", quoted(value));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// As a word for a POSIX shell.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/:._-".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn values_are_quoted_where_a_shell_would_read_them_otherwise() {
        assert_eq!(quoted("http://127.0.0.1:9000"), "http://127.0.0.1:9000");
        assert_eq!(quoted("/a b"), "'/a b'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
