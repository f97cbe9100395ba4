//! Whether two stores are one under two addresses: what is written to one of them is looked for in the other.

use anyhow::Context;
use cloudyknight_store::aws::S3Bucket;
use cloudyknight_store::bucket::{Bucket, BucketError};

/// At the root of a bucket and hidden: no workspace's, and nothing that the platform keeps.
pub const PREFIX: &str = ".cloudyknight-probe-";

pub fn is_probe(key: &str) -> bool {
    key.starts_with(PREFIX)
}

/// Whether one of `others` holds what is written to `bucket`. The probe is deleted however this ends.
pub async fn is_among(bucket: &S3Bucket, others: &[S3Bucket]) -> anyhow::Result<bool> {
    let key = key()?;
    let found = found(&key, bucket, others).await;
    let deleted = bucket.delete(&key).await;
    let found = found?;
    deleted.with_context(|| format!("could not delete `{key}` from s3://{} again", bucket.name()))?;
    Ok(found)
}

async fn found(key: &str, bucket: &S3Bucket, others: &[S3Bucket]) -> anyhow::Result<bool> {
    let put = bucket.put(key, key.to_owned().into()).await;
    put.with_context(|| format!("could not write to s3://{} over there", bucket.name()))?;
    for other in others {
        match other.get(key, None).await {
            Ok(_) => return Ok(true),
            Err(error @ BucketError::Unavailable { .. }) => {
                return Err(error).context("could not find out whether both stores are one");
            }
            // A bucket that is not there or not ours to read is none that is copied from; and if it is, the copy says so.
            Err(BucketError::NotFound { .. } | BucketError::Changed { .. } | BucketError::Refused { .. }) => {
            }
        }
    }
    Ok(false)
}

fn key() -> anyhow::Result<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("the system has no randomness: {error}"))?;
    Ok(format!("{PREFIX}{}", hex::encode(random)))
}
