//! `cloudyknight config`: the settings that hold, and where each comes from. Whatever may be a secret is not shown.

use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::args::Listen;
use crate::backends::{Commands, Events, Store};
use crate::config::{ChecksumSetting, Config};
use crate::environment::variable;
use crate::errors::hinted;
use crate::home::Home;
use crate::output::Output;
use crate::{show, suggest};

/// What `config --json` prints.
#[derive(Serialize, ToSchema)]
pub struct Settings {
    version: u32,
    home: String,
    file: String,
    /// Whether that file is there.
    exists: bool,
    settings: Vec<Setting>,
}

#[derive(Serialize, ToSchema)]
pub struct Setting {
    key: &'static str,
    /// As `config.toml` would say it; null for none, and for what is not shown.
    value: Value,
    from: From,
    /// Of the environment, where it comes from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    variable: Option<&'static str>,
    /// It may be a secret.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    hidden: bool,
}

/// What `config path --json` prints.
#[derive(Serialize, ToSchema)]
pub struct SettingsPath {
    version: u32,
    path: String,
    /// Whether it is there.
    exists: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SettingSource)]
enum From {
    Default,
    File,
    Environment,
}

pub fn run(home: &Home, key: Option<&str>, output: Output) -> anyhow::Result<ExitCode> {
    home.must_be_here("its settings are read on its own machine")?;
    if key == Some("path") {
        let path = home.config().display().to_string();
        if output.is_json() {
            let told = SettingsPath { version: 1, path, exists: home.config().exists() };
            anstream::println!("{}", serde_json::to_string(&told)?);
        } else {
            anstream::println!("{path}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut told = Settings {
        version: 1,
        home: home.path().display().to_string(),
        file: home.config().display().to_string(),
        exists: home.config().exists(),
        settings: settings(home)?,
    };
    if let Some(key) = key {
        let keys: Vec<&str> = told.settings.iter().map(|setting| setting.key).collect();
        if !keys.contains(&key) {
            let hint = suggest::hint(key, keys, "`cloudyknight config` lists the settings");
            return Err(hinted(format!("there is no setting `{key}`"), hint));
        }
        told.settings.retain(|setting| setting.key == key);
    }
    if output.is_json() {
        anstream::println!("{}", serde_json::to_string(&told)?);
    } else if key.is_some() {
        told.settings.iter().for_each(|setting| anstream::println!("{}", shown(setting)));
    } else {
        print(&told);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(told: &Settings) {
    let note = if told.exists { "" } else { " (not there: all defaults)" };
    anstream::println!("{}{note}\n", told.file);
    let rows: Vec<_> = told
        .settings
        .iter()
        .map(|setting| {
            let from = match (setting.from, setting.variable) {
                (From::Default, _) => "default".to_owned(),
                (From::File, _) => "file".to_owned(),
                (From::Environment, variable) => format!("environment: {}", variable.unwrap_or_default()),
            };
            [setting.key.to_owned(), shown(setting), from]
        })
        .collect();
    anstream::print!("{}", show::columns(&rows));
}

fn shown(setting: &Setting) -> String {
    match &setting.value {
        _ if setting.hidden && setting.from == From::Default => "(none)".to_owned(),
        _ if setting.hidden => "(set, and not shown)".to_owned(),
        Value::Null => "(none)".to_owned(),
        value => value.to_string(),
    }
}

fn settings(home: &Home) -> anyhow::Result<Vec<Setting>> {
    let listen = Listen {
        s3_listen: variable("CLOUDYKNIGHT_S3_LISTEN"),
        edge_listen: variable("CLOUDYKNIGHT_EDGE_LISTEN"),
        edge: variable("CLOUDYKNIGHT_EDGE"),
        api_listen: variable("CLOUDYKNIGHT_API_LISTEN"),
        domain: variable("CLOUDYKNIGHT_DOMAIN"),
    };
    let config = Config::load(home, &listen)?;
    // It is well formed, or it would not have been loaded.
    let file: toml::Table =
        std::fs::read_to_string(home.config()).ok().and_then(|text| text.parse().ok()).unwrap_or_default();
    let source = |key: &'static str, name: Option<&'static str>| {
        let is_in_file = file.contains_key(key);
        match name.filter(|name| variable(name).is_some()) {
            // The one whose variable is only a default.
            Some(_) if key == "region" && is_in_file => (From::File, None),
            Some(name) => (From::Environment, Some(name)),
            None if is_in_file => (From::File, None),
            None => (From::Default, None),
        }
    };
    let mut settings: Vec<Setting> = values(&config, home)?
        .into_iter()
        .map(|(key, name, value)| {
            let (from, variable) = source(key, name);
            Setting { key, value, from, variable, hidden: false }
        })
        .collect();
    // Values for compose files, of which nobody knows what they are.
    let hidden = config.variables.into_keys().collect::<Vec<_>>().join(", ");
    let value =
        if hidden.is_empty() { Value::Null } else { json!(format!("{hidden} (values are not shown)")) };
    let (from, _) = source("variables", None);
    settings.push(Setting { key: "variables", value, from, variable: None, hidden: false });
    for (key, name) in [("api", "CLOUDYKNIGHT_API"), ("bucket", "CLOUDYKNIGHT_BUCKET")] {
        let value = variable(name);
        let from = if value.is_some() { From::Environment } else { From::Default };
        let name = value.is_some().then_some(name);
        settings.push(Setting { key, value: json!(value), from, variable: name, hidden: false });
    }
    for (key, name) in [("token", "CLOUDYKNIGHT_TOKEN"), ("ingest_token", "CLOUDYKNIGHT_INGEST_TOKEN")] {
        let (from, variable) = match variable(name) {
            Some(_) => (From::Environment, Some(name)),
            None => (From::Default, None),
        };
        settings.push(Setting { key, value: Value::Null, from, variable, hidden: true });
    }
    Ok(settings)
}

type Named = (&'static str, Option<&'static str>, Value);

/// Every key of `config.toml` but `variables`, what overrides it in the environment, and what holds.
fn values(config: &Config, home: &Home) -> anyhow::Result<Vec<Named>> {
    let store = match &config.store {
        Store::Embedded => "embedded",
        Store::S3(endpoint) => &endpoint.url,
    };
    let events = match &config.events {
        Events::Embedded => "embedded",
        Events::Sqs(queue) => &queue.url,
        Events::None => "none",
    };
    let commands = match &config.commands {
        Commands::Embedded => "embedded",
        Commands::Sqs(queue) => &queue.url,
    };
    let checksums = match config.checksums {
        ChecksumSetting::WhenSupported => "when_supported",
        ChecksumSetting::WhenRequired => "when_required",
    };
    let path_style = config.path_style.unwrap_or(match &config.store {
        Store::Embedded => true,
        Store::S3(endpoint) => !endpoint.is_aws,
    });
    Ok(vec![
        ("store", Some("CLOUDYKNIGHT_STORE"), json!(store)),
        ("events", Some("CLOUDYKNIGHT_EVENTS"), json!(events)),
        ("commands", Some("CLOUDYKNIGHT_COMMANDS"), json!(commands)),
        ("workspaces_bucket", None, json!(config.workspaces_bucket)),
        ("platform_bucket", None, json!(config.platform_bucket)),
        ("region", Some("AWS_REGION"), json!(config.region())),
        ("profile", None, json!(config.profile)),
        ("path_style", None, json!(path_style)),
        ("checksums", None, json!(checksums)),
        ("ingest_listen", Some("CLOUDYKNIGHT_INGEST_LISTEN"), json!(config.ingest_listen)),
        ("s3_listen", Some("CLOUDYKNIGHT_S3_LISTEN"), json!(config.s3_listen)),
        ("edge", Some("CLOUDYKNIGHT_EDGE"), json!(config.edge)),
        ("traefik_dir", Some("CLOUDYKNIGHT_TRAEFIK_DIR"), json!(config.traefik_dir)),
        ("traefik_api", Some("CLOUDYKNIGHT_TRAEFIK_API"), json!(config.traefik_api)),
        ("edge_listen", Some("CLOUDYKNIGHT_EDGE_LISTEN"), json!(config.edge_address()?.to_string())),
        ("trusted_proxies", None, json!(config.trusted_proxies)),
        ("api_listen", Some("CLOUDYKNIGHT_API_LISTEN"), json!(config.api_listen)),
        ("domain", Some("CLOUDYKNIGHT_DOMAIN"), json!(config.domain)),
        ("docker_host", Some("DOCKER_HOST"), json!(config.docker_host)),
        ("quiet_ms", Some("CLOUDYKNIGHT_QUIET_MS"), json!(config.quiet_ms)),
        ("burst_quiet_ms", Some("CLOUDYKNIGHT_BURST_QUIET_MS"), json!(config.burst_quiet_ms)),
        ("settle_cap_s", None, json!(config.settle_cap_s)),
        ("health_timeout_s", Some("CLOUDYKNIGHT_HEALTH_TIMEOUT_S"), json!(config.health_timeout_s)),
        ("drain_timeout_s", Some("CLOUDYKNIGHT_DRAIN_TIMEOUT_S"), json!(config.drain_timeout_s)),
        ("probation_s", Some("CLOUDYKNIGHT_PROBATION_S"), json!(config.probation_s)),
        ("keep_images", Some("CLOUDYKNIGHT_KEEP_IMAGES"), json!(config.keep_images)),
        ("build_timeout_s", None, json!(config.build_timeout_s)),
        ("sweep_interval_s", Some("CLOUDYKNIGHT_SWEEP_INTERVAL_S"), json!(config.sweep_interval_s)),
        ("concurrency", None, json!(config.concurrency)),
        ("max_source_mb", Some("CLOUDYKNIGHT_MAX_SOURCE_MB"), json!(config.max_source_mb)),
        ("keep_releases", None, json!(config.keep_releases)),
        ("source_dir", None, json!(config.source_dir)),
        ("subnet_pool", None, json!(config.subnet_pool)),
        ("fresh", Some("CLOUDYKNIGHT_FRESH"), json!(config.fresh)),
        ("firewall", None, json!(config.firewall)),
        ("policy", None, json!(config.policy_path(home))),
        ("rclone", Some("CLOUDYKNIGHT_RCLONE"), json!(config.rclone)),
        ("mount_exclude", None, json!(config.mount_exclude)),
        ("mount_relist_ms", None, json!(config.mount_relist_ms)),
    ])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn home(config: &str) -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.toml"), config).unwrap();
        let home = Home::new(Some(dir.path().to_owned())).unwrap();
        (dir, home)
    }

    #[test]
    fn every_setting_of_the_file_is_told() {
        // What may stand there, the file itself says of a key that may not.
        let error = toml::from_str::<Config>("no_such_setting = 1").unwrap_err().to_string();
        let (_, known) = error.split_once("expected one of").unwrap_or_else(|| panic!("{error}"));
        let known: BTreeSet<&str> = known.split('`').skip(1).step_by(2).collect();
        let (_dir, home) = home("");
        let settings = settings(&home).unwrap();
        let told: BTreeSet<&str> = settings.iter().map(|setting| setting.key).collect();
        assert_eq!(known.difference(&told).collect::<Vec<_>>(), [&""; 0]);
    }

    #[test]
    fn a_setting_says_where_it_comes_from_and_a_secret_nothing_else() {
        let (_dir, home) = home("quiet_ms = 20\n[variables]\nDB_PASSWORD = \"hunter2\"\n");
        let settings = settings(&home).unwrap();
        let of = |key: &str| settings.iter().find(|setting| setting.key == key).unwrap();
        assert_eq!((of("keep_releases").from, shown(of("keep_releases")).as_str()), (From::Default, "50"));
        assert_eq!(of("variables").from, From::File);
        assert_eq!(shown(of("variables")), "\"DB_PASSWORD (values are not shown)\"");
        assert!(!serde_json::to_string(&settings).unwrap().contains("hunter2"));
    }
}
