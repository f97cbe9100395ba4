//! A whole workspace as one archive: taken here, or by the S3 server through a URL that is made here.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use cloudyknight_core::command::Cause;
use cloudyknight_core::files::{UploadUrl, Uploaded};
use cloudyknight_core::workspace::WorkspaceName;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::templates::unless_taken;
use super::{Api, Named, Problem, parse};
use crate::uploads::{Kind, UploadError};

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(archive)).routes(routes!(upload_url))
}

/// How long a URL lets somebody upload.
const VALID: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::ToSchema)]
enum Format {
    #[serde(rename = "tar")]
    Tar,
    #[default]
    #[serde(rename = "tar.gz")]
    TarGz,
    #[serde(rename = "tar.zst")]
    TarZst,
    #[serde(rename = "zip")]
    Zip,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Without it, `tar.gz`.
    #[serde(default)]
    #[param(inline, required = false)]
    format: Format,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Whole {
    /// Without it, `tar.gz`.
    #[serde(default)]
    #[param(inline, required = false)]
    format: Format,
    /// Only where the bucket holds nothing of that name: else it is refused (409), and changes nothing.
    #[serde(default)]
    only_new: bool,
}

impl Format {
    /// Where an archive of a workspace is put, in the bucket.
    fn key(self, name: &WorkspaceName) -> String {
        let suffix = match self {
            Self::Tar => "tar",
            Self::TarGz => "tar.gz",
            Self::TarZst => "tar.zst",
            Self::Zip => "zip",
        };
        format!("{name}.{suffix}")
    }
}

/// Push a workspace whole, as an archive
///
/// Its files take the place of all that the workspace had. One that cannot be taken changes nothing; the status of the
/// workspace says what became of it.
#[utoipa::path(
    put,
    path = "/api/v1/workspaces/{name}/archive",
    operation_id = "put_archive",
    tag = "files",
    params(Named, Whole),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 202, body = Uploaded), (status = 400), (status = 409), (status = 413), (status = 503))
)]
async fn archive(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    Query(asked): Query<Whole>,
    body: Body,
) -> Result<(StatusCode, Json<Uploaded>), Problem> {
    let name = parse(&name)?;
    let key = asked.format.key(&name);
    let tools = &api.agent.reconciler.tools;
    let uploads = &api.agent.uploads;
    let limit = tools.settings.max_source_bytes;
    let received = uploads.receive(Kind::Archive, limit, body.into_data_stream()).await;
    let received = received.map_err(|error| refused(&error, "the setting `max_source_mb` is the limit"))?;
    if received.bytes == 0 {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "the archive is empty")
            .hint("send it as the body of the request"));
    }
    let claim = if asked.only_new { Some(uploads.claim().await) } else { None };
    if claim.is_some() {
        unless_taken(&api, &name, "leave out `only_new` to replace them all").await?;
    }
    let put = tools.workspaces.put_file(&key, received.path()).await;
    put.map_err(|error| Problem::down(&error))?;
    drop(claim);
    uploads.tell(&api.agent, &name, Cause::Archive { key: key.clone() });
    let uploaded = Uploaded { version: Uploaded::VERSION, key, size_bytes: received.bytes };
    Ok((StatusCode::ACCEPTED, Json(uploaded)))
}

/// What becomes of an upload that did not arrive.
pub(super) fn refused(error: &UploadError, if_too_large: &str) -> Problem {
    let (status, hint) = match error {
        UploadError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, if_too_large),
        UploadError::Busy => (StatusCode::SERVICE_UNAVAILABLE, "try again in a moment"),
        UploadError::Silent | UploadError::BrokenOff(_) => {
            (StatusCode::REQUEST_TIMEOUT, "nothing was changed; send it again")
        }
        UploadError::Disk(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "is the memory of the source directory full? `df` tells")
        }
    };
    Problem::new(status, &crate::deploy::with_causes(error)).hint(hint)
}

/// A URL to upload an archive to
///
/// Whoever has it may push this workspace for an hour, and nothing else: it needs no other credentials.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{name}/upload-url",
    tag = "files",
    params(Named, Asked),
    responses((status = 200, body = UploadUrl), (status = 400), (status = 503))
)]
async fn upload_url(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Json<UploadUrl>, Problem> {
    let name = parse(&name)?;
    let key = asked.format.key(&name);
    let bucket = &api.agent.uploads.reach.bucket;
    let url = bucket.presigned_put(&key, VALID).await.map_err(|error| Problem::down(&error))?;
    let end = OffsetDateTime::now_utc() + VALID;
    Ok(Json(UploadUrl {
        version: UploadUrl::VERSION,
        command: command(&key, &url),
        only_on_this_host: bucket.endpoint().is_some_and(is_loopback),
        method: "PUT".to_owned(),
        expires_at: end.format(&Rfc3339).expect("the time of a running system has a year of four digits"),
        url,
    }))
}

fn command(file: &str, url: &str) -> String {
    format!("curl --fail -T {file} '{}'", url.replace('\'', "%27"))
}

/// Whether only programs on the same machine reach it.
fn is_loopback(endpoint: &str) -> bool {
    let host = endpoint.parse::<axum::http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
    let host = host.unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_only_this_machine_reaches_is_known() {
        let check =
            |endpoint: &str, expected: bool| assert_eq!(is_loopback(endpoint), expected, "{endpoint}");
        check("http://127.0.0.1:9000", true);
        check("http://[::1]:9000", true);
        check("http://localhost:9000", true);
        check("http://192.168.1.5:9000", false);
        check("https://s3.eu-central-1.amazonaws.com", false);
        check("nonsense", false);
    }

    #[test]
    fn the_command_can_be_pasted_into_a_shell() {
        let expected = "curl --fail -T shop.tar.gz 'http://127.0.0.1:9000/w/shop.tar.gz?a=1&b=%27'";
        assert_eq!(command("shop.tar.gz", "http://127.0.0.1:9000/w/shop.tar.gz?a=1&b='"), expected);
    }
}
