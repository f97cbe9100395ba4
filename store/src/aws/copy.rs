//! Copying an object from one store to another, through this process, so that the copy is known to be the same.
//!
//! A release knows its files by their ETags. So the copy is uploaded as its source was: in one PUT where the ETag is
//! the MD5 of the content, in parts of the same size where it is that of parts. Servers with ETags of their own (keys
//! of KMS, or a server that makes them up) give others.

use std::collections::HashMap;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use aws_sdk_s3::config::Config;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use futures::{FutureExt, TryStreamExt};
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use super::bucket::{S3Bucket, unquoted};
use super::conditional::Declined;
use super::patience::jitter;
use crate::bucket::{Bucket, BucketError, Condition, Content, Object};

const MIB: u64 = 1 << 20;
/// What is copied in memory, and the part size for what cannot have its ETag kept.
const PART: u64 = 16 * MIB;
/// S3 takes no more in one PUT.
const LARGEST_PUT: u64 = 5 << 30;
/// Parts are held in memory: a larger one is not worth an equal ETag.
const LARGEST_PART: u64 = 64 * MIB;
const SMALLEST_PART: u64 = 5 * MIB;
const MOST_PARTS: u64 = 10_000;
/// A body that streams through us cannot be sent again by the SDK: it is read again here.
const ATTEMPTS: u32 = 3;

/// What lies at the other end now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    pub etag: String,
    /// Of the content as it was sent, in hex.
    pub blake3: String,
    pub size: u64,
}

impl S3Bucket {
    /// Copies an object with its content type, encoding, cache rules and metadata, without its tags, rights and older
    /// versions. With a condition, only if that holds for the key over there ([`BucketError::Changed`] otherwise).
    ///
    /// Caveat: a copy in parts that is dropped half way leaves its parts behind; `AbortIncompleteMultipartUpload` in
    /// the bucket's lifecycle removes such.
    pub async fn copy_to(
        &self,
        key: &str,
        to: &S3Bucket,
        condition: Option<&Condition>,
    ) -> Result<Copied, BucketError> {
        let copy = |condition| async move { Copy { from: self, to, key }.attempts(condition).await }.boxed();
        match condition {
            Some(condition) => to.conditionally(key, condition, copy).await,
            None => match copy(None).await {
                Ok(copied) => Ok(copied),
                Err(Declined::Failed(error)) => Err(error),
                Err(Declined::NotImplemented) => {
                    Err(to.refused("put", key, "the server does not implement what a copy needs"))
                }
            },
        }
    }

    /// The BLAKE3 digest of an object's content, in hex.
    pub async fn digest(&self, key: &str) -> Result<String, BucketError> {
        let mut body = self.get(key, None).await?.body;
        let mut digest = blake3::Hasher::new();
        while let Some(piece) = body.try_next().await? {
            digest.update(&piece);
        }
        Ok(digest.finalize().to_hex().to_string())
    }
}

struct Copy<'a> {
    from: &'a S3Bucket,
    to: &'a S3Bucket,
    key: &'a str,
}

impl Copy<'_> {
    async fn attempts(&self, condition: Option<Condition>) -> Result<Copied, Declined> {
        let mut pause = self.to.site.patience.pause;
        for _ in 1..ATTEMPTS {
            match self.attempt(condition.as_ref()).await {
                Err(Declined::Failed(BucketError::Unavailable { source, .. })) => {
                    tracing::debug!(key = self.key, error = %source, "a copy is begun anew");
                }
                done => return done,
            }
            tokio::time::sleep(jitter(pause)).await;
            pause *= 2;
        }
        self.attempt(condition.as_ref()).await
    }

    async fn attempt(&self, condition: Option<&Condition>) -> Result<Copied, Declined> {
        let request = self.from.client.get_object().bucket(&self.from.name).key(self.key);
        let object = request.send().await.map_err(|error| self.from.error("get", self.key, error))?;
        let attributes = Attributes::of(&object);
        let content = self.from.content(self.key, object);
        let size = content.object.size;
        match parts_in(&content.object.etag) {
            None if size <= PART => self.whole(content, attributes, condition).await,
            None if size <= LARGEST_PUT => self.streamed(content, attributes, condition).await,
            None => self.in_parts(content, attributes, free_part_size(size), condition).await,
            Some(parts) => {
                let part_size = self.part_size(&content.object, parts).await;
                let part_size = part_size.unwrap_or_else(|| free_part_size(size));
                self.in_parts(content, attributes, part_size, condition).await
            }
        }
    }

    /// One PUT of what fits into memory, which the SDK can repeat.
    async fn whole(
        &self,
        content: Content,
        attributes: Attributes,
        condition: Option<&Condition>,
    ) -> Result<Copied, Declined> {
        let body = content.bytes().await?;
        let (size, blake3) = (body.len() as u64, blake3::hash(&body).to_hex().to_string());
        let upload = self.to.upload(size);
        let upload = if condition.is_some() { upload.retry_config(RetryConfig::disabled()) } else { upload };
        let etag = self.put(body.into(), attributes, condition, upload).await?;
        Ok(Copied { etag, blake3, size })
    }

    /// One PUT of what is read while it is sent.
    async fn streamed(
        &self,
        content: Content,
        attributes: Attributes,
        condition: Option<&Condition>,
    ) -> Result<Copied, Declined> {
        let size = content.object.size;
        let (pieces, received) = mpsc::channel(8);
        let body = ByteStream::new(SdkBody::from_body_1_x(Streamed { received, left: size }));
        let upload = self.to.upload(size).retry_config(RetryConfig::disabled());
        let (read, put) =
            tokio::join!(hand_on(content, pieces), self.put(body, attributes, condition, upload));
        // A source that broke off is why its upload failed, and not the other way round.
        let blake3 = read?;
        Ok(Copied { etag: put?, blake3, size })
    }

    async fn put(
        &self,
        body: ByteStream,
        attributes: Attributes,
        condition: Option<&Condition>,
        upload: aws_sdk_s3::config::Builder,
    ) -> Result<String, Declined> {
        let request = self.to.client.put_object().bucket(&self.to.name).key(self.key).body(body);
        let request = request
            .set_content_type(attributes.content_type)
            .set_content_encoding(attributes.content_encoding)
            .set_content_disposition(attributes.content_disposition)
            .set_content_language(attributes.content_language)
            .set_cache_control(attributes.cache_control)
            .set_metadata(attributes.metadata)
            .set_if_none_match(if_none_match(condition))
            .set_if_match(if_match(condition));
        let answer = request.customize().config_override(upload).send().await;
        match answer {
            Ok(answer) => Ok(unquoted(answer.e_tag().unwrap_or_default()).to_owned()),
            Err(error) if condition.is_some() => Err(self.to.declined("put", self.key, error)),
            Err(error) => Err(self.to.error("put", self.key, error).into()),
        }
    }

    async fn in_parts(
        &self,
        content: Content,
        attributes: Attributes,
        part_size: u64,
        condition: Option<&Condition>,
    ) -> Result<Copied, Declined> {
        let begin = self.to.client.create_multipart_upload().bucket(&self.to.name).key(self.key);
        let begin = begin
            .set_content_type(attributes.content_type)
            .set_content_encoding(attributes.content_encoding)
            .set_content_disposition(attributes.content_disposition)
            .set_content_language(attributes.content_language)
            .set_cache_control(attributes.cache_control)
            .set_metadata(attributes.metadata);
        let begun = begin.send().await.map_err(|error| self.to.error("begin to put", self.key, error))?;
        let Some(upload) = begun.upload_id() else {
            return Err(self.to.unavailable("begin to put", self.key, "the server gave no upload id").into());
        };
        let copied = self.parts(content, part_size, upload, condition).await;
        if copied.is_err() {
            let abort = self.to.client.abort_multipart_upload().bucket(&self.to.name).key(self.key);
            if let Err(error) = abort.upload_id(upload).send().await {
                tracing::debug!(key = self.key, upload, %error, "the parts of a copy that failed are left behind");
            }
        }
        copied
    }

    async fn parts(
        &self,
        mut content: Content,
        part_size: u64,
        upload: &str,
        condition: Option<&Condition>,
    ) -> Result<Copied, Declined> {
        let (mut digest, mut size, mut buffer) = (blake3::Hasher::new(), 0, BytesMut::new());
        let mut parts = Vec::new();
        loop {
            let piece = content.body.try_next().await?;
            let last = piece.is_none();
            if let Some(piece) = piece {
                digest.update(&piece);
                size += piece.len() as u64;
                buffer.extend_from_slice(&piece);
            }
            while buffer.len() as u64 >= part_size || (last && (!buffer.is_empty() || parts.is_empty())) {
                let part = buffer.split_to(buffer.len().min(part_size as usize)).freeze();
                let number = parts.len() as i32 + 1;
                parts.push(self.part(number, part, upload).await?);
            }
            if last {
                break;
            }
        }
        let etag = self.complete(parts, upload, condition).await?;
        Ok(Copied { etag, blake3: digest.finalize().to_hex().to_string(), size })
    }

    async fn part(&self, number: i32, part: Bytes, upload: &str) -> Result<CompletedPart, BucketError> {
        let patient = self.to.upload(part.len() as u64);
        let request = self.to.client.upload_part().bucket(&self.to.name).key(self.key);
        let request = request.upload_id(upload).part_number(number).body(part.into());
        let answer = request.customize().config_override(patient).send().await;
        let answer = answer.map_err(|error| self.to.error("put a part of", self.key, error))?;
        Ok(CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag).build())
    }

    async fn complete(
        &self,
        parts: Vec<CompletedPart>,
        upload: &str,
        condition: Option<&Condition>,
    ) -> Result<String, Declined> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = self.to.client.complete_multipart_upload().bucket(&self.to.name).key(self.key);
        let request = request
            .upload_id(upload)
            .multipart_upload(parts)
            .set_if_none_match(if_none_match(condition))
            .set_if_match(if_match(condition));
        let once = Config::builder().retry_config(RetryConfig::disabled());
        match request.customize().config_override(once).send().await {
            Ok(answer) => Ok(unquoted(answer.e_tag().unwrap_or_default()).to_owned()),
            Err(error) if condition.is_some() => Err(self.to.declined("put", self.key, error)),
            Err(error) => Err(self.to.error("put together", self.key, error).into()),
        }
    }

    /// The size of the parts that an object was uploaded in: as its server tells it, or of those that clients use the
    /// first that gives as many. None when no upload of ours could be cut like that.
    async fn part_size(&self, object: &Object, parts: u64) -> Option<u64> {
        let head = self.from.client.head_object().bucket(&self.from.name).key(self.key).part_number(1);
        let told = match head.send().await {
            Ok(first) if first.parts_count().is_some() => first.content_length(),
            _ => None,
        };
        let told = told.and_then(|size| u64::try_from(size).ok());
        let usual = [8, 5, 16, 15, 10, 32, 50, 64].map(|mib| mib * MIB);
        told.into_iter().chain(usual).find(|size| could_be_cut(object.size, *size, parts))
    }
}

/// How many parts an ETag says that its object was uploaded in: `<md5>-<parts>`.
fn parts_in(etag: &str) -> Option<u64> {
    etag.rsplit_once('-')?.1.parse().ok()
}

fn could_be_cut(size: u64, part_size: u64, parts: u64) -> bool {
    let allowed = if parts == 1 { 1..=LARGEST_PART } else { SMALLEST_PART..=LARGEST_PART };
    allowed.contains(&part_size) && size.div_ceil(part_size).max(1) == parts
}

/// The part size where nothing asks for another.
fn free_part_size(size: u64) -> u64 {
    PART.max(size.div_ceil(MOST_PARTS))
}

fn if_none_match(condition: Option<&Condition>) -> Option<String> {
    matches!(condition, Some(Condition::Absent)).then(|| "*".to_owned())
}

fn if_match(condition: Option<&Condition>) -> Option<String> {
    match condition {
        Some(Condition::Unchanged(etag)) => Some(format!("\"{etag}\"")),
        _ => None,
    }
}

/// What an object is, beside its content.
struct Attributes {
    content_type: Option<String>,
    content_encoding: Option<String>,
    content_disposition: Option<String>,
    content_language: Option<String>,
    cache_control: Option<String>,
    metadata: Option<HashMap<String, String>>,
}

impl Attributes {
    fn of(object: &GetObjectOutput) -> Self {
        Self {
            content_type: object.content_type.clone(),
            content_encoding: object.content_encoding.clone(),
            content_disposition: object.content_disposition.clone(),
            content_language: object.content_language.clone(),
            cache_control: object.cache_control.clone(),
            metadata: object.metadata.clone(),
        }
    }
}

/// Reads to the end, into the channel, and answers the digest. Stops early when nobody wants more.
async fn hand_on(mut content: Content, pieces: mpsc::Sender<Bytes>) -> Result<String, BucketError> {
    let mut digest = blake3::Hasher::new();
    while let Some(piece) = content.body.try_next().await? {
        digest.update(&piece);
        if pieces.send(piece).await.is_err() {
            break;
        }
    }
    Ok(digest.finalize().to_hex().to_string())
}

/// The other end of the channel, as the body of a request. It ends in an error when the source ended early.
struct Streamed {
    received: mpsc::Receiver<Bytes>,
    left: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("the source of a copy ended {0} bytes early")]
struct EndedEarly(u64);

impl Body for Streamed {
    type Data = Bytes;
    type Error = EndedEarly;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, EndedEarly>>> {
        match ready!(self.received.poll_recv(context)) {
            Some(piece) => {
                self.left = self.left.saturating_sub(piece.len() as u64);
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            None if self.left > 0 => Poll::Ready(Some(Err(EndedEarly(std::mem::take(&mut self.left))))),
            None => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_tells_how_many_parts_its_object_has() {
        let check = |etag, parts| assert_eq!(parts_in(etag), parts, "{etag}");
        check("d41d8cd98f00b204e9800998ecf8427e", None);
        check("d41d8cd98f00b204e9800998ecf8427e-3", Some(3));
        check("some-name", None);
        check("", None);
    }

    #[test]
    fn an_object_is_cut_again_as_it_was_cut_where_that_can_be() {
        let check = |size, part_size, parts, expected| {
            assert_eq!(could_be_cut(size, part_size, parts), expected, "{size} by {part_size} into {parts}");
        };
        check(20 * MIB, 8 * MIB, 3, true);
        check(20 * MIB, 8 * MIB, 2, false);
        check(16 * MIB, 8 * MIB, 2, true);
        check(MIB, MIB, 1, true);
        check(2 * MIB, MIB, 2, false);
        check(200 * MIB, 100 * MIB, 2, false);
        check(0, MIB, 1, true);
    }

    #[test]
    fn parts_grow_so_that_ten_thousand_suffice() {
        assert_eq!(free_part_size(20 * MIB), PART);
        assert!(free_part_size(5 << 40).saturating_mul(MOST_PARTS) >= 5 << 40);
    }
}
