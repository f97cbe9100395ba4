//! `compress`: answers that a client takes compressed, and that are worth it. What is compressed already stays as it is,
//! and what streams goes on streaming: whatever a backend has said is passed on before it is waited for.

mod stream;

use std::sync::atomic::{AtomicUsize, Ordering};

use cloudyknight_core::middleware::Compress;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::reply::Content;
pub(crate) use stream::Compressing;

pub(super) struct Active {
    /// By preference.
    encodings: Vec<Encoding>,
    usual: Option<Encoding>,
    excluded: Vec<String>,
    included: Vec<String>,
    least: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Gzip,
    Brotli,
    Zstd,
}

/// A compressor holds up to a megabyte, so only so many answers are compressed at once; others go as they are.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
const MOST_UNDER_WAY: usize = 256;

/// One of them.
pub(crate) struct Turn(());

impl Active {
    pub(super) fn new(wanted: &Compress) -> Self {
        let types = |list: &[String]| list.iter().map(|kind| media_type(kind)).collect::<Vec<_>>();
        let mut excluded = types(&wanted.excluded_content_types);
        excluded.push("application/grpc".to_owned());
        Self {
            encodings: wanted.encodings.iter().filter_map(|name| Encoding::named(name)).collect(),
            usual: Encoding::named(&wanted.default_encoding),
            excluded,
            included: types(&wanted.included_content_types),
            least: if wanted.min_response_body_bytes == 0 { 1024 } else { wanted.min_response_body_bytes },
        }
    }

    /// The encoding for the answer to a request, should it be worth it.
    pub(super) fn negotiate(&self, method: &Method, headers: &HeaderMap) -> Option<Encoding> {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if method == Method::HEAD || self.excluded.contains(&media_type(kind)) {
            return None;
        }
        let mut accepted = headers.get_all(ACCEPT_ENCODING).iter().peekable();
        if accepted.peek().is_none() {
            return self.usual;
        }
        self.best(accepted.filter_map(|value| value.to_str().ok()))
    }

    /// RFC 9110, section 12.5.3, as Traefik reads it: of what a client likes best, the first of ours; `*` stands before
    /// ours, and is the first of ours unless there is a usual one; `identity` is last.
    fn best<'h>(&self, accepted: impl Iterator<Item = &'h str>) -> Option<Encoding> {
        let first = self.usual.or(self.encodings.first().copied());
        let rank = |name: &str| match name {
            "*" => Some((0, first)),
            "identity" => Some((self.encodings.len() + 1, None)),
            name => {
                let ours = self.encodings.iter().position(|encoding| encoding.name() == name)?;
                Some((ours + 1, Some(self.encodings[ours])))
            }
        };
        let mut best: Option<(f64, usize, Option<Encoding>)> = None;
        for item in accepted.flat_map(|value| value.split(',')) {
            let item: String = item.chars().filter(|c| *c != ' ').collect();
            let (name, parameters) = item.split_once(';').unwrap_or((&item, ""));
            let Some((rank, encoding)) = rank(name) else { continue };
            let weight = match parameters.strip_prefix("q=") {
                Some(weight) => weight.parse::<f64>().unwrap_or(0.0),
                None => 1.0,
            };
            // Not so, where it is no number.
            let better =
                best.is_none_or(|(other, before, _)| weight > other || (weight == other && rank < before));
            if weight > 0.0 && better {
                best = Some((weight, rank, encoding));
            }
        }
        best.and_then(|(_, _, encoding)| encoding)
    }

    pub(super) fn outward(&self, encoding: Encoding, mut response: Response<Content>) -> Response<Content> {
        response.headers_mut().append(VARY, HeaderValue::from_static("Accept-Encoding"));
        let length = response.body().size_hint().exact();
        if !response.body().is_from_backend()
            || !self.is_worth_it(response.status(), response.headers(), length)
        {
            return response;
        }
        let Some(turn) = Turn::take() else { return response };
        let headers = response.headers_mut();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
        headers.remove(CONTENT_LENGTH);
        // A range of what is compressed is none of what is not.
        headers.remove(ACCEPT_RANGES);
        response.map(|content| content.compressed(encoding, turn))
    }

    /// `length` is unknown while a backend makes its answer up.
    fn is_worth_it(&self, status: StatusCode, headers: &HeaderMap, length: Option<u64>) -> bool {
        let bodiless = status.is_informational() || matches!(status.as_u16(), 204 | 206 | 304);
        let done = headers.get(CONTENT_ENCODING).is_some_and(|encoding| !encoding.is_empty());
        if bodiless
            || done
            || headers.contains_key(CONTENT_RANGE)
            || length.is_some_and(|length| length < self.least)
        {
            return false;
        }
        let Some(kind) = headers.get(CONTENT_TYPE) else { return self.included.is_empty() };
        let kind = media_type(kind.to_str().unwrap_or_default());
        if !kind.contains('/') {
            return false;
        }
        (self.included.is_empty() || self.included.contains(&kind)) && !self.excluded.contains(&kind)
    }
}

impl Encoding {
    fn named(name: &str) -> Option<Self> {
        [Self::Gzip, Self::Brotli, Self::Zstd].into_iter().find(|encoding| encoding.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }
}

impl Turn {
    fn take() -> Option<Self> {
        let taken = UNDER_WAY.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
            (count < MOST_UNDER_WAY).then_some(count + 1)
        });
        taken.ok().map(|_| Self(()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        UNDER_WAY.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Without parameters, in lower case.
fn media_type(kind: &str) -> String {
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn active(wanted: Compress) -> Active {
        Active::new(&wanted)
    }

    #[test]
    fn what_a_client_likes_best_is_chosen() {
        let check = |wanted: Compress, accepted: Option<&'static str>, expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(accepted) = accepted {
                headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(accepted));
            }
            let chosen = active(wanted).negotiate(&Method::GET, &headers);
            assert_eq!(chosen.map(Encoding::name), expected, "{accepted:?}");
        };
        let usual = Compress::default;
        for (accepted, expected) in [
            ("gzip, deflate, br, zstd", Some("gzip")),
            ("br", Some("br")),
            ("zstd, br", Some("br")),
            ("gzip;q=0.5, zstd;q=0.8", Some("zstd")),
            ("gzip;q=0", None),
            ("identity, gzip;q=0.5", None),
            ("*", Some("gzip")),
            ("*;q=0.1, br;q=0.2", Some("br")),
            ("deflate", None),
            ("", None),
            ("gzip;q=x", None),
        ] {
            check(usual(), Some(accepted), expected);
        }
        check(usual(), None, None);
        check(Compress { default_encoding: "br".into(), ..usual() }, None, Some("br"));
        let ordered = Compress { encodings: vec!["zstd".into(), "gzip".into()], ..usual() };
        check(ordered, Some("gzip, br, zstd"), Some("zstd"));
    }

    #[test]
    fn what_is_small_compressed_or_excluded_is_left() {
        let check = |wanted: Compress,
                     fields: &[(&'static str, &'static str)],
                     length: Option<u64>,
                     expected: bool| {
            let field = |(name, value): &(&'static str, &'static str)| {
                (http::HeaderName::from_static(name), HeaderValue::from_static(value))
            };
            let headers: HeaderMap = fields.iter().map(field).collect();
            assert_eq!(active(wanted).is_worth_it(StatusCode::OK, &headers, length), expected, "{fields:?}");
        };
        let html = ("content-type", "Text/HTML; charset=utf-8");
        check(Compress::default(), &[html], Some(1024), true);
        check(Compress::default(), &[html], Some(1023), false);
        check(Compress::default(), &[html], None, true);
        check(Compress::default(), &[html, ("content-encoding", "gzip")], None, false);
        check(Compress::default(), &[html, ("content-range", "bytes 0-1/2")], None, false);
        check(Compress::default(), &[("content-type", "nonsense")], None, false);
        let list = |kind: &str| vec![kind.to_owned()];
        check(
            Compress { excluded_content_types: list("text/html"), ..Default::default() },
            &[html],
            None,
            false,
        );
        check(
            Compress { included_content_types: list("text/html"), ..Default::default() },
            &[html],
            None,
            true,
        );
        check(
            Compress { included_content_types: list("text/css"), ..Default::default() },
            &[html],
            None,
            false,
        );
        check(Compress { min_response_body_bytes: 10, ..Default::default() }, &[html], Some(10), true);
    }
}
