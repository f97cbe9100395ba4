//! The answers that the edge gives itself. Whoever sees one learns what did not answer and what to do, as a
//! page in a browser and as plain text elsewhere. Everything a client chose is escaped.

use bytes::Bytes;
use cloudyknight_core::workspace::WorkspaceName;
use http::header::{
    ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::headers::WORKSPACE;

#[derive(Debug)]
pub(crate) enum Answer {
    NoRoute {
        host: String,
        path: String,
    },
    /// The route has no backend now.
    Stopped(WorkspaceName),
    /// No backend took the request, or it broke off before it began to answer.
    Unreachable(WorkspaceName),
    /// A backend took the request and did not begin to answer in time.
    TimedOut(WorkspaceName),
    /// The client stopped sending its request.
    ClientStalled,
    BadRequest(&'static str),
    /// `CONNECT`: the edge is no way out to other hosts.
    NoProxy,
    /// The page is here: the same path, with a slash.
    PageAt(HeaderValue),
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NoRoute { .. } => StatusCode::NOT_FOUND,
            Self::Stopped(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unreachable(_) => StatusCode::BAD_GATEWAY,
            Self::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::ClientStalled => StatusCode::REQUEST_TIMEOUT,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::NoProxy => StatusCode::METHOD_NOT_ALLOWED,
            Self::PageAt(_) => StatusCode::FOUND,
        }
    }

    pub(crate) fn response(&self, as_page: bool) -> Response<Bytes> {
        let words = self.words();
        let (kind, body) = if as_page {
            ("text/html; charset=utf-8", words.page(self.status()))
        } else {
            ("text/plain; charset=utf-8", words.text(self.status()))
        };
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let policy = "default-src 'none'; style-src 'unsafe-inline'";
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        if let Some(workspace) = self.workspace() {
            let name = HeaderValue::from_str(workspace.as_str()).expect("a workspace's name is a DNS label");
            headers.insert(WORKSPACE, name);
        }
        if let Self::PageAt(location) = self {
            headers.insert(LOCATION, location.clone());
            headers.insert(VARY, HeaderValue::from_static("accept"));
        }
        if matches!(self, Self::ClientStalled) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    fn workspace(&self) -> Option<&WorkspaceName> {
        match self {
            Self::Stopped(workspace) | Self::Unreachable(workspace) | Self::TimedOut(workspace) => {
                Some(workspace)
            }
            Self::NoRoute { .. }
            | Self::ClientStalled
            | Self::BadRequest(_)
            | Self::NoProxy
            | Self::PageAt(_) => None,
        }
    }

    fn words(&self) -> Words {
        let status_of =
            |workspace: &WorkspaceName| format!("`cloudyknight status {workspace}` says what runs and why.");
        match self {
            Self::NoRoute { host, path } => Words {
                title: "No workspace answers here".into(),
                what: format!("Nothing is deployed for {} on {}.", shortened(path), shortened(host)),
                hint: "Upload a folder to s3://workspaces/<name>/ and it answers at /<name>/. `cloudyknight ls` lists \
                       what is there."
                    .into(),
            },
            Self::Stopped(workspace) => Words {
                title: format!("The workspace {workspace} is not running"),
                what: "It has a route, but no container that could answer.".into(),
                hint: status_of(workspace),
            },
            Self::Unreachable(workspace) => Words {
                title: format!("The workspace {workspace} does not answer"),
                what: "Its container refused the request or broke off before it answered.".into(),
                hint: format!("{} `cloudyknight logs {workspace}` shows what the app says.", status_of(workspace)),
            },
            Self::TimedOut(workspace) => Words {
                title: format!("The workspace {workspace} took too long"),
                what: "Its container accepted the request but did not begin to answer in time.".into(),
                hint: format!("`cloudyknight logs {workspace}` shows what the app says."),
            },
            Self::ClientStalled => Words {
                title: "The request did not arrive".into(),
                what: "Its body stopped coming before it was complete.".into(),
                hint: "Send it again.".into(),
            },
            Self::BadRequest(why) => Words {
                title: "The request cannot be understood".into(),
                what: format!("As it was sent, {why}."),
                hint: "Check the program that sent it.".into(),
            },
            Self::NoProxy => Words {
                title: "This is no forward proxy".into(),
                what: "CONNECT is not carried.".into(),
                hint: "Ask for a path of this host instead.".into(),
            },
            Self::PageAt(_) => Words {
                title: "The page is one slash further".into(),
                what: "Its relative links need the path to end with a slash.".into(),
                hint: "Follow the redirect.".into(),
            },
        }
    }
}

/// Whether the client would rather have a page than plain text: browsers name `text/html`.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| kind.trim_start().starts_with("text/html"))
}

struct Words {
    title: String,
    what: String,
    hint: String,
}

impl Words {
    fn text(&self, status: StatusCode) -> String {
        format!("{}: {}\n{}\nhint: {}\n", status.as_u16(), self.title, self.what, self.hint)
    }

    fn page(&self, status: StatusCode) -> String {
        let (title, what, hint) = (escaped(&self.title), escaped(&self.what), escaped(&self.hint));
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
             content=\"width=device-width\"><title>{code}: {title}</title><style>body{{font:1rem/1.5 \
             system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem;color:#222;background:#fff}}\
             @media(prefers-color-scheme:dark){{body{{color:#ddd;background:#111}}}}</style></head>\
             <body><h1>{title}</h1><p>{what}</p><p>{hint}</p></body></html>\n",
            code = status.as_u16(),
        )
    }
}

/// What a client sent, short enough to be read.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 200;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None if text.is_empty() => "an unnamed host".to_owned(),
        None => text.to_owned(),
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            plain => escaped.push(plain),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_escapes_what_the_client_chose() {
        let answer =
            Answer::NoRoute { host: "h\"onload='x".into(), path: "/<script>alert(1)</script>&".into() };
        let page = String::from_utf8(answer.response(true).into_body().to_vec()).unwrap();
        assert!(
            page.contains("/&lt;script&gt;alert(1)&lt;/script&gt;&amp; on h&quot;onload=&#39;x."),
            "{page}"
        );
        assert!(!page.contains("<script"), "{page}");
    }

    #[test]
    fn a_long_path_is_cut_and_text_says_what_to_do() {
        let answer = Answer::NoRoute { host: String::new(), path: format!("/{}", "é".repeat(5000)) };
        let text = String::from_utf8(answer.response(false).into_body().to_vec()).unwrap();
        assert!(text.len() < 1000, "{text}");
        assert!(text.starts_with("404: No workspace answers here\n") && text.contains("\nhint: "), "{text}");
        assert!(text.contains("… on an unnamed host."), "{text}");
    }

    #[test]
    fn only_answers_about_a_workspace_name_it() {
        let name: WorkspaceName = "app".parse().unwrap();
        for answer in
            [Answer::Stopped(name.clone()), Answer::Unreachable(name.clone()), Answer::TimedOut(name)]
        {
            assert_eq!(answer.response(false).headers()[WORKSPACE], "app");
        }
        assert!(!Answer::BadRequest("x").response(false).headers().contains_key(WORKSPACE));
    }
}
