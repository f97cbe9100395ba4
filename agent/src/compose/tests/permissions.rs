//! Every permission of the operator's file: what needs it is refused without any entry, allowed for those that an entry names,
//! and refused for everybody else.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Workspace, with_service};
use crate::compose::model::ComposeError;
use crate::compose::policy::{Platform, Policy};
use crate::policy::{ApiScope, Entry, document, meaning};

const PAGE: &str = include_str!("../../../../docs/policy.md");

/// What needs a permission.
enum Needs {
    /// The lines of a service, with what stands around it.
    Lines(&'static str, &'static str),
    /// No compose file asks for it: whether a policy gives it to a workspace.
    Given(fn(&Policy, &str) -> bool),
}
use Needs::{Given, Lines};

fn name(workspace: &str) -> cloudyknight_core::workspace::WorkspaceName {
    workspace.parse().unwrap()
}

/// Permission, its value in an entry, and what needs it. A permission that has names, or `true` for all, stands here with
/// both.
const ALL: &[(&str, &str, Needs)] = &[
    ("privileged", "true", Lines("privileged: true", "")),
    ("privileged", "true", Lines("security_opt: ['seccomp:unconfined']", "")),
    ("privileged", "true", Lines("runtime: runsc", "")),
    ("privileged", "true", Lines("cpu_rt_runtime: 1ms", "")),
    ("host_namespaces", "true", Lines("network_mode: host", "")),
    ("host_namespaces", "true", Lines("pid: host", "")),
    ("host_namespaces", "true", Lines("ipc: host", "")),
    ("host_namespaces", "true", Lines("uts: host", "")),
    ("host_namespaces", "true", Lines("userns_mode: host", "")),
    ("host_namespaces", "true", Lines("cgroup: host", "")),
    ("host_namespaces", "true", Lines("cgroup_parent: /x", "")),
    ("host_namespaces", "true", Lines("logging: {driver: syslog}", "")),
    ("devices", "true", Lines("gpus: all", "")),
    ("devices", "true", Lines("device_cgroup_rules: ['c 1:3 mr']", "")),
    ("devices", "true", Lines("devices: [/dev/kvm]", "")),
    ("devices", "[\"/dev/kvm\"]", Lines("devices: [/dev/kvm]", "")),
    ("capabilities", "true", Lines("cap_add: [SYS_ADMIN]", "")),
    ("capabilities", "[\"NET_ADMIN\"]", Lines("cap_add: [NET_ADMIN]", "")),
    ("new_privileges", "true", Lines("security_opt: ['no-new-privileges:false']", "")),
    ("docker_socket", "true", Lines("volumes: ['/var/run/docker.sock:/s:ro']", "")),
    ("docker_socket", "true", Lines("use_api_socket: true", "")),
    ("host_paths", "true", Lines("volumes: ['/srv/data:/d']", "")),
    ("host_paths", "[\"/srv\"]", Lines("volumes: ['/srv/data:/d']", "")),
    ("host_paths", "true", Lines("volumes: ['v:/d']", "volumes: {v: {driver: nfs}}")),
    ("low_ports", "true", Lines("ports: ['80:80']", "")),
    ("sysctls", "true", Lines("sysctls: {net.core.somaxconn: 1024}", "")),
    ("external_networks", "[\"corp\"]", Lines("networks: [corp]", "networks: {corp: {external: true}}")),
    ("external_volumes", "[\"data\"]", Lines("volumes: ['data:/d']", "volumes: {data: {external: true}}")),
    ("traefik", "[\"auth@file\"]", Given(|policy, who| policy.traefik(&name(who)).contains("auth@file"))),
    ("api", "\"catalogue\"", Given(|policy, who| policy.api(&name(who)) == Some(ApiScope::Catalogue))),
    ("api", "\"sign-in\"", Given(|policy, who| policy.api(&name(who)) == Some(ApiScope::SignIn))),
    ("api", "\"read\"", Given(|policy, who| policy.api(&name(who)) == Some(ApiScope::Read))),
    ("api", "\"full\"", Given(|policy, who| policy.api(&name(who)) == Some(ApiScope::Full))),
    ("s3", "true", Given(|policy, who| policy.s3.contains(&name(who)))),
    ("ingest", "true", Given(|policy, who| policy.ingest.contains(&name(who)))),
    ("metadata", "true", Given(|policy, who| policy.metadata.contains(&name(who)))),
    ("memory", "\"16g\"", Lines("mem_limit: 16g", "")),
    ("memory", "\"16g\"", Lines("shm_size: 16g", "")),
    ("pids", "10000", Lines("pids_limit: 10000", "")),
];

fn read(text: &str) -> Policy {
    meaning(Path::new("policy.toml"), text, &Platform::default())
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn parse(policy: Policy, (lines, around): (&str, &str)) -> Result<(), ComposeError> {
    let workspace = Workspace { policy, ..Workspace::new() };
    workspace.parse(&format!("{}{around}\n", with_service(lines))).map(drop)
}

#[test]
fn each_is_refused_by_default_allowed_for_those_that_an_entry_names_and_for_no_others() {
    for (permission, value, needs) in ALL {
        // The workspace of the samples is called `myapp`.
        let entry = |workspaces: &str| {
            read(&format!("[[allow]]\nworkspaces = [{workspaces}]\n{permission} = {value}\n"))
        };
        let (exact, pattern, others) =
            (entry("\"myapp\""), entry("\"x\", \"my*\""), entry("\"other\", \"myapp2*\""));
        match needs {
            Given(given) => {
                let found =
                    [&Policy::default(), &exact, &pattern, &others].map(|policy| given(policy, "myapp"));
                assert_eq!(found, [false, true, true, false], "{permission} = {value}");
                assert!(given(&others, "other"), "{permission}");
            }
            Lines(lines, around) => {
                for policy in [Policy::default(), read(crate::policy::DEFAULT), others] {
                    let error = parse(policy, (lines, around)).expect_err(lines);
                    assert!(error.policy, "{lines}: {error}");
                    let (line, _) = error.position.expect("a line");
                    assert!((4..=5).contains(&line), "{lines}: {error}");
                    let hint = error.hint.unwrap_or_default();
                    assert!(hint.contains(&format!("allow `{permission}` for `myapp`")), "{lines}: {hint}");
                }
                for policy in [exact, pattern] {
                    parse(policy, (lines, around)).unwrap_or_else(|error| panic!("{lines}: {error}"));
                }
            }
        }
    }
}

#[test]
fn one_permission_is_not_another() {
    let names: BTreeSet<&str> = ALL.iter().map(|(permission, ..)| *permission).collect();
    for (permission, value, needs) in ALL {
        let Lines(lines, around) = needs else { continue };
        for (other, other_value, _) in ALL.iter().filter(|(other, ..)| other != permission) {
            let policy = read(&format!("[[allow]]\nworkspaces = [\"*\"]\n{other} = {other_value}\n"));
            assert!(
                parse(policy, (lines, around)).is_err(),
                "{lines} with {other}, and not {permission} = {value}"
            );
        }
    }
    assert!(names.len() > 10);
}

#[test]
fn the_table_has_every_permission_of_the_file_and_of_the_page() {
    let tested: BTreeSet<&str> = ALL.iter().map(|(permission, ..)| *permission).collect();
    let rows = PAGE.split_once("| permission | value |").expect("a table").1;
    let rows = rows.lines().skip(2).take_while(|line| line.starts_with("| `"));
    let told: BTreeSet<&str> = rows.map(|row| row.split('`').nth(1).expect("a name")).collect();
    assert_eq!(tested, told);
    // A new field does not compile here, so that it gets a line above.
    let text = "[[allow]]\nworkspaces = [\"*\"]\nprivileged = true\n";
    let document = document(Path::new("policy.toml"), text).unwrap();
    let Entry {
        workspaces: _,
        privileged: _,
        host_namespaces: _,
        devices: _,
        capabilities: _,
        new_privileges: _,
        docker_socket: _,
        host_paths: _,
        low_ports: _,
        sysctls: _,
        external_networks: _,
        external_volumes: _,
        traefik: _,
        api: _,
        s3: _,
        ingest: _,
        metadata: _,
        memory: _,
        pids: _,
    } = document.allow[0].get_ref();
    assert_eq!(tested.len(), 18);
}
