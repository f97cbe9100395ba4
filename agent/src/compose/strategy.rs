//! How the containers of a service are replaced: `x-cloudyknight: {strategy: …}`, at the top level for all services, or in
//! one service for that one.

use cloudyknight_core::status::Strategy;

use super::keys;
use super::node::Map;
use super::problem::{Problem, quoted};
use super::scope::Scope;

/// What the service says for itself.
pub(super) fn of_service(map: &Map, place: &str, scope: &mut Scope<'_>) -> Result<Option<Strategy>, Problem> {
    let Some(entry) = map.entries.iter().find(|entry| entry.key == keys::CLOUDYKNIGHT) else {
        return Ok(None);
    };
    let what = format!("{place}: {}", quoted(keys::CLOUDYKNIGHT));
    let own = entry.value.map(&what)?;
    if let Some(fresh) = own.entries.iter().find(|entry| entry.key == "fresh") {
        return Err(Problem::at(fresh.key_at, format!("{what}: `fresh` belongs at the top level")));
    }
    keys::check(own, keys::CLOUDYKNIGHT_SERVICE, &what, scope)?;
    read(own)
}

/// What an `x-cloudyknight` says.
pub(super) fn read(own: &Map) -> Result<Option<Strategy>, Problem> {
    let Some(node) = own.given("strategy") else { return Ok(None) };
    match node.text("`strategy`")? {
        "rolling" => Ok(Some(Strategy::Rolling)),
        "recreate" => Ok(Some(Strategy::Recreate)),
        other => Err(Problem::at(node.at, format!("`strategy` is {}", quoted(other))).hint(
            "`rolling` starts the new container before the old one goes; `recreate` stops the old one first",
        )),
    }
}
