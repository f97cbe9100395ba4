//! What differs between two releases: right, bounded, and harmless whatever the files are.

use bytes::Bytes;
use cloudyknight_core::difference::{Change, Difference, NoText};
use cloudyknight_core::release::Release;
use cloudyknight_store::bucket::Bucket;

use super::super::ReleaseError;
use super::World;

async fn kept(world: &World, files: &[(&str, &str)]) -> Release {
    let release = world.keep(files).await;
    world.releases.get(&world.app, &release).await.unwrap().unwrap()
}

async fn difference(old: &[(&str, &str)], new: &[(&str, &str)]) -> Difference {
    let world = World::new(10).await;
    let (old, new) = (kept(&world, old).await, kept(&world, new).await);
    world.releases.difference(&old, &new).await.unwrap()
}

#[tokio::test]
async fn files_are_told_by_path_and_text_by_its_lines() {
    let lines: Vec<String> = (0..100).map(|n| format!("line {n}\n")).collect();
    let old = lines.concat();
    let new = old.replace("line 50\n", "line fifty\n");
    let told = difference(
        &[("a.txt", &old), ("gone", "x\n"), ("same", "s")],
        &[("a.txt", &new), ("new", "no newline at the end"), ("same", "s")],
    )
    .await;
    let paths: Vec<_> = told.files.iter().map(|file| (file.path.as_str(), file.change)).collect();
    assert_eq!(paths, [("a.txt", Change::Changed), ("gone", Change::Removed), ("new", Change::Added)]);
    assert_eq!((told.files[0].size_before, told.files[0].size_after), (Some(790), Some(793)));
    assert_eq!((told.files[1].size_after, told.files[2].size_before), (None, None));
    assert_eq!(
        told.files[0].text.as_deref().unwrap(),
        "--- a/a.txt\n+++ b/a.txt\n@@ -48,7 +48,7 @@\n line 47\n line 48\n line 49\n-line 50\n+line fifty\n line 51\n \
         line 52\n line 53\n"
    );
    assert_eq!(told.files[1].text.as_deref().unwrap(), "--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n");
    let added = told.files[2].text.as_deref().unwrap();
    assert!(added.starts_with("--- /dev/null\n+++ b/new\n") && added.contains("\\ No newline"), "{added}");
}

#[tokio::test]
async fn what_is_no_text_or_too_large_or_no_file_is_named_without_its_lines() {
    let large = "x\n".repeat(300_000);
    let told = difference(
        &[("binary", "a\0b"), ("large", "small"), ("../no", "1"), ("same", "1")],
        &[("binary", "a\0c"), ("large", &large), ("../no", "2"), ("same", "1")],
    )
    .await;
    let why: Vec<_> = told.files.iter().map(|file| (file.path.as_str(), file.no_text)).collect();
    let expected = [
        ("../no", Some(NoText::NoFile)),
        ("binary", Some(NoText::Binary)),
        ("large", Some(NoText::TooLarge)),
    ];
    assert_eq!(why, expected);
    assert!(told.files.iter().all(|file| file.text.is_none()));
}

#[tokio::test]
async fn all_the_lines_together_are_bounded() {
    let files: Vec<(String, String)> =
        (0..20).map(|n| (format!("f{n:02}"), format!("{n} {}\n", "y".repeat(500_000)))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (&**path, &**text)).collect();
    let told = difference(&[], &files).await;
    let shown: usize = told.files.iter().filter_map(|file| file.text.as_ref()).map(String::len).sum();
    assert!(shown <= 4 << 20, "{shown}");
    assert_eq!(told.files[0].no_text, None);
    assert_eq!(told.files[19].no_text, Some(NoText::TooLarge));
}

#[tokio::test]
async fn files_made_to_be_slow_to_compare_are_compared_soon() {
    // Each line is in both, and never at the same place.
    let line = |n: usize| format!("{}\n", n * 7919 % 50_021);
    let old: String = (0..50_000).map(line).collect();
    let new: String = (0..50_000).rev().map(line).collect();
    let told = difference(&[("a", &old)], &[("a", &new)]).await;
    assert!(told.files[0].text.is_some());
}

#[tokio::test]
async fn content_that_is_damaged_is_told_and_not_compared() {
    let world = World::new(10).await;
    let (old, new) = (kept(&world, &[("a", "one")]).await, kept(&world, &[("a", "two")]).await);
    world.platform.put(&world.content_key("one"), Bytes::from("uno")).await.unwrap();
    let error = world.releases.difference(&old, &new).await.unwrap_err();
    assert!(matches!(&error, ReleaseError::Damaged { release, .. } if *release == old.digest), "{error}");
}
