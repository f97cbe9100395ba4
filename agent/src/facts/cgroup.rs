//! What a container uses, from the kernel's own files, of both versions of control groups. Docker reads the same ones, but
//! takes up to a second for it, and has nothing to tell where it misses a single group; where Docker runs elsewhere, or we run
//! in a container ourselves, they are not to be found here.

use std::path::Path;

use time::OffsetDateTime;

use crate::engine::Usage;

/// By the container's first process and its id; `None` where the kernel's files do not say.
pub fn usage(pid: i64, id: &str) -> Option<Usage> {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let at_ns = OffsetDateTime::now_utc().unix_timestamp_nanos();
    read_usage(pid, id, &read).map(|usage| Usage { at_ns, ..usage })
}

const ROOT: &str = "/sys/fs/cgroup";

fn read_usage(pid: i64, id: &str, read: &dyn Fn(&Path) -> Option<String>) -> Option<Usage> {
    let groups = read(Path::new(&format!("/proc/{pid}/cgroup")))?;
    let most = meminfo(&read(Path::new("/proc/meminfo"))?)?;
    // `number:controllers:path`; version 2 has no controllers there, and one path for all.
    let path_of = |controller: &str| {
        groups.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, path) = (parts.next()?, parts.next()?);
            // Of another process that bears the number here, if we see other numbers than Docker does.
            let is_its = !id.is_empty() && path.contains(id);
            (is_its && controllers.split(',').any(|one| one == controller)).then(|| path.to_owned())
        })
    };
    let file = |folder: &str, path: &str, name: &str| {
        read(&Path::new(ROOT).join(folder).join(path.trim_start_matches('/')).join(name))
    };
    let number = |text: String| text.trim().parse::<u64>().ok();
    let (cpu_ns, used, cache, limit) = match (path_of("memory"), path_of("cpuacct")) {
        (Some(memory), Some(cpu)) => (
            number(file("cpuacct", &cpu, "cpuacct.usage")?)?,
            number(file("memory", &memory, "memory.usage_in_bytes")?)?,
            field(&file("memory", &memory, "memory.stat")?, "total_inactive_file"),
            number(file("memory", &memory, "memory.limit_in_bytes")?),
        ),
        _ => {
            let path = path_of("")?;
            (
                field(&file("", &path, "cpu.stat")?, "usage_usec")?.saturating_mul(1000),
                number(file("", &path, "memory.current")?)?,
                field(&file("", &path, "memory.stat")?, "inactive_file"),
                // `max`: as much as there is.
                file("", &path, "memory.max").and_then(number),
            )
        }
    };
    Some(Usage {
        cpu_ns,
        at_ns: 0,
        memory_bytes: used - cache.filter(|cache| *cache < used).unwrap_or_default(),
        memory_limit_bytes: limit.unwrap_or(most).min(most),
    })
}

/// The value of a line `name value`.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// All memory of the machine, in bytes.
fn meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn check(files: &[(&str, &str)], expected: Option<(u64, u64, u64)>) {
        let files: BTreeMap<&str, &str> = files.iter().copied().collect();
        let read = |path: &Path| files.get(path.to_str()?).map(|text| (*text).to_owned());
        let found = read_usage(7, "c0ffee", &read);
        let found = found.map(|usage| (usage.cpu_ns, usage.memory_bytes, usage.memory_limit_bytes));
        assert_eq!(found, expected, "{files:?}");
    }

    const MEMORY: (&str, &str) = ("/proc/meminfo", "MemTotal:       1000 kB\nMemFree: 1 kB\n");

    #[test]
    fn groups_of_version_1_have_a_path_for_each_controller() {
        let groups = "12:perf_event:/\n4:memory:/docker/c0ffee\n2:cpu,cpuacct:/b/c0ffee\n0::/docker/c0ffee\n";
        check(
            &[
                MEMORY,
                ("/proc/7/cgroup", groups),
                ("/sys/fs/cgroup/cpuacct/b/c0ffee/cpuacct.usage", "5000\n"),
                ("/sys/fs/cgroup/memory/docker/c0ffee/memory.usage_in_bytes", "900\n"),
                (
                    "/sys/fs/cgroup/memory/docker/c0ffee/memory.stat",
                    "inactive_file 1\ntotal_inactive_file 300\n",
                ),
                ("/sys/fs/cgroup/memory/docker/c0ffee/memory.limit_in_bytes", "9223372036854771712\n"),
            ],
            Some((5000, 600, 1_024_000)),
        );
    }

    #[test]
    fn groups_of_version_2_have_one_path() {
        let folder = "/sys/fs/cgroup/system.slice/docker-c0ffee.scope";
        let path = |name: &str| format!("{folder}/{name}");
        let (cpu, current) = (path("cpu.stat"), path("memory.current"));
        let (stat, max) = (path("memory.stat"), path("memory.max"));
        let mut files = vec![
            MEMORY,
            ("/proc/7/cgroup", "0::/system.slice/docker-c0ffee.scope\n"),
            (&cpu, "usage_usec 5\nuser_usec 2\n"),
            (&current, "900\n"),
            (&stat, "anon 600\ninactive_file 300\n"),
            (&max, "700\n"),
        ];
        check(&files, Some((5000, 600, 700)));
        files[5].1 = "max\n";
        check(&files, Some((5000, 600, 1_024_000)));
    }

    #[test]
    fn what_cannot_be_read_is_not_made_up() {
        check(&[], None);
        check(&[MEMORY, ("/proc/7/cgroup", "0::/a\n")], None);
        check(&[MEMORY, ("/proc/7/cgroup", "no groups")], None);
        let of_another = [
            MEMORY,
            ("/proc/7/cgroup", "0::/user.slice"),
            ("/sys/fs/cgroup/user.slice/cpu.stat", "usage_usec 5"),
            ("/sys/fs/cgroup/user.slice/memory.current", "900"),
            ("/sys/fs/cgroup/user.slice/memory.stat", ""),
        ];
        check(&of_another, None);
    }
}
