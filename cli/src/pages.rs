//! Lists of the API come in pages; here they are put together.

use cloudyknight_core::files::Files;
use cloudyknight_core::history;
use cloudyknight_core::volume::Volumes;
use serde::de::DeserializeOwned;

use crate::client::{Client, segment};

/// One page, or several put together.
pub trait Paged: DeserializeOwned {
    /// Where the next page begins.
    fn next(&mut self) -> &mut Option<String>;
    /// Goes on with the page after it.
    fn add(&mut self, page: Self);
}

impl Client {
    /// All of a list, however many pages that takes.
    pub async fn all<P: Paged>(&self, path: &str) -> anyhow::Result<P> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let mut all: P = self.get(path).await?;
        while let Some(cursor) = all.next().take() {
            let mut page: P = self.get(&format!("{path}{joint}cursor={}", segment(&cursor))).await?;
            *all.next() = page.next().take();
            all.add(page);
        }
        Ok(all)
    }
}

impl Paged for Files {
    fn next(&mut self) -> &mut Option<String> {
        &mut self.next
    }

    fn add(&mut self, page: Self) {
        self.files.extend(page.files);
    }
}

impl Paged for history::Told {
    fn next(&mut self) -> &mut Option<String> {
        &mut self.next
    }

    fn add(&mut self, page: Self) {
        self.deployments.extend(page.deployments);
    }
}

impl Paged for Volumes {
    fn next(&mut self) -> &mut Option<String> {
        &mut self.next
    }

    fn add(&mut self, page: Self) {
        self.volumes.extend(page.volumes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::fake;

    #[tokio::test]
    async fn a_list_is_read_to_its_end() {
        let page = |name: &str, next: &str| {
            let volume = format!(
                r#"{{"workspace": "app", "volume": "{name}", "name": "{name}", "created_at": null, "used_by": []}}"#
            );
            fake::answer("200 OK", &format!(r#"{{"version": 1, "volumes": [{volume}], "next": {next}}}"#))
        };
        let api = fake::Api::answering([page("a", "\"app/a\""), page("b", "\"app/b\""), page("c", "null")]);
        let all: Volumes = api.client().all("/api/v1/volumes?limit=1").await.unwrap();
        assert_eq!(all.volumes.iter().map(|one| one.volume.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(all.next, None);
        let asked: Vec<String> = api.asked().into_iter().map(|request| request.line).collect();
        let expected = ["", "&cursor=app%2Fa", "&cursor=app%2Fb"]
            .map(|cursor| format!("GET /api/v1/volumes?limit=1{cursor} HTTP/1.1"));
        assert_eq!(asked, expected);
    }
}
