//! The audit, for administrators: who changed what through the API, and who was refused.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page::Page;
use super::{Api, Problem};
use crate::access::audit::Entry;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(audit))
}

#[derive(Serialize, ToSchema)]
pub(super) struct AuditPage {
    /// The newest first.
    entries: Vec<Entry>,
    /// Where the next page begins; `null` at the end.
    next: Option<String>,
}

/// Read the audit
///
/// Every request that changed something, was to, or was refused for lack of rights: the last 10,000.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    tag = "access",
    params(Page),
    responses((status = 200, description = "A page of it", body = AuditPage)),
)]
pub(super) async fn audit(
    State(api): State<Arc<Api>>,
    Query(page): Query<Page>,
) -> Result<Json<AuditPage>, Problem> {
    let (entries, more) = api.agent.access.audit.page(page.cursor.as_deref(), page.limit()?);
    let next = entries.last().filter(|_| more).map(|entry| entry.id.clone());
    Ok(Json(AuditPage { entries, next }))
}
