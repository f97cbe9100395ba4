//! The servers of other people that a platform can stand on, or that can carry its traffic, started as they are: each a process of its own with its own
//! ports and its own folder, on the loopback only, gone with its owner.
//!
//! Images cannot be pulled everywhere, so all of them come as Python packages; `./test.sh` installs them, in folders of
//! their own below `target/test-servers`.

mod process;

mod label_router;
pub use label_router::LabelRouter;

mod localstack;
pub use localstack::LocalStack;

mod moto;
pub use moto::Moto;

mod ministack;
pub use ministack::Ministack;

mod seaweedfs;
pub use seaweedfs::SeaweedFs;

pub mod traefik;
pub use traefik::Traefik;

/// None of them has accounts of its own; these are the credentials that all of them take.
pub const ACCESS_KEY: &str = "test";
pub const SECRET_KEY: &str = "test";
pub const REGION: &str = "us-east-1";

/// How any S3 client and any AWS tool is told to use a server.
pub fn variables(endpoint: &str) -> [(&'static str, &str); 5] {
    [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ("AWS_REGION", REGION),
        // What boto3 goes by.
        ("AWS_DEFAULT_REGION", REGION),
    ]
}
