//! The credentials of a profile of `~/.aws`, and of nothing else: who names a profile means it, whatever else the
//! environment holds.

use aws_config::Region;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::{ProvideCredentials, future};

#[derive(Clone, Debug)]
pub(super) struct Profile {
    name: String,
    /// Where a role is asked for, when the profile names one.
    region: Option<Region>,
}

impl Profile {
    pub fn new(name: String, region: Option<Region>) -> Self {
        Self { name, region }
    }

    /// A provider of the SDK reads the files once. With a new one each time, keys that were renewed there are found.
    fn read(&self) -> ProfileFileCredentialsProvider {
        let config = ProviderConfig::without_region().with_region(self.region.clone());
        ProfileFileCredentialsProvider::builder().configure(&config).profile_name(&self.name).build()
    }
}

impl ProvideCredentials for Profile {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move { self.read().provide_credentials().await })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use crate::aws::{ConnectSettings, StaticCredentials, connect};

    const FILE: &str = "credentials";

    fn content(key: &str) -> String {
        let keys = |key: &str| format!("aws_access_key_id = {key}\naws_secret_access_key = secret\n");
        format!("[default]\n{}[ours]\n{}", keys("of-default"), keys(key))
    }

    /// The environment of this process belongs to every test, so the question is asked in a process of its own.
    #[test]
    fn a_profile_wins_over_the_environment_and_its_keys_are_read_again() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), content("before")).unwrap();
        let asked = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "aws::profile::tests::keys_are_those_of_the_profile"])
            .current_dir(folder.path())
            .env("AWS_SHARED_CREDENTIALS_FILE", FILE)
            .env("AWS_CONFIG_FILE", "none")
            .env("AWS_ACCESS_KEY_ID", "of-the-environment")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&asked.stdout);
        assert!(asked.status.success() && told.contains("1 passed"), "{told}");
    }

    #[tokio::test]
    #[ignore = "needs the environment and the files that the test above makes"]
    async fn keys_are_those_of_the_profile() {
        let settings = ConnectSettings {
            region: Some("us-east-1".into()),
            profile: Some("ours".into()),
            ..ConnectSettings::default()
        };
        let clients = connect(settings).await.unwrap();
        let is = async |key| clients.credentials().await.unwrap() == StaticCredentials::new(key, "secret");
        assert!(is("before").await);
        fs::write(FILE, content("after")).unwrap();
        assert!(is("after").await);
    }
}
