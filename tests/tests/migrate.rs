//! A platform moves from its own store to somebody else's S3, and back, with all that its buckets hold.

use std::process::Stdio;
use std::time::Duration;

use cloudyknight_tests::client::S3;
use cloudyknight_tests::run::{run, stderr, succeeded};
use cloudyknight_tests::{Backend, Client, Folder, Mood, Platform, Proxy, eventually};

const BIG: usize = 20 * 1024 * 1024;

#[test]
fn a_platform_moves_to_another_store_and_back_on_ministack() {
    let laptop = Platform::start();
    let app = Folder::of(&[("index.html", "one"), ("a b+c/ä%.txt", "odd")]);
    app.write("large.bin", "x".repeat(BIG));
    // In parts, as clients upload what is large: the ETag is another one then, and has to survive too.
    laptop.s3(Client::Aws).sync(app.path(), "site");
    let release = laptop.live("site")["release"].clone();

    let cloud = Backend::ministack();
    let settings = Folder::new();
    let text: String = cloud.settings().iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
    settings.write("config.toml", &text);
    let there = settings.path().join("config.toml");
    let migrate = |platform: &Platform, arguments: &[&str]| {
        let mut command = platform.cli_command(&[&["migrate", "--json", "--to"], arguments].concat());
        command.envs(cloud.variables());
        run(&mut command)
    };
    let moved = migrate(&laptop, &[there.to_str().unwrap()]);
    let report = said(&moved);
    assert!(report["copied"].as_u64() >= Some(4), "the files and the platform's own documents: {report}");
    assert_eq!(report["copied"], report["verified"], "{report}");
    // Once more, and there is nothing left to do.
    let again = said(&migrate(&laptop, &[there.to_str().unwrap()]));
    assert_eq!((again["copied"].as_u64(), again["deleted"].as_u64()), (Some(0), Some(0)), "{again}");
    laptop.down();

    let server = Platform::builder().backend(&cloud).start();
    let live = server.live("site");
    assert_eq!(live["release"], release, "it is the same release, under the same digest");
    assert_eq!(server.get("/site/index.html"), (200, "one".into()));
    server.s3(Client::Boto3).put("site/index.html", "two");
    server.s3(Client::Boto3).rm_one("site/large.bin");
    let release = server.live("site")["release"].clone();

    // Back: what is gone there is still here, and is not deleted without a word.
    let home = laptop.home().to_str().unwrap().to_owned();
    laptop_has_settings(&laptop);
    refused(&migrate(&server, &[&home]), &["site/large.bin", "--delete"]);
    let report = said(&migrate(&server, &[&home, "--delete"]));
    assert_eq!(report["deleted"].as_u64(), Some(1), "{report}");
    server.down();
    laptop.up();
    assert_eq!(laptop.live("site")["release"], release);
    assert_eq!(laptop.get("/site/index.html"), (200, "two".into()));
    assert_eq!(laptop.get("/site/large.bin").0, 404);
}

#[test]
fn a_move_that_is_killed_half_way_goes_on_where_it_was_on_ministack() {
    const FILES: usize = 60;
    let laptop = Platform::start();
    let client = laptop.s3(Client::Boto3);
    let put = format!(
        "for n in range({FILES}): put('odd/index.html' if n == 0 else f'odd/{{n}}.txt', b'content of ' + str(n).encode())"
    );
    succeeded("boto3 puts them", &run(&mut client.python(&put, &[])));
    laptop.live("odd");

    let cloud = Backend::ministack();
    let direct = cloud.endpoint().expect("it listens");
    let proxy = Proxy::before(direct);
    let settings = Folder::new();
    let text: String = cloud.settings().iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
    let there = settings.write("config.toml", text.replace(direct, &proxy.endpoint()));
    let migrate = || {
        let mut command = laptop.cli_command(&["migrate", "--json", "--to", there.to_str().unwrap()]);
        command.envs(cloud.variables());
        command
    };
    let mut killed = migrate().stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    // Each file is written and read again: these are some of them, and not all.
    eventually("some are copied", Duration::from_secs(60), || (proxy.requests() >= FILES).then_some(()));
    proxy.turns(Mood::Hangs);
    killed.kill().expect("it runs");
    killed.wait().expect("it has ended");
    proxy.turns(Mood::Passes);
    let s3 = S3::at(Client::Boto3, direct);
    let half = s3.ls("odd/").len();
    assert!(half > 0 && half < FILES, "{half} of {FILES} were copied before it was killed");

    let report = said(&run(&mut migrate()));
    let (objects, copied) = (report["objects"].as_u64().unwrap(), report["copied"].as_u64().unwrap());
    assert!(copied > 0 && copied <= objects - half as u64, "{half} were there: {report}");
    assert_eq!(report["refused"], serde_json::json!([]), "{report}");
    let listed = contents(&client);
    assert_eq!(listed.as_object().map(serde_json::Map::len), Some(FILES));
    assert_eq!(contents(&s3), listed);
}

#[test]
fn a_platform_moves_to_another_home_with_whatever_keys_it_holds() {
    let laptop = Platform::start();
    let client = laptop.s3(Client::Boto3);
    let program = "
for key in sys.argv[1:]: put(key, b'' if key.endswith(('empty', '/')) else key.encode())
";
    let keys =
        ["odd/a//b", "odd/./x", "odd/x", "odd/ä +%2F?#.txt", "odd/two\nlines", "odd/empty", "odd/folder/"];
    succeeded("boto3 puts odd keys", &run(&mut client.python(program, &keys)));
    let listed = contents(&client);
    assert_eq!(listed.as_object().map(serde_json::Map::len), Some(keys.len()), "{listed}");

    // The very same store, under another address and with its buckets swapped.
    let twin = Folder::new();
    let endpoint = laptop.variables()["AWS_ENDPOINT_URL"].replace("127.0.0.1", "localhost");
    let settings = format!(
        "store = {endpoint:?}\nevents = \"none\"\n\
         workspaces_bucket = \"cloudyknight\"\nplatform_bucket = \"workspaces\"\n"
    );
    let twin = twin.write("config.toml", settings);
    let mut command = laptop.cli_command(&["migrate", "--delete", "--to", twin.to_str().unwrap()]);
    let keys_of_store = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    command.envs(keys_of_store.map(|name| (name, &laptop.variables()[name])));
    refused(&run(&mut command), &["the same buckets of the same store"]);
    assert_eq!(client.ls(".cloudyknight-probe"), [""; 0], "the probe is gone again");

    let other = Platform::start();
    laptop_has_settings(&other);
    let home = other.home().to_str().unwrap();
    laptop.down();
    let migrate = |to: &str| laptop.cli(&["migrate", "--json", "--to", to]);
    refused(&migrate(home), &["runs", &format!("--home {home} down")]);
    other.down();
    std::fs::write(other.home().join("laptop.toml"), "").expect("the settings are written");
    refused(&migrate(&format!("{home}/laptop.toml")), &["laptop.toml", "config.toml"]);
    // The platform there has written nothing that the one here does not have.
    let report = said(&migrate(home));
    assert!(report["copied"].as_u64() >= Some(keys.len() as u64), "{report}");
    assert_eq!(report["refused"], serde_json::json!([]), "{report}");
    other.up();
    assert_eq!(contents(&other.s3(Client::Boto3)), listed);
}

/// Every key of the workspace `odd`, with what lies there.
#[track_caller]
fn contents(s3: &S3) -> serde_json::Value {
    let program = "
import json
keys = [found['Key'] for found in s3.list_objects_v2(Bucket=BUCKET, Prefix='odd/').get('Contents', [])]
print(json.dumps({key: s3.get_object(Bucket=BUCKET, Key=key)['Body'].read().decode() for key in keys}))
";
    let output = run(&mut s3.python(program, &[]));
    serde_json::from_str(&succeeded("boto3 reads all", &output)).expect("JSON")
}

#[track_caller]
fn refused(output: &std::process::Output, words: &[&str]) {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = stderr(output);
    for word in words {
        assert!(said.contains(word), "`{word}` in {said}");
    }
}

/// `--to` names a file, and a platform with only defaults has none.
fn laptop_has_settings(laptop: &Platform) {
    let file = laptop.home().join("config.toml");
    if !file.exists() {
        std::fs::write(file, "").expect("the settings are written");
    }
}

#[track_caller]
fn said(output: &std::process::Output) -> serde_json::Value {
    let text = succeeded("cloudyknight migrate", output);
    let said: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    said["report"].clone()
}
