use cloudyknight_core::change::{Change, ChangeKind, NotInWorkspace};
use cloudyknight_core::command::Cause;
use cloudyknight_core::decision::decide;
use cloudyknight_core::notification::{Doubt, Ignored, WhyIgnored};

use super::*;

fn put(key: &str) -> Change {
    Change::of_key(key, ChangeKind::Put).unwrap()
}

fn name(text: &str) -> WorkspaceName {
    text.parse().unwrap()
}

fn nothing() -> Batch<'static> {
    Batch { changes: &[], sent: &[], ignored: &[], doubts: &[], unreadable: Vec::new(), not_sent: None }
}

fn messages(journal: &Journal) -> Vec<(EntryKind, String)> {
    let entries = journal.before(u64::MAX).into_iter().rev();
    entries.map(|(_, entry)| (entry.kind, entry.message)).collect()
}

#[test]
fn a_burst_is_one_entry_a_workspace_and_its_changes_are_bounded() {
    let journal = Journal::new();
    let mut changes: Vec<Change> = (0..300).map(|n| put(&format!("app/{n}.txt"))).collect();
    changes.extend([put("app/0.txt"), put("blog/x"), put("blog.tar.gz")]);
    let sent = decide(&changes);
    journal.read(&Batch { changes: &changes, sent: &sent, ..nothing() });
    let decided = "sent a command to deploy what the bucket holds";
    let expected = [
        (EntryKind::Decided, format!("`0.txt` and 300 more changed: {decided}")),
        (EntryKind::Decided, format!("the archive `blog.tar.gz` changed: {decided}")),
    ];
    assert_eq!(messages(&journal), expected);
    let told = journal.since(0).news;
    let (News::Changes(app), News::Changes(blog)) = (&told[0].1, &told[1].1) else { panic!("{told:?}") };
    assert_eq!((app.workspace.as_str(), app.paths.len(), app.more), ("app", 200, 100));
    let expected = Changes {
        workspace: name("blog"),
        paths: vec!["x".into()],
        archives: vec!["blog.tar.gz".into()],
        more: 0,
    };
    assert_eq!(*blog, expected);
    let News::Entry(entry) = &told[2].1 else { panic!("{told:?}") };
    assert_eq!((entry.workspace.clone(), entry.key.as_deref()), (Some(name("app")), Some("app/0.txt")));
}

#[test]
fn what_is_ignored_says_why_once_a_reason_and_workspace() {
    let journal = Journal::new();
    let read = |key: &str| Ignored {
        key: Some(key.into()),
        why: WhyIgnored::NoContent("s3:ObjectAccessed:Get".into()),
    };
    let top = |key: &str| Ignored {
        key: Some(key.into()),
        why: WhyIgnored::NotInWorkspace(NotInWorkspace::TopLevel(key.into())),
    };
    let ignored = [read("app/a"), top("x"), read("app/b"), read("blog/c"), top("y"), read("app/d")];
    journal.read(&Batch { ignored: &ignored, ..nothing() });
    let all: Vec<_> = journal.before(u64::MAX).into_iter().rev().map(|(_, entry)| entry).collect();
    let told: Vec<_> =
        all.iter().map(|one| (one.workspace.clone(), one.key.as_deref(), one.message.as_str())).collect();
    let no_content = "an event \"s3:ObjectAccessed:Get\" changes no content";
    let expected = [
        (Some(name("app")), Some("app/a"), format!("{no_content} (and 2 more like it)")),
        (
            None,
            Some("x"),
            "its key belongs to no workspace: key `x` lies in no folder, so in no workspace, and is no archive of one by \
             its name (and 1 more like it)"
                .to_owned(),
        ),
        (Some(name("blog")), Some("blog/c"), no_content.to_owned()),
    ];
    assert_eq!(
        told,
        expected.each_ref().map(|(workspace, key, message)| (workspace.clone(), *key, message.as_str()))
    );
}

#[test]
fn a_thousand_reasons_are_not_a_thousand_entries() {
    let journal = Journal::new();
    let ignored: Vec<Ignored> = (0..1000)
        .map(|n| Ignored { key: None, why: WhyIgnored::OtherBucket(format!("bucket-{n}")) })
        .collect();
    journal.read(&Batch { ignored: &ignored, ..nothing() });
    let told = messages(&journal);
    assert_eq!(told.len(), 21);
    assert_eq!(told[20], (EntryKind::Ignored, "980 more records, for still other reasons".to_owned()));
}

#[test]
fn doubts_are_told_and_counted() {
    let journal = Journal::new();
    journal.hears_notifications();
    let doubts = [Doubt::Version("3.0".into()), Doubt::Version("3.0".into())];
    let unreadable = vec![("m-1", "the text is no JSON".to_owned())];
    journal.read(&Batch { doubts: &doubts, unreadable, ..nothing() });
    let doubt = "version \"3.0\" of the event format is unknown here";
    let expected = [
        (EntryKind::Doubtful, format!("{doubt}; its workspace was marked all the same (and 1 more like it)")),
        (
            EntryKind::Unreadable,
            "message `m-1` on the events queue is no notification: the text is no JSON".to_owned(),
        ),
    ];
    assert_eq!(messages(&journal), expected);
    let counted = journal.notifications().unwrap();
    assert_eq!((counted.doubts, counted.unreadable), (2, 1));
    assert_eq!(counted.last_doubt.unwrap().message, doubt);
}

#[test]
fn where_commands_cannot_be_sent_that_is_all_there_is_to_tell_and_the_copy_is_old_all_the_same() {
    let journal = Journal::new();
    let changes = [put("app/x")];
    journal.read(&Batch { changes: &changes, not_sent: Some("no route".into()), ..nothing() });
    let since = journal.since(0);
    assert!(matches!(&since.news[0].1, News::Changes(changes) if changes.paths == ["x"]), "{since:?}");
    assert!(matches!(&since.news[1].1, News::Entry(Entry { kind: EntryKind::SentNothing, .. })), "{since:?}");
    assert_eq!(since.news.len(), 2);
}

#[test]
fn a_reader_resumes_where_it_was_and_learns_what_it_missed() {
    let journal = Journal::new();
    let told = |n: usize| {
        for n in 0..n {
            journal.read(&Batch { changes: &[put(&format!("app/{n}"))], ..nothing() });
        }
    };
    told(3);
    let id = journal.id(1);
    let since = journal.since(journal.number(&id).unwrap());
    let numbers: Vec<u64> = since.news.iter().map(|(number, _)| *number).collect();
    assert_eq!((numbers, since.missed), (vec![2, 3], false));
    assert_eq!(journal.since(journal.last()), Since { news: Vec::new(), missed: false });
    told(CHANGES);
    assert!(journal.since(1).missed);
    assert!(!journal.since(3).missed);
    for strange in ["", "1", "nonsense-1", &journal.id(journal.last() + 1), &format!("{}-x", journal.epoch)] {
        assert_eq!(journal.number(strange), None, "{strange}");
    }
}

#[test]
fn where_the_functions_run_elsewhere_a_command_says_that_anything_may_have_changed() {
    let journal = Journal::new();
    let command = Command::reconcile(name("app"), Cause::Put { path: "x".into(), more: 0 });
    journal.received(&command);
    journal.listed_anew(&name("app"));
    let anything = News::Changes(Changes::of_anything(name("app")));
    let news = journal.since(0).news;
    assert_eq!((&news[0].1, &news[2].1, news.len()), (&anything, &anything, 3));
    journal.hears_notifications();
    journal.received(&command);
    journal.listed_anew(&name("app"));
    assert_eq!(journal.since(3).news.len(), 1, "only the entry: the paths were told before");
}

#[test]
fn the_oldest_entries_go() {
    let journal = Journal::new();
    for n in 0..ENTRIES + 5 {
        let message = n.to_string();
        journal.write(Line { kind: EntryKind::Deployed, workspace: None, key: None, message });
    }
    let entries = journal.before(u64::MAX);
    assert_eq!((entries.len(), entries.last().unwrap().1.message.as_str()), (ENTRIES, "5"));
    let page: Vec<u64> = journal.before(10).into_iter().map(|(number, _)| number).collect();
    assert_eq!(page, [9, 8, 7, 6]);
}
