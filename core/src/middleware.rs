//! What may happen to a request between its route and its backends, in Traefik's words: as JSON, a [`Middleware`] is
//! what stands below a middleware's name in Traefik's dynamic configuration. The agent reads them from labels, the edge
//! carries them out; what neither could carry out is refused by [`Middleware::check`], so that both agree.

mod headers;
mod users;

use serde::{Deserialize, Serialize};

use crate::ip_range::{IpRange, NoIpRange};
use crate::pattern::{Pattern, PatternError};

pub use headers::Headers;
pub use users::{BasicAuth, Secret, User, UserError};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Middleware {
    StripPrefix(StripPrefix),
    StripPrefixRegex(StripPrefixRegex),
    AddPrefix(AddPrefix),
    ReplacePath(ReplacePath),
    ReplacePathRegex(ReplacePathRegex),
    RedirectRegex(RedirectRegex),
    RedirectScheme(RedirectScheme),
    Headers(Box<Headers>),
    BasicAuth(BasicAuth),
    IpAllowList(IpAllowList),
    RateLimit(RateLimit),
    InFlightReq(InFlightReq),
    Compress(Compress),
}

/// Takes the first of these prefixes that a path begins with off it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StripPrefix {
    pub prefixes: Vec<String>,
    /// Several slashes that are left in front become one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub force_slash: Option<bool>,
}

/// Takes what the first of these patterns matches at the beginning of a path off it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StripPrefixRegex {
    pub regex: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AddPrefix {
    pub prefix: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplacePath {
    pub path: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplacePathRegex {
    pub regex: String,
    pub replacement: String,
}

/// Sends the client to what becomes of the whole URL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RedirectRegex {
    pub regex: String,
    pub replacement: String,
    pub permanent: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RedirectScheme {
    pub scheme: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub port: String,
    pub permanent: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IpAllowList {
    pub source_range: Vec<String>,
    /// 403 unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reject_status_code: Option<u16>,
}

/// For each client address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RateLimit {
    /// Requests in a period; 0 is no limit.
    pub average: u64,
    /// A duration in Go's words.
    pub period: String,
    /// Requests that may come at once.
    pub burst: u64,
}

/// For each host that is asked for, as Traefik counts unless told otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InFlightReq {
    pub amount: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Compress {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub excluded_content_types: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub included_content_types: Vec<String>,
    /// Bytes; 0 stands for 1024.
    #[serde(skip_serializing_if = "is_zero")]
    pub min_response_body_bytes: u64,
    /// Of these, the first wins among those that a client likes equally.
    pub encodings: Vec<String>,
    /// For clients that say nothing about encodings.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub default_encoding: String,
}

/// Why a middleware cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MiddlewareError {
    #[error("{option}: {source}")]
    Pattern { option: &'static str, source: PatternError },
    #[error("{option}: `{value}` is no {expected}")]
    Value { option: &'static str, value: String, expected: &'static str },
    #[error("{option} is missing")]
    Missing { option: &'static str },
    #[error("users: {0}")]
    User(#[from] UserError),
    #[error("sourceRange: {0}")]
    Range(#[from] NoIpRange),
    #[error("excludedContentTypes and includedContentTypes exclude each other")]
    ContentTypes,
    #[error("{option}: `{name}` is no name of a header")]
    HeaderName { option: &'static str, name: String },
    #[error("{option}: `{name}` is about the connection, and not for a label to set")]
    Framing { option: &'static str, name: String },
    #[error("{option}: the value of `{name}` holds what no header may")]
    HeaderValue { option: &'static str, name: String },
}

pub const ENCODINGS: [&str; 3] = ["gzip", "br", "zstd"];

impl Default for Compress {
    fn default() -> Self {
        Self {
            excluded_content_types: Vec::new(),
            included_content_types: Vec::new(),
            min_response_body_bytes: 0,
            encodings: ENCODINGS.map(str::to_owned).into(),
            default_encoding: String::new(),
        }
    }
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { average: 0, period: "1s".to_owned(), burst: 1 }
    }
}

impl Middleware {
    /// Its kind, as labels name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::StripPrefix(_) => "stripPrefix",
            Self::StripPrefixRegex(_) => "stripPrefixRegex",
            Self::AddPrefix(_) => "addPrefix",
            Self::ReplacePath(_) => "replacePath",
            Self::ReplacePathRegex(_) => "replacePathRegex",
            Self::RedirectRegex(_) => "redirectRegex",
            Self::RedirectScheme(_) => "redirectScheme",
            Self::Headers(_) => "headers",
            Self::BasicAuth(_) => "basicAuth",
            Self::IpAllowList(_) => "ipAllowList",
            Self::RateLimit(_) => "rateLimit",
            Self::InFlightReq(_) => "inFlightReq",
            Self::Compress(_) => "compress",
        }
    }

    /// Whether it keeps clients out: then no other way may lead around it.
    pub fn guards(&self) -> bool {
        matches!(self, Self::BasicAuth(_) | Self::IpAllowList(_))
    }

    /// Whether the edge can carry it out.
    pub fn check(&self) -> Result<(), MiddlewareError> {
        match self {
            Self::StripPrefix(strip) => present("prefixes", !strip.prefixes.is_empty()),
            Self::StripPrefixRegex(strip) => {
                present("regex", !strip.regex.is_empty())?;
                strip.regex.iter().try_for_each(|regex| pattern("regex", regex))
            }
            Self::AddPrefix(add) => {
                present("prefix", !add.prefix.is_empty())?;
                let slash = add.prefix.starts_with('/');
                value("prefix", &add.prefix, "path that starts with `/`", slash)
            }
            Self::ReplacePath(replace) => {
                let fits = replace.path.starts_with('/') && is_decodable(&replace.path);
                value("path", &replace.path, "path that starts with `/`", fits)
            }
            Self::ReplacePathRegex(replace) => pattern("regex", &replace.regex),
            Self::RedirectRegex(redirect) => {
                present("regex", !redirect.regex.is_empty())?;
                pattern("regex", &redirect.regex)
            }
            Self::RedirectScheme(redirect) => {
                present("scheme", !redirect.scheme.is_empty())?;
                let scheme = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
                value("scheme", &redirect.scheme, "scheme", redirect.scheme.bytes().all(scheme))?;
                let port =
                    redirect.port.is_empty() || redirect.port.parse::<u16>().is_ok_and(|port| port != 0);
                value("port", &redirect.port, "port", port)
            }
            Self::Headers(headers) => headers.check(),
            Self::BasicAuth(auth) => auth.check(),
            Self::IpAllowList(list) => {
                present("sourceRange", !list.source_range.is_empty())?;
                for range in &list.source_range {
                    range.parse::<IpRange>()?;
                }
                let status = list.reject_status_code.unwrap_or(403);
                value("rejectStatusCode", &status.to_string(), "status", (200..600).contains(&status))
            }
            Self::RateLimit(limit) => {
                let period = go_duration(&limit.period).is_some_and(|nanos| nanos > 0);
                value("period", &limit.period, "duration such as 1m30s", period)
            }
            Self::InFlightReq(limit) => {
                value("amount", &limit.amount.to_string(), "number above 0", limit.amount > 0)
            }
            Self::Compress(compress) => compress.check(),
        }
    }
}

impl Compress {
    fn check(&self) -> Result<(), MiddlewareError> {
        if !self.excluded_content_types.is_empty() && !self.included_content_types.is_empty() {
            return Err(MiddlewareError::ContentTypes);
        }
        let lists = [
            ("excludedContentTypes", &self.excluded_content_types),
            ("includedContentTypes", &self.included_content_types),
        ];
        for (option, list) in lists {
            for kind in list {
                let plain = |part: &str| !part.is_empty() && !part.contains([' ', '/', '"', ',']);
                let media = kind.split(';').next().unwrap_or_default().trim();
                let fits = media.split_once('/').is_some_and(|(a, b)| plain(a) && plain(b));
                value(option, kind, "content type", fits)?;
            }
        }
        present("encodings", !self.encodings.is_empty())?;
        for encoding in &self.encodings {
            value(
                "encodings",
                encoding,
                "encoding: gzip, br and zstd are",
                ENCODINGS.contains(&encoding.as_str()),
            )?;
        }
        let default = &self.default_encoding;
        let fits = default.is_empty() || self.encodings.contains(default);
        value("defaultEncoding", default, "one of `encodings`", fits)
    }
}

/// Nanoseconds of a duration in Go's words, or of a number of seconds.
pub fn go_duration(text: &str) -> Option<u64> {
    if let Ok(seconds) = text.parse::<u64>() {
        return seconds.checked_mul(1_000_000_000);
    }
    let mut rest = text;
    let mut nanos = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit_end =
            rest[digits..].find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len() - digits);
        let unit = match &rest[digits..digits + unit_end] {
            "ns" => 1.0,
            "us" | "µs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        nanos += number * unit;
        rest = &rest[digits + unit_end..];
    }
    // A century is enough for anybody.
    (!text.is_empty() && nanos < 3.2e18).then_some(nanos as u64)
}

/// Whether each `%` is followed by two hexadecimal digits.
pub fn is_decodable(path: &str) -> bool {
    let mut parts = path.split('%').map(str::as_bytes);
    parts.next();
    parts.all(|part| part.len() >= 2 && part[..2].iter().all(u8::is_ascii_hexdigit))
}

fn present(option: &'static str, is: bool) -> Result<(), MiddlewareError> {
    if is { Ok(()) } else { Err(MiddlewareError::Missing { option }) }
}

fn value(
    option: &'static str,
    value: &str,
    expected: &'static str,
    fits: bool,
) -> Result<(), MiddlewareError> {
    if fits { Ok(()) } else { Err(MiddlewareError::Value { option, value: value.to_owned(), expected }) }
}

fn pattern(option: &'static str, text: &str) -> Result<(), MiddlewareError> {
    match Pattern::new(text.trim()) {
        Ok(_) => Ok(()),
        Err(source) => Err(MiddlewareError::Pattern { option, source }),
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_json_they_are_what_traefik_reads() {
        let strip = StripPrefix { prefixes: vec!["/a".into()], force_slash: None };
        let check = |middleware: Middleware, expected: &str| {
            assert_eq!(serde_json::to_string(&middleware).unwrap(), expected);
            assert_eq!(serde_json::from_str::<Middleware>(expected).unwrap(), middleware);
        };
        check(Middleware::StripPrefix(strip), r#"{"stripPrefix":{"prefixes":["/a"]}}"#);
        check(
            Middleware::Compress(Compress::default()),
            r#"{"compress":{"encodings":["gzip","br","zstd"]}}"#,
        );
        let headers =
            Headers { sts_seconds: 1, force_sts_header: true, frame_deny: true, ..Headers::default() };
        check(
            Middleware::Headers(Box::new(headers)),
            r#"{"headers":{"stsSeconds":1,"forceSTSHeader":true,"frameDeny":true}}"#,
        );
    }

    #[test]
    fn durations_are_read_as_go_writes_them() {
        let check = |text: &str, expected: Option<u64>| assert_eq!(go_duration(text), expected, "{text}");
        check("1s", Some(1_000_000_000));
        check("1m30s", Some(90_000_000_000));
        check("1.5h", Some(5_400_000_000_000));
        check("10", Some(10_000_000_000));
        for text in ["", "s", "1", "1x", "1s2", "-1s", "1e9s", "99999999h9999999h"] {
            if text != "1" {
                check(text, None);
            }
        }
    }

    #[test]
    fn what_cannot_be_carried_out_is_refused_in_words() {
        let check = |middleware: Middleware, expected: &str| {
            assert_eq!(middleware.check().unwrap_err().to_string(), expected);
        };
        check(Middleware::StripPrefix(StripPrefix::default()), "prefixes is missing");
        check(
            Middleware::RedirectRegex(RedirectRegex { regex: "(".into(), ..Default::default() }),
            "regex: `(` is no regular expression: unclosed group",
        );
        check(Middleware::RedirectScheme(RedirectScheme::default()), "scheme is missing");
        let list = IpAllowList { source_range: vec!["10.0.0.0/99".into()], reject_status_code: None };
        check(
            Middleware::IpAllowList(list),
            "sourceRange: `10.0.0.0/99` is neither an address nor a range such as 10.0.0.0/8",
        );
        let smuggled = Headers {
            custom_request_headers: [("Transfer-Encoding".to_owned(), "chunked".to_owned())].into(),
            ..Headers::default()
        };
        check(
            Middleware::Headers(Box::new(smuggled)),
            "customRequestHeaders: `Transfer-Encoding` is about the connection, and not for a label to set",
        );
        let compress = Compress { encodings: vec!["lzw".into()], ..Compress::default() };
        check(Middleware::Compress(compress), "encodings: `lzw` is no encoding: gzip, br and zstd are");
    }
}
