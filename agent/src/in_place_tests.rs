use cloudyknight_core::manifest::{Entry, Manifest};

use super::*;
use crate::compose::model::{Mount, MountOptions, PrivateFile, VolumesFrom};

fn layout(files: &[&str]) -> Layout {
    let entry = |text: &str| {
        let (path, etag) = text.split_once('=').unwrap_or((text, "1"));
        (path.to_owned(), Entry { etag: etag.to_owned(), size: if path.ends_with('/') { 0 } else { 10 } })
    };
    Layout::of(&Manifest { entries: files.iter().map(|text| entry(text)).collect() })
}

fn rule(path: &str, action: &str) -> WatchRule {
    let (action, target) = action.split_once(" to ").unwrap_or((action, "/none"));
    let sync = |then| WatchAction::Sync { target: target.to_owned(), then, initial: false };
    let action = match action {
        "rebuild" => WatchAction::Rebuild,
        "restart" => WatchAction::Restart,
        "sync" => sync(Then::Nothing),
        "sync+restart" => sync(Then::Restart),
        "sync+exec" => sync(Then::Exec(hook())),
        other => panic!("{other}"),
    };
    WatchRule { path: path.to_owned(), ignore: Vec::new(), include: Vec::new(), action }
}

fn hook() -> Hook {
    Hook {
        command: vec!["reload".to_owned()],
        user: None,
        privileged: false,
        working_dir: None,
        environment: BTreeMap::new(),
    }
}

fn mount(source: MountSource, target: &str) -> Mount {
    Mount { target: target.to_owned(), source, read_only: true, options: MountOptions::default() }
}

fn of_workspace(path: &str, target: &str) -> Mount {
    mount(MountSource::Workspace(path.to_owned()), target)
}

fn image(rules: Vec<WatchRule>) -> Service {
    Service { watch: rules, ..Service::plain(ImageSource::Image("x".to_owned())) }
}

fn build(context: &str, rules: Vec<WatchRule>) -> Service {
    let build =
        Build { context: context.to_owned(), dockerfile: "Dockerfile".to_owned(), ..Build::default() };
    Service { watch: rules, ..Service::plain(ImageSource::Build(Box::new(build))) }
}

const APP: Option<(&str, &str)> = Some(("/app", "/workspace"));

/// As the runtime image for Node has it.
fn node(rules: Vec<WatchRule>) -> Service {
    let mounts = vec![of_workspace("", "/workspace"), mount(MountSource::Tmpfs, "/app")];
    Service { mounts, ..image(rules) }
}

struct World {
    services: Vec<(&'static str, Service)>,
    app: Option<(&'static str, &'static str)>,
    decisive: Vec<String>,
    unsent: Patterns,
    followed: bool,
    read: BTreeSet<String>,
}

impl World {
    fn of(service: Service) -> Self {
        Self {
            services: vec![("web", service)],
            app: None,
            decisive: vec!["package.json".to_owned()],
            unsent: Patterns::default(),
            followed: false,
            read: ["compose.yaml".to_owned()].into(),
        }
    }

    fn and(mut self, name: &'static str, service: Service) -> Self {
        self.services.push((name, service));
        self
    }

    fn subject<'a>(&'a self, service: &'a Service) -> Subject<'a> {
        let (app, decisive) = (self.app, self.decisive.as_slice());
        Subject { service, app, decisive, unsent: &self.unsent, is_followed: self.followed }
    }

    fn choose(&self, before: &[&str], after: &[&str]) -> Result<BTreeMap<String, Steps>, Redeploy> {
        let subjects =
            self.services.iter().map(|(name, service)| ((*name).to_owned(), self.subject(service)));
        choose(&changes(&layout(before), &layout(after))?, &subjects.collect(), &self.read)
    }

    /// What is done, in words.
    #[track_caller]
    fn check(&self, before: &[&str], after: &[&str], expected: &[&str]) {
        let steps = self.choose(before, after).unwrap_or_else(|why| panic!("redeployed: {why}"));
        let mut words = Vec::new();
        for (service, steps) in steps {
            let mut did = false;
            for (kind, files) in [("put", &steps.layer), ("app", &steps.app)] {
                words.extend(files.put.iter().map(|(to, from)| format!("{service}: {kind} {from} {to}")));
                words.extend(files.remove.iter().map(|place| format!("{service}: rm {place}")));
                words.extend(files.folders.iter().map(|place| format!("{service}: rmdir {place}")));
                did |= !files.is_empty();
            }
            words.extend(steps.exec.iter().map(|hook| format!("{service}: {}", hook.command.join(" "))));
            if steps.restart {
                words.push(format!("{service}: restart"));
            } else if !did && steps.exec.is_empty() {
                words.push(format!("{service}: nothing"));
            }
        }
        assert_eq!(words, expected);
    }

    #[track_caller]
    fn redeploys(&self, before: &[&str], after: &[&str], why: &str) {
        let Err(Redeploy(said)) = self.choose(before, after) else { panic!("not redeployed: {why}") };
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn files_are_put_taken_and_followed_by_what_the_rule_says() {
    let world = World::of(build("", vec![rule("src", "sync to /srv/src")]));
    world.check(&["src/a", "b"], &["src/a=2", "b"], &["web: put src/a /srv/src/a"]);
    world.check(&["src/a"], &["src/a", "src/n/b"], &["web: put src/n/b /srv/src/n/b"]);
    world.check(
        &["src/a", "src/n/o/b", "src/n/c"],
        &["src/a"],
        &[
            "web: rm /srv/src/n/c",
            "web: rm /srv/src/n/o/b",
            "web: rmdir /srv/src/n/o",
            "web: rmdir /srv/src/n",
        ],
    );
    // The folder of the rule itself stays.
    world.check(&["src/a", "b"], &["b"], &["web: rm /srv/src/a"]);
    for (action, then) in [("sync+restart", "web: restart"), ("sync+exec", "web: reload")] {
        let world = World::of(build("", vec![rule("src", &format!("{action} to /s"))]));
        world.check(
            &["src/a", "src/b"],
            &["src/a=2", "src/b=2"],
            &["web: put src/a /s/a", "web: put src/b /s/b", then],
        );
    }
    let world = World::of(build("", vec![rule("conf/x", "restart"), rule("one", "sync to /etc/one")]));
    world.check(&["conf/x"], &["conf/x=2"], &["web: restart"]);
    world.check(&["one", "conf/x"], &["one=2", "conf/x=2"], &["web: put one /etc/one", "web: restart"]);
    // Of two rules both are carried out.
    let world = World::of(image(vec![rule("a", "sync to /x"), rule("", "sync to /all")]));
    world.check(&["a/f"], &["a/f=2"], &["web: put a/f /all/a/f", "web: put a/f /x/f"]);
}

#[test]
fn every_service_that_a_change_concerns_must_have_a_rule_for_it() {
    let rules = || vec![rule("src", "sync to /s")];
    let both = World::of(build("", rules())).and("worker", build("src", vec![rule("src", "restart")]));
    both.check(&["src/a"], &["src/a=2"], &["web: put src/a /s/a", "worker: restart"]);
    let one = World::of(build("", rules())).and("worker", build("src", Vec::new()));
    one.redeploys(&["src/a"], &["src/a=2"], "service `worker`: no rule");
    let mounts = Service { mounts: vec![of_workspace("", "/w")], ..image(Vec::new()) };
    let one = World::of(build("", rules())).and("worker", mounts);
    one.redeploys(&["src/a"], &["src/a=2"], "service `worker`: no rule");
    let elsewhere = Service { mounts: vec![of_workspace("data", "/w")], ..image(Vec::new()) };
    let other = World::of(build("", rules())).and("worker", elsewhere);
    other.check(&["src/a"], &["src/a=2"], &["web: put src/a /s/a"]);
}

#[test]
fn what_no_rule_covers_is_redeployed() {
    let mut sync = rule("src", "sync to /s");
    sync.ignore = vec!["node_modules/".to_owned(), "*.tmp".to_owned(), "!keep.tmp".to_owned()];
    let world = World::of(build("", vec![sync.clone()]));
    world.redeploys(&["src/a", "b"], &["src/a=2", "b=2"], "`b`");
    world.redeploys(&["b"], &["b=2"], "`b`");
    world.redeploys(&["src2/a"], &["src2/a=2"], "`src2/a`");
    world.redeploys(&["src/x.tmp"], &["src/x.tmp=2"], "`src/x.tmp`");
    world.redeploys(&["src/node_modules/a"], &["src/node_modules/a=2"], "`src/node_modules/a`");
    world.check(&["src/keep.tmp"], &["src/keep.tmp=2"], &["web: put src/keep.tmp /s/keep.tmp"]);
    sync.include = vec!["**/*.js".to_owned()];
    let world = World::of(image(vec![sync]));
    world.check(&["src/d/a.js"], &["src/d/a.js=2"], &["web: put src/d/a.js /s/d/a.js"]);
    world.redeploys(&["src/a.css"], &["src/a.css=2"], "no rule of `develop.watch` covers `src/a.css`");
    world.redeploys(&["src/a.js"], &["src/a.js"], "no file differs");
    let rebuild = World::of(build("", vec![rule("src", "sync to /s"), rule("src/lock", "rebuild")]));
    rebuild.redeploys(&["src/lock", "src/a"], &["src/lock=2", "src/a=2"], "asks for `rebuild`");
}

#[test]
fn what_says_what_the_services_are_is_redeployed_whatever_the_rules_cover() {
    let all = || vec![rule("", "sync to /s")];
    let world = World::of(build("", all()));
    world.redeploys(&["compose.yaml"], &["compose.yaml=2"], "`compose.yaml` says what the services are");
    for file in ["Dockerfile", "Dockerfile.dockerignore", ".dockerignore", "package.json"] {
        world.redeploys(&[file], &[&format!("{file}=2")], "follow from");
    }
    let mut secret = build("web", all());
    secret.surroundings.files = vec![PrivateFile {
        target: "/run/secrets/key".to_owned(),
        content: Content::File("key".to_owned()),
        uid: None,
        gid: None,
        mode: 0o400,
    }];
    World::of(secret).redeploys(&["key"], &["key=2"], "secrets or configs");
}

#[test]
fn what_the_build_leaves_out_is_covered_by_no_rule() {
    let mut world = World::of(build("web", vec![rule("", "sync to /s")]));
    world.unsent = Patterns::of(["*.log"]).unwrap();
    world.redeploys(&["web/x.log"], &["web/x.log=2"], "no rule");
    world.check(&["x.log"], &["x.log=2"], &["web: put x.log /s/x.log"]);
}

#[test]
fn what_a_container_mounts_is_there_already_and_memory_is_reached_where_the_image_copies_it() {
    let mut world =
        World::of(node(vec![rule("src", "sync to /app/src"), rule("pub", "sync to /workspace/pub")]));
    world.app = APP;
    world.check(&["src/a"], &["src/a=2"], &["web: app src/a /app/src/a"]);
    world.check(&["pub/a"], &["pub/a=2"], &["web: nothing"]);
    world.check(&["pub/a", "x"], &["x"], &["web: nothing"]);
    let mut other = World::of(node(vec![rule("src", "sync to /app/lib")]));
    other.app = APP;
    other.redeploys(&["src/a"], &["src/a=2"], "a restart would bring another file there");
    let built = World::of(Service {
        mounts: vec![mount(MountSource::Tmpfs, "/app")],
        ..build("", vec![rule("src", "sync to /app/src")])
    });
    built.redeploys(&["src/a"], &["src/a=2"], "memory");
}

#[test]
fn where_nothing_can_be_put_is_redeployed() {
    let with = |change: fn(&mut Service)| {
        let mut service = build("", vec![rule("src", "sync to /s/src")]);
        change(&mut service);
        World::of(service)
    };
    let check = |change: fn(&mut Service), why: &str| with(change).redeploys(&["src/a"], &["src/a=2"], why);
    check(|one| one.isolation.read_only = true, "read-only");
    check(|one| one.mounts = vec![mount(MountSource::Volume("v".into()), "/s/")], "volume");
    check(|one| one.mounts = vec![mount(MountSource::Anonymous, "/s/src/a")], "volume");
    check(|one| one.mounts = vec![mount(MountSource::Host("/h".into()), "/s")], "host");
    check(|one| one.mounts = vec![mount(MountSource::Tmpfs, "/s/src")], "memory");
    check(|one| one.mounts = vec![of_workspace("", "/s/src")], "another part of the workspace");
    check(
        |one| one.volumes_from = vec![VolumesFrom { service: "other".into(), read_only: true }],
        "mounts of another service",
    );
    // The nearest mount counts, and one that is only called alike does not.
    let nearest = with(|one| {
        one.mounts = vec![mount(MountSource::Volume("v".into()), "/s"), of_workspace("src", "/s/src")];
    });
    nearest.check(&["src/a"], &["src/a=2"], &["web: nothing"]);
    let alike = with(|one| one.mounts = vec![mount(MountSource::Volume("v".into()), "/s/sr")]);
    alike.check(&["src/a"], &["src/a=2"], &["web: put src/a /s/src/a"]);
}

#[test]
fn a_file_that_is_mounted_by_itself_needs_a_restart() {
    let with = |action: &str| {
        World::of(Service {
            mounts: vec![of_workspace("x.conf", "/etc/x.conf")],
            ..image(vec![rule("x.conf", action)])
        })
    };
    with("sync to /etc/x.conf").redeploys(&["x.conf"], &["x.conf=2"], "mounts the one file");
    with("restart").check(&["x.conf"], &["x.conf=2"], &["web: restart"]);
    with("sync+restart to /etc/x.conf").check(&["x.conf"], &["x.conf=2"], &["web: restart"]);
    with("restart").redeploys(&["x.conf", "a"], &["a"], "mounts the one file");
}

#[test]
fn what_others_follow_is_not_restarted_without_them() {
    let mut world = World::of(build("", vec![rule("src", "restart"), rule("doc", "sync to /d")]));
    world.followed = true;
    world.redeploys(&["src/a"], &["src/a=2"], "others follow it");
    world.check(&["doc/a"], &["doc/a=2"], &["web: put doc/a /d/a"]);
}

#[test]
fn two_rules_about_one_place_are_redeployed() {
    let world = World::of(image(vec![rule("a", "sync to /x"), rule("b", "sync to /x")]));
    world.redeploys(&["a/f", "b/f"], &["a/f=2", "b/f=2"], "two rules");
    world.redeploys(&["a/f", "b/f"], &["a/f=2"], "two rules");
    world.check(&["a/f", "b/g"], &["a/f=2"], &["web: put a/f /x/f", "web: rm /x/g"]);
}

#[test]
fn folders_that_become_files_and_empty_ones_are_redeployed() {
    let world = World::of(image(vec![rule("", "sync to /x")]));
    world.redeploys(&["a/b"], &["a"], "the folder `a` becomes a file");
    world.redeploys(&["a"], &["a/b"], "the file `a` becomes a folder");
    world.redeploys(&["f"], &["f=2", "empty/"], "the empty folder `empty`");
    world.redeploys(&["f", "empty/"], &["f=2"], "the empty folder `empty`");
    world.check(&["f", "d/"], &["f", "d/", "d/x"], &["web: put d/x /x/d/x"]);
}

#[test]
fn too_much_at_once_is_redeployed() {
    let world = World::of(image(vec![rule("", "sync to /x")]));
    let names: Vec<String> = (0..=MAX_FILES).map(|n| format!("f{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    world.redeploys(&[], &names, "1001 files");
    assert_eq!(world.choose(&[], &names[1..]).unwrap()["web"].layer.put.len(), MAX_FILES);
    let large = Entry { etag: "e".into(), size: MAX_BYTES + 1 };
    let changes = Changes { files: [("f".to_owned(), Change::Put(large.size))].into(), gone: Vec::new() };
    let subjects = [("web".to_owned(), world.subject(&world.services[0].1))].into();
    assert!(choose(&changes, &subjects, &BTreeSet::new()).unwrap_err().0.contains("bytes change at once"));
}

#[test]
fn new_containers_get_what_nothing_else_brings() {
    let check = |service: Service, unsent: &[&str], expected: &[(&str, &str)]| {
        let mut world = World::of(service);
        world.app = APP;
        world.unsent = Patterns::of(unsent.iter().copied()).unwrap();
        let paths = ["src/a", "src/b.tmp", "other"].map(str::to_owned);
        let subject = world.subject(&world.services[0].1);
        let put = initial(&subject, paths.iter());
        let put: Vec<(&str, &str)> = put.iter().map(|(to, from)| (to.as_str(), from.as_str())).collect();
        assert_eq!(put, expected);
    };
    let rules = || vec![rule("src", "sync to /s")];
    check(image(rules()), &[], &[("/s/a", "src/a"), ("/s/b.tmp", "src/b.tmp")]);
    check(build("", rules()), &[], &[]);
    check(build("", rules()), &["**/*.tmp"], &[]);
    check(build("web", rules()), &[], &[("/s/a", "src/a"), ("/s/b.tmp", "src/b.tmp")]);
    let mut asked = rules();
    asked[0].action = WatchAction::Sync { target: "/s".into(), then: Then::Restart, initial: true };
    asked[0].ignore = vec!["*.tmp".into()];
    check(build("", asked), &[], &[("/s/a", "src/a")]);
    check(node(vec![rule("src", "sync to /app/src")]), &[], &[]);
    check(image(vec![rule("src", "restart")]), &[], &[]);
}

#[test]
fn a_rule_that_can_put_nothing_is_told() {
    let volume = vec![mount(MountSource::Volume("v".into()), "/s")];
    let world = World::of(Service {
        mounts: volume,
        ..image(vec![rule("src", "sync to /s"), rule("b", "sync to /b")])
    });
    let paths = ["src/a", "b/c"].map(str::to_owned);
    let paths: Vec<&String> = paths.iter().collect();
    let told = unreachable(&world.subject(&world.services[0].1), &paths);
    assert_eq!(told, [("src", "/s", "that is a volume")]);
}
