//! Errors that others than the readers find stand where the file says what they are about.

use super::Workspace;

const FILE: &str = "\
services:
  web:
    image: node
    labels:
      traefik.http.routers.web.rule: Path(`/`)
      traefik.http.routers.web.middlewares: a,auth@file
      traefik.http.routers.webs.rule: Path(`/s`)
  list:
    image: nginx
    labels:
      - traefik.enable=true
      - Traefik.HTTP.Routers.List.Rule=Path(`/l`)
";

#[test]
fn an_error_stands_at_the_label_that_it_is_about() {
    let places = Workspace::new().parse(FILE).unwrap().places;
    let check = |service: &str, label: Option<&str>, reference: Option<&str>, expected: &str| {
        let error = places.label(service, label, reference, "m".into());
        assert_eq!(error.to_string(), format!("{expected}: m"), "{service} {label:?}");
        assert_eq!(error.service.as_deref(), Some(service));
    };
    check("web", Some("traefik.http.routers.web.rule"), None, "docker-compose.yml:5:7");
    check("web", Some("traefik.http.routers.web"), None, "docker-compose.yml:5:7");
    check("web", Some("traefik.http.routers.web"), Some("auth@file"), "docker-compose.yml:6:7");
    check("web", Some("traefik.http.routers.webs"), None, "docker-compose.yml:7:7");
    check("web", Some("traefik.http.routers.none"), None, "docker-compose.yml:2:3");
    check("web", None, None, "docker-compose.yml:2:3");
    check("list", Some("traefik.http.routers.list.rule"), None, "docker-compose.yml:12:9");
    check("gone", None, None, "docker-compose.yml");
}

#[test]
fn an_error_of_an_image_stands_where_it_is_named() {
    let places = Workspace::new().parse(FILE).unwrap().places;
    assert_eq!(places.image("list", "m".into()).to_string(), "docker-compose.yml:9:12: m");
}
