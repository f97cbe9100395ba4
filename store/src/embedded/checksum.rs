//! The digests of content while it streams in: MD5 for the ETag, and the one checksum the client chose.

use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64nvme,
    Sha1,
    Sha256,
}

/// As S3 stores it with an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checksum {
    pub algorithm: Algorithm,
    /// Base64; of a composite one, with `-` and the number of parts.
    pub value: String,
    /// A checksum of the parts' checksums, not of the bytes.
    #[serde(default)]
    pub composite: bool,
}

pub(super) struct Digests {
    md5: Md5,
    chosen: Option<(Algorithm, Hasher)>,
}

enum Hasher {
    Crc32(Crc32),
    Crc32c(Crc32c),
    Crc64nvme(Crc64Nvme),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Digests {
    pub fn new(chosen: Option<Algorithm>) -> Self {
        Self { md5: Md5::new(), chosen: chosen.map(|algorithm| (algorithm, Hasher::new(algorithm))) }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        if let Some((_, hasher)) = &mut self.chosen {
            hasher.update(bytes);
        }
    }

    pub fn finish(self) -> ([u8; 16], Option<Checksum>) {
        let checksum = self.chosen.map(|(algorithm, hasher)| {
            Checksum { algorithm, value: base64(&hasher.finish()), composite: false }
        });
        (self.md5.finalize(), checksum)
    }
}

impl Algorithm {
    /// The checksum of the parts' checksums, as S3 gives it to a multipart object; `None` when a part's is no base64.
    pub fn composite<'a>(self, parts: impl ExactSizeIterator<Item = &'a str>) -> Option<Checksum> {
        use base64::Engine;
        let count = parts.len();
        let mut hasher = Hasher::new(self);
        for part in parts {
            hasher.update(&base64::prelude::BASE64_STANDARD.decode(part).ok()?);
        }
        let value = format!("{}-{count}", base64(&hasher.finish()));
        Some(Checksum { algorithm: self, value, composite: true })
    }
}

impl Hasher {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Crc32 => Self::Crc32(Crc32::new()),
            Algorithm::Crc32c => Self::Crc32c(Crc32c::new()),
            Algorithm::Crc64nvme => Self::Crc64nvme(Crc64Nvme::new()),
            Algorithm::Sha1 => Self::Sha1(Sha1::new()),
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32(hasher) => hasher.update(bytes),
            Self::Crc32c(hasher) => hasher.update(bytes),
            Self::Crc64nvme(hasher) => hasher.update(bytes),
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Self::Crc32(hasher) => hasher.finalize().to_vec(),
            Self::Crc32c(hasher) => hasher.finalize().to_vec(),
            Self::Crc64nvme(hasher) => hasher.finalize().to_vec(),
            Self::Sha1(hasher) => hasher.finalize().to_vec(),
            Self::Sha256(hasher) => hasher.finalize().to_vec(),
        }
    }
}

pub(super) fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::prelude::BASE64_STANDARD.encode(bytes)
}
