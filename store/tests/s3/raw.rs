//! Requests as no library would send them: written to the socket byte by byte, with a signature where the test
//! wants one.

use std::net::SocketAddr;

use s3s::crypto::{Checksum as _, Sha256};
use time::OffsetDateTime;
use time::macros::format_description;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{ACCESS_KEY, SECRET_KEY};

pub struct Raw {
    method: &'static str,
    /// Percent-encoded, as it is sent.
    path: String,
    /// Sorted and encoded, as it is signed.
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Raw {
    pub fn new(method: &'static str, path: &str, query: &str) -> Self {
        Self { method, path: path.to_owned(), query: query.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// With its length.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let length = body.len();
        Self { body, ..self }.header("content-length", length)
    }

    /// A body whose framing the headers already tell.
    pub fn bare_body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// Signs what is there so far, by version 4; `payload` is the value of `x-amz-content-sha256`.
    pub fn signed(self, address: SocketAddr, payload: &str) -> Self {
        self.signed_with(address, payload, ACCESS_KEY, SECRET_KEY)
    }

    pub fn signed_with(self, address: SocketAddr, payload: &str, access_key: &str, secret_key: &str) -> Self {
        let now = OffsetDateTime::now_utc();
        let date = now.format(format_description!("[year][month][day]")).unwrap();
        let at = now.format(format_description!("[year][month][day]T[hour][minute][second]Z")).unwrap();
        let mut request =
            self.header("host", address).header("x-amz-date", &at).header("x-amz-content-sha256", payload);
        request.headers.sort();
        let names: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        let headers: String =
            request.headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let canonical =
            format!("{}\n{}\n{}\n{headers}\n{names}\n{payload}", request.method, request.path, request.query);
        let scope = format!("{date}/us-east-1/s3/aws4_request");
        let to_sign = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", hex_sha256(canonical.as_bytes()));
        let key = [date.as_str(), "us-east-1", "s3", "aws4_request"]
            .iter()
            .fold(format!("AWS4{secret_key}").into_bytes(), |key, part| hmac(&key, part.as_bytes()).to_vec());
        let signature = hex::encode(hmac(&key, to_sign.as_bytes()));
        let credential = format!("Credential={access_key}/{scope}");
        request.header(
            "authorization",
            format!("AWS4-HMAC-SHA256 {credential},SignedHeaders={names},Signature={signature}"),
        )
    }

    /// Elsewhere than where it was signed for.
    pub fn moved_to(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    pub async fn send(self, address: SocketAddr) -> Answer {
        let length = self.body.len();
        self.send_cut(address, length).await.expect("the server answers")
    }

    /// Sends only so much of the body and hangs up; there may be no answer.
    pub async fn send_cut(self, address: SocketAddr, length: usize) -> Option<Answer> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let query = if self.query.is_empty() { String::new() } else { format!("?{}", self.query) };
        let mut head = format!("{} {}{query} HTTP/1.1\r\nconnection: close\r\n", self.method, self.path);
        if !self.headers.iter().any(|(name, _)| name == "host") {
            head.push_str(&format!("host: {address}\r\n"));
        }
        self.headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        // The server may refuse and close before it has read everything.
        let sent = stream.write_all(&self.body[..length]).await;
        if length < self.body.len() {
            stream.shutdown().await.ok();
        }
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer).await;
        assert!(!answer.is_empty() || length < self.body.len(), "no answer: {sent:?} {read:?}");
        let text = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
    }
}

impl Answer {
    /// The S3 code of a refusal.
    pub fn code(&self) -> &str {
        let code = self.body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        code.map_or("", |(code, _)| code)
    }
}

pub fn hex_sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::checksum(bytes))
}

/// RFC 2104.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::checksum(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::checksum(&[&block.map(|byte| byte ^ 0x36), message].concat());
    Sha256::checksum(&[&block.map(|byte| byte ^ 0x5c)[..], &inner].concat())
}
