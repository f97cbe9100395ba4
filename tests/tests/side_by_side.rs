//! Two platforms on one machine: neither notices the other, and neither takes anything of the other's along.

use cloudyknight_tests::{Client, Folder, Platform};

#[test]
fn platforms_beside_each_other_share_nothing_but_the_engine() {
    let (one, two) = (Platform::start(), Platform::start());
    // The same workspace with the same dependencies: names and layers must not be mixed up.
    let app = |who: &str| {
        let index = format!(
            "require('is-number'); require('http').createServer((_, r) => r.end('{who}')).listen(process.env.PORT);"
        );
        Folder::of(&[("index.js", &index), ("package.json", r#"{"dependencies": {"is-number": "^7.0.0"}}"#)])
    };
    for (platform, who) in [(&one, "one"), (&two, "two")] {
        platform.s3(Client::Boto3).sync(app(who).path(), "twin");
        platform.live("twin");
    }
    assert_eq!(one.get("/twin"), (200, "one".to_owned()));
    assert_eq!(two.get("/twin"), (200, "two".to_owned()));
    let names = |platform: &Platform| platform.docker().containers_of("twin").into_keys().collect::<Vec<_>>();
    assert_eq!(names(&one), ["workspace-twin"]);
    assert_eq!(names(&two), [format!("workspace-twin.{}", two.id())], "two containers cannot bear one name");

    let before = two.docker().containers_of("twin");
    // Its end checks that it took everything of its own along.
    drop(one);
    assert_eq!(two.docker().containers_of("twin"), before);
    assert_eq!(two.get("/twin"), (200, "two".to_owned()));
}
