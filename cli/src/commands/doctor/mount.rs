//! The mounted folder: whether it could be there, and whether it is there if somebody wants it.

use super::{Findings, broken, fine, noted, wrong};
use crate::config::Config;
use crate::home::Home;
use crate::mount::{self, State, point, program};

pub fn look(home: &Home, config: &Config, findings: &mut Findings) {
    let wished = mount::wish(home).ok().flatten();
    let able =
        program::fuse_device().and_then(|()| program::fusermount()).and_then(|_| program::find(home, config));
    findings.push(match (able, &wished) {
        (Ok(rclone), _) => fine(
            "rclone",
            format!("{} is version {}, and fuse3 is there", rclone.path.display(), rclone.version),
        ),
        (Err(error), Some(_)) => broken("rclone", error, program::INSTALL),
        // Nobody needs it.
        (Err(error), None) => {
            noted("rclone", format!("nothing can be mounted here: {error}"), program::INSTALL)
        }
    });
    let Some(wished) = wished else { return };
    let dir = wished.dir.display();
    let log = format!("its log is {}", home.log(mount::ROLE).display());
    let is_there = point::of_device(&mount::device(home)).is_ok_and(|dirs| dirs.contains(&wished.dir));
    findings.push(match mount::now(home).ok().flatten() {
        Some(report) if report.state == State::Mounted && is_there => {
            fine("mounted folder", format!("the workspaces are mounted at {dir}"))
        }
        Some(report) => wrong(
            "mounted folder",
            report.message.unwrap_or_else(|| format!("the mount at {dir} does not answer yet")),
            report.hint.unwrap_or(log),
        ),
        None => wrong(
            "mounted folder",
            format!("nobody keeps the mount at {dir}"),
            "`cloudyknight up` brings it back, and so does `cloudyknight mount`; `cloudyknight unmount` gives it up",
        ),
    });
}
