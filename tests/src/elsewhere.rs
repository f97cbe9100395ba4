//! Somebody else's S3 server, which checks signatures and sends no notifications: that of another platform.

use crate::client::Client;
use crate::platform::{Builder, Platform};
use crate::run::{run, succeeded};
use crate::store_file::StoreFile;

pub struct Elsewhere(Platform);

impl Elsewhere {
    pub fn start() -> Self {
        let platform = Platform::builder().setting("sweep_interval_s", 86_400).start();
        StoreFile::of(&platform).sql("DELETE FROM notifications", &[]);
        // Its own documents lie in the usual one.
        let mut make = platform.s3(Client::Boto3).python("s3.create_bucket(Bucket='elsewhere')", &[]);
        succeeded("a bucket", &run(&mut make));
        Self(platform)
    }

    pub fn url(&self) -> &str {
        &self.0.variables()["AWS_ENDPOINT_URL"]
    }

    pub fn access_key(&self) -> &str {
        &self.0.variables()["AWS_ACCESS_KEY_ID"]
    }

    pub fn secret_key(&self) -> &str {
        &self.0.variables()["AWS_SECRET_ACCESS_KEY"]
    }

    /// Lets a platform stand on it.
    pub fn below(&self, platform: Builder) -> Builder {
        self.below_with(platform, self.access_key(), self.secret_key())
    }

    /// The same, with credentials that may be wrong.
    pub fn below_with(&self, platform: Builder, access_key: &str, secret_key: &str) -> Builder {
        platform
            .setting("store", format!("{:?}", self.url()))
            .setting("platform_bucket", "\"elsewhere\"")
            .setting("region", format!("{:?}", self.0.variables()["AWS_REGION"]))
            .variable("AWS_ACCESS_KEY_ID", access_key)
            .variable("AWS_SECRET_ACCESS_KEY", secret_key)
    }
}
