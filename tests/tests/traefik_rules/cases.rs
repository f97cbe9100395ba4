//! The table: labels, and what is asked of them. Each case has a host of its own, so that all of them fit on one
//! container.

/// Labels of one container's part, and requests to it.
pub struct Case {
    /// Of the routers and middlewares, and the first part of the host.
    pub name: String,
    pub labels: Vec<(String, String)>,
    pub requests: Vec<Asked>,
}

#[derive(Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub host: String,
    pub headers: Vec<(String, String)>,
}

/// `me:password`, in each of the three ways.
const SHA: &str = "me:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=";
const APR: &str = "apr:$apr1$saltsalt$NBMPZFGR7yazCdGvlWJji1";

impl Case {
    pub fn host(&self) -> String {
        format!("{}.test", self.name)
    }
}

/// A router for each of `rules`, told apart by a header that the backend sees. In a rule, `HOST` is the case's own.
fn routed(name: &str, rules: &[&str], requests: &[&str]) -> Case {
    let host = format!("{name}.test");
    let mut labels = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        let router = format!("{name}-{at}");
        let (rule, options) = rule.split_once(" # ").unwrap_or((rule, ""));
        let rule = rule.replace("HOST", &format!("Host(`{host}`)"));
        labels.push((format!("traefik.http.routers.{router}.rule"), rule));
        labels.push((format!("traefik.http.routers.{router}.middlewares"), router.clone()));
        let told = format!("traefik.http.middlewares.{router}.headers.customrequestheaders.X-Route");
        labels.push((told, at.to_string()));
        for option in options.split_whitespace() {
            let (option, value) = option.split_once('=').expect("option=value");
            labels.push((format!("traefik.http.routers.{router}.{option}"), value.to_owned()));
        }
    }
    Case { name: name.to_owned(), labels, requests: asked(&host, requests) }
}

/// One router with these middlewares, in this order: `kind.option=value`, where `2:` before it begins another one.
fn dressed(name: &str, rule: &str, options: &[&str], requests: &[&str]) -> Case {
    let host = format!("{name}.test");
    let mut labels =
        vec![(format!("traefik.http.routers.{name}.rule"), rule.replace("HOST", &format!("Host(`{host}`)")))];
    let mut order: Vec<String> = Vec::new();
    for option in options {
        let (option, value) = option.split_once('=').expect("option=value");
        let (number, option) = option.split_once(':').unwrap_or(("1", option));
        let middleware = format!("{name}-{number}");
        labels.push((format!("traefik.http.middlewares.{middleware}.{option}"), value.to_owned()));
        if !order.contains(&middleware) && number != "0" {
            order.push(middleware);
        }
    }
    labels.push((format!("traefik.http.routers.{name}.middlewares"), order.join(", ")));
    Case { name: name.to_owned(), labels, requests: asked(&host, requests) }
}

/// `METHOD /path | Name: value | Name: value`.
fn asked(host: &str, requests: &[&str]) -> Vec<Asked> {
    let read = |request: &&str| {
        let mut parts = request.split(" | ");
        let line = parts.next().expect("a request");
        let (method, path) = line.split_once(' ').unwrap_or(("GET", line));
        let mut asked =
            Asked { method: method.into(), path: path.into(), host: host.to_owned(), headers: Vec::new() };
        for header in parts {
            let (name, value) = header.split_once(": ").expect("Name: value");
            match name {
                "Host" => asked.host = value.to_owned(),
                name => asked.headers.push((name.to_owned(), value.to_owned())),
            }
        }
        asked
    };
    requests.iter().map(read).collect()
}

/// What every rule is asked.
const PATHS: [&str; 17] = [
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/ab",
    "/A",
    "/b/1",
    "/b/x",
    "//a",
    "/x/../a",
    "/%61/b",
    "/a%2Fb",
    "/a%20b",
    "/caf%C3%A9",
    "/a?q=1&r=two",
    "/a/b?q=2&q=1&s",
    "HEAD /a",
];

pub fn cases(bcrypt: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    rules(&mut cases);
    paths(&mut cases);
    redirects(&mut cases);
    headers(&mut cases);
    access(&mut cases, bcrypt);
    compression(&mut cases);
    limits(&mut cases);
    cases
}

fn rules(cases: &mut Vec<Case>) {
    let of_paths = [
        "HOST && Path(`/a`)",
        "HOST && PathPrefix(`/a`)",
        "HOST && PathPrefix(`/a/`)",
        "HOST && PathRegexp(`^/b/[0-9]+$`)",
        "HOST && PathRegexp(`a`)",
        "HOST && PathRegexp(`^/\\w+$`)",
        "HOST && PathRegexp(`(?i)^/a$`)",
        "HOST && Path(`/a b`)",
        "HOST && Path(`/café`)",
        "HOST && PathPrefix(`/a%2Fb`)",
        "HOST && !PathPrefix(`/a`)",
        "HOST && (Path(`/a`) || Path(`/b/1`))",
        "HOST && !(Path(`/a`) || PathPrefix(`/b`))",
        "HOST && Query(`q`, `1`)",
        "HOST && Query(`s`)",
        "HOST && QueryRegexp(`r`, `^t`)",
        "HOST && QueryRegexp(`q`, `[0-9]`)",
        "path(`/a`) && HOST",
        "HOST && PATHPREFIX(`/b`)",
        "HOST && Path(\"/a\")",
    ];
    for (at, rule) in of_paths.iter().enumerate() {
        cases.push(routed(&format!("path{at}"), &[rule], &PATHS));
    }
    let v2 = [
        "Host(`NAME.test`, `other-NAME.test`) && Path(`/a`, `/ab`) # rulesyntax=v2",
        "HOST && Path(`/b/{id:[0-9]+}`) # rulesyntax=v2",
        "HOST && PathPrefix(`/{any}/b`) # rulesyntax=v2",
        "HOST && Query(`q=1`) # rulesyntax=v2",
        "HOST && Query(`q={v:[0-9]}`, `s=`) # rulesyntax=v2",
    ];
    for (at, rule) in v2.iter().enumerate() {
        let name = format!("old{at}");
        cases.push(routed(&name, &[&rule.replace("NAME", &name)], &PATHS));
    }
    cases.push(routed(
        "oldhost",
        &["HostRegexp(`{sub:[a-z]+}.oldhost.test`) # rulesyntax=v2"],
        &["/ | Host: abc.oldhost.test", "/ | Host: ABC.oldhost.test:8080", "/ | Host: a1.oldhost.test", "/"],
    ));
    cases.push(routed(
        "oldheader",
        &[
            "HOST && Headers(`X-A`, `1`) # rulesyntax=v2",
            "HOST && HeadersRegexp(`X-A`, `^[0-9]$`) # rulesyntax=v2",
        ],
        &["/", "/ | X-A: 1", "/ | X-A: 2", "/ | X-A: a", "/ | X-A: 12"],
    ));
    cases.push(routed(
        "host",
        &["HOST"],
        &[
            "/",
            "/ | Host: HOST.test",
            "/ | Host: host.test:8080",
            "/ | Host: host.test.",
            "/ | Host: host.test.:80",
            "/ | Host: xhost.test",
            "/ | Host: host.test.evil",
            "/ | Host: a.host.test",
        ],
    ));
    let hosts = [
        "/ | Host: a.wild.test",
        "/ | Host: A.WILD.test:81",
        "/ | Host: a.b.wild.test",
        "/ | Host: wild.test",
        "/ | Host: xwild.test",
        "/ | Host: a1.wild.test",
    ];
    cases.push(routed("wild", &["Host(`*.wild.test`)"], &hosts));
    let hosts: Vec<String> = hosts.iter().map(|host| host.replace("wild", "like")).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    cases.push(routed("like", &["HostRegexp(`^[a-z]+\\.like\\.test$`)"], &hosts));
    cases.push(routed("likeany", &["HostRegexp(`likeany`)"], &["/", "/ | Host: x.LIKEANY.y", "/ | Host: z"]));
    let methods = ["GET /", "HEAD /", "POST /", "PUT /", "DELETE /", "OPTIONS /", "PATCH /"];
    for (at, rule) in [
        "Method(`GET`)",
        "Method(`HEAD`)",
        "Method(`post`)",
        "!Method(`GET`)",
        "Method(`PUT`) || Method(`DELETE`)",
    ]
    .iter()
    .enumerate()
    {
        cases.push(routed(&format!("method{at}"), &[&format!("HOST && ({rule})")], &methods));
    }
    let fields = [
        "/",
        "/ | X-A: 1",
        "/ | x-a: 1",
        "/ | X-A: 2 | X-A: 1",
        "/ | X-A: one two",
        "/ | X-B: 1",
        "/ | X-A: ",
        "/ | Accept: text/html, */*",
    ];
    for (at, rule) in [
        "Header(`X-A`, `1`)",
        "Header(`x-a`, `1`)",
        "!Header(`X-A`, `1`)",
        "HeaderRegexp(`X-A`, `^[0-9]$`)",
        "HeaderRegexp(`X-A`, `.*`)",
        "HeaderRegexp(`Accept`, `html`)",
        "Header(`X-Forwarded-Proto`, `http`)",
        "Header(`Host`, `x`)",
    ]
    .iter()
    .enumerate()
    {
        cases.push(routed(&format!("field{at}"), &[&format!("HOST && {rule}")], &fields));
    }
    for (at, rule) in ["127.0.0.1", "127.0.0.0/8", "10.0.0.0/8", "::1"].iter().enumerate() {
        cases.push(routed(&format!("client{at}"), &[&format!("HOST && ClientIP(`{rule}`)")], &["/", "/a"]));
    }
    // Which of several.
    cases.push(routed(
        "longest",
        &[
            "HOST",
            "HOST && PathPrefix(`/a`)",
            "HOST && PathPrefix(`/a/b`)",
            "HOST && Path(`/a`) && Method(`POST`)",
        ],
        &["/", "/a", "/a/b", "/ab", "/a/b/c", "POST /a", "POST /b", "//a//b"],
    ));
    cases.push(routed(
        "priority",
        &[
            "HOST && PathPrefix(`/`) # priority=1000",
            "HOST && PathPrefix(`/a/very/long/path`)",
            "HOST && PathPrefix(`/b`) # priority=1001",
            "HOST && PathPrefix(`/a`) # priority=0",
            "HOST && Path(`/c`) # priority=-5",
        ],
        &["/", "/a", "/a/very/long/path", "/b", "/c", "/b/a"],
    ));
    cases.push(routed(
        "fallback",
        &["HOST && PathPrefix(`/api`)", "HOST && PathPrefix(`/api`) && Method(`GET`) && Query(`v`, `2`)"],
        &["/api", "/api?v=2", "POST /api?v=2", "/api?v=1&v=2", "/ap", "/api?V=2", "/api?v=%32"],
    ));
}

fn paths(cases: &mut Vec<Case>) {
    let more = ["/a/b/c?x=1&y", "/a//b", "/a/b%20c", "/ab/c", "POST /a/x", "/a!b"];
    let plain = PATHS.iter().copied().filter(|path| !path.contains("%2F"));
    let requests: Vec<&str> = plain.chain(more).collect();
    let options: [&[&str]; 20] = [
        &["stripprefix.prefixes=/a"],
        &["stripprefix.prefixes=/b,/a/b, /a"],
        &["stripprefix.prefixes=/a/"],
        &["stripprefix.prefixes=/a", "stripprefix.forceslash=true"],
        &["stripprefix.prefixes=/", "stripprefix.forceslash=false"],
        &["stripprefix.prefixes=/ab"],
        &["stripprefixregex.regex=^/[a-z]+/"],
        &["stripprefixregex.regex=/[0-9]+,^/b"],
        &["stripprefixregex.regex=^/(a|b)"],
        &["addprefix.prefix=/new"],
        &["addprefix.prefix=/new/"],
        &["replacepath.path=/one"],
        &["replacepath.path=/one%2Ftwo"],
        &["replacepathregex.regex=^/a/(.*)", "replacepathregex.replacement=/z/$1"],
        &["replacepathregex.regex=^/(\\w+)/(\\w+)", "replacepathregex.replacement=/${2}/${1}"],
        &["replacepathregex.regex=a", "replacepathregex.replacement=bb"],
        &["1:stripprefix.prefixes=/a", "2:addprefix.prefix=/v1"],
        &["2:addprefix.prefix=/v1", "1:stripprefix.prefixes=/a"],
        &["1:stripprefix.prefixes=/a", "2:stripprefix.prefixes=/b"],
        &["0:stripprefix.prefixes=/a", "3:chain.middlewares=NAME-0,NAME-2", "2:addprefix.prefix=/v2"],
    ];
    for (at, options) in options.iter().enumerate() {
        let name = format!("rewrite{at}");
        let options: Vec<String> = options.iter().map(|option| option.replace("NAME", &name)).collect();
        let mut options: Vec<&str> = options.iter().map(String::as_str).collect();
        // In the chain only.
        if at == 19 {
            options = vec![options[0], options[1], options[2]];
        }
        cases.push(dressed(&name, "HOST", &options, &requests));
    }
}

fn redirects(cases: &mut Vec<Case>) {
    let options: [&[&str]; 11] = [
        &["redirectscheme.scheme=https"],
        &["redirectscheme.scheme=https", "redirectscheme.permanent=true"],
        &["redirectscheme.scheme=https", "redirectscheme.port=8443"],
        &["redirectscheme.scheme=https", "redirectscheme.port=443"],
        &["redirectscheme.scheme=http"],
        &["redirectregex.regex=^http://([^/]+)/a/(.*)", "redirectregex.replacement=https://$1/b/${2}"],
        &[
            "redirectregex.regex=.*",
            "redirectregex.replacement=http://elsewhere.test/",
            "redirectregex.permanent=true",
        ],
        &["redirectregex.regex=/a", "redirectregex.replacement=/x y"],
        &["redirectregex.regex=^(.*)/$", "redirectregex.replacement=$1"],
        &["1:stripprefix.prefixes=/a", "2:redirectscheme.scheme=https"],
        &["1:headers.customrequestheaders.X-Forwarded-Proto=https", "2:redirectscheme.scheme=https"],
    ];
    for (at, options) in options.iter().enumerate() {
        let name = format!("redirect{at}");
        let with_port = format!("/a/b | Host: {name}.test:8080");
        let usual_port = format!("/a/b | Host: {name}.test:80");
        let requests = [
            "/",
            "/a",
            "/a/b?x=1",
            "POST /a/b",
            "PUT /",
            "HEAD /",
            "HEAD /a/b?x=1",
            "/a/",
            "/caf%C3%A9/",
            "/x/../a/b",
            &with_port,
            &usual_port,
        ];
        cases.push(dressed(&name, "HOST", options, &requests));
    }
}

fn headers(cases: &mut Vec<Case>) {
    let preflight = "OPTIONS / | Origin: https://a.test | Access-Control-Request-Method: PUT";
    let other = "OPTIONS / | Origin: https://b.test | Access-Control-Request-Method: PUT";
    let requests = [
        "/",
        "/ | X-A: 1 | X-B: 2",
        "/ | x-want: vary",
        "/ | Origin: https://a.test",
        "/ | Origin: https://b.test | x-want: vary",
        preflight,
        other,
        "OPTIONS / | Origin: https://a.test",
        "POST /",
        "HEAD /",
        "HEAD / | Origin: https://a.test | x-want: vary",
    ];
    let options: [&[&str]; 18] = [
        &["headers.customrequestheaders.X-A=new"],
        &["headers.customrequestheaders.X-A="],
        &["headers.customRequestHeaders.Host=other.test"],
        &["headers.customresponseheaders.X-C=3", "headers.customresponseheaders.Server="],
        &["headers.customresponseheaders.X-Frame-Options=ALLOW", "headers.framedeny=true"],
        &["headers.framedeny=true", "headers.contenttypenosniff=true", "headers.browserxssfilter=true"],
        &["headers.customframeoptionsvalue=SAMEORIGIN", "headers.custombrowserxssvalue=0"],
        &["headers.stsseconds=60", "headers.forcestsheader=true", "headers.stspreload=true"],
        &["headers.stsseconds=60", "headers.stsincludesubdomains=true"],
        &["headers.stsseconds=60", "headers.stsincludesubdomains=true", "headers.sslproxyheaders.X-A=1"],
        &["headers.referrerpolicy=no-referrer", "headers.contentsecuritypolicy=default-src 'self'"],
        &["headers.permissionspolicy=camera=()", "headers.contentsecuritypolicyreportonly=img-src *"],
        &["headers.accesscontrolalloworiginlist=https://a.test", "headers.addvaryheader=true"],
        &[
            "headers.accesscontrolalloworiginlist=*",
            "headers.accesscontrolallowmethods=GET, PUT",
            "headers.accesscontrolallowheaders=X-A,X-B",
            "headers.accesscontrolmaxage=100",
        ],
        &[
            "headers.accesscontrolalloworiginlistregex=^https://[ab]\\.test$",
            "headers.accesscontrolexposeheaders=X-C,X-D",
        ],
        &[
            "headers.accesscontrolallowcredentials=true",
            "headers.accesscontrolalloworiginlist=https://a.test",
        ],
        &["headers.allowedhosts=nobody.test"],
        &[
            "1:headers.customresponseheaders.X-C=outer",
            "2:headers.customresponseheaders.X-C=inner",
            "2:headers.customrequestheaders.X-A=inner",
            "1:headers.customrequestheaders.X-A=outer",
        ],
    ];
    for (at, options) in options.iter().enumerate() {
        cases.push(dressed(&format!("field-set{at}"), "HOST", options, &requests));
    }
}

fn access(cases: &mut Vec<Case>, bcrypt: &str) {
    let bee = format!("bee:{bcrypt}");
    let all = format!("basicauth.users={SHA},{APR},{bee}");
    let requests = [
        "/",
        "/ | Authorization: Basic bWU6cGFzc3dvcmQ=",
        "/ | authorization: basic bWU6cGFzc3dvcmQ=",
        "/ | Authorization: Basic bWU6d3Jvbmc=",
        "/ | Authorization: Basic YXByOnRlc3Q=",
        "/ | Authorization: Basic YXByOnRlc3R4",
        "/ | Authorization: Basic YmVlOmJlZXM=",
        "/ | Authorization: Basic YmVlOmJlZXo=",
        "/ | Authorization: Basic bm9ib2R5OnBhc3N3b3Jk",
        "/ | Authorization: Basic !!!",
        "/ | Authorization: Bearer bWU6cGFzc3dvcmQ=",
        "/ | Authorization: Basic bWU=",
        "OPTIONS /",
        "HEAD /",
        "HEAD / | Authorization: Basic bWU6cGFzc3dvcmQ=",
    ];
    let options: [&[&str]; 5] = [
        &[&all],
        &[&all, "basicauth.removeheader=true", "basicauth.headerfield=X-User"],
        &[&all, "basicauth.realm=the realm"],
        &["2:stripprefix.prefixes=/a", &all],
        &["2:headers.customresponseheaders.X-C=3", &all],
    ];
    for (at, options) in options.iter().enumerate() {
        cases.push(dressed(&format!("auth{at}"), "HOST", options, &requests));
    }
    let options: [&[&str]; 4] = [
        &["ipallowlist.sourcerange=127.0.0.1"],
        &["ipallowlist.sourcerange=10.0.0.0/8, 192.168.0.0/16"],
        &["ipallowlist.sourcerange=10.0.0.0/8", "ipallowlist.rejectstatuscode=404"],
        &["ipallowlist.sourcerange=10.0.0.0/8,127.0.0.0/8"],
    ];
    for (at, options) in options.iter().enumerate() {
        cases.push(dressed(
            &format!("allow{at}"),
            "HOST",
            options,
            &["/", "/ | X-Forwarded-For: 10.0.0.1", ME_AT],
        ));
    }
    cases.push(dressed(
        "guarded",
        "HOST && PathPrefix(`/admin`)",
        &["basicauth.users=me:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="],
        &[
            "/admin",
            "//admin",
            "/x/../admin",
            "/%61dmin",
            "/admin%2F",
            "/Admin",
            "/./admin/",
            "/x/%2e%2e/admin",
        ],
    ));
}

const ME_AT: &str = "/a | Authorization: Basic bWU6cGFzc3dvcmQ=";

fn compression(cases: &mut Vec<Case>) {
    let mut requests = Vec::new();
    for want in [
        "big text/html",
        "big text/css 1023",
        "big text/css 1024",
        "big image/png",
        "encoded",
        "stream text/plain",
        "stream text/event-stream",
        "empty",
        "big application/json;charset=utf-8 2048",
        "big application/grpc",
    ] {
        for accepted in
            ["gzip", "br", "zstd", "gzip, br;q=0.9", "gzip;q=0.1, zstd", "identity", "deflate", "gzip;q=0"]
        {
            requests.push(format!("/ | x-want: {want} | Accept-Encoding: {accepted}"));
        }
    }
    for want in ["big text/html", "big text/css 1023", "encoded", "stream text/plain", "empty"] {
        requests.push(format!("HEAD / | x-want: {want} | Accept-Encoding: gzip"));
    }
    requests.push("/ | x-want: range | Accept-Encoding: gzip".into());
    requests.push("/ | x-want: vary | Accept-Encoding: gzip".into());
    requests.push("/ | x-want: big".into());
    requests.push("/ | x-want: big | Accept-Encoding: *;q=0.5, br;q=0.6".into());
    let requests: Vec<&str> = requests.iter().map(String::as_str).collect();
    let options: [&[&str]; 6] = [
        &["compress=true"],
        &["compress.excludedcontenttypes=image/png, text/html"],
        &["compress.includedcontenttypes=text/css"],
        &["compress.minresponsebodybytes=3000"],
        &["compress.encodings=zstd,gzip"],
        &["compress.defaultencoding=br"],
    ];
    for (at, options) in options.iter().enumerate() {
        cases.push(dressed(&format!("zip{at}"), "HOST", options, &requests));
    }
}

/// What is asked here is asked in order, and each side counts for itself. No period ends while a test runs.
fn limits(cases: &mut Vec<Case>) {
    let requests =
        ["/", "POST /a", "HEAD /", "/ | X-Forwarded-For: 10.0.0.9", "/b", "/ | X-A: 1", "/c", "/ | X-A: 2"];
    let options: [&[&str]; 7] = [
        &["ratelimit.average=1", "ratelimit.period=24h"],
        &["ratelimit.average=1", "ratelimit.period=24h", "ratelimit.burst=3"],
        &["ratelimit.average=2", "ratelimit.period=48h", "ratelimit.burst=0"],
        &["ratelimit.average=0", "ratelimit.burst=2"],
        &["ratelimit.burst=2"],
        &[
            "1:stripprefix.prefixes=/a",
            "2:ratelimit.average=1",
            "2:ratelimit.period=24h",
            "2:ratelimit.burst=5",
        ],
        &["1:ratelimit.average=1", "1:ratelimit.period=24h", "2:headers.customresponseheaders.X-C=3"],
    ];
    for (at, options) in options.iter().enumerate() {
        cases.push(dressed(&format!("rate{at}"), "HOST", options, &requests));
    }
    // One after the other they are never two at once.
    cases.push(dressed("flight", "HOST", &["inflightreq.amount=1"], &requests));
}

/// A host on which no more than this number of requests may be in flight, and how it is labelled.
pub fn crowded(amount: usize) -> Case {
    let option = format!("inflightreq.amount={amount}");
    dressed(&format!("crowd{amount}"), "HOST", &[&option], &["/ | x-want: hold", "/", "HEAD /"])
}

/// What is different by design.
pub struct Different {
    pub why: &'static str,
    pub case: Case,
}

pub fn different() -> Vec<Different> {
    let one = |why, case| Different { why, case };
    vec![
        one(
            "a rule in v3's words may use the lists of v2, which Traefik v3 refuses",
            routed("d-list", &["Host(`d-list.test`, `d-list-2.test`)"], &["/"]),
        ),
        one(
            "a rule in v3's words may use Headers of v2",
            routed("d-headers", &["HOST && Headers(`X-A`, `1`)"], &["/ | X-A: 1"]),
        ),
        one(
            "a rule in v3's words may use HeadersRegexp of v2",
            routed("d-headersregexp", &["HOST && HeadersRegexp(`X-A`, `1`)"], &["/ | X-A: 1"]),
        ),
        one(
            "Query with one value that has a `=` means what it meant in v2",
            routed("d-query", &["HOST && Query(`a=b`)"], &["/?a=b"]),
        ),
        one(
            "a query is forwarded as it was sent; Traefik makes `&` of `;`",
            dressed("d-semicolon", "HOST", &["headers.framedeny=true"], &["/?a=1;b=2"]),
        ),
        one(
            "a part of something is not compressed: its range would be wrong",
            dressed("d-range", "HOST", &["compress=true"], &["/ | x-want: range | Accept-Encoding: br"]),
        ),
        one(
            "`*` is taken at its word; Traefik chooses gzip for it, which then wants to be named",
            dressed("d-star", "HOST", &["compress=true"], &["/ | x-want: big | Accept-Encoding: *"]),
        ),
        one(
            "an encoded slash stays one where a prefix comes off; Traefik decodes it",
            dressed("d-slash", "HOST", &["stripprefix.prefixes=/a"], &["/a%2Fb", "/a%2Fb/c"]),
        ),
        one(
            "the prefix that came off is told as it was sent, and not decoded",
            dressed("d-told", "HOST", &["stripprefix.prefixes=/café"], &["/caf%C3%A9"]),
        ),
        one(
            "a prefix may be written as it is sent, with escapes",
            dressed("d-escape", "HOST", &["stripprefix.prefixes=/caf%C3%A9"], &["/caf%C3%A9"]),
        ),
        one(
            "a path with a `%` that begins no escape is for the backend to judge; Traefik refuses it",
            dressed("d-percent", "HOST", &["headers.framedeny=true"], &["/%zz"]),
        ),
        one(
            "the edge has one entrypoint, and every router is there",
            routed("d-entrypoint", &["HOST # entrypoints=websecure"], &["/"]),
        ),
    ]
}
