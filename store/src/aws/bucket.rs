//! A bucket of S3.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Config;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::EncodingType;
use bytes::Bytes;
use cloudyknight_core::form;
use futures::{FutureExt, StreamExt, stream};

use super::answer::{self, Cause};
use super::conditional::Declined;
use super::site::Site;
use super::verdict::{self, Verdict};
use crate::bucket::{Bucket, BucketError, Condition, Content, Object, TopLevel};

#[derive(Clone, Debug)]
pub struct S3Bucket {
    pub(super) client: Client,
    pub(super) name: String,
    pub(super) site: Arc<Site>,
}

/// What the SDK answers when an operation failed.
pub(super) type Failure<E> = SdkError<E, HttpResponse>;

/// The error of one operation.
pub(super) trait SdkFailure: ProvideErrorMetadata + Error + Send + Sync + 'static {}

impl<E: ProvideErrorMetadata + Error + Send + Sync + 'static> SdkFailure for E {}

impl S3Bucket {
    pub(super) fn new(client: Client, name: String, site: Arc<Site>) -> Self {
        Self { client, name, site }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// What an upload of so many bytes needs beside the usual.
    pub(super) fn upload(&self, bytes: u64) -> aws_sdk_s3::config::Builder {
        Config::builder().timeout_config(self.site.patience.upload(bytes))
    }

    /// One PUT, tried once: an attempt that was carried out and whose answer was lost would fail its own condition
    /// when it is made again.
    pub(super) async fn put_under(
        &self,
        key: &str,
        body: Bytes,
        condition: Option<Condition>,
    ) -> Result<String, Declined> {
        let once = self.upload(body.len() as u64).retry_config(RetryConfig::disabled());
        let request = self.client.put_object().bucket(&self.name).key(key).body(body.into());
        let request = match condition {
            None => request,
            Some(Condition::Absent) => request.if_none_match("*"),
            Some(Condition::Unchanged(etag)) => request.if_match(format!("\"{etag}\"")),
        };
        let answer = request.customize().config_override(once).send().await;
        let answer = answer.map_err(|error| self.declined("put", key, error))?;
        Ok(unquoted(answer.e_tag().unwrap_or_default()).to_owned())
    }

    /// One DELETE, tried once, for the same reason.
    pub(super) async fn delete_under(&self, key: &str, condition: Option<Condition>) -> Result<(), Declined> {
        let etag = condition.and_then(|condition| match condition {
            Condition::Absent => None,
            Condition::Unchanged(etag) => Some(format!("\"{etag}\"")),
        });
        let request = self.client.delete_object().bucket(&self.name).key(key).set_if_match(etag);
        let once = Config::builder().retry_config(RetryConfig::disabled());
        match request.customize().config_override(once).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.declined("delete", key, error)),
        }
    }

    pub(super) fn content(&self, key: &str, answer: GetObjectOutput) -> Content {
        let object = Object {
            key: key.to_owned(),
            etag: unquoted(answer.e_tag().unwrap_or_default()).to_owned(),
            size: answer.content_length().and_then(|size| size.try_into().ok()).unwrap_or_default(),
            modified_ms: millis(answer.last_modified()),
        };
        let (bucket, key) = (self.name.clone(), key.to_owned());
        let body = stream::unfold(Some(answer.body), move |body| {
            let (bucket, key) = (bucket.clone(), key.clone());
            async move {
                let mut body = body?;
                match body.next().await? {
                    Ok(piece) => Some((Ok(piece), Some(body))),
                    Err(source) => {
                        let source = source.into();
                        Some((Err(BucketError::Unavailable { bucket, operation: "read", key, source }), None))
                    }
                }
            }
        });
        Content { object, body: body.boxed() }
    }

    /// Every page of a listing. XML cannot carry every character that a key may hold, so names are asked for encoded.
    async fn pages(
        &self,
        prefix: &str,
        delimiter: Option<&str>,
    ) -> Result<Vec<ListObjectsV2Output>, BucketError> {
        let mut pages = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = self
                .client
                .list_objects_v2()
                .bucket(&self.name)
                .prefix(prefix)
                .set_delimiter(delimiter.map(str::to_owned))
                .encoding_type(EncodingType::Url)
                .set_continuation_token(token.clone())
                .send()
                .await
                .map_err(|error| self.error("list", prefix, error))?;
            let next = page
                .next_continuation_token()
                .map(str::to_owned)
                .filter(|_| page.is_truncated() == Some(true));
            pages.push(page);
            match next {
                None => return Ok(pages),
                // A server that sends us in circles would fill our memory.
                Some(next) if token.as_ref() == Some(&next) => {
                    return Err(self.unavailable("list", prefix, "the server gave the same page twice"));
                }
                Some(next) => token = Some(next),
            }
        }
    }

    fn objects_of(&self, page: &ListObjectsV2Output) -> Result<Vec<Object>, BucketError> {
        let object = |object: &aws_sdk_s3::types::Object| {
            Ok(Object {
                key: self.name_in(page, object.key().unwrap_or_default())?,
                etag: unquoted(object.e_tag().unwrap_or_default()).to_owned(),
                size: object.size().and_then(|size| size.try_into().ok()).unwrap_or_default(),
                modified_ms: millis(object.last_modified()),
            })
        };
        page.contents().iter().map(object).collect()
    }

    fn name_in(&self, page: &ListObjectsV2Output, name: &str) -> Result<String, BucketError> {
        match page.encoding_type() {
            Some(EncodingType::Url) => form::decoded(name).map_err(|why| self.unavailable("list", name, why)),
            _ => Ok(name.to_owned()),
        }
    }

    pub(super) fn unavailable(
        &self,
        operation: &'static str,
        key: &str,
        why: impl Into<Cause>,
    ) -> BucketError {
        BucketError::Unavailable {
            bucket: self.name.clone(),
            operation,
            key: key.to_owned(),
            source: why.into(),
        }
    }

    pub(super) fn error<E: SdkFailure>(
        &self,
        operation: &'static str,
        key: &str,
        error: Failure<E>,
    ) -> BucketError {
        let (bucket, key) = (self.name.clone(), key.to_owned());
        let cause = |error| answer::cause(error, self.site.endpoint.as_deref());
        match verdict::of(&error) {
            Verdict::NoKey => BucketError::NotFound { bucket, key },
            Verdict::ConditionFailed => BucketError::Changed { bucket, key },
            Verdict::Unavailable => BucketError::Unavailable { bucket, operation, key, source: cause(error) },
            Verdict::Refused => BucketError::Refused { bucket, operation, key, source: cause(error) },
        }
    }
}

/// An ETag as the platform knows it: without the quotes of HTTP.
pub(super) fn unquoted(etag: &str) -> &str {
    etag.strip_prefix('"').and_then(|etag| etag.strip_suffix('"')).unwrap_or(etag)
}

#[async_trait]
impl Bucket for S3Bucket {
    async fn list(&self, prefix: &str) -> Result<Vec<Object>, BucketError> {
        let mut objects = Vec::new();
        for page in self.pages(prefix, None).await? {
            objects.extend(self.objects_of(&page)?);
        }
        // Directory buckets, and some servers, list in another order.
        objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }

    async fn top_level(&self) -> Result<TopLevel, BucketError> {
        let TopLevel { mut folders, mut objects } = TopLevel::default();
        for page in self.pages("", Some("/")).await? {
            for prefix in page.common_prefixes() {
                let name = self.name_in(&page, prefix.prefix().unwrap_or_default())?;
                folders.push(name.strip_suffix('/').unwrap_or(&name).to_owned());
            }
            objects.extend(self.objects_of(&page)?);
        }
        folders.sort_unstable();
        objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(TopLevel { folders, objects })
    }

    async fn get(&self, key: &str, etag: Option<&str>) -> Result<Content, BucketError> {
        let condition = etag.map(|etag| format!("\"{etag}\""));
        let request = self.client.get_object().bucket(&self.name).key(key).set_if_match(condition);
        let answer = request.send().await.map_err(|error| self.error("get", key, error))?;
        // Some servers do not heed the condition.
        if etag.is_some_and(|wanted| wanted != unquoted(answer.e_tag().unwrap_or_default())) {
            return Err(BucketError::Changed { bucket: self.name.clone(), key: key.to_owned() });
        }
        Ok(self.content(key, answer))
    }

    async fn put(&self, key: &str, body: Bytes) -> Result<String, BucketError> {
        let upload = self.upload(body.len() as u64);
        let request = self.client.put_object().bucket(&self.name).key(key).body(body.into());
        let answer = request.customize().config_override(upload).send().await;
        let answer = answer.map_err(|error| self.error("put", key, error))?;
        Ok(unquoted(answer.e_tag().unwrap_or_default()).to_owned())
    }

    /// Its time is limited by its size, and by how long nothing moves.
    async fn put_file(&self, key: &str, path: &Path) -> Result<String, BucketError> {
        let refused = |source: Cause| self.refused("read a file for", key, source);
        let size = tokio::fs::metadata(path).await.map_err(|error| refused(error.into()))?.len();
        let body = ByteStream::read_from().path(path).build().await.map_err(|error| refused(error.into()))?;
        let request = self.client.put_object().bucket(&self.name).key(key).body(body);
        let answer = request.customize().config_override(self.upload(size)).send().await;
        let answer = answer.map_err(|error| self.error("put", key, error))?;
        Ok(unquoted(answer.e_tag().unwrap_or_default()).to_owned())
    }

    /// Sent once: after [`BucketError::Unavailable`] it may have been written.
    async fn put_if(&self, key: &str, body: Bytes, condition: &Condition) -> Result<String, BucketError> {
        self.conditionally(key, condition, |condition| self.put_under(key, body.clone(), condition).boxed())
            .await
    }

    async fn delete(&self, key: &str) -> Result<(), BucketError> {
        match self.client.delete_object().bucket(&self.name).key(key).send().await {
            Ok(_) => Ok(()),
            Err(error) if verdict::of(&error) == Verdict::NoKey => Ok(()),
            Err(error) => Err(self.error("delete", key, error)),
        }
    }

    async fn delete_if(&self, key: &str, etag: &str) -> Result<(), BucketError> {
        let condition = Condition::Unchanged(etag.to_owned());
        // Asked in any case: servers that know conditional writes may still ignore the header on a delete.
        self.ask(key, &condition).await?;
        self.conditionally(key, &condition, |condition| self.delete_under(key, condition).boxed()).await
    }
}

/// Milliseconds since the Unix epoch; 0 for what the server does not say.
fn millis(time: Option<&aws_sdk_s3::primitives::DateTime>) -> i64 {
    time.and_then(|time| time.to_millis().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::unquoted;

    #[test]
    fn etags_lose_their_quotes() {
        assert_eq!(unquoted("\"abc-2\""), "abc-2");
        assert_eq!(unquoted("abc"), "abc");
        assert_eq!(unquoted("\""), "\"");
    }
}
