//! What lies in the platform bucket of one workspace: which releases, which content, and which release names which.
//! Pure but for reading it. A collection is decided here.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cloudyknight_core::manifest::ReleaseDigest;
use cloudyknight_core::release::{ContentDigest, Release};
use cloudyknight_core::workspace::WorkspaceName;
use cloudyknight_store::bucket::Bucket;

use super::error::ReleaseError;

#[derive(Default)]
pub(super) struct Shelf {
    documents: BTreeMap<ReleaseDigest, Document>,
    /// Whether content lies in the bucket, by its number.
    stored: Vec<bool>,
    digests: Vec<ContentDigest>,
    /// Numbers stand for digests: fifty releases of a thousand files name fifty thousand of them.
    numbers: HashMap<ContentDigest, u32>,
}

/// What is known of a document.
pub(super) enum Document {
    /// That it is there.
    Unread,
    Read {
        made_at: String,
        /// By number.
        content: Box<[u32]>,
    },
    /// It is not what it should be: what it names is not known.
    Damaged,
}

impl Shelf {
    pub async fn read(platform: &dyn Bucket, workspace: &WorkspaceName) -> Result<Self, ReleaseError> {
        let failed = |source| ReleaseError::List { workspace: workspace.clone(), source };
        let mut shelf = Self::default();
        let (documents, content) = (Release::prefix(workspace), ContentDigest::prefix(workspace));
        let (documents, content) =
            futures::try_join!(platform.list(&documents), platform.list(&content)).map_err(failed)?;
        for object in documents {
            if let Some(digest) = Release::digest_of(workspace, &object.key) {
                shelf.documents.insert(digest, Document::Unread);
            }
        }
        for object in content {
            if let Some(digest) = ContentDigest::of_key(workspace, &object.key) {
                shelf.add_content(&digest);
            }
        }
        Ok(shelf)
    }

    pub fn documents(&self) -> impl Iterator<Item = &ReleaseDigest> {
        self.documents.keys()
    }

    pub fn holds(&self, release: &ReleaseDigest) -> bool {
        self.documents.contains_key(release)
    }

    pub fn unread(&self) -> Vec<ReleaseDigest> {
        let unread = self.documents.iter().filter(|(_, document)| matches!(document, Document::Unread));
        unread.map(|(digest, _)| digest.clone()).collect()
    }

    pub fn has_damaged(&self) -> bool {
        self.documents.values().any(|document| matches!(document, Document::Damaged))
    }

    pub fn add(&mut self, release: &Release) {
        let content: BTreeSet<u32> = release.content.values().map(|digest| self.number(digest)).collect();
        let document =
            Document::Read { made_at: release.made_at.clone(), content: content.into_iter().collect() };
        self.documents.insert(release.digest.clone(), document);
    }

    pub fn add_damaged(&mut self, release: &ReleaseDigest) {
        self.documents.insert(release.clone(), Document::Damaged);
    }

    pub fn remove(&mut self, release: &ReleaseDigest) {
        self.documents.remove(release);
    }

    pub fn has_content(&self, digest: &ContentDigest) -> bool {
        self.numbers.get(digest).is_some_and(|number| self.stored[*number as usize])
    }

    pub fn add_content(&mut self, digest: &ContentDigest) {
        let number = self.number(digest);
        self.stored[number as usize] = true;
    }

    pub fn remove_content(&mut self, digest: &ContentDigest) {
        if let Some(number) = self.numbers.get(digest) {
            self.stored[*number as usize] = false;
        }
    }

    /// Content that no document names. Assumption: every document was read.
    pub fn unnamed(&self) -> Vec<ContentDigest> {
        let mut unnamed = self.stored.clone();
        for document in self.documents.values() {
            if let Document::Read { content, .. } = document {
                content.iter().for_each(|number| unnamed[*number as usize] = false);
            }
        }
        let digests = self.digests.iter().zip(unnamed).filter(|(_, unnamed)| *unnamed);
        digests.map(|(digest, _)| digest.clone()).collect()
    }

    /// What goes so that `limit` releases stay: those that were used longest ago. `by_last_use` says the order, the
    /// oldest first; before those that it does not know, and before them what is damaged, since it serves nobody.
    pub fn surplus(
        &self,
        limit: usize,
        by_last_use: &[&ReleaseDigest],
        needed: &BTreeSet<ReleaseDigest>,
    ) -> Vec<ReleaseDigest> {
        let surplus = self.documents.len().saturating_sub(limit);
        let rank = |digest: &ReleaseDigest, document: &Document| {
            let used = by_last_use.iter().position(|one| *one == digest);
            match (document, used) {
                (Document::Damaged, _) => (0, 0, String::new()),
                (Document::Read { made_at, .. }, None) => (1, 0, made_at.clone()),
                (Document::Unread, None) => (1, 0, String::new()),
                (_, Some(at)) => (2, at, String::new()),
            }
        };
        let unneeded = self.documents.iter().filter(|(digest, _)| !needed.contains(*digest));
        let mut ranked: Vec<_> =
            unneeded.map(|(digest, document)| (rank(digest, document), digest)).collect();
        ranked.sort_unstable();
        ranked.into_iter().take(surplus).map(|(_, digest)| digest.clone()).collect()
    }

    fn number(&mut self, digest: &ContentDigest) -> u32 {
        if let Some(number) = self.numbers.get(digest) {
            return *number;
        }
        let number = u32::try_from(self.digests.len()).expect("fewer files than four thousand millions");
        self.numbers.insert(digest.clone(), number);
        self.digests.push(digest.clone());
        self.stored.push(false);
        number
    }
}

#[cfg(test)]
mod tests {
    use cloudyknight_core::manifest::{Entry, Manifest};

    use super::*;

    fn release(made_at: &str, files: &[&str]) -> Release {
        let entry = |text: &str| Entry { etag: text.to_owned(), size: 1 };
        let entries = files.iter().map(|text| ((*text).to_owned(), entry(text))).collect();
        let content = files.iter().map(|text| ((*text).to_owned(), ContentDigest::of(text.as_bytes())));
        Release::new("app".parse().unwrap(), made_at.to_owned(), Manifest { entries }, content.collect())
    }

    #[test]
    fn content_is_unnamed_when_its_last_release_has_gone() {
        let (one, two) = (release("1", &["shared", "old"]), release("2", &["shared", "new"]));
        let mut shelf = Shelf::default();
        for text in ["shared", "old", "new", "stray"] {
            shelf.add_content(&ContentDigest::of(text.as_bytes()));
        }
        shelf.add(&one);
        shelf.add(&two);
        assert_eq!(shelf.unnamed(), [ContentDigest::of(b"stray")]);
        shelf.remove(&one.digest);
        assert_eq!(shelf.unnamed(), [ContentDigest::of(b"old"), ContentDigest::of(b"stray")]);
        shelf.remove_content(&ContentDigest::of(b"old"));
        assert!(!shelf.has_content(&ContentDigest::of(b"old")));
        assert_eq!(shelf.unnamed(), [ContentDigest::of(b"stray")]);
    }

    #[test]
    fn what_was_used_longest_ago_goes_first_and_what_is_needed_never() {
        let releases: Vec<Release> = (0..6).map(|n| release(&n.to_string(), &[&n.to_string()])).collect();
        let digest = |n: usize| &releases[n].digest;
        let mut shelf = Shelf::default();
        releases.iter().for_each(|release| shelf.add(release));
        shelf.add_damaged(digest(5));
        // 0 and 1 were never deployed; of the others, 2 was gone back to last.
        let used = [digest(3), digest(4), digest(2)];
        let check = |limit: usize, needed: &[usize], expected: &[usize]| {
            let needed = needed.iter().map(|n| digest(*n).clone()).collect();
            let gone: Vec<usize> = shelf
                .surplus(limit, &used, &needed)
                .iter()
                .map(|gone| releases.iter().position(|release| release.digest == *gone).unwrap())
                .collect();
            assert_eq!(gone, expected, "limit {limit}, needed {needed:?}");
        };
        check(6, &[], &[]);
        check(5, &[], &[5]);
        check(1, &[], &[5, 0, 1, 3, 4]);
        check(1, &[0, 3, 4], &[5, 1, 2]);
        check(0, &[5], &[0, 1, 3, 4, 2]);
    }
}
