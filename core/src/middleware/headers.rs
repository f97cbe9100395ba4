//! The headers that a middleware sets, takes away, or answers a browser's preflight with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::MiddlewareError;
use crate::pattern::Pattern;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Headers {
    /// An empty value takes the header away.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub custom_request_headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub custom_response_headers: BTreeMap<String, String>,

    #[serde(skip_serializing_if = "is_false")]
    pub access_control_allow_credentials: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub access_control_allow_headers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub access_control_allow_methods: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub access_control_allow_origin_list: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub access_control_allow_origin_list_regex: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub access_control_expose_headers: Vec<String>,
    #[serde(skip_serializing_if = "is_zero")]
    pub access_control_max_age: i64,
    #[serde(skip_serializing_if = "is_false")]
    pub add_vary_header: bool,

    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_hosts: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts_proxy_headers: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ssl_proxy_headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "is_zero")]
    pub sts_seconds: i64,
    #[serde(skip_serializing_if = "is_false")]
    pub sts_include_subdomains: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub sts_preload: bool,
    #[serde(rename = "forceSTSHeader", skip_serializing_if = "is_false")]
    pub force_sts_header: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub frame_deny: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub custom_frame_options_value: String,
    #[serde(skip_serializing_if = "is_false")]
    pub content_type_nosniff: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub browser_xss_filter: bool,
    #[serde(rename = "customBrowserXSSValue", skip_serializing_if = "String::is_empty")]
    pub custom_browser_xss_value: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub content_security_policy: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub content_security_policy_report_only: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub referrer_policy: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub permissions_policy: String,
    #[serde(skip_serializing_if = "is_false")]
    pub is_development: bool,
}

impl Headers {
    /// Whether it has to do with requests from pages of other origins, and so answers preflights.
    pub fn is_cors(&self) -> bool {
        self.access_control_allow_credentials
            || !self.access_control_allow_headers.is_empty()
            || !self.access_control_allow_methods.is_empty()
            || !self.access_control_allow_origin_list.is_empty()
            || !self.access_control_allow_origin_list_regex.is_empty()
            || !self.access_control_expose_headers.is_empty()
            || self.access_control_max_age != 0
            || self.add_vary_header
    }

    /// The headers that every answer gets, over a connection that is or is not secure.
    pub fn fixed(&self, secure: bool) -> Vec<(&'static str, String)> {
        let mut fixed = Vec::new();
        if self.sts_seconds != 0 && (secure || self.force_sts_header) && !self.is_development {
            let subdomains = if self.sts_include_subdomains { "; includeSubDomains" } else { "" };
            let preload = if self.sts_preload { "; preload" } else { "" };
            let value = format!("max-age={}{subdomains}{preload}", self.sts_seconds);
            fixed.push(("strict-transport-security", value));
        }
        let mut set = |name, value: &str| {
            if !value.is_empty() {
                fixed.push((name, value.to_owned()));
            }
        };
        let or = |custom: &str, on: bool, usual: &'static str| match (custom, on) {
            ("", true) => usual.to_owned(),
            (custom, _) => custom.to_owned(),
        };
        set("x-frame-options", &or(&self.custom_frame_options_value, self.frame_deny, "DENY"));
        set("x-content-type-options", if self.content_type_nosniff { "nosniff" } else { "" });
        set(
            "x-xss-protection",
            &or(&self.custom_browser_xss_value, self.browser_xss_filter, "1; mode=block"),
        );
        set("content-security-policy", &self.content_security_policy);
        set("content-security-policy-report-only", &self.content_security_policy_report_only);
        set("referrer-policy", &self.referrer_policy);
        set("permissions-policy", &self.permissions_policy);
        fixed
    }

    pub(super) fn check(&self) -> Result<(), MiddlewareError> {
        for regex in &self.access_control_allow_origin_list_regex {
            let option = "accessControlAllowOriginListRegex";
            Pattern::new(regex).map_err(|source| MiddlewareError::Pattern { option, source })?;
        }
        let maps = [
            ("customRequestHeaders", &self.custom_request_headers),
            ("customResponseHeaders", &self.custom_response_headers),
            ("sslProxyHeaders", &self.ssl_proxy_headers),
        ];
        for (option, map) in maps {
            for (name, value) in map {
                if !is_name(name) {
                    return Err(MiddlewareError::HeaderName { option, name: name.clone() });
                }
                if FRAMING.iter().any(|framing| framing.eq_ignore_ascii_case(name)) {
                    return Err(MiddlewareError::Framing { option, name: name.clone() });
                }
                if !is_value(value) {
                    return Err(MiddlewareError::HeaderValue { option, name: name.clone() });
                }
            }
        }
        for name in &self.hosts_proxy_headers {
            if !is_name(name) {
                return Err(MiddlewareError::HeaderName { option: "hostsProxyHeaders", name: name.clone() });
            }
        }
        let lists = [
            &self.access_control_allow_headers,
            &self.access_control_allow_methods,
            &self.access_control_allow_origin_list,
            &self.access_control_expose_headers,
        ];
        let listed = lists.into_iter().flatten().map(|value| ("accessControl…", value.as_str()));
        let fixed = self.fixed(true);
        for (name, value) in listed.chain(fixed.iter().map(|(name, value)| (*name, value.as_str()))) {
            if !is_value(value) {
                return Err(MiddlewareError::HeaderValue { option: "headers", name: name.to_owned() });
            }
        }
        Ok(())
    }
}

/// About one connection, or where a message ends: who could set these could hide one request in another.
const FRAMING: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];

/// RFC 9110, section 5.6.2: a token.
pub(super) fn is_name(name: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.len() <= 256 && name.bytes().all(token)
}

pub(super) fn is_value(value: &str) -> bool {
    value.bytes().all(|b| b == b'\t' || (b >= b' ' && b != 0x7f))
}

fn is_false(value: &bool) -> bool {
    !*value
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}
