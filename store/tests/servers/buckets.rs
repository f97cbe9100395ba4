//! The bucket of the AWS adapter on servers that speak S3, and the embedded one: the port's suite, as far as each server
//! keeps it.

use std::sync::Arc;

use async_trait::async_trait;
use cloudyknight_store::bucket::Bucket;
use cloudyknight_store::embedded::{EmbeddedStore, Options};
use tempfile::TempDir;

use crate::bucket_suite::{self, Setting};
use crate::server::Server;

struct Place<'s> {
    server: &'s Server,
    cannot_hold: &'s [&'s str],
}

#[async_trait]
impl Setting for Place<'_> {
    async fn bucket(&self) -> Arc<dyn Bucket> {
        Arc::new(self.server.new_bucket().await)
    }

    async fn missing(&self) -> Arc<dyn Bucket> {
        Arc::new(self.server.clients.bucket("missing"))
    }

    fn cannot_hold(&self) -> &[&str] {
        self.cannot_hold
    }
}

struct Embedded {
    store: Arc<EmbeddedStore>,
    _dir: TempDir,
}

#[async_trait]
impl Setting for Embedded {
    async fn bucket(&self) -> Arc<dyn Bucket> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).unwrap();
        let name = hex::encode(bytes);
        self.store.create_bucket(&name).await.unwrap();
        self.store.bucket(&name)
    }

    async fn missing(&self) -> Arc<dyn Bucket> {
        self.store.bucket("missing")
    }
}

/// Tries every promise on one setting, except those that it is named not to keep.
macro_rules! promises {
    ($setting:expr, except [$($except:literal)*]; $($name:ident)*) => {{
        let setting = $setting;
        let except: &[&str] = &[$($except),*];
        let known = [$(stringify!($name)),*];
        assert!(except.iter().all(|name| known.contains(name)), "an exception for what is no promise");
        let mut surprises = Vec::new();
        $({
            let name = stringify!($name);
            let kept = std::panic::AssertUnwindSafe(bucket_suite::$name(setting));
            let kept = futures::FutureExt::catch_unwind(kept).await.is_ok();
            if kept == except.contains(&name) {
                surprises.push((name, if kept { "kept after all" } else { "broken" }));
            }
        })*
        assert!(surprises.is_empty(), "{surprises:#?}");
    }};
}

macro_rules! suite {
    ($setting:expr, except $except:tt) => {
        promises! { $setting, except $except;
            every_key_comes_back_as_it_was_put
            a_listing_of_many_pages_is_whole_and_in_order
            a_listing_tells_the_etag_that_was_answered_and_the_size
            folders_are_the_first_level
            placeholders_of_folders_are_listed_as_they_are
            a_replaced_object_is_changed_and_a_missing_one_not_found
            a_write_happens_only_if_its_condition_holds
            of_many_writers_with_one_condition_one_wins
            a_bucket_that_does_not_exist_is_for_a_human
        }
    };
}

#[tokio::test]
async fn the_embedded_bucket_keeps_the_promises_of_a_bucket() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
    suite!(&Embedded { store, _dir: dir }, except []);
}

#[tokio::test]
async fn the_embedded_server_keeps_the_promises_of_a_bucket() {
    let server = Server::start("embedded").await;
    suite!(&Place { server: &server, cannot_hold: &[] }, except []);
}

#[tokio::test]
async fn the_promises_of_a_bucket_are_kept_on_localstack() {
    let server = Server::start("localstack").await;
    suite!(&Place { server: &server, cannot_hold: &[] }, except []);
}

/// moto 5.2 answers 404 to a key with a line break.
#[tokio::test]
async fn the_promises_of_a_bucket_are_kept_on_moto() {
    let server = Server::start("moto").await;
    suite!(&Place { server: &server, cannot_hold: &["app/line\nbreak"] }, except []);
}

#[tokio::test]
async fn the_promises_of_a_bucket_are_kept_on_ministack() {
    let server = Server::start("ministack").await;
    suite!(&Place { server: &server, cannot_hold: &[] }, except []);
}

/// SeaweedFS 4.48 keeps keys as paths: `.` and `..` are refused, `//` becomes `/`, and a key that ends in a slash is a
/// folder, whose content is not kept. A write to a bucket that does not exist is answered 500, as if it were to be tried again.
#[tokio::test]
async fn the_promises_of_a_bucket_are_kept_on_seaweedfs() {
    let server = Server::start("seaweedfs").await;
    let cannot_hold = &["app/", "app/./c", "app/a/../b", "app/a//b"];
    suite!(&Place { server: &server, cannot_hold }, except["a_bucket_that_does_not_exist_is_for_a_human"]);
}
