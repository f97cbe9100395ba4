//! What the command line says when somebody mistypes, and what it prints for shells, programs and readers.

use std::fs;
use std::process::Command;

use cloudyknight_tests::run::{run, run_with_input, stderr, stdout, succeeded};
use cloudyknight_tests::{Client, Folder, Platform};
use serde_json::{Value, json};

fn quick() -> Platform {
    Platform::builder().setting("quiet_ms", 20).setting("burst_quiet_ms", 100).start()
}

#[test]
fn what_was_mistyped_is_suggested() {
    let platform = quick();
    platform.s3(Client::Boto3).put("blog/index.html", "one");
    platform.live("blog");
    let suggests = |arguments: &[&str], meant: &str| {
        let output = platform.cli(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
        assert!(stderr(&output).contains(meant), "{arguments:?}: {}", stderr(&output));
    };
    for command in ["status", "logs", "history", "restart", "rollback", "wait", "ls", "rm", "open"] {
        suggests(&[command, "blgo"], "hint: did you mean `blog`?");
    }
    suggests(&["logs", "blog", "--service", "blgo"], "hint: did you mean `blog`?");
    suggests(&["statsu"], "status");
    suggests(&["push", "--wach"], "--watch");
    suggests(&["config", "quite_ms"], "hint: did you mean `quiet_ms`?");
    suggests(&["push", "blog", "."], "there is no folder blog");
    // Nothing near, no suggestion.
    let far = platform.cli(&["status", "database"]);
    assert!(!stderr(&far).contains("did you mean"), "{}", stderr(&far));
    let as_json = platform.cli(&["status", "blgo", "--json"]);
    let error: Value = serde_json::from_str(&stderr(&as_json)).expect("JSON");
    assert_eq!(error["error"], "there is no workspace `blgo`");
    assert!(error["hint"].as_str().is_some_and(|hint| hint.starts_with("did you mean `blog`?")), "{error}");
}

#[test]
fn a_command_line_that_makes_no_sense_is_told_as_every_error_is() {
    let platform = Platform::builder().prepare();
    let typed = |arguments: &[&str]| {
        let output = platform.cli(arguments);
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), String::new()), "{arguments:?}");
        stderr(&output)
    };
    let words = typed(&["statsu"]);
    let lines: Vec<&str> = words.lines().collect();
    assert_eq!(lines[0], "error: there is no command `statsu`");
    assert!(lines.len() == 2 && lines[1].starts_with("hint: did you mean `status`?"), "{words}");
    for arguments in [&["push", "--wach", "--json"][..], &["--json", "rollback"], &["token", "--json"]] {
        let words = typed(arguments);
        let error: Value = serde_json::from_str(&words).unwrap_or_else(|error| panic!("{error}: {words}"));
        assert!(error["error"].is_string() && error["hint"].is_string(), "{words}");
        assert_eq!(words.lines().count(), 1, "{words}");
    }
    // What is behind `--` is no option.
    assert!(typed(&["rollback", "a", "b", "--", "--json"]).starts_with("error: "));
    for (arguments, begin) in
        [(&["--version", "--json"][..], "cloudyknight "), (&["push", "--help"], "Upload a folder")]
    {
        assert!(succeeded("asked for", &platform.cli(arguments)).starts_with(begin), "{arguments:?}");
    }
}

#[test]
fn settings_that_make_no_sense_fail_a_command_and_keep_a_role_from_being_started_again() {
    let platform = Platform::builder().setting("quiet", 1).prepare();
    for (arguments, code) in
        [(&["config"][..], 1), (&["up"], 1), (&["run"], 78), (&["ingest"], 78), (&["edge"], 78)]
    {
        let output = platform.cli(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("unknown field `quiet`"), "{arguments:?}: {}", stderr(&output));
    }
    std::fs::write(platform.home().join("config.toml"), "").expect("the settings are mended");
}

#[test]
fn colours_are_for_terminals_and_secrets_for_those_who_ask() {
    let platform = quick();
    platform.s3(Client::Boto3).put("blog/index.html", "one");
    platform.live("blog");
    let secrets: Vec<&String> = ["AWS_SECRET_ACCESS_KEY", "CLOUDYKNIGHT_TOKEN"]
        .iter()
        .map(|name| &platform.variables()[*name])
        .collect();
    for arguments in [
        &["status"][..],
        &["status", "blog"],
        &["ls"],
        &["doctor"],
        &["config"],
        &["policy"],
        &["status", "nobody"],
        &["open", "blog"],
        &["config", "--json"],
        &["--help"],
    ] {
        let mut command = platform.cli_command(arguments);
        command.env("CLOUDYKNIGHT_TOKEN", secrets[1]);
        let output = run(&mut command);
        let words = format!("{}{}", stdout(&output), stderr(&output));
        assert!(!words.contains('\u{1b}'), "{arguments:?}: {words}");
        assert!(!secrets.iter().any(|secret| words.contains(*secret)), "{arguments:?}: {words}");
    }
    assert!(stdout(&platform.cli(&["env"])).contains(secrets[0]), "asked for");
}

#[test]
fn config_tells_where_each_setting_comes_from() {
    let platform = quick();
    let told = platform.cli_json(&["config"]);
    let of = |key: &str| {
        let settings = told["settings"].as_array().expect("a list");
        settings.iter().find(|setting| setting["key"] == key).unwrap_or_else(|| panic!("{key}")).clone()
    };
    assert_eq!((&of("quiet_ms")["value"], &of("quiet_ms")["from"]), (&json!(20), &json!("file")));
    assert_eq!(of("keep_releases")["from"], "default");
    let mut command = platform.cli_command(&["config", "settle_cap_s"]);
    assert_eq!(stdout(&run(&mut command)), "60\n");
    let mut command = platform.cli_command(&["config", "keep_images", "--json"]);
    let told: Value =
        serde_json::from_str(&stdout(&run(command.env("CLOUDYKNIGHT_KEEP_IMAGES", "7")))).expect("JSON");
    let setting = json!({ "key": "keep_images", "value": 7, "from": "environment", "variable": "CLOUDYKNIGHT_KEEP_IMAGES" });
    assert_eq!(told["settings"], json!([setting]));
    let path = platform.cli(&["config", "path"]);
    assert_eq!(stdout(&path).trim_end(), platform.home().join("config.toml").to_str().expect("UTF-8"));
}

#[test]
fn shells_complete_commands_and_options() {
    let platform = Platform::builder().prepare();
    let script = succeeded("completions", &platform.cli(&["completions", "bash"]));
    let ask = "source /dev/stdin; complete -p cloudyknight; COMP_WORDS=(cloudyknight st); COMP_CWORD=1; \
               _cloudyknight cloudyknight st; echo \"${COMPREPLY[@]}\"; \
               COMP_WORDS=(cloudyknight push --w); COMP_CWORD=2; _cloudyknight cloudyknight --w; echo \"${COMPREPLY[@]}\"";
    let completed = run_with_input(Command::new("bash").args(["-c", ask]), script.as_bytes());
    let completed = succeeded("bash", &completed);
    let lines: Vec<&str> = completed.lines().collect();
    assert!(lines[0].contains("_cloudyknight"), "{completed}");
    assert_eq!(lines[1..], ["status stop start", "--watch"], "{completed}");
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert!(stdout(&platform.cli(&["completions", shell])).contains("cloudyknight"), "{shell}");
    }
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let platform = Platform::builder().prepare();
    let folder = Folder::new();
    let dir = folder.path().to_str().expect("UTF-8");
    let written = platform.cli_json(&["man", dir]);
    let pages = written["pages"].as_array().expect("a list");
    assert!(pages.len() > 30, "{written}");
    for page in pages {
        let page = page.as_str().expect("a name");
        let text = fs::read_to_string(folder.path().join(page)).expect("a page");
        let name = page.strip_suffix(".1").expect("of section 1");
        assert!(text.contains(&format!(".TH {name} 1")), "{page}: {text}");
        for section in [".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION"] {
            assert!(text.contains(section), "{page} lacks {section}");
        }
        // Every line that begins with a dot is a request that roff knows.
        let known = [
            ".ie", ".el", ".TH", ".SH", ".TP", ".RS", ".RE", ".SS", ".PP", ".IP", ".br", ".nf", ".fi", ".B",
            ".I",
        ];
        for line in text.lines().filter(|line| line.starts_with('.')) {
            let request = line.split_whitespace().next().unwrap_or_default();
            assert!(known.contains(&request), "{page}: {line}");
        }
    }
    assert!(stdout(&platform.cli(&["man"])).contains(".TH cloudyknight 1"));
}

#[test]
fn open_prints_the_address_where_there_is_no_display() {
    let platform = quick();
    platform.s3(Client::Boto3).put("blog/index.html", "one");
    platform.live("blog");
    let mut command = platform.cli_command(&["open", "blog"]);
    let output = run(command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY"));
    assert_eq!(stdout(&output), format!("{}/blog/\n", platform.url()));
    let output = platform.cli(&["open"]);
    assert_eq!(stdout(&output), format!("{}\n", platform.url()));
}
