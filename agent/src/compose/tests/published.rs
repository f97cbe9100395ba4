//! Compose files as people publish them, from the one this platform's users start with to stacks of several services.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Workspace;
use crate::compose::model::*;
use crate::compose::{Detected, detect};

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A service of which the file says nothing but the image.
fn bare(image: &str) -> Service {
    Service {
        networks: BTreeMap::from([("default".to_owned(), Vec::new())]),
        ..Service::plain(ImageSource::Image(image.to_owned()))
    }
}

fn project(services: &[(&str, Service)]) -> Project {
    Project {
        workspace: "myapp".parse().unwrap(),
        services: services.iter().map(|(name, service)| ((*name).to_owned(), service.clone())).collect(),
        volumes: BTreeMap::new(),
        networks: BTreeMap::from([("default".to_owned(), Network::default())]),
        fresh: false,
    }
}

fn source(path: &str, target: &str) -> Mount {
    Mount {
        target: target.to_owned(),
        source: MountSource::Workspace(path.to_owned()),
        read_only: true,
        options: MountOptions::default(),
    }
}

fn volume(name: &str, target: &str) -> Mount {
    Mount {
        target: target.to_owned(),
        source: MountSource::Volume(name.to_owned()),
        read_only: false,
        options: MountOptions::default(),
    }
}

#[test]
fn the_example_that_users_start_from_runs_as_it_is() {
    let text = "\
version: '3.8'
services:
  myapp:
    image: workspace-node-ephemeral:latest
    container_name: workspace-myapp
    volumes:
      - /workspaces/myapp:/workspace:ro
    networks:
      - traefik-network
    environment:
      PORT: 3000
    labels:
      - traefik.enable=true
      - traefik.http.routers.myapp.rule=PathPrefix(`/myapp`)
      - traefik.http.services.myapp.loadbalancer.server.port=3000
      - traefik.http.middlewares.myapp-strip.stripprefix.prefixes=/myapp
      - traefik.http.routers.myapp.middlewares=myapp-strip
networks:
  traefik-network:
    external: true
";
    let expected = Service {
        container_name: Some("workspace-myapp".to_owned()),
        environment: map(&[("PORT", "3000")]),
        labels: map(&[
            ("traefik.enable", "true"),
            ("traefik.http.routers.myapp.rule", "PathPrefix(`/myapp`)"),
            ("traefik.http.services.myapp.loadbalancer.server.port", "3000"),
            ("traefik.http.middlewares.myapp-strip.stripprefix.prefixes", "/myapp"),
            ("traefik.http.routers.myapp.middlewares", "myapp-strip"),
        ]),
        mounts: vec![source("", "/workspace")],
        ..bare("workspace-node-ephemeral:latest")
    };
    assert_eq!(Workspace::new().project(text), project(&[("myapp", expected)]));
}

#[test]
fn a_default_file_is_read_by_the_same_parser() {
    let read = |file: &'static str| {
        let workspace = Workspace::new().file(file, "");
        let paths = |path: &str| path == file;
        let found = detect(&"myapp".parse().unwrap(), &|_| None, &paths, &Default::default());
        let Ok(Detected::Default { text, .. }) = found else { panic!("{file}") };
        workspace.project(&text).services.remove("myapp").unwrap()
    };
    let named = |service: Service| Service { container_name: Some("workspace-myapp".to_owned()), ..service };
    let node = Service {
        environment: map(&[("PORT", "3000")]),
        expose: vec![3000],
        mounts: vec![source("", "/workspace")],
        ..named(bare("workspace-node-ephemeral:latest"))
    };
    assert_eq!(read("package.json"), node);
    let site = Service {
        expose: vec![8080],
        mounts: vec![source("", "/workspace")],
        ..named(bare("workspace-static-ephemeral:latest"))
    };
    assert_eq!(read("index.html"), site);
    let build = Build { context: String::new(), dockerfile: "Dockerfile".to_owned(), ..Build::default() };
    assert_eq!(read("Dockerfile"), named(Service { image: ImageSource::Build(Box::new(build)), ..bare("") }));
}

#[test]
fn wordpress_with_mysql() {
    let text = "\
services:
  db:
    image: mysql:8.0
    command: '--default-authentication-plugin=mysql_native_password'
    volumes:
      - db_data:/var/lib/mysql
    restart: always
    environment:
      - MYSQL_ROOT_PASSWORD=${DB_ROOT:-somewordpress}
      - MYSQL_DATABASE=wordpress
      - MYSQL_USER=wordpress
      - MYSQL_PASSWORD=${DB_PASSWORD:?set it in .env}
    expose:
      - 3306
      - \"33060\"
    healthcheck:
      test: [\"CMD\", \"mysqladmin\", \"ping\", \"-h\", \"localhost\"]
      interval: 5s
      timeout: 1m30s
      retries: 10
  wordpress:
    image: wordpress:latest
    depends_on:
      db:
        condition: service_healthy
    volumes:
      - wp_data:/var/www/html
      - ./themes/mine:/var/www/html/wp-content/themes/mine:ro
    ports:
      - 8000:80
    restart: always
    environment:
      - WORDPRESS_DB_HOST=db
      - WORDPRESS_DB_PASSWORD=${DB_PASSWORD}
volumes:
  db_data:
  wp_data: {}
  unused:
";
    let db = Service {
        command: Some(words(&["--default-authentication-plugin=mysql_native_password"])),
        mounts: vec![volume("db_data", "/var/lib/mysql")],
        restart: Restart::Always,
        environment: map(&[
            ("MYSQL_ROOT_PASSWORD", "somewordpress"),
            ("MYSQL_DATABASE", "wordpress"),
            ("MYSQL_USER", "wordpress"),
            ("MYSQL_PASSWORD", "s3cret"),
        ]),
        expose: vec![3306, 33060],
        healthcheck: Healthcheck::Check {
            test: words(&["CMD", "mysqladmin", "ping", "-h", "localhost"]),
            interval: Some(Duration::from_secs(5)),
            timeout: Some(Duration::from_secs(90)),
            retries: Some(10),
            start_period: None,
            start_interval: None,
        },
        ..bare("mysql:8.0")
    };
    let wordpress = Service {
        depends_on: BTreeMap::from([(
            "db".to_owned(),
            DependsOn { condition: Condition::Healthy, required: true, restart: false },
        )]),
        mounts: vec![
            volume("wp_data", "/var/www/html"),
            source("themes/mine", "/var/www/html/wp-content/themes/mine"),
        ],
        ports: vec![PublishedPort {
            host_ip: None,
            published: Some(8000),
            target: 80,
            protocol: Protocol::Tcp,
        }],
        restart: Restart::Always,
        environment: map(&[("WORDPRESS_DB_HOST", "db"), ("WORDPRESS_DB_PASSWORD", "s3cret")]),
        ..bare("wordpress:latest")
    };
    let mut expected = project(&[("db", db), ("wordpress", wordpress)]);
    for name in ["db_data", "wp_data"] {
        expected.volumes.insert(name.to_owned(), NamedVolume::default());
    }
    let workspace = Workspace::new().file(".env", "DB_PASSWORD=s3cret\n").file("themes/mine/style.css", "");
    assert_eq!(workspace.project(text), expected);
}

#[test]
fn node_with_redis_built_from_source() {
    let text = "\
name: myapp
services:
  web:
    build:
      context: ./web
      dockerfile: docker/Dockerfile.prod
      target: production
      args:
        NODE_VERSION: 20
        COMMIT:
    command: [\"npm\", \"run\", \"start\"]
    init: true
    user: 1000:1000
    working_dir: /srv
    stop_grace_period: 1m
    stop_signal: SIGINT
    links: [cache]
    networks: {front: , back: {aliases: [app]}}
    x-note: anything
  cache:
    image: redis:7-alpine
    command: redis-server --save \"60 1\" --appendonly yes
    networks: [back]
    read_only: true
    cap_drop: [ALL]
    security_opt: ['no-new-privileges:true']
    tmpfs: /tmp
networks:
  front:
  back:
    internal: true
";
    let web = Service {
        image: ImageSource::Build(Box::new(Build {
            context: "web".to_owned(),
            dockerfile: "docker/Dockerfile.prod".to_owned(),
            args: map(&[("NODE_VERSION", "20"), ("COMMIT", "abc")]),
            target: Some("production".to_owned()),
            ..Build::default()
        })),
        command: Some(words(&["npm", "run", "start"])),
        init: Some(true),
        user: Some("1000:1000".to_owned()),
        working_dir: Some("/srv".to_owned()),
        stop_grace_period: Some(Duration::from_secs(60)),
        stop_signal: Some("SIGINT".to_owned()),
        depends_on: BTreeMap::from([(
            "cache".to_owned(),
            DependsOn { condition: Condition::Started, required: true, restart: false },
        )]),
        networks: BTreeMap::from([
            ("front".to_owned(), Vec::new()),
            ("back".to_owned(), vec!["app".to_owned()]),
        ]),
        ..bare("")
    };
    let cache = Service {
        command: Some(words(&["redis-server", "--save", "60 1", "--appendonly", "yes"])),
        networks: BTreeMap::from([("back".to_owned(), Vec::new())]),
        mounts: vec![Mount {
            target: "/tmp".to_owned(),
            source: MountSource::Tmpfs,
            read_only: false,
            options: MountOptions::default(),
        }],
        isolation: Isolation {
            cap_drop: words(&["ALL"]),
            security_opt: words(&["no-new-privileges:true"]),
            read_only: true,
            ..Isolation::default()
        },
        ..bare("redis:7-alpine")
    };
    let mut expected = project(&[("web", web), ("cache", cache)]);
    expected.networks = BTreeMap::from([
        ("front".to_owned(), Network { internal: false }),
        ("back".to_owned(), Network { internal: true }),
    ]);
    let workspace = Workspace::new().file("web/docker/Dockerfile.prod", "").variable("COMMIT", "abc");
    assert_eq!(workspace.project(text), expected);
}

#[test]
fn flask_with_postgres_anchors_and_extension_blocks() {
    let text = "\
x-cloudyknight:
  fresh: true
x-env: &env
  TZ: UTC
  LOG: &level info
x-common: &common
  restart: unless-stopped
  environment: &common-env
    <<: *env
    SHARED: 'yes'
x-logging: &limits
  init: yes
  labels: {tier: backend}
services:
  web:
    <<: [*common, *limits]
    image: python:3.12
    restart: on-failure:3
    environment:
      <<: *common-env
      LOG: debug
      EXTRA: *level
    env_file:
      - common.env
      - path: ./secret.env
        required: false
    depends_on: [db]
  worker:
    <<: *common
    image: python:3.12
    entrypoint: celery -A app
    command: worker
    env_file: /workspaces/myapp/common.env
    depends_on:
      db: {condition: service_started, required: false}
      migrate: {condition: service_completed_successfully}
  migrate:
    image: python:3.12
    restart: \"no\"
    command: sh -c \"flask db upgrade && echo done\"
  db:
    image: postgres:16
    volumes:
      - type: volume
        source: pg
        target: /var/lib/postgresql/data/
      - type: tmpfs
        target: /run
    healthcheck:
      test: pg_isready -U $$POSTGRES_USER
      start_period: 30s
volumes:
  pg:
    driver: local
    labels: [kept=true]
";
    let on = |condition, required| DependsOn { condition, required, restart: false };
    let python = bare("python:3.12");
    let web = Service {
        restart: Restart::OnFailure { max_retries: Some(3) },
        init: Some(true),
        labels: map(&[("tier", "backend")]),
        environment: map(&[
            ("FROM_FILE", "1"),
            ("TZ", "UTC"),
            ("LOG", "debug"),
            ("SHARED", "yes"),
            ("EXTRA", "info"),
        ]),
        depends_on: BTreeMap::from([("db".to_owned(), on(Condition::Started, true))]),
        ..python.clone()
    };
    let worker = Service {
        restart: Restart::UnlessStopped,
        environment: map(&[("FROM_FILE", "1"), ("TZ", "UTC"), ("LOG", "info"), ("SHARED", "yes")]),
        entrypoint: Some(words(&["celery", "-A", "app"])),
        command: Some(words(&["worker"])),
        depends_on: BTreeMap::from([
            ("db".to_owned(), on(Condition::Started, false)),
            ("migrate".to_owned(), on(Condition::CompletedSuccessfully, true)),
        ]),
        ..python.clone()
    };
    let migrate = Service {
        restart: Restart::No,
        command: Some(words(&["sh", "-c", "flask db upgrade && echo done"])),
        ..python
    };
    let db = Service {
        mounts: vec![
            volume("pg", "/var/lib/postgresql/data"),
            Mount {
                target: "/run".to_owned(),
                source: MountSource::Tmpfs,
                read_only: false,
                options: MountOptions::default(),
            },
        ],
        healthcheck: Healthcheck::Check {
            test: words(&["CMD-SHELL", "pg_isready -U $POSTGRES_USER"]),
            interval: None,
            timeout: None,
            retries: None,
            start_period: Some(Duration::from_secs(30)),
            start_interval: None,
        },
        ..bare("postgres:16")
    };
    let mut expected = project(&[("web", web), ("worker", worker), ("migrate", migrate), ("db", db)]);
    expected.fresh = true;
    let pg = NamedVolume {
        driver: Some("local".to_owned()),
        labels: map(&[("kept", "true")]),
        ..NamedVolume::default()
    };
    expected.volumes.insert("pg".to_owned(), pg);
    let workspace =
        Workspace::new().file("common.env", "# shared\nexport FROM_FILE=1\nTZ=CET # overridden\n");
    assert_eq!(workspace.project(text), expected);
}

#[test]
fn services_that_met_on_the_routers_network_still_meet() {
    let text = "\
services:
  web: {image: x, networks: {proxy: {aliases: [www]}}}
  api: {image: x, networks: [proxy, back]}
  db: {image: x, networks: [back]}
networks:
  proxy: {external: true, name: traefik}
  back:
";
    let networks = |text: &str| -> BTreeMap<String, BTreeSet<String>> {
        let services = Workspace::new().project(text).services.into_iter();
        services.map(|(name, service)| (name, service.networks.into_keys().collect())).collect()
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let found = networks(text);
    assert_eq!(found["web"], names(&["default"]));
    assert_eq!(found["api"], names(&["back", "default"]));
    assert_eq!(found["db"], names(&["back"]));
    let web = &Workspace::new().project(text).services["web"];
    assert_eq!(web.networks["default"], ["www"]);

    // Alone on the router's network, a service meets nobody there.
    let alone = networks(
        &text
            .replace("networks: [proxy, back]", "networks: [back]")
            .replace("networks: {proxy: {aliases: [www]}}", "networks: [proxy, back]"),
    );
    assert_eq!(alone["web"], names(&["back"]));
}

#[test]
fn a_default_network_may_be_the_routers() {
    let text = "services: {a: {image: x}}\nnetworks: {default: {name: web, external: true}}\n";
    let found = Workspace::new().project(text);
    assert_eq!(found, project(&[("a", bare("x"))]));
}
