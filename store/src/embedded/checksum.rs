//! The digests of content while it streams in: MD5 for the ETag, and the one checksum the client chose.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use crc_fast::CrcAlgorithm;
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
        let checksum = self.chosen.map(|(algorithm, hasher)| Checksum {
            algorithm,
            value: base64(&hasher.finish()),
            composite: false,
        });
        (self.md5.finalize(), checksum)
    }
}

impl Algorithm {
    /// The checksum of the parts' checksums, as S3 gives it to a multipart object; `None` when a part's is no base64.
    pub fn composite<'a>(self, parts: impl ExactSizeIterator<Item = &'a str>) -> Option<Checksum> {
        let count = parts.len();
        let mut hasher = Hasher::new(self);
        for part in parts {
            hasher.update(&decode(part)?);
        }
        let value = format!("{}-{count}", base64(&hasher.finish()));
        Some(Checksum { algorithm: self, value, composite: true })
    }
}

impl Algorithm {
    pub const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64nvme, Self::Sha1, Self::Sha256];

    /// As S3 names it in requests and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// The checksum of the whole from those of its parts and their sizes; only CRCs can do it.
    pub fn full_object<'a>(self, parts: impl Iterator<Item = (&'a str, u64)>) -> Option<Checksum> {
        let (crc, width) = match self {
            Self::Crc32 => (CrcAlgorithm::Crc32IsoHdlc, 4),
            Self::Crc32c => (CrcAlgorithm::Crc32Iscsi, 4),
            Self::Crc64nvme => (CrcAlgorithm::Crc64Nvme, 8),
            Self::Sha1 | Self::Sha256 => return None,
        };
        let mut whole = None;
        for (part, size) in parts {
            let bytes = decode(part).filter(|bytes| bytes.len() == width)?;
            let part = bytes.iter().fold(0, |value: u64, byte| value << 8 | u64::from(*byte));
            whole = Some(whole.map_or(part, |whole| crc_fast::checksum_combine(crc, whole, part, size)));
        }
        let value = base64(&whole?.to_be_bytes()[8 - width..]);
        Some(Checksum { algorithm: self, value, composite: false })
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
    BASE64_STANDARD.encode(bytes)
}

pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(algorithm: Algorithm, bytes: &[u8]) -> String {
        let mut digests = Digests::new(Some(algorithm));
        digests.update(bytes);
        digests.finish().1.unwrap().value
    }

    #[test]
    fn each_algorithm_gives_its_published_check_value() {
        let check = |algorithm, hex: &str| {
            assert_eq!(hex::encode(decode(&of(algorithm, b"123456789")).unwrap()), hex, "{algorithm:?}");
        };
        check(Algorithm::Crc32, "cbf43926");
        check(Algorithm::Crc32c, "e3069283");
        check(Algorithm::Crc64nvme, "ae8b14860a799888");
        check(Algorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441");
        check(Algorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225");
    }

    #[test]
    fn the_parts_crcs_give_the_crc_of_the_whole() {
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64nvme] {
            let parts = [of(algorithm, b"1234"), of(algorithm, b"56"), of(algorithm, b"789")];
            let sizes = [4, 2, 3];
            let whole = algorithm.full_object(parts.iter().map(String::as_str).zip(sizes)).unwrap();
            assert_eq!(whole.value, of(algorithm, b"123456789"), "{algorithm:?}");
        }
    }
}
