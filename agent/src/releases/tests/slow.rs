//! A bucket that lets others run before and after each request, as any bucket does that is reached through a network.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cloudyknight_store::bucket::{Bucket, BucketError, Condition, Content, Object, TopLevel};

pub(super) struct SlowBucket(pub Arc<dyn Bucket>);

async fn turns<T>(request: impl Future<Output = T>) -> T {
    let random = getrandom::u32().unwrap_or_default();
    for _ in 0..random % 5 {
        tokio::task::yield_now().await;
    }
    let answer = request.await;
    for _ in 0..(random >> 8) % 5 {
        tokio::task::yield_now().await;
    }
    answer
}

#[async_trait]
impl Bucket for SlowBucket {
    async fn list(&self, prefix: &str) -> Result<Vec<Object>, BucketError> {
        turns(self.0.list(prefix)).await
    }

    async fn top_level(&self) -> Result<TopLevel, BucketError> {
        turns(self.0.top_level()).await
    }

    async fn get(&self, key: &str, etag: Option<&str>) -> Result<Content, BucketError> {
        turns(self.0.get(key, etag)).await
    }

    async fn put(&self, key: &str, body: Bytes) -> Result<String, BucketError> {
        turns(self.0.put(key, body)).await
    }

    async fn put_file(&self, key: &str, path: &Path) -> Result<String, BucketError> {
        turns(self.0.put_file(key, path)).await
    }

    async fn put_if(&self, key: &str, body: Bytes, condition: &Condition) -> Result<String, BucketError> {
        turns(self.0.put_if(key, body, condition)).await
    }

    async fn delete(&self, key: &str) -> Result<(), BucketError> {
        turns(self.0.delete(key)).await
    }

    async fn delete_if(&self, key: &str, etag: &str) -> Result<(), BucketError> {
        turns(self.0.delete_if(key, etag)).await
    }
}
