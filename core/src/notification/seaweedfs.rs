//! What the filer of SeaweedFS posts to a webhook: changes of its file tree, in which a bucket is a folder. Not the format of S3,
//! and much of it is about what S3 never shows: folders, parts of uploads, versions.
//! <https://github.com/seaweedfs/seaweedfs/wiki/Filer-Notification-Webhook>

use std::borrow::Cow;

use super::envelope::{Find, Found, Record};
use super::json::Json;
use super::key::Spelling;
use super::kind::Family;
use super::{Ignored, WhyIgnored};

pub(super) fn is_event(json: &Json<'_>) -> bool {
    json.text(&["event_type"]).is_some() && json.at(&["message"]).is_some_and(Json::is_object)
}

pub(super) fn open(json: &Json<'_>, find: &mut Find<'_>) {
    let event = json.text(&["event_type"]);
    let path = json.text(&["key"]);
    let entry = json.at(&["message", "new_entry"]).or_else(|| json.at(&["message", "old_entry"]));
    if event == Some("rename") {
        find(found(Some("delete"), path, entry, true));
        let new =
            json.text(&["message", "new_parent_path"]).zip(json.text(&["message", "new_entry", "name"]));
        let new = new.map(|(parent, name)| format!("{parent}/{name}"));
        return find(found(Some("create"), new.as_deref(), entry, true));
    }
    find(found(event, path, entry, event == Some("delete")));
}

/// `whole`: what happens to a folder happens to all that is in it, too.
fn found<'a>(
    event: Option<&'a str>,
    path: Option<&'a str>,
    entry: Option<&Json<'_>>,
    whole: bool,
) -> Found<'a> {
    match record(event, path, entry, whole) {
        Ok(record) => Found::Record(record),
        Err(why) => Found::Ignored(Ignored { key: path.map(str::to_owned), why }),
    }
}

fn record<'a>(
    event: Option<&'a str>,
    path: Option<&'a str>,
    entry: Option<&Json<'_>>,
    whole: bool,
) -> Result<Record<'a>, WhyIgnored> {
    let path = path.ok_or(WhyIgnored::NoKey)?;
    let in_buckets =
        path.strip_prefix("/buckets/").ok_or_else(|| WhyIgnored::OutsideBuckets(path.to_owned()))?;
    let (bucket, file) = in_buckets.split_once('/').unwrap_or((in_buckets, ""));
    let record = |key| Record {
        family: Family::Filer,
        version: None,
        event,
        bucket: Some(bucket),
        // Whole seconds, as a number, and of the file: not of its deletion.
        time: None,
        key,
        spelling: Spelling::Path,
    };
    let folder = entry.and_then(|entry| entry.at(&["is_directory"])) == Some(&Json::Bool(true));
    if file == ".uploads" || file.starts_with(".uploads/") {
        return Err(WhyIgnored::Unfinished);
    }
    // A versioned object is a folder of its versions. Which of them is shown is written on the folder, so its update is
    // the change that counts.
    if let Some(object) = versioned(file, folder) {
        return Ok(record(Some(Cow::Borrowed(object))));
    }
    if !folder {
        return Ok(record((!file.is_empty()).then_some(Cow::Borrowed(file))));
    }
    // A folder that somebody put, as a key with `/` at its end, has a content type. The others come and go with their files,
    // which tell of themselves; except that a folder may go or move at once with all that is in it.
    let put = entry.and_then(|entry| entry.at(&["attributes", "mime"])).is_some();
    if file.is_empty() || !(put || whole) {
        return Err(WhyIgnored::Folder);
    }
    Ok(record(Some(Cow::Owned(format!("{file}/")))))
}

/// The key of the object whose versions lie here.
fn versioned(file: &str, folder: bool) -> Option<&str> {
    let (parent, name) = file.rsplit_once('/').unwrap_or(("", file));
    if folder {
        file.strip_suffix(".versions")
    } else {
        parent.strip_suffix(".versions").filter(|_| name.starts_with("v_"))
    }
}
