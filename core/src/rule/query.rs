//! The query of a request as Go reads it: `a=b&c`, form-encoded. A pair that is not written like that is none.

use crate::form;

pub(super) fn pairs(query: Option<&str>) -> impl Iterator<Item = (String, String)> {
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty() && !pair.contains(';'));
    pairs.filter_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((form::decoded(key).ok()?, form::decoded(value).ok()?))
    })
}
