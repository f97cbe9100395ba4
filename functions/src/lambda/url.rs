//! A request to a function URL and its answer, as Lambda writes them (payload format 2.0).
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html>

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::ingest::{Answer, Head, MAX_BODY, Unread};

/// Of its many fields those that we use.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UrlRequest {
    request_context: RequestContext,
    /// Their names in lower case.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Debug, Deserialize)]
struct RequestContext {
    http: Http,
}

#[derive(Debug, Deserialize)]
struct Http {
    method: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UrlAnswer {
    status_code: u16,
    headers: BTreeMap<&'static str, &'static str>,
    body: &'static str,
}

impl UrlRequest {
    pub fn head(&self) -> Head<'_> {
        Head {
            method: &self.request_context.http.method,
            authorization: self.header("authorization").map(str::as_bytes),
            length: self.header("content-length").and_then(|length| length.parse().ok()),
        }
    }

    /// Lambda takes bodies of 6 MB, and no length need be announced.
    pub async fn body(&self) -> Result<Vec<u8>, Unread> {
        let body = self.body.as_deref().unwrap_or_default();
        let body = if self.is_base64_encoded {
            STANDARD.decode(body).map_err(|error| Unread::Broken(Box::new(error)))?
        } else {
            body.as_bytes().to_vec()
        };
        if body.len() > MAX_BODY { Err(Unread::TooLarge) } else { Ok(body) }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl From<Answer> for UrlAnswer {
    fn from(answer: Answer) -> Self {
        Self {
            status_code: answer.status(),
            headers: answer.headers().into_iter().collect(),
            body: answer.text(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(rest: &str) -> UrlRequest {
        let text = format!(
            r#"{{"version":"2.0","rawPath":"/","headers":{{"authorization":"Bearer x","content-length":"7"}},
            "requestContext":{{"http":{{"method":"POST","path":"/","sourceIp":"192.0.2.1"}}}}{rest}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[tokio::test]
    async fn a_request_is_read_as_lambda_writes_it() {
        let plain = request(r#","body":"{\"a\":1}","isBase64Encoded":false"#);
        let head = plain.head();
        assert_eq!((head.method, head.authorization, head.length), ("POST", Some(&b"Bearer x"[..]), Some(7)));
        assert_eq!(plain.body().await.unwrap(), br#"{"a":1}"#);
        let encoded = request(r#","body":"eyJhIjoxfQ==","isBase64Encoded":true"#);
        assert_eq!(encoded.body().await.unwrap(), br#"{"a":1}"#);
        assert_eq!(request("").body().await.unwrap(), b"");
        let broken = request(r#","body":"%","isBase64Encoded":true"#);
        assert!(matches!(broken.body().await, Err(Unread::Broken(_))));
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_is_none_however_it_is_written() {
        let check = async |length: usize, fits: bool| {
            let text = "x".repeat(length);
            let plain = request(&format!(r#","body":"{text}","isBase64Encoded":false"#));
            let encoded = STANDARD.encode(&text);
            let encoded = request(&format!(r#","body":"{encoded}","isBase64Encoded":true"#));
            for request in [plain, encoded] {
                match request.body().await {
                    Ok(body) => assert!(fits && body.len() == length, "{length}"),
                    Err(error) => assert!(!fits && matches!(error, Unread::TooLarge), "{length}: {error}"),
                }
            }
        };
        check(MAX_BODY, true).await;
        check(MAX_BODY + 1, false).await;
    }

    #[test]
    fn an_answer_is_written_as_lambda_reads_it() {
        let answer = serde_json::to_value(UrlAnswer::from(Answer::Busy)).unwrap();
        assert_eq!((&answer["statusCode"], &answer["headers"]["retry-after"]), (&503.into(), &"3".into()));
        assert_eq!(answer["body"], Answer::Busy.text());
    }
}
