//! The OpenAPI document: each handler adds itself, and what holds for all of them is added here.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::PROBLEM;
use super::{Api, Problem};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "CloudyKnight",
        description = "The platform's API: everything that the command line and the dashboard do. docs/api.md tells how to sign in, \
                       and what roles, cursors and errors are."
    ),
    components(schemas(Problem)),
    modifiers(&Bearer),
    security(("bearer" = [])),
    tags(
        (name = "access", description = "Who may use the API, and what they did"),
        (name = "workspaces", description = "What runs, and what is asked of it"),
        (name = "files", description = "What is pushed, through the API"),
        (name = "facts", description = "What workspaces use, carry and hold"),
        (name = "live", description = "What happens, as it happens, and what was given up on"),
        (name = "platform", description = "The platform itself"),
    ),
)]
pub(super) struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let described = "The operator's token, one that was made, or a session.";
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(described)).build();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(openapi))
}

/// Describe the API
///
/// This document.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    tag = "platform",
    security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json")),
)]
pub(super) async fn openapi(State(api): State<Arc<Api>>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], api.document.clone()).into_response()
}

/// Adds what any request may be answered, where its handler does not say it.
pub(super) fn complete(document: &mut utoipa::openapi::OpenApi) {
    // OpenAPI has no word for a parameter with slashes in it.
    let paths = &mut document.paths.paths;
    let wide: Vec<String> = paths.keys().filter(|path| path.contains("{*")).cloned().collect();
    for path in wide {
        let item = paths.remove(&path).expect("it was just found");
        paths.insert(path.replace("{*", "{"), item);
    }
    for (path, item) in &mut document.paths.paths {
        let has_parameters = path.contains('{');
        for operation in operations(item) {
            let mut all = vec![
                ("400", "It cannot be understood"),
                ("429", "Too much is asked: try again after the seconds in `Retry-After`"),
                ("500", "The platform made a mistake"),
                ("503", "Something that it needs does not answer"),
                ("401", "The token is missing or wrong"),
                ("403", "The role does not allow it"),
            ];
            if has_parameters {
                all.push(("404", "There is no such thing"));
            }
            if operation.request_body.is_some() {
                all.extend([
                    ("413", "The body is too large"),
                    ("415", "The body is of another kind"),
                    ("422", "The body holds something else than is asked for"),
                ]);
            }
            for (status, description) in all {
                let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
                let response =
                    ResponseBuilder::new().description(description).content(PROBLEM, content).build();
                let responses = &mut operation.responses.responses;
                responses.entry(status.to_owned()).or_insert(RefOr::T(response));
            }
        }
    }
}

pub(super) fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}
