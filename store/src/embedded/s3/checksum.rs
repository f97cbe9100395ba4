//! Which digests a request names for its body, whether the body has them, and how answers carry them. They are
//! checked before anything is replaced.

use http::{HeaderMap, StatusCode};
use s3s::dto::ChecksumType;
use s3s::{S3ErrorCode, S3Result, TrailingHeaders};

use super::error::{refuse, refuse_as};
use crate::embedded::checksum::{Algorithm, Checksum, decode};
use crate::embedded::intake::Staged;

/// What the body must turn out to be.
pub(super) struct Expected {
    md5: Option<Vec<u8>>,
    pub algorithm: Option<Algorithm>,
    /// Base64, from the headers.
    value: Option<String>,
    /// The value comes after the body.
    in_trailer: bool,
}

impl Expected {
    /// From the headers of a request. `fallback` is computed where the client names no algorithm.
    pub fn from_headers(headers: &HeaderMap, fallback: Option<Algorithm>) -> S3Result<Self> {
        let md5 = match text(headers, "content-md5")? {
            None => None,
            Some(md5) => Some(decode(md5).filter(|md5| md5.len() == 16).ok_or(S3ErrorCode::InvalidDigest)?),
        };
        let mut given = Vec::new();
        for algorithm in Algorithm::ALL {
            if let Some(value) = text(headers, &header(algorithm))? {
                given.push((algorithm, value.to_owned()));
            }
        }
        let trailer = text(headers, "x-amz-trailer")?.and_then(|name| {
            Algorithm::ALL.into_iter().find(|algorithm| name.trim().eq_ignore_ascii_case(&header(*algorithm)))
        });
        let named = text(headers, "x-amz-sdk-checksum-algorithm")?.and_then(Algorithm::from_name);
        match (given.as_slice(), trailer) {
            ([], trailer) => Ok(Self {
                md5,
                algorithm: trailer.or(named).or(fallback),
                value: None,
                in_trailer: trailer.is_some(),
            }),
            ([(algorithm, value)], None) => {
                // A wrong length could never match; say what is wrong.
                if decode(value).is_none() {
                    let message = format!("the value of {} is no base64", header(*algorithm));
                    return Err(refuse(S3ErrorCode::InvalidRequest, message));
                }
                Ok(Self { md5, algorithm: Some(*algorithm), value: Some(value.clone()), in_trailer: false })
            }
            _ => Err(refuse(S3ErrorCode::InvalidRequest, "expecting a single x-amz-checksum- header")),
        }
    }

    /// Refuses a body that is not what the request said.
    pub fn check(&self, staged: &Staged, trailers: Option<&TrailingHeaders>) -> S3Result<()> {
        if self.md5.as_ref().is_some_and(|md5| md5[..] != staged.md5[..]) {
            return Err(refuse(S3ErrorCode::BadDigest, "the body does not have the given Content-MD5"));
        }
        let Some(checksum) = &staged.checksum else {
            return Ok(());
        };
        let name = header(checksum.algorithm);
        let after = trailers.and_then(|trailers| {
            trailers
                .read(|map| map.get(&name).and_then(|value| value.to_str().ok()).map(str::to_owned))
                .flatten()
        });
        if self.in_trailer && after.is_none() {
            return Err(refuse_as(
                "MalformedTrailerError",
                StatusCode::BAD_REQUEST,
                format!("no trailer {name}"),
            ));
        }
        match after.as_ref().or(self.value.as_ref()) {
            Some(value) if value.trim() != checksum.value => {
                Err(refuse(S3ErrorCode::BadDigest, format!("the body does not have the given {name}")))
            }
            _ => Ok(()),
        }
    }
}

pub(super) fn kind(checksum: &Checksum) -> ChecksumType {
    ChecksumType::from_static(if checksum.composite {
        ChecksumType::COMPOSITE
    } else {
        ChecksumType::FULL_OBJECT
    })
}

/// Puts an `Option<&Checksum>` into the field of its algorithm; the outputs are generated types that share
/// nothing but the names of their fields.
macro_rules! set {
    ($output:expr, $checksum:expr) => {
        if let Some(checksum) = $checksum {
            use $crate::embedded::checksum::Algorithm;
            let value = Some(checksum.value.clone());
            match checksum.algorithm {
                Algorithm::Crc32 => $output.checksum_crc32 = value,
                Algorithm::Crc32c => $output.checksum_crc32c = value,
                Algorithm::Crc64nvme => $output.checksum_crc64nvme = value,
                Algorithm::Sha1 => $output.checksum_sha1 = value,
                Algorithm::Sha256 => $output.checksum_sha256 = value,
            }
        }
    };
}
pub(super) use set;

/// The one checksum value that a generated input carries.
macro_rules! given {
    ($input:expr) => {
        $input
            .checksum_crc32
            .as_deref()
            .or($input.checksum_crc32c.as_deref())
            .or($input.checksum_crc64nvme.as_deref())
            .or($input.checksum_sha1.as_deref())
            .or($input.checksum_sha256.as_deref())
    };
}
pub(super) use given;

fn header(algorithm: Algorithm) -> String {
    format!("x-amz-checksum-{}", algorithm.name().to_ascii_lowercase())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> S3Result<Option<&'a str>> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let value =
        value.to_str().map_err(|_| refuse(S3ErrorCode::InvalidArgument, format!("{name} is no text")))?;
    Ok(Some(value))
}
