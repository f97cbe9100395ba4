//! Whole policy files: what they mean, and which mistakes are told with their lines.

use super::*;

fn read_policy(text: &str) -> Result<Policy, String> {
    meaning(Path::new("/home/policy.toml"), text, &Platform::default()).map_err(|error| error.to_string())
}

#[test]
fn the_default_lets_people_sign_in_at_the_dashboard_and_nobody_do_anything_else() {
    let policy = read_policy(DEFAULT).unwrap();
    let monitor = "monitor".parse().unwrap();
    assert_eq!(policy.api(&monitor), Some(ApiScope::SignIn));
    assert_eq!(policy.api(&"www".parse().unwrap()), Some(ApiScope::Catalogue));
    let alone = Policy { api: policy.api.clone(), ..Policy::default() };
    assert_eq!(policy, alone);
    assert_eq!(policy.api(&"app".parse().unwrap()), None);
}

#[test]
fn every_entry_gives_what_it_says_to_those_that_it_names() {
    let text = r#"
[[allow]]
workspaces = ["shop-*", "db"]
privileged = true
capabilities = ["NET_ADMIN"]
devices = true
host_paths = ["/srv/shop"]
external_networks = ["corp"]
memory = "16g"

[[allow]]
workspaces = ["shop-a"]
api = "full"
s3 = true

[limits]
memory = "512m"
max_memory = "1g"
"#;
    let policy = read_policy(text).unwrap();
    let check = |workspaces: &Workspaces, expected: [bool; 3]| {
        let found = ["shop-a", "db", "other"].map(|name| workspaces.contains(&name.parse().unwrap()));
        assert_eq!(found, expected);
    };
    check(&policy.privileged, [true, true, false]);
    check(&policy.devices, [true, true, false]);
    check(&policy.capabilities, [false, false, false]);
    check(&policy.named_capabilities["NET_ADMIN"], [true, true, false]);
    check(&policy.named_host_paths["/srv/shop"], [true, true, false]);
    check(&policy.external_networks["corp"], [true, true, false]);
    check(&policy.s3, [true, false, false]);
    check(&policy.host_namespaces, [false, false, false]);
    assert_eq!(policy.api(&"shop-a".parse().unwrap()), Some(ApiScope::Full));
    assert_eq!(policy.memory(&"db".parse().unwrap()), (512 << 20, 16 << 30));
    assert_eq!(policy.memory(&"other".parse().unwrap()), (512 << 20, 1 << 30));
}

#[test]
fn of_several_scopes_of_the_api_the_widest_counts() {
    let check = |scopes: &[&str], expected| {
        let entries =
            scopes.iter().map(|scope| format!("[[allow]]\nworkspaces = [\"app\"]\napi = {scope:?}\n"));
        let policy = read_policy(&entries.collect::<String>()).unwrap();
        assert_eq!(policy.api(&"app".parse().unwrap()), expected, "{scopes:?}");
        assert_eq!(policy.api(&"other".parse().unwrap()), None);
    };
    check(&[], None);
    check(&["catalogue"], Some(ApiScope::Catalogue));
    check(&["sign-in", "catalogue"], Some(ApiScope::SignIn));
    check(&["read", "sign-in"], Some(ApiScope::Read));
    check(&["full", "read"], Some(ApiScope::Full));
}

#[test]
fn every_mistake_is_an_error_that_names_its_line() {
    let check = |text: &str, line: usize, words: &str| {
        let error = read_policy(text).expect_err(text);
        assert!(error.starts_with(&format!("/home/policy.toml, line {line}: ")), "{text}\n{error}");
        assert!(error.contains(words), "{text}\n{error}");
    };
    let entry = |lines: &str| format!("# a comment\n[[allow]]\nworkspaces = [\"app\"]\n{lines}\n");
    check(&entry("privilegd = true"), 4, "unknown field `privilegd`");
    check(&entry("privileged = \"yes\""), 4, "invalid type");
    check(&entry("capabilities = 5"), 4, "`true` for all of them, or a list of names");
    check(&entry("capabilities = [\"net admin\"]"), 2, "write a name such as NET_ADMIN");
    check(&entry("host_paths = [\"srv\"]"), 2, "write an absolute path");
    check(&entry("host_paths = [\"/srv/../etc\"]"), 2, "write an absolute path");
    check(&entry("api = \"write\""), 4, "unknown variant `write`");
    check(&entry("memory = \"lots\""), 4, "is no amount of memory");
    check(&entry(""), 2, "this entry allows nothing");
    check("[[allow]]\nprivileged = true\n", 1, "missing field `workspaces`");
    check("[[allow]]\nworkspaces = []\ns3 = true\n", 2, "names none");
    check(
        "[[allow]]\nworkspaces = [\"ok\",\n \"Shop_*\"]\ns3 = true\n",
        2,
        "neither a workspace nor a pattern",
    );
    check("\n[limits]\nmemory = \"9g\"\n", 2, "more than the most");
    check("[allowed]\n", 1, "unknown field `allowed`");
    check("[[allow]\n", 1, "");
}

#[test]
fn a_file_that_changes_holds_at_once_and_one_that_breaks_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("policy.toml");
    let app = "app".parse().unwrap();
    let write = |text: &str| std::fs::write(&path, text).unwrap();
    assert!(PolicyFile::open(&path, Platform::default()).is_err(), "there is no such file");
    write("[[allow]]\nworkspaces = [\"app\"]\nprivileged = true\n");
    let file = PolicyFile::open(&path, Platform::default()).unwrap();
    assert!(file.current().privileged.contains(&app));
    write("[[allow]]\nworkspaces = [\"app\"]\ns3 = true\n");
    assert!(!file.current().privileged.contains(&app) && file.current().s3.contains(&app));
    write("[[allow]]\nworkspaces = [\"app\"]\nprivilege = true\n");
    assert!(file.current().s3.contains(&app));
    assert!(file.trouble().unwrap().to_string().contains("line 3: unknown field `privilege`"));
    // What is told is what holds.
    let told = file.told(None).unwrap();
    assert_eq!(told.grants.iter().map(|one| one.permission.as_str()).collect::<Vec<_>>(), ["s3"]);
    assert!(told.trouble.unwrap().contains("line 3: unknown field `privilege`"));
    std::fs::remove_file(&path).unwrap();
    assert!(file.current().s3.contains(&app));
    assert!(matches!(file.trouble(), Some(PolicyError::Unreadable { .. })));
    write("");
    assert!(!file.current().s3.contains(&app));
    assert_eq!(file.trouble(), None);
}

#[test]
fn what_is_told_names_the_line_of_each_entry_and_can_be_of_one_workspace() {
    let text = "# ours\n[[allow]]\nworkspaces = [\"shop-*\", \"db\"]\ncapabilities = [\"NET_ADMIN\"]\nmemory = \"16g\"\n\n\
                [[allow]]\nworkspaces = [\"blog\"]\ns3 = true\n[limits]\npids = 100\n";
    let of = |name: Option<&str>| {
        let told =
            Told::of(Path::new("/home/policy.toml"), text, true, name.map(|name| name.parse().unwrap()));
        let told = told.unwrap();
        assert_eq!((told.limits.pids, told.limits.memory.as_str()), (100, "2g"));
        let grants = told.grants.into_iter();
        grants
            .map(|Grant { permission, value, workspaces, line }| {
                format!("{line} {permission} = {value} for {}", workspaces.join(", "))
            })
            .collect::<Vec<_>>()
    };
    let of_shop = ["2 capabilities = NET_ADMIN for shop-*, db", "2 memory = 16g for shop-*, db"];
    assert_eq!(of(None), [of_shop.as_slice(), &["7 s3 = true for blog"]].concat());
    assert_eq!(of(Some("shop-a")), of_shop);
    assert_eq!(of(Some("shop")), [""; 0]);
}
