//! `headers`: sets and takes away, on both ways, and answers the preflights of browsers.

use std::collections::BTreeMap;

use bytes::Bytes;
use cloudyknight_core::middleware::{Headers, MiddlewareError};
use cloudyknight_core::pattern::Pattern;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use super::{Own, Passing, own};

pub(super) struct Active {
    wanted: Headers,
    request: Vec<(HeaderName, Option<HeaderValue>)>,
    response: Vec<(HeaderName, Option<HeaderValue>)>,
    plain: Vec<(HeaderName, HeaderValue)>,
    secure: Vec<(HeaderName, HeaderValue)>,
    origins: Vec<Pattern>,
}

/// What the answer will depend on.
pub(super) struct Asked {
    origin: Option<HeaderValue>,
    secure: bool,
}

impl Active {
    pub(super) fn new(wanted: &Headers) -> Result<Self, MiddlewareError> {
        let origins = wanted.access_control_allow_origin_list_regex.iter().map(|regex| Pattern::new(regex));
        let option = "accessControlAllowOriginListRegex";
        let origins = origins.collect::<Result<_, _>>();
        let origins = origins.map_err(|source| MiddlewareError::Pattern { option, source })?;
        let fixed = |secure: bool| {
            let all = wanted.fixed(secure).into_iter();
            all.filter_map(|(name, value)| Some((HeaderName::from_static(name), value_of(&value)?))).collect()
        };
        Ok(Self {
            request: custom(&wanted.custom_request_headers),
            response: custom(&wanted.custom_response_headers),
            plain: fixed(false),
            secure: fixed(true),
            origins,
            wanted: wanted.clone(),
        })
    }

    pub(super) fn inward(&self, passing: &mut Passing<'_>) -> Result<Asked, Own> {
        let origin = passing.headers.get(ORIGIN).cloned();
        if self.wanted.is_cors()
            && passing.method == Method::OPTIONS
            && origin.as_ref().is_some_and(|origin| !origin.is_empty())
            && passing.headers.get(ACCESS_CONTROL_REQUEST_METHOD).is_some_and(|method| !method.is_empty())
        {
            return Err(self.preflight(origin.as_ref()));
        }
        for (name, value) in &self.request {
            match value {
                Some(value) => {
                    passing.headers.insert(name, value.clone());
                }
                None if name == HOST => {}
                None => {
                    passing.headers.remove(name);
                }
            }
        }
        let secure = |(name, value): (&String, &String)| {
            passing.headers.get(name).is_some_and(|told| told.as_bytes() == value.as_bytes())
        };
        Ok(Asked { origin, secure: self.wanted.ssl_proxy_headers.iter().any(secure) })
    }

    /// Refuses hosts that are not allowed.
    pub(super) fn admit(&self, passing: &Passing<'_>) -> Result<(), Own> {
        let allowed = &self.wanted.allowed_hosts;
        if allowed.is_empty() || self.wanted.is_development {
            return Ok(());
        }
        let proxied = self.wanted.hosts_proxy_headers.iter().filter_map(|name| passing.headers.get(name));
        let host = proxied.into_iter().find(|host| !host.is_empty()).or(passing.headers.get(HOST));
        let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
        if allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(host)) {
            return Ok(());
        }
        let mut bad = own(StatusCode::INTERNAL_SERVER_ERROR);
        *bad.body_mut() = Bytes::from_static(b"Bad Host\n");
        Err(bad)
    }

    pub(super) fn outward(&self, asked: &Asked, headers: &mut HeaderMap) {
        for (name, value) in if asked.secure { &self.secure } else { &self.plain } {
            headers.insert(name, value.clone());
        }
        for (name, value) in &self.response {
            match value {
                Some(value) => headers.insert(name, value.clone()),
                None => headers.remove(name),
            };
        }
        if let Some(allowed) = self.allowed(asked.origin.as_ref()) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        }
        if self.wanted.access_control_allow_credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        set_list(headers, ACCESS_CONTROL_EXPOSE_HEADERS, &self.wanted.access_control_expose_headers);
        if self.wanted.add_vary_header {
            let vary = headers.get(VARY).map(HeaderValue::as_bytes).unwrap_or_default();
            let with = match vary {
                b"Origin" => return,
                b"" => b"Origin".to_vec(),
                other => [other, b",Origin"].concat(),
            };
            headers.insert(VARY, HeaderValue::from_bytes(&with).expect("made of valid values"));
        }
    }

    fn preflight(&self, origin: Option<&HeaderValue>) -> Own {
        let mut response = Response::new(Bytes::new());
        let headers = response.headers_mut();
        if self.wanted.access_control_allow_credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        set_list(headers, ACCESS_CONTROL_ALLOW_HEADERS, &self.wanted.access_control_allow_headers);
        set_list(headers, ACCESS_CONTROL_ALLOW_METHODS, &self.wanted.access_control_allow_methods);
        if let Some(allowed) = self.allowed(origin) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        }
        set_list(headers, ACCESS_CONTROL_EXPOSE_HEADERS, &self.wanted.access_control_expose_headers);
        if self.wanted.access_control_max_age != 0 {
            headers.insert(ACCESS_CONTROL_MAX_AGE, self.wanted.access_control_max_age.into());
        }
        response
    }

    /// What a page of this origin is told.
    fn allowed(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        let named = origin.map(HeaderValue::as_bytes).unwrap_or_default();
        let mut listed = self.wanted.access_control_allow_origin_list.iter();
        if let Some(item) = listed.find(|item| *item == "*" || item.as_bytes() == named) {
            return value_of(item);
        }
        let named = String::from_utf8_lossy(named);
        let matched = self.origins.iter().any(|pattern| pattern.is_match(&named));
        matched.then(|| origin.cloned().unwrap_or(HeaderValue::from_static("")))
    }
}

fn custom(written: &BTreeMap<String, String>) -> Vec<(HeaderName, Option<HeaderValue>)> {
    let read = |(name, value): (&String, &String)| {
        let value = if value.is_empty() { None } else { Some(value_of(value)?) };
        Some((name.parse().ok()?, value))
    };
    written.iter().filter_map(read).collect()
}

fn set_list(headers: &mut HeaderMap, name: HeaderName, list: &[String]) {
    if let Some(value) = value_of(&list.join(",")).filter(|value| !value.is_empty()) {
        headers.insert(name, value);
    }
}

/// A middleware's values are checked before it is made active.
fn value_of(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_bytes(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        fields.iter().map(field).collect()
    }

    fn through(
        wanted: &Headers,
        method: Method,
        request: HeaderMap,
        mut answer: HeaderMap,
    ) -> (u16, HeaderMap, HeaderMap) {
        let active = Active::new(wanted).unwrap();
        let (mut target, mut request) = ("/".parse().unwrap(), request);
        let client = "::1".parse().unwrap();
        let mut passing =
            Passing { method: &method, target: &mut target, headers: &mut request, client, bare: false };
        let asked = match active.inward(&mut passing) {
            Ok(asked) => asked,
            Err(own) => return (own.status().as_u16(), request, own.headers().clone()),
        };
        if let Err(own) = active.admit(&passing) {
            return (own.status().as_u16(), request, own.headers().clone());
        }
        active.outward(&asked, &mut answer);
        (0, request, answer)
    }

    #[test]
    fn headers_are_set_and_taken_away_on_both_ways() {
        let map = |fields: &[(&str, &str)]| {
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let wanted = Headers {
            custom_request_headers: map(&[("X-A", "1"), ("X-B", ""), ("Host", "other")]),
            custom_response_headers: map(&[("Server", ""), ("X-C", "3")]),
            frame_deny: true,
            ..Headers::default()
        };
        let (_, request, answer) = through(
            &wanted,
            Method::GET,
            headers(&[("x-a", "0"), ("x-b", "2"), ("host", "h")]),
            headers(&[("server", "s"), ("x-frame-options", "SAMEORIGIN")]),
        );
        assert_eq!(request, headers(&[("x-a", "1"), ("host", "other")]));
        assert_eq!(answer, headers(&[("x-frame-options", "DENY"), ("x-c", "3")]));
    }

    #[test]
    fn a_preflight_is_answered_and_other_origins_are_told_nothing() {
        let wanted = Headers {
            access_control_allow_methods: vec!["GET".into(), "PUT".into()],
            access_control_allow_origin_list: vec!["https://a".into()],
            access_control_max_age: 60,
            add_vary_header: true,
            ..Headers::default()
        };
        let asks = headers(&[("origin", "https://a"), ("access-control-request-method", "PUT")]);
        let (status, _, answer) = through(&wanted, Method::OPTIONS, asks, HeaderMap::new());
        assert_eq!(
            (status, &answer[ACCESS_CONTROL_ALLOW_METHODS]),
            (200, &HeaderValue::from_static("GET,PUT"))
        );
        let (_, _, answer) = through(
            &wanted,
            Method::GET,
            headers(&[("origin", "https://b")]),
            headers(&[("vary", "Accept")]),
        );
        assert_eq!(answer, headers(&[("vary", "Accept,Origin")]));
    }

    #[test]
    fn only_allowed_hosts_come_through() {
        let wanted = Headers { allowed_hosts: vec!["a.example".into()], ..Headers::default() };
        let status = |host| through(&wanted, Method::GET, headers(&[("host", host)]), HeaderMap::new()).0;
        assert_eq!((status("A.example"), status("b.example")), (0, 500));
    }
}
