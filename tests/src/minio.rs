//! What MinIO does about the notifications of a bucket when it has a folder to keep them in: it posts them to the webhook
//! one after another, and one that was not taken again and again, with all later ones waiting behind it.

use std::collections::VecDeque;
use std::io;

use crate::http::{Answer, Connection};
use crate::platform::Platform;

pub struct MinIo {
    address: String,
    path: String,
    token: String,
    waiting: VecDeque<String>,
}

impl MinIo {
    /// One that was told to post to this platform.
    pub fn of(platform: &Platform) -> Self {
        let url = &platform.variables()["CLOUDYKNIGHT_INGEST_URL"];
        let address = url.strip_prefix("http://").expect("the webhook speaks HTTP");
        let (address, path) = address.split_once('/').unwrap_or((address, ""));
        let token = platform.variables()["CLOUDYKNIGHT_INGEST_TOKEN"].clone();
        Self { address: address.to_owned(), path: format!("/{path}"), token, waiting: VecDeque::new() }
    }

    /// One that was told to post to this address, with this token.
    pub fn at(address: &str, token: &str) -> Self {
        let (address, token) = (address.to_owned(), token.to_owned());
        Self { address, path: "/".to_owned(), token, waiting: VecDeque::new() }
    }

    /// The same by way of another address.
    #[must_use]
    pub fn through(mut self, endpoint: &str) -> Self {
        endpoint.strip_prefix("http://").expect("it speaks HTTP").clone_into(&mut self.address);
        self
    }

    /// Something happened to a key of the bucket `workspaces`: `ObjectCreated:Put`, `ObjectRemoved:Delete`.
    pub fn emits(&mut self, event: &str, key: &str) {
        self.waiting.push_back(Self::body(event, key));
    }

    /// What it posts about that.
    pub fn body(event: &str, key: &str) -> String {
        let encoded = key.replace('%', "%25").replace('/', "%2F").replace(' ', "+");
        let object = if event.starts_with("ObjectRemoved") {
            serde_json::json!({"key": encoded, "sequencer": "18B2C1C9C4A6F1D3"})
        } else {
            serde_json::json!({
                "key": encoded, "size": 3, "eTag": "d41d8cd98f00b204e9800998ecf8427e",
                "contentType": "text/html", "userMetadata": {"content-type": "text/html"},
                "sequencer": "18B2C1C9C4A6F1D3",
            })
        };
        let owner = serde_json::json!({"principalId": "cloudyknight"});
        let record = serde_json::json!({
            "eventVersion": "2.0", "eventSource": "minio:s3", "awsRegion": "",
            "eventTime": "2026-01-01T00:00:00.000Z", "eventName": format!("s3:{event}"), "userIdentity": owner,
            "requestParameters": {"principalId": "cloudyknight", "region": "", "sourceIPAddress": "127.0.0.1"},
            "responseElements": {"x-amz-request-id": "18B2C1C9C4A6F1D3", "x-minio-origin-endpoint": "http://127.0.0.1:9000"},
            "s3": {
                "s3SchemaVersion": "1.0", "configurationId": "Config", "object": object,
                "bucket": {"name": "workspaces", "ownerIdentity": owner, "arn": "arn:aws:s3:::workspaces"},
            },
            "source": {"host": "127.0.0.1", "port": "", "userAgent": "MinIO (linux; amd64)"},
        });
        let body = serde_json::json!({
            "EventName": format!("s3:{event}"), "Key": format!("workspaces/{key}"), "Records": [record],
        });
        body.to_string()
    }

    /// Posts what waits, until all is taken or one is not.
    pub fn posts(&mut self) -> io::Result<()> {
        while let Some(body) = self.waiting.front() {
            let token = format!("Bearer {}", self.token);
            let answer = self.request("POST", Some(&token), body.as_bytes())?;
            if !(200..300).contains(&answer.status) {
                return Err(io::Error::other(format!("{} {}", answer.status, answer.body)));
            }
            self.waiting.pop_front();
        }
        Ok(())
    }

    /// One request to the webhook, by whomever.
    pub fn request(&self, method: &str, authorization: Option<&str>, body: &[u8]) -> io::Result<Answer> {
        let mut headers = vec![("connection", "close"), ("content-type", "application/json")];
        headers.extend(authorization.map(|value| ("authorization", value)));
        Connection::open(&self.address)?.request(method, &self.address, &self.path, &headers, body)
    }
}
