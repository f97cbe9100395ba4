//! What `doctor` wants to know of a bucket, without changing it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use aws_sdk_s3::types::BucketVersioningStatus;
use aws_smithy_runtime_api::box_error::BoxError;

use super::bucket::S3Bucket;
use crate::bucket::BucketError;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketFacts {
    /// Where the bucket is; servers besides AWS may not say.
    pub region: Option<String>,
    /// How many seconds the server's clock is ahead of ours. S3 refuses requests from 15 minutes on.
    pub clock_skew: Option<i64>,
    /// None when the server does not tell, or does not tell us.
    pub versioned: Option<bool>,
}

impl S3Bucket {
    /// Lists one key, which is the right that everything else rests on, and looks at what else the answer says.
    pub async fn facts(&self) -> Result<BucketFacts, BucketError> {
        let heard = Heard::default();
        let list = self.client.list_objects_v2().bucket(&self.name).max_keys(1);
        let answer = list.customize().interceptor(heard.clone()).send().await;
        answer.map_err(|error| self.error("list", "", error))?;
        let Headers { region, clock_skew } = heard.headers();
        Ok(BucketFacts {
            region: match region {
                Some(region) => Some(region),
                None => self.region().await,
            },
            clock_skew,
            versioned: self.versioned().await,
        })
    }

    async fn region(&self) -> Option<String> {
        let head = self.client.head_bucket().bucket(&self.name).send().await;
        head.ok()?.bucket_region().map(str::to_owned)
    }

    async fn versioned(&self) -> Option<bool> {
        let answer = self.client.get_bucket_versioning().bucket(&self.name).send().await;
        Some(answer.ok()?.status() == Some(&BucketVersioningStatus::Enabled))
    }
}

#[derive(Clone, Debug, Default)]
struct Headers {
    region: Option<String>,
    clock_skew: Option<i64>,
}

/// Listens to the headers of an answer, which the SDK does not hand on.
#[derive(Clone, Debug, Default)]
struct Heard(Arc<Mutex<Headers>>);

impl Heard {
    fn headers(&self) -> Headers {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Intercept for Heard {
    fn name(&self) -> &'static str {
        "Heard"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.response().headers();
        let date =
            headers.get("date").and_then(|date| DateTime::from_str(date, DateTimeFormat::HttpDate).ok());
        let now = DateTime::from(SystemTime::now());
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.region = headers.get("x-amz-bucket-region").map(str::to_owned);
        heard.clock_skew = date.map(|date| date.secs() - now.secs());
        Ok(())
    }
}
