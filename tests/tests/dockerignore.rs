//! What a `.dockerignore` names is no part of an image, and no reason to build one.

use cloudyknight_tests::{Client, Folder, Platform};

const DOCKERFILE: &str = "FROM workspace-node-ephemeral:latest
COPY . /srv
ENTRYPOINT []
CMD [\"node\", \"/srv/app.js\"]
";

const APP: &str = "require('node:http').createServer((_, response) => response.end('here')).listen(3000);\n";

const IGNORE: &str = "# what only we need
**/*.md
!docs/keep.md
secret
.dockerignore
Dockerfile
compose.yaml
";

fn image(platform: &Platform) -> Vec<String> {
    let container = platform.docker().container_of("app");
    let found = platform.docker().shell(&container, "cd /srv && find . -type f | sort");
    found.lines().map(str::to_owned).collect()
}

#[test]
fn an_image_holds_what_its_dockerignore_leaves_and_is_built_anew_for_nothing_else() {
    let platform = Platform::start();
    let s3 = platform.s3(Client::Boto3);
    let app = Folder::of(&[
        ("compose.yaml", "services: {app: {build: ., expose: ['3000']}}\n"),
        ("Dockerfile", DOCKERFILE),
        (".dockerignore", IGNORE),
        ("app.js", APP),
        ("README.md", "read me"),
        ("docs/keep.md", "keep me"),
        ("docs/other.md", "other"),
        ("secret/key", "s3cret"),
        ("secret.txt", "none"),
    ]);
    s3.sync(app.path(), "app");
    let first = platform.live("app");
    assert_eq!(image(&platform), ["./app.js", "./docs/keep.md", "./secret.txt"]);

    let container = platform.docker().container_of("app");
    s3.cp(&app.write("secret/key", "another"), "app/secret/key");
    let second = platform.live("app");
    assert_ne!(second["release"], first["release"]);
    assert_eq!(platform.docker().container_of("app"), container, "nothing of it is in the image");

    // The one that is named after the Dockerfile counts before the other.
    s3.cp(&app.write("Dockerfile.dockerignore", "*\n!*.js\n!README.md\n"), "app/Dockerfile.dockerignore");
    platform.live("app");
    let gone = || (platform.docker().containers_of("app").len() == 1).then_some(());
    cloudyknight_tests::eventually("the old container is gone", std::time::Duration::from_secs(60), gone);
    assert_eq!(image(&platform), ["./README.md", "./app.js"]);

    s3.cp(&app.write("Dockerfile.dockerignore", "a\n[\n"), "app/Dockerfile.dockerignore");
    let failed = platform.failed("app");
    let message = failed["deployment"]["outcome"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("Dockerfile.dockerignore: line 2: `[` is no pattern"), "{message}");
}
