//! What containers use and hold, and what images are made of.

use std::collections::BTreeMap;

use bollard::models::{ContainerStateStatusEnum, ContainerStatsResponse, HealthStatusEnum};
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptionsBuilder, StatsOptionsBuilder,
};
use futures::StreamExt;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Engine, EngineError};

/// One look at what a running container uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// All that it ever used, in nanoseconds of one core.
    pub cpu_ns: u64,
    /// By Docker's clock, in nanoseconds of the Unix epoch.
    pub at_ns: i128,
    /// Without what the kernel keeps of files and gives back when asked.
    pub memory_bytes: u64,
    pub memory_limit_bytes: u64,
}

/// How a container is, in Docker's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    pub state: String,
    /// Of its health check, if it has one.
    pub health: Option<String>,
    /// RFC 3339; `None` for one that never started.
    pub started_at: Option<String>,
    /// Its first process, on Docker's machine; `None` while it does not run.
    pub pid: Option<i64>,
}

/// What an image is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageLayers {
    pub id: String,
    /// All of them together.
    pub bytes: u64,
    /// Digests of their content, the lowest first.
    pub layers: Vec<String>,
    /// It was made by this platform or another: a layer of dependencies, or a build.
    pub is_made: bool,
    /// It turns source into a running app, as its labels say; so does what was made of such an image.
    pub is_runtime: bool,
}

/// The label by which runtime images call themselves.
const RUNTIME: &str = "cloudyknight.runtime";

impl Engine {
    /// `None` for a container that does not run, and where Docker does not say. One look; how busy it is takes two.
    pub async fn usage(&self, id: &str) -> Result<Option<Usage>, EngineError> {
        let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
        let mut answer = std::pin::pin!(self.docker()?.stats(id, Some(options)));
        match answer.next().await {
            Some(Ok(stats)) => Ok(usage(&stats)),
            Some(Err(error)) => match EngineError::of("read what a container uses", error) {
                error if error.is_not_found() => Ok(None),
                error => Err(error),
            },
            None => Ok(None),
        }
    }

    /// `None` for a container that is gone.
    pub async fn health(&self, id: &str) -> Result<Option<Health>, EngineError> {
        let state = match self.inspect(id).await {
            Ok(inspected) => inspected.state.unwrap_or_default(),
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let checked =
            |status: &HealthStatusEnum| !matches!(status, HealthStatusEnum::NONE | HealthStatusEnum::EMPTY);
        let health = state.health.and_then(|health| health.status).filter(checked);
        let status = state.status.unwrap_or(ContainerStateStatusEnum::EMPTY);
        Ok(Some(Health {
            state: status.to_string(),
            health: health.map(|health| health.to_string()),
            // What never started has the year 1.
            started_at: state.started_at.filter(|at| !at.starts_with("0001-")),
            pid: state.pid.filter(|pid| *pid > 0),
        }))
    }

    /// The image of each container of this platform that bears an identity, and what is written in its own layer. Docker
    /// walks through those layers for it, which takes as long as they have files.
    pub async fn written(&self) -> Result<BTreeMap<String, (String, u64)>, EngineError> {
        let options =
            ListContainersOptionsBuilder::new().all(true).size(true).filters(&self.ours(None)).build();
        let listed = self.patient()?.list_containers(Some(options)).await;
        let listed = listed.map_err(|error| EngineError::of("measure containers", error))?;
        let one = |container: bollard::models::ContainerSummary| {
            let written = container.size_rw.and_then(|size| size.try_into().ok()).unwrap_or_default();
            Some((container.id?, (container.image_id?, written)))
        };
        Ok(listed.into_iter().filter_map(one).collect())
    }

    /// Ids of all images that bear a name.
    pub async fn images(&self) -> Result<Vec<String>, EngineError> {
        let options = ListImagesOptionsBuilder::new().build();
        let listed = self.docker()?.list_images(Some(options)).await;
        let listed = listed.map_err(|error| EngineError::of("list images", error))?;
        Ok(listed.into_iter().map(|image| image.id).collect())
    }

    /// `None` for an image that is gone.
    pub async fn layers(&self, image: &str) -> Result<Option<ImageLayers>, EngineError> {
        let inspected = match self.docker()?.inspect_image(image).await {
            Ok(inspected) => inspected,
            Err(error) => match EngineError::of(format!("inspect the image `{image}`"), error) {
                error if error.is_not_found() => return Ok(None),
                error => return Err(error),
            },
        };
        let labels = inspected.config.and_then(|config| config.labels).unwrap_or_default();
        Ok(Some(ImageLayers {
            id: inspected.id.unwrap_or_default(),
            bytes: inspected.size.and_then(|size| size.try_into().ok()).unwrap_or_default(),
            layers: inspected.root_fs.and_then(|root| root.layers).unwrap_or_default(),
            is_made: labels.contains_key(crate::identity::PLATFORM),
            is_runtime: labels.contains_key(RUNTIME),
        }))
    }
}

fn usage(stats: &ContainerStatsResponse) -> Option<Usage> {
    let memory = stats.memory_stats.as_ref()?;
    let used = memory.usage?;
    let of = |name: &str| memory.stats.as_ref().and_then(|all| all.get(name)).copied();
    // As `docker stats` does: the first name is that of cgroups v1, the second that of v2.
    let cache = of("total_inactive_file").or_else(|| of("inactive_file")).filter(|cache| *cache < used);
    let read = stats.read.as_ref().and_then(|read| OffsetDateTime::parse(&read.to_string(), &Rfc3339).ok());
    Some(Usage {
        cpu_ns: stats.cpu_stats.as_ref()?.cpu_usage.as_ref()?.total_usage?,
        at_ns: read.filter(|read| read.year() > 1)?.unix_timestamp_nanos(),
        memory_bytes: used - cache.unwrap_or_default(),
        memory_limit_bytes: memory.limit.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Usage> {
        usage(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn both_versions_of_cgroups_are_read_without_the_page_cache() {
        let check = |memory: &str, expected: u64| {
            let text = format!(
                r#"{{"read": "2026-11-28T09:00:00.5Z", "cpu_stats": {{"cpu_usage": {{"total_usage": 7000}}}},
                     "memory_stats": {{"usage": 1000, "limit": 5000, "stats": {{{memory}}}}}}}"#
            );
            let usage = read(&text).unwrap();
            assert_eq!((usage.memory_bytes, usage.memory_limit_bytes, usage.cpu_ns), (expected, 5000, 7000));
            assert_eq!(usage.at_ns % 1_000_000_000, 500_000_000);
        };
        check(r#""total_inactive_file": 300, "inactive_file": 1"#, 700);
        check(r#""inactive_file": 300, "anon": 700"#, 700);
        // More than there is: not to be believed.
        check(r#""inactive_file": 2000"#, 1000);
        check("", 1000);
    }

    #[test]
    fn one_that_does_not_run_uses_nothing_that_could_be_told() {
        let stopped = r#"{"read": "0001-01-01T00:00:00Z", "cpu_stats": {"cpu_usage": {"total_usage": 0}}, "memory_stats": {}}"#;
        assert_eq!(read(stopped), None);
        assert_eq!(read("{}"), None);
    }
}
