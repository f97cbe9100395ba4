//! The mounted folder, with a real mount: what is saved in it is live, what S3 clients push is in it, and it comes back
//! after whatever befalls it.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use cloudyknight_tests::platform::Role;
use cloudyknight_tests::run::{run, stderr, stdout, succeeded};
use cloudyknight_tests::{Backend, Client, Mounted, Platform, eventually};

const SOON: Duration = Duration::from_secs(30);

fn platform() -> Platform {
    Platform::builder().rclone().start()
}

#[track_caller]
fn shows(platform: &Platform, path: &str, text: &str) {
    eventually(&format!("{path} shows {text:?}"), SOON, || platform.get(path).1.contains(text).then_some(()));
}

#[test]
fn a_folder_that_is_made_and_written_is_live_until_it_is_removed() {
    let platform = platform();
    let mounted = Mounted::of(&platform);
    mounted.sh("mkdir myapp && echo '<h1>It is live</h1>' > myapp/index.html");
    shows(&platform, "/myapp/", "It is live");
    platform.live("myapp");
    assert_eq!(platform.s3(Client::Boto3).ls(""), ["myapp/index.html"]);
    assert_eq!(mounted.names(""), ["myapp"]);

    mounted.sh("mkdir -p myapp/css/dark && echo 'a {}' > myapp/css/dark/a.css");
    shows(&platform, "/myapp/css/dark/a.css", "a {}");
    mounted.sh("rm -r myapp");
    eventually("the bucket is empty", SOON, || platform.s3(Client::Boto3).ls("").is_empty().then_some(()));
    platform.removed("myapp");
    assert_eq!(mounted.names(""), [""; 0]);
}

#[test]
fn whatever_saves_a_file_it_is_one_deployment() {
    let platform = platform();
    let mounted = Mounted::of(&platform);
    mounted.write("app/index.html", "first\n");
    shows(&platform, "/app/", "first");
    platform.live("app");
    let mut deployments = platform.deployments_of("app");
    let mut saved = |how: &str, line: &str, save: &dyn Fn(&str)| {
        save(line);
        shows(&platform, "/app/", line);
        platform.live("app");
        // One too many of those before would count here, too.
        deployments += 1;
        assert_eq!(platform.deployments_of("app"), deployments, "{how}");
    };
    saved("vim", "by vim", &|line| mounted.vim("app/index.html", "", line));
    saved("vim, through a backup", "by vim again", &|line| {
        // vim makes none in /tmp by itself.
        mounted.vim("app/index.html", "backup backupcopy=no backupskip=", line);
    });
    saved("nano", "by nano", &|line| mounted.nano("app/index.html", line));
    saved("a program that renames", "by renaming", &|line| {
        mounted.sh(&format!("echo '{line}' > app/.new && mv app/.new app/index.html"));
    });
    // As Emacs saves: between the two commands the file is gone from the bucket, for longer than a push needs to count.
    saved("a program that renames what was there", "after a backup", &|line| {
        mounted.sh(&format!("mv app/index.html app/index.html~ && echo '{line}' > app/index.html"));
    });
    saved("sed -i", "in place", &|line| {
        mounted.sh(&format!("sed -i 's/after a backup/{line}/' app/index.html"));
    });
    let left: Vec<String> = platform.s3(Client::Boto3).ls("app/");
    assert_eq!(left, ["app/index.html", "app/index.html~"], "only what was asked for stays");
    // What is left of it is no source.
    mounted.sh("rm app/index.html");
    platform.removed("app");
}

#[test]
fn what_editors_leave_deploys_nothing_whoever_puts_it_there() {
    let platform = platform();
    let s3 = platform.s3(Client::Boto3);
    s3.put("app/index.html", "one");
    let release = platform.live("app")["release"].clone();
    for name in [".index.html.swp", "index.html~", "#index.html#", ".#index.html", ".goutputstream-A1B2C3"] {
        s3.put(&format!("app/{name}"), "x");
    }
    s3.put("app/4913", "");
    s3.put("app/index.html", "two");
    let status = platform.live("app");
    assert_ne!(status["release"], release);
    assert_eq!(platform.get("/app/index.html~").0, 404);
    assert_eq!(platform.deployments_of("app"), 2);
    s3.rm_one("app/index.html");
    platform.removed("app");
}

#[test]
fn the_first_read_after_an_s3_client_wrote_is_right_a_hundred_times() {
    let platform = platform();
    platform.s3(Client::Boto3).put("app/.nomonitor", "");
    let mounted = Mounted::of(&platform);
    // Shorter and longer by turns; new folders come and go; and each is read by the process that wrote, at once.
    let program = r#"
import os
folder = sys.argv[1]
wrong = []
for n in range(100):
    body = f"{n:04d} ".encode() + b"x" * ((n * 37) % 200 if n % 2 else 300 + n)
    put("app/src/file.txt", body)
    try:
        with open(f"{folder}/app/src/file.txt", "rb") as file: got = file.read()
    except OSError as error: got = repr(error).encode()
    if got != body: wrong.append((n, "overwritten", got[:40]))
    put(f"app/new/{n}/a/b.txt", body)
    if not os.path.exists(f"{folder}/app/new/{n}/a/b.txt"): wrong.append((n, "new", b""))
    s3.delete_object(Bucket=BUCKET, Key=f"app/new/{n}/a/b.txt")
    if os.path.exists(f"{folder}/app/new/{n}"): wrong.append((n, "deleted", b""))
print(wrong)
"#;
    let output =
        run(&mut platform.s3(Client::Boto3).python(program, &[mounted.dir().to_str().expect("UTF-8")]));
    assert_eq!(succeeded("the overwrites", &output).trim(), "[]");
}

#[test]
fn two_writers_by_turns_see_what_the_other_wrote() {
    let platform = platform();
    platform.s3(Client::Boto3).put("app/.nomonitor", "");
    let mounted = Mounted::of(&platform);
    let program = r#"
import time
folder = sys.argv[1]
path, key = f"{folder}/app/file.txt", "app/file.txt"
wrong = []
for n in range(30):
    mine = f"mine {n} ".encode() * (1 + n % 7)
    with open(path, "wb") as file: file.write(mine)
    give_up = time.monotonic() + 10
    while True:
        try: there = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        except s3.exceptions.NoSuchKey: there = b""
        if there == mine: break
        if time.monotonic() > give_up: sys.exit(f"{n} did not reach the bucket: {there[:40]}")
    theirs = f"theirs {n} ".encode() * (1 + n % 5)
    put(key, theirs)
    # Written by both within the same milliseconds it may take as many until both see the same.
    give_up = time.monotonic() + 2
    while True:
        with open(path, "rb") as file: got = file.read()
        if got == theirs or time.monotonic() > give_up: break
    if got != theirs: wrong.append((n, "read", got[:40]))
    with open(path, "ab") as file: file.write(b"+")
    with open(path, "rb") as file: got = file.read()
    if got != theirs + b"+": wrong.append((n, "appended", got[:40]))
print(wrong)
"#;
    let output =
        run(&mut platform.s3(Client::Boto3).python(program, &[mounted.dir().to_str().expect("UTF-8")]));
    assert_eq!(succeeded("the writers", &output).trim(), "[]");
}

#[test]
fn a_file_that_is_open_is_not_disturbed_by_what_others_push() {
    let platform = platform();
    let s3 = platform.s3(Client::Boto3);
    s3.put("app/.nomonitor", "");
    let mounted = Mounted::of(&platform);
    mounted.sh("mkdir -p app/src");
    let mut file = fs::File::create(mounted.path("app/src/long.txt")).expect("it is made");
    for n in 0..20 {
        writeln!(file, "line {n}").expect("it is written");
        s3.put(&format!("app/src/other-{n}.txt"), "x");
        s3.put("app/src/other.txt", format!("{n}"));
        assert_eq!(mounted.read("app/src/other.txt"), n.to_string());
    }
    drop(file);
    let expected: String = (0..20).map(|n| format!("line {n}\n")).collect();
    assert_eq!(mounted.read("app/src/long.txt"), expected);
    eventually("it is in the bucket", SOON, || {
        s3.ls("app/src/long.txt").contains(&"app/src/long.txt".to_owned()).then_some(())
    });
    assert_eq!(mounted.names("app/src").len(), 22);
}

#[test]
fn an_rclone_that_is_killed_comes_back_and_loses_nothing() {
    let platform = platform();
    let s3 = platform.s3(Client::Boto3);
    let mounted = Mounted::of(&platform);
    mounted.write("app/index.html", "before\n");
    shows(&platform, "/app/", "before");
    // Not uploaded yet when it is killed.
    mounted.write("app/late.html", "late\n");
    mounted.written_down("app/late.html");
    mounted.kill_rclone();
    assert_eq!(mounted.read("app/late.html"), "late\n");
    shows(&platform, "/app/late.html", "late");
    s3.put("app/index.html", "after\n");
    assert_eq!(mounted.read("app/index.html"), "after\n");
    assert_eq!(platform.cli_json(&["status"])["mount"]["state"], "mounted");
}

#[test]
fn a_keeper_that_is_killed_is_replaced() {
    let platform = platform();
    let mounted = Mounted::of(&platform);
    let rclone = mounted.rclone();
    let killed = platform.kill(Role::Mount);
    eventually("another keeper has another rclone", SOON, || {
        let other = platform.process(Role::Mount) != killed
            && mounted.rclone().is_some()
            && mounted.rclone() != rclone;
        (other && platform.cli_json(&["status"])["mount"]["state"] == "mounted").then_some(())
    });
    platform.s3(Client::Boto3).put("app/index.html", "x");
    assert_eq!(mounted.read("app/index.html"), "x");
}

#[test]
fn it_goes_with_the_platform_and_comes_back_with_it_until_it_is_unmounted() {
    let platform = platform();
    let mounted = Mounted::of(&platform);
    mounted.write("app/index.html", "kept\n");
    // At once: what was written has to be in the bucket before the store ends.
    platform.down();
    assert_eq!(platform.mounts(), [""; 0]);
    platform.up();
    assert_eq!(platform.mounts(), [mounted.dir().to_str().expect("UTF-8")]);
    assert_eq!(platform.s3(Client::Boto3).ls("app/"), ["app/index.html"]);
    assert_eq!(mounted.read("app/index.html"), "kept\n");

    // The store by itself: nothing is lost, and nothing is outdated.
    platform.kill(Role::Serve);
    eventually("S3 answers again", SOON, || {
        let put = platform
            .s3(Client::Boto3)
            .python("put('app/index.html', b'again')", &[])
            .output()
            .expect("python");
        put.status.success().then_some(())
    });
    eventually("the mount follows", SOON, || (mounted.read("app/index.html") == "again").then_some(()));

    let told = platform.cli_json(&["unmount"]);
    assert_eq!((told["unmounted"].as_bool(), told["unsent"].as_u64()), (Some(true), Some(0)), "{told}");
    assert_eq!(platform.mounts(), [""; 0]);
    platform.down();
    platform.up();
    assert_eq!(platform.mounts(), [""; 0]);
    assert_eq!(platform.cli_json(&["unmount"])["unmounted"], false);
}

#[test]
fn a_folder_in_use_is_unmounted_only_if_that_is_asked_for() {
    let platform = platform();
    let mounted = Mounted::of(&platform);
    mounted.write("app/.nomonitor", "");
    let mut user = Command::new("sh");
    user.args(["-c", "read line"]).current_dir(mounted.path("app")).stdin(Stdio::piped());
    let mut user = user.spawn().expect("sh runs");
    let refused = platform.cli(&["unmount"]);
    assert!(!refused.status.success());
    assert!(stderr(&refused).contains(&format!("in use by sh ({})", user.id())), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("--lazy"), "{}", stderr(&refused));
    assert_eq!(platform.mounts().len(), 1);
    succeeded("unmount --lazy", &platform.cli(&["unmount", "--lazy"]));
    assert_eq!(platform.mounts(), [""; 0]);
    user.kill().expect("it still ran");
    user.wait().expect("its end");
}

#[test]
fn what_tools_make_stays_on_this_machine_and_does_not_vanish() {
    let platform = platform();
    let s3 = platform.s3(Client::Boto3);
    let mounted = Mounted::of(&platform);
    mounted.write("build/index.html", "a workspace may have any name\n");
    mounted.sh(
        "cd build && mkdir -p node_modules/x .git && echo 1 > node_modules/x/index.js && echo SECRET > .env",
    );
    mounted.write("build/about.html", "about\n");
    shows(&platform, "/build/about.html", "about");
    let local = [".env", ".git", "about.html", "index.html", "node_modules"];
    let pushed = ["build/about.html", "build/index.html"];
    assert_eq!(
        (mounted.names("build"), s3.ls("build/")),
        (local.map(str::to_owned).into(), pushed.map(str::to_owned).into())
    );
    // Also when the folder is looked at anew, and when rclone is another one.
    s3.put("build/other.html", "other");
    assert_eq!(mounted.read("build/.env"), "SECRET\n");
    // rclone writes down that it was read, and is not to be killed while it does.
    s3.put("build/other.html", "another");
    mounted.kill_rclone();
    assert_eq!(mounted.read("build/.env"), "SECRET\n");
    assert_eq!(mounted.read("build/node_modules/x/index.js"), "1\n");
    // What is moved out of it is source.
    mounted.sh("mv build/node_modules/x/index.js build/moved.js");
    eventually("it is in the bucket", SOON, || s3.ls("build/moved.js").pop());
    assert!(!s3.ls("build/").iter().any(|key| key.contains(".env") || key.contains("node_modules")));
    mounted.sh("rm -r build");
    platform.removed("build");
}

#[test]
fn nothing_is_hidden_by_a_mount_and_the_reason_is_told() {
    let platform = platform();
    let refused = |dir: &str, why: &str| {
        let output = platform.cli(&["mount", dir]);
        assert!(!output.status.success(), "{}", stdout(&output));
        assert!(stderr(&output).contains(why) && stderr(&output).contains("hint: "), "{}", stderr(&output));
    };
    let full = tempfile_with("a file");
    refused(full.path().to_str().expect("UTF-8"), "is not empty");
    refused("/proc", "is a mount point already");
    let mounted = Mounted::of(&platform);
    refused(full.path().join("other").to_str().expect("UTF-8"), "are mounted at");
    // The same again is well.
    let again = platform.cli_json(&["mount", mounted.dir().to_str().expect("UTF-8")]);
    assert_eq!(
        (again["started"].as_bool(), again["mount"]["state"].as_str()),
        (Some(false), Some("mounted"))
    );
    let doctor: serde_json::Value =
        serde_json::from_str(&stdout(&platform.cli(&["doctor", "--json"]))).expect("JSON");
    let findings = doctor["findings"].as_array().expect("findings");
    let found = |check: &str| findings.iter().find(|one| one["check"] == check).expect("it was looked at");
    assert_eq!(
        (&found("rclone")["ok"], &found("mounted folder")["ok"]),
        (&true.into(), &true.into()),
        "{doctor:#}"
    );
}

#[test]
fn an_rclone_that_is_too_old_is_named_with_what_to_do() {
    let old = tempfile_with("");
    let program = old.path().join("rclone");
    fs::write(&program, "#!/bin/sh\necho rclone v1.60.1-DEV\n").expect("it is written");
    succeeded("chmod", &run(Command::new("chmod").arg("+x").arg(&program)));
    let path = program.to_str().expect("UTF-8");
    let platform = Platform::builder().variable("CLOUDYKNIGHT_RCLONE", path).start();
    let output = platform.cli(&["mount", platform.mount_dir().to_str().expect("UTF-8")]);
    assert!(!output.status.success());
    let words = stderr(&output);
    assert!(
        words.contains("is version 1.60.1-DEV: it must be 1.68 or newer") && words.contains("--mount"),
        "{words}"
    );
}

#[test]
fn two_platforms_are_mounted_side_by_side() {
    let (one, two) = (platform(), platform());
    let (first, second) = (Mounted::of(&one), Mounted::of(&two));
    first.write("app/.nomonitor", "");
    first.write("app/a.txt", "one");
    second.write("app/.nomonitor", "");
    second.write("app/a.txt", "two");
    let reached = |platform: &Platform| platform.s3(Client::Boto3).ls("app/a.txt").pop();
    eventually("both are in their bucket", SOON, || reached(&one).zip(reached(&two)));
    // Its end checks that nothing of its own is left.
    drop(one);
    assert_eq!(second.read("app/a.txt"), "two");
    two.s3(Client::Boto3).put("app/a.txt", "three");
    assert_eq!(second.read("app/a.txt"), "three");
}

#[test]
fn another_store_is_mounted_too_and_listed_again_on_moto() {
    let backend = Backend::moto();
    let platform = Platform::builder().backend(&backend).setting("sweep_interval_s", 1).rclone().start();
    let mounted = Mounted::of(&platform);
    mounted.write("app/index.html", "from here\n");
    shows(&platform, "/app/", "from here");
    let s3 = platform.s3(Client::Boto3);
    s3.put("app/index.html", "from there, and longer\n");
    // A client that ends takes longer than the time for which a folder is not looked at again.
    assert_eq!(mounted.read("app/index.html"), "from there, and longer\n");
    assert_eq!(s3.ls("app/"), ["app/index.html"]);
}

/// A folder with one file in it.
fn tempfile_with(content: &str) -> cloudyknight_tests::Folder {
    let folder = cloudyknight_tests::Folder::new();
    folder.write("file", content);
    folder
}
