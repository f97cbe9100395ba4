//! Conditions on reads, and conditional writes that stay atomic when many contend.

use std::sync::Arc;

use aws_sdk_s3::primitives::DateTime;

use crate::server::{BUCKET, Server, refusal};

#[tokio::test]
async fn reads_answer_304_or_412_by_their_conditions() {
    let server = Server::start().await;
    let etag = server.put("key", b"x".to_vec()).await;
    let get = || server.client.get_object().bucket(BUCKET).key("key");
    let (past, future) = (DateTime::from_secs(1_000_000_000), DateTime::from_secs(4_000_000_000));
    get().if_match(&etag).if_unmodified_since(past).send().await.unwrap();
    assert_eq!(refusal(get().if_match("\"other\"").send().await), (412, "PreconditionFailed".into()));
    assert_eq!(refusal(get().if_unmodified_since(past).send().await), (412, "PreconditionFailed".into()));
    assert_eq!(refusal(get().if_none_match(&etag).send().await).0, 304);
    assert_eq!(refusal(get().if_modified_since(future).send().await).0, 304);
    get().if_none_match("\"other\"").if_modified_since(future).send().await.unwrap();
    let head = server.client.head_object().bucket(BUCKET).key("key").if_none_match(&etag).send().await;
    assert_eq!(refusal(head).0, 304);
}

#[tokio::test]
async fn of_many_who_create_an_object_exactly_one_wins() {
    let server = Arc::new(Server::start().await);
    for round in 0..10 {
        let writers = (0..8).map(|writer| {
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                let put =
                    server.client.put_object().bucket(BUCKET).key(format!("{round}")).if_none_match("*");
                (writer, put.body(vec![writer; 10].into()).send().await)
            })
        });
        let mut winners = Vec::new();
        for writer in writers.collect::<Vec<_>>() {
            match writer.await.unwrap() {
                (writer, Ok(_)) => winners.push(writer),
                (_, refused) => assert_eq!(refusal(refused), (412, "PreconditionFailed".into())),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(server.get(&format!("{round}")).await, vec![winners[0]; 10]);
    }
    assert_eq!(server.notified().await.len(), 10, "a write that lost must not be notified");
}

#[tokio::test]
async fn a_counter_that_is_compared_and_swapped_loses_no_step() {
    const WRITERS: usize = 6;
    const STEPS: usize = 10;
    let server = Arc::new(Server::start().await);
    server.put("counter", b"0".to_vec()).await;
    let writers = (0..WRITERS).map(|_| {
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let mut done = 0;
            while done < STEPS {
                let got = server.client.get_object().bucket(BUCKET).key("counter").send().await.unwrap();
                let etag = got.e_tag().unwrap().to_owned();
                let text = String::from_utf8(got.body.collect().await.unwrap().to_vec()).unwrap();
                let next = (text.parse::<usize>().unwrap() + 1).to_string().into_bytes();
                let put = server.client.put_object().bucket(BUCKET).key("counter").if_match(etag);
                match put.body(next.into()).send().await {
                    Ok(_) => done += 1,
                    refused => assert_eq!(refusal(refused), (412, "PreconditionFailed".into())),
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(server.get("counter").await, (WRITERS * STEPS).to_string().into_bytes());
}

#[tokio::test]
async fn a_write_or_delete_that_must_match_needs_the_object_it_names() {
    let server = Server::start().await;
    let put = server.client.put_object().bucket(BUCKET).key("key").if_match("\"x\"").send().await;
    assert_eq!(refusal(put), (404, "NoSuchKey".into()));
    let etag = server.put("key", b"1".to_vec()).await;
    let delete = |etag: &str| server.client.delete_object().bucket(BUCKET).key("key").if_match(etag).send();
    assert_eq!(refusal(delete("\"other\"").await), (412, "PreconditionFailed".into()));
    assert!(server.is_there("key").await);
    delete(&etag).await.unwrap();
    assert!(!server.is_there("key").await);
}
