//! Images: look at, pull, build, make of a container.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::models::ContainerConfig;
use bollard::query_parameters::{
    BuildImageOptions, BuildImageOptionsBuilder, CommitContainerOptionsBuilder, CreateImageOptionsBuilder,
    ListImagesOptionsBuilder, RemoveImageOptionsBuilder,
};
use bytes::Bytes;
use cloudyknight_core::workspace::WorkspaceName;
use futures::{StreamExt, TryStreamExt};
use time::OffsetDateTime;

use super::{Engine, EngineError, sorted, unless};
use crate::lines::Lines;

/// What the planner needs to know of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFacts {
    pub id: String,
    pub labels: BTreeMap<String, String>,
    /// TCP ports of its `EXPOSE`.
    pub ports: Vec<u16>,
    /// As for the Docker API; `None` when it has none.
    pub healthcheck: Option<Vec<String>>,
    /// Such as `linux/arm64`.
    pub platform: String,
    /// When it was pulled or built last, in seconds of the Unix epoch; 0 when the engine does not say.
    pub had_at: i64,
    /// By which a registry has it, such as `node@sha256:…`.
    pub digest: Option<String>,
}

/// What a build is told beside its context.
#[derive(Clone, Debug, Default)]
pub struct BuildSpec {
    pub tag: String,
    pub dockerfile: String,
    pub args: HashMap<String, String>,
    pub labels: HashMap<String, String>,
    pub target: Option<String>,
    pub cache_from: Vec<String>,
    pub no_cache: bool,
    pub pull: bool,
    pub network: Option<String>,
    pub shm_size: Option<i32>,
    pub extra_hosts: Vec<String>,
    pub platform: Option<String>,
    /// The most that a step may use, in bytes.
    pub memory: u64,
}

/// What the client can say in a build's request, in whole pages.
const MAX_BUILD_MEMORY: i32 = (i32::MAX / 4096) * 4096;

/// Lines of a build's output that are kept for an error.
const LOG_LINES: usize = 40;

/// An image that the platform made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnImage {
    /// Its id, where it has no name any more.
    pub name: String,
    pub id: String,
    /// In seconds of the Unix epoch.
    pub created: i64,
    pub is_named: bool,
}

impl Engine {
    /// `None` when the engine has no such image.
    pub async fn image(&self, name: &str) -> Result<Option<ImageFacts>, EngineError> {
        let inspected = match self.docker()?.inspect_image(name).await {
            Ok(inspected) => inspected,
            Err(error) => {
                let error = EngineError::of(format!("inspect the image `{name}`"), error);
                return if error.is_not_found() { Ok(None) } else { Err(error) };
            }
        };
        let config = inspected.config.unwrap_or_default();
        let tcp = |port: String| port.strip_suffix("/tcp")?.parse().ok();
        let test = config.healthcheck.and_then(|check| check.test);
        let parts = [inspected.os, inspected.architecture, inspected.variant];
        let parts: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        let had_at = inspected.metadata.and_then(|metadata| metadata.last_tag_time);
        Ok(Some(ImageFacts {
            id: inspected.id.unwrap_or_default(),
            digest: inspected.repo_digests.and_then(|all| all.into_iter().next()),
            labels: sorted(config.labels),
            ports: config.exposed_ports.unwrap_or_default().into_iter().filter_map(tcp).collect(),
            healthcheck: test.filter(|test| test.first().is_some_and(|kind| kind != "NONE")),
            platform: parts.join("/"),
            had_at: had_at.map(|time| seconds(&time.to_string())).unwrap_or_default(),
        }))
    }

    pub async fn pull(&self, name: &str, platform: Option<&str>, limit: Duration) -> Result<(), EngineError> {
        let operation = format!("pull the image `{name}`");
        // Without a tag Docker would pull every tag there is.
        let tagged = name.rsplit('/').next().is_some_and(|last| last.contains([':', '@']));
        let full = if tagged { name.to_owned() } else { format!("{name}:latest") };
        let mut options = CreateImageOptionsBuilder::new().from_image(&full);
        if let Some(platform) = platform {
            options = options.platform(platform);
        }
        let options = options.build();
        let pulled =
            self.patient()?.create_image(Some(options), None, None).try_for_each(|_| async { Ok(()) });
        let pulled = tokio::time::timeout(limit, pulled).await;
        let pulled = pulled.map_err(|_| EngineError::TooLong { operation: operation.clone(), limit })?;
        pulled.map_err(|error| match error {
            // A failure in the middle of the answer: its text is all there is.
            bollard::errors::Error::DockerStreamError { error } => {
                EngineError::Refused { operation: operation.clone(), message: error, status: 500 }
            }
            other => EngineError::of(operation.clone(), other),
        })
    }

    /// Builds an image of a tar archive. What that prints goes to `output`.
    pub async fn build(
        &self,
        spec: &BuildSpec,
        workspace: &WorkspaceName,
        archive: Bytes,
        limit: Duration,
        output: &Lines,
    ) -> Result<(), EngineError> {
        let mut labels = spec.labels.clone();
        // Ours last: a compose file cannot say whose an image is.
        labels.insert(crate::identity::PLATFORM.to_owned(), self.platform.clone());
        labels.insert(crate::identity::WORKSPACE.to_owned(), workspace.to_string());
        let options = build_options(spec, &labels);
        let mut log: Vec<String> = Vec::new();
        let body = bollard::body_full(archive);
        let build = async {
            let mut steps = self.patient()?.build_image(options, None, Some(body));
            while let Some(step) = steps.next().await {
                match step {
                    Ok(step) => {
                        let text = step.stream.unwrap_or_default();
                        if !text.trim().is_empty() {
                            output.push(text.trim_end_matches('\n'));
                        }
                        log.extend(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned));
                        let surplus = log.len().saturating_sub(LOG_LINES);
                        log.drain(..surplus);
                        if let Some(message) = step.error_detail.and_then(|detail| detail.message) {
                            output.push(&message);
                            return Err(EngineError::Build { message, log: std::mem::take(&mut log) });
                        }
                    }
                    Err(bollard::errors::Error::DockerStreamError { error }) => {
                        return Err(EngineError::Build { message: error, log: std::mem::take(&mut log) });
                    }
                    Err(bollard::errors::Error::DockerResponseServerError { message, .. }) => {
                        return Err(EngineError::Build { message, log: std::mem::take(&mut log) });
                    }
                    Err(other) => return Err(EngineError::of("build an image", other)),
                }
            }
            Ok(())
        };
        let too_long = |_| EngineError::TooLong { operation: "the image build".to_owned(), limit };
        tokio::time::timeout(limit, build).await.map_err(too_long)?
    }

    /// Makes an image of a stopped container; it starts like the image `like`, whatever the container ran.
    pub async fn commit(
        &self,
        container: &str,
        repository: &str,
        tag: &str,
        like: &str,
        labels: HashMap<String, String>,
    ) -> Result<(), EngineError> {
        let operation = || format!("make the image `{repository}:{tag}`");
        let inspected =
            self.docker()?.inspect_image(like).await.map_err(|e| EngineError::of(operation(), e))?;
        let like = inspected.config.unwrap_or_default();
        let mut own = like.labels.unwrap_or_default();
        own.extend(labels);
        let config = ContainerConfig {
            cmd: like.cmd,
            entrypoint: like.entrypoint,
            env: like.env,
            working_dir: like.working_dir,
            user: like.user,
            exposed_ports: like.exposed_ports,
            volumes: like.volumes,
            healthcheck: like.healthcheck,
            stop_signal: like.stop_signal,
            labels: Some(own),
            ..Default::default()
        };
        let options =
            CommitContainerOptionsBuilder::new().container(container).repo(repository).tag(tag).pause(false);
        let made = self.patient()?.commit_container(options.build(), config).await;
        made.map(drop).map_err(|error| EngineError::of(operation(), error))
    }

    /// The images that this platform made: for one workspace, or for all.
    pub async fn own_images(&self, workspace: Option<&WorkspaceName>) -> Result<Vec<OwnImage>, EngineError> {
        let filters = self.ours(workspace.map(|name| (crate::identity::WORKSPACE, name.as_str())));
        let options = ListImagesOptionsBuilder::new().filters(&filters).build();
        let listed = self.docker()?.list_images(Some(options)).await;
        let listed = listed.map_err(|error| EngineError::of("list images", error))?;
        let own = |image: bollard::models::ImageSummary| OwnImage {
            // One whose name a newer one took has none, or only a sign that it has none.
            is_named: image.repo_tags.first().is_some_and(|name| !name.starts_with("<none>")),
            name: image
                .repo_tags
                .into_iter()
                .find(|name| !name.starts_with("<none>"))
                .unwrap_or(image.id.clone()),
            id: image.id,
            created: image.created,
        };
        Ok(listed.into_iter().map(own).collect())
    }

    /// Removes an image, unless a container uses it.
    pub async fn remove_image(&self, name: &str) -> Result<(), EngineError> {
        let options = RemoveImageOptionsBuilder::new().build();
        let removed = self.docker()?.remove_image(name, Some(options), None).await;
        // 409: a container still uses it.
        unless(
            &[404, 409],
            removed.map(drop).map_err(|e| EngineError::of(format!("remove the image `{name}`"), e)),
        )
    }
}

pub(crate) fn build_options(spec: &BuildSpec, labels: &HashMap<String, String>) -> BuildImageOptions {
    let mut options = BuildImageOptionsBuilder::new()
        .t(&spec.tag)
        .dockerfile(&spec.dockerfile)
        .rm(true)
        .forcerm(true)
        .buildargs(&spec.args)
        .labels(labels)
        .nocache(spec.no_cache)
        .memory(i32::try_from(spec.memory).map_or(MAX_BUILD_MEMORY, |memory| memory.min(MAX_BUILD_MEMORY)));
    if let Some(target) = &spec.target {
        options = options.target(target);
    }
    if !spec.cache_from.is_empty() {
        options = options.cachefrom(&spec.cache_from);
    }
    if spec.pull {
        options = options.pull("true");
    }
    if let Some(network) = &spec.network {
        options = options.networkmode(network);
    }
    if let Some(size) = spec.shm_size {
        options = options.shmsize(size);
    }
    if !spec.extra_hosts.is_empty() {
        options = options.extrahosts(&spec.extra_hosts.join(","));
    }
    if let Some(platform) = &spec.platform {
        options = options.platform(platform);
    }
    options.build()
}

/// Of a time as Docker writes it.
fn seconds(text: &str) -> i64 {
    let parsed = OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339);
    parsed.map_or(0, OffsetDateTime::unix_timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_has_the_memory_of_its_workspace_as_far_as_it_can_be_said() {
        let check = |memory: u64, expected: i32| {
            let spec = BuildSpec { memory, ..BuildSpec::default() };
            assert_eq!(build_options(&spec, &HashMap::new()).memory, Some(expected), "{memory}");
        };
        check(512 << 20, 512 << 20);
        check(8 << 30, MAX_BUILD_MEMORY);
        check(u64::MAX, MAX_BUILD_MEMORY);
        assert_eq!(MAX_BUILD_MEMORY % 4096, 0);
    }
}
