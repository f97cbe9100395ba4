//! A bucket of S3.

use std::path::Path;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Config;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::EncodingType;
use bytes::Bytes;
use cloudyknight_core::form;
use futures::{StreamExt, stream};

use super::verdict::{self, Verdict};
use crate::bucket::{Bucket, BucketError, Condition, Content, Object};

#[derive(Clone, Debug)]
pub struct S3Bucket {
    client: Client,
    name: String,
}

impl S3Bucket {
    pub(super) fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// Uploads a file without holding it in memory, and answers its ETag. One PUT, so 5 GiB at most.
    ///
    /// There is no limit on its time, only on the time in which nothing moves.
    pub async fn put_file(&self, key: &str, path: &Path) -> Result<String, BucketError> {
        let body =
            ByteStream::read_from().path(path).build().await.map_err(|source| BucketError::Refused {
                bucket: self.name.clone(),
                operation: "read a file for",
                key: key.to_owned(),
                source: source.into(),
            })?;
        let unlimited = Config::builder()
            .timeout_config(TimeoutConfig::builder().disable_operation_attempt_timeout().build());
        let request = self.client.put_object().bucket(&self.name).key(key).body(body);
        let answer = request.customize().config_override(unlimited).send().await;
        let answer = answer.map_err(|error| self.error("put", key, error))?;
        Ok(unquoted(answer.e_tag().unwrap_or_default()).to_owned())
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

    fn name_in(&self, page: &ListObjectsV2Output, name: &str) -> Result<String, BucketError> {
        match page.encoding_type() {
            Some(EncodingType::Url) => form::decoded(name).map_err(|why| self.unavailable("list", name, why)),
            _ => Ok(name.to_owned()),
        }
    }

    fn unavailable(&self, operation: &'static str, key: &str, why: impl Into<Source>) -> BucketError {
        BucketError::Unavailable {
            bucket: self.name.clone(),
            operation,
            key: key.to_owned(),
            source: why.into(),
        }
    }

    fn error<E>(&self, operation: &'static str, key: &str, error: SdkError<E, HttpResponse>) -> BucketError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let (bucket, key) = (self.name.clone(), key.to_owned());
        match verdict::of(&error) {
            Verdict::NoKey => BucketError::NotFound { bucket, key },
            Verdict::ConditionFailed => BucketError::Changed { bucket, key },
            Verdict::Unavailable => {
                BucketError::Unavailable { bucket, operation, key, source: verdict::cause(error) }
            }
            Verdict::Refused => {
                BucketError::Refused { bucket, operation, key, source: verdict::cause(error) }
            }
        }
    }
}

type Source = Box<dyn std::error::Error + Send + Sync>;

/// An ETag as the platform knows it: without the quotes of HTTP.
fn unquoted(etag: &str) -> &str {
    etag.strip_prefix('"').and_then(|etag| etag.strip_suffix('"')).unwrap_or(etag)
}

#[async_trait]
impl Bucket for S3Bucket {
    async fn list(&self, prefix: &str) -> Result<Vec<Object>, BucketError> {
        let mut objects = Vec::new();
        for page in self.pages(prefix, None).await? {
            for object in page.contents() {
                objects.push(Object {
                    key: self.name_in(&page, object.key().unwrap_or_default())?,
                    etag: unquoted(object.e_tag().unwrap_or_default()).to_owned(),
                    size: object.size().and_then(|size| size.try_into().ok()).unwrap_or_default(),
                });
            }
        }
        // Directory buckets, and some servers, list in another order.
        objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }

    async fn folders(&self) -> Result<Vec<String>, BucketError> {
        let mut folders = Vec::new();
        for page in self.pages("", Some("/")).await? {
            for prefix in page.common_prefixes() {
                let name = self.name_in(&page, prefix.prefix().unwrap_or_default())?;
                folders.push(name.strip_suffix('/').unwrap_or(&name).to_owned());
            }
        }
        folders.sort_unstable();
        Ok(folders)
    }

    async fn get(&self, key: &str, etag: Option<&str>) -> Result<Content, BucketError> {
        let condition = etag.map(|etag| format!("\"{etag}\""));
        let request = self.client.get_object().bucket(&self.name).key(key).set_if_match(condition);
        let answer = request.send().await.map_err(|error| self.error("get", key, error))?;
        let object = Object {
            key: key.to_owned(),
            etag: unquoted(answer.e_tag().unwrap_or_default()).to_owned(),
            size: answer.content_length().and_then(|size| size.try_into().ok()).unwrap_or_default(),
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
        Ok(Content { object, body: body.boxed() })
    }

    async fn put(&self, key: &str, body: Bytes) -> Result<String, BucketError> {
        let request = self.client.put_object().bucket(&self.name).key(key).body(body.into());
        let answer = request.send().await.map_err(|error| self.error("put", key, error))?;
        Ok(unquoted(answer.e_tag().unwrap_or_default()).to_owned())
    }

    async fn put_if(&self, key: &str, body: Bytes, condition: &Condition) -> Result<String, BucketError> {
        let request = self.client.put_object().bucket(&self.name).key(key).body(body.into());
        let request = match condition {
            Condition::Absent => request.if_none_match("*"),
            Condition::Unchanged(etag) => request.if_match(format!("\"{etag}\"")),
        };
        let answer = request.send().await.map_err(|error| self.error("put", key, error))?;
        Ok(unquoted(answer.e_tag().unwrap_or_default()).to_owned())
    }

    async fn delete(&self, key: &str) -> Result<(), BucketError> {
        match self.client.delete_object().bucket(&self.name).key(key).send().await {
            Ok(_) => Ok(()),
            Err(error) if verdict::of(&error) == Verdict::NoKey => Ok(()),
            Err(error) => Err(self.error("delete", key, error)),
        }
    }
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
