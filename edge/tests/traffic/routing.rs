//! Which backend a request reaches, and what it looks like there.

use cloudyknight_core::route::{Route, RouteTable};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::stage::{Stage, Stand, route};

#[tokio::test]
async fn each_request_reaches_the_route_of_its_host_and_path() {
    let (stage, www, shop, api) = (
        Stage::new().await,
        Stand::named("www").await,
        Stand::named("shop").await,
        Stand::named("api").await,
    );
    let table = RouteTable::new(vec![
        route("www", "PathPrefix(`/`)", &[&www]),
        route("shop", "PathPrefix(`/shop/`) || Path(`/shop`)", &[&shop]),
        route("api", "Host(`api.example`)", &[&api]),
    ]);
    stage.edge.replace(table).unwrap();
    for (host, path, expected) in [
        ("h", "/", "www"),
        ("h", "/shop", "shop"),
        ("h", "/shop/cart?x=1", "shop"),
        ("h", "/shopping", "www"),
        ("API.example:80", "/", "api"),
        ("api.example", "/shop/", "shop"),
    ] {
        let request = Request::get(path).header("host", host).body(Full::default()).unwrap();
        assert_eq!(stage.ask(request).await.1, expected, "{host}{path}");
    }
}

#[tokio::test]
async fn the_backend_learns_who_asked_and_gets_the_host_as_it_was_named() {
    let (stage, echo) = (Stage::new().await, Stand::echo().await);
    stage.route("PathPrefix(`/`)", &[&echo]);
    let request = Request::post("/a/%62/../c?d=%20&e").header("host", "Shop.example:8080");
    let request =
        request.header("x-forwarded-for", "6.6.6.6").header("connection", "x-secret").header("x-secret", "1");
    let (_, told) = stage.ask(request.body(Full::from("hello")).unwrap()).await;
    let expected = "POST /a/%62/../c?d=%20&e\ncontent-length: 5\nhost: Shop.example:8080\nx-forwarded-for: 127.0.0.1\n\
                    x-forwarded-host: Shop.example:8080\nx-forwarded-proto: http\nx-real-ip: 127.0.0.1\n\nhello";
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_browser_is_sent_to_the_path_with_a_slash_and_nobody_else_is() {
    let (stage, blog) = (Stage::new().await, Stand::named("blog").await);
    let route = Route {
        page_root: Some("/blog".into()),
        ..route("blog", "PathPrefix(`/blog/`) || Path(`/blog`)", &[&blog])
    };
    stage.edge.replace(RouteTable::new(vec![route])).unwrap();
    let asked = |path: &str, accept: &str| {
        Request::get(path).header("host", "h").header("accept", accept).body(Full::default()).unwrap()
    };
    let browser = "text/html,application/xhtml+xml,*/*;q=0.8";
    let (redirect, _) = stage.ask(asked("/blog?a=1", browser)).await;
    assert_eq!(redirect.status, StatusCode::FOUND);
    assert_eq!(redirect.headers["location"], "/blog/?a=1");
    assert_eq!(stage.ask(asked("/blog", "*/*")).await.1, "blog");
    assert_eq!(stage.ask(asked("/blog/", browser)).await.1, "blog");
}

#[tokio::test]
async fn a_stripped_prefix_is_told_and_the_query_stays() {
    let (stage, echo) = (Stage::new().await, Stand::echo().await);
    let stripped =
        Route { strip_prefixes: vec!["/myapp".into()], ..route("app", "PathPrefix(`/myapp`)", &[&echo]) };
    stage.edge.replace(RouteTable::new(vec![stripped])).unwrap();
    for (asked, got) in
        [("/myapp", "/"), ("/myapp?a=b", "/?a=b"), ("/myapp/x/../y", "/x/../y"), ("/myapp/", "/")]
    {
        let told = stage.get(asked).await.1;
        assert!(told.starts_with(&format!("GET {got}\n")), "{asked}: {told}");
        assert!(told.contains("\nx-forwarded-prefix: /myapp\n"), "{told}");
    }
}

#[tokio::test]
async fn a_path_that_climbs_reaches_only_the_workspace_it_names_first() {
    let (stage, one, two) = (Stage::new().await, Stand::echo().await, Stand::named("two").await);
    let table = RouteTable::new(vec![
        route("one", "PathPrefix(`/one/`)", &[&one]),
        route("two", "PathPrefix(`/two/`)", &[&two]),
    ]);
    stage.edge.replace(table).unwrap();
    for path in ["/one/../two/x", "/one/%2e%2e/two/x", "/one//two/./x", "/one/..%2ftwo"] {
        let answer = stage.raw(format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")).await;
        assert!(
            answer.contains(&format!("\r\nGET {path}\n")) || answer.contains(&format!("GET {path}\n")),
            "{answer}"
        );
    }
    for path in ["/x/../two/", "//two/", "/%74wo/"] {
        let answer = stage.raw(format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn http2_is_understood_and_its_cookies_and_host_arrive_as_http1_has_them() {
    let (stage, echo) = (Stage::new().await, Stand::echo().await);
    stage.route("Host(`127.0.0.1`)", &[&echo]);
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Full<bytes::Bytes>>();
    let request =
        Request::get(format!("http://{}/x", stage.address)).header("cookie", "a=1").header("cookie", "b=2");
    let response = client.request(request.body(Full::default()).unwrap()).await.unwrap();
    assert_eq!(response.version(), http::Version::HTTP_2);
    let told = String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
    assert!(told.contains("\ncookie: a=1; b=2\n"), "{told}");
    assert!(told.contains(&format!("\nhost: {}\n", stage.address)), "{told}");
}

#[tokio::test]
async fn where_no_workspace_answers_the_edge_says_so_in_the_clients_own_form() {
    let stage = Stage::new().await;
    let (parts, text) = stage.get("/nothing").await;
    assert_eq!(parts.status, StatusCode::NOT_FOUND);
    assert_eq!(parts.headers["content-type"], "text/plain; charset=utf-8");
    assert!(text.contains("No workspace answers here") && text.contains("hint: "), "{text}");
    assert!(!parts.headers.contains_key("x-cloudyknight-workspace"));
    let request = Request::get("/%3Cb%3E'").header("host", "h").header("accept", "text/html,*/*;q=0.8");
    let (parts, page) = stage.ask(request.body(Full::default()).unwrap()).await;
    assert_eq!(parts.headers["content-type"], "text/html; charset=utf-8");
    assert!(page.contains("/%3Cb%3E&#39;"), "{page}");
}

#[tokio::test]
async fn a_route_without_backends_names_the_workspace_that_is_stopped() {
    let stage = Stage::new().await;
    stage.route("PathPrefix(`/`)", &[]);
    let (parts, text) = stage.get("/").await;
    assert_eq!(parts.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(parts.headers["x-cloudyknight-workspace"], "app");
    assert!(text.contains("cloudyknight status app"), "{text}");
}

#[tokio::test]
async fn several_backends_take_turns() {
    let (stage, one, two) = (Stage::new().await, Stand::named("one").await, Stand::named("two").await);
    stage.route("PathPrefix(`/`)", &[&one, &two]);
    let mut names = Vec::new();
    for _ in 0..6 {
        names.push(stage.get("/").await.1);
    }
    assert_eq!(names.iter().filter(|name| *name == "one").count(), 3, "{names:?}");
}
