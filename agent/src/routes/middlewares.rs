//! The middlewares that labels define, and which of them a router asks for: a list of those that the edge carries out,
//! in the order of the labels, chains taken apart.

use std::collections::BTreeMap;

use cloudyknight_core::middleware::{
    AddPrefix, BasicAuth, Compress, Headers, InFlightReq, IpAllowList, Middleware, RateLimit, RedirectRegex,
    RedirectScheme, ReplacePath, ReplacePathRegex, StripPrefix, StripPrefixRegex,
};

use super::RouteError;
use super::options::Options;

/// What labels say below the name of a middleware: options by kind. The empty option is the kind alone, as in
/// `compress=true`.
pub type Written = BTreeMap<String, Options>;

#[derive(Clone, Debug)]
pub enum Defined {
    Known(Middleware),
    Chain(Vec<String>),
    /// Left out with a warning: who comes through is the same without it.
    Skipped,
    /// The edge cannot do it, and it may be there to keep somebody out.
    Refused {
        kind: String,
    },
}

/// Traefik's middlewares that the edge has not, and that keep nobody out.
const SKIPPED: [&str; 8] = [
    "buffering",
    "circuitbreaker",
    "contenttype",
    "encodedcharacters",
    "errors",
    "grpcweb",
    "passtlsclientcert",
    "retry",
];

/// Builds one, and gives the labels that have no effect.
pub fn build(service: &str, name: &str, written: Written) -> Result<(Defined, Vec<String>), RouteError> {
    if written.len() > 1 {
        let kinds: Vec<String> = written.into_keys().collect();
        let (service, middleware) = (service.to_owned(), name.to_owned());
        return Err(RouteError::Kinds { service, middleware, kinds: kinds.join(", ") });
    }
    let Some((kind, mut options)) = written.into_iter().next() else {
        return Ok((Defined::Skipped, Vec::new()));
    };
    let built = if kind == "chain" {
        let chained = options.list("middlewares").unwrap_or_default();
        Defined::Chain(chained.iter().map(|name| plain(name)).collect())
    } else if SKIPPED.contains(&kind.as_str()) {
        Defined::Skipped
    } else {
        match middleware(service, &kind, &mut options)? {
            Some(middleware) => {
                middleware.check().map_err(|source| RouteError::Option {
                    service: service.to_owned(),
                    middleware: name.to_owned(),
                    kind: middleware.kind(),
                    source,
                })?;
                Defined::Known(middleware)
            }
            None => Defined::Refused { kind },
        }
    };
    Ok((built, options.left().collect()))
}

/// The edge's own form of it; `None` where the edge cannot do what is asked.
fn middleware(service: &str, kind: &str, options: &mut Options) -> Result<Option<Middleware>, RouteError> {
    let text = |options: &mut Options, option| options.text(option).unwrap_or_default();
    let flag =
        |options: &mut Options, option| Ok::<_, RouteError>(options.flag(service, option)?.unwrap_or(false));
    Ok(Some(match kind {
        "stripprefix" => Middleware::StripPrefix(StripPrefix {
            prefixes: options.list("prefixes").unwrap_or_default(),
            force_slash: options.flag(service, "forceslash")?,
        }),
        "stripprefixregex" => Middleware::StripPrefixRegex(StripPrefixRegex {
            regex: options.list("regex").unwrap_or_default(),
        }),
        "addprefix" => Middleware::AddPrefix(AddPrefix { prefix: text(options, "prefix") }),
        "replacepath" => Middleware::ReplacePath(ReplacePath { path: text(options, "path") }),
        "replacepathregex" => Middleware::ReplacePathRegex(ReplacePathRegex {
            regex: text(options, "regex"),
            replacement: text(options, "replacement"),
        }),
        "redirectregex" => Middleware::RedirectRegex(RedirectRegex {
            regex: text(options, "regex"),
            replacement: text(options, "replacement"),
            permanent: flag(options, "permanent")?,
        }),
        "redirectscheme" => Middleware::RedirectScheme(RedirectScheme {
            scheme: text(options, "scheme"),
            port: text(options, "port"),
            permanent: flag(options, "permanent")?,
        }),
        "headers" => Middleware::Headers(Box::new(headers(service, options)?)),
        "basicauth" => {
            // A file of the host, which no workspace reaches.
            if options.text("usersfile").is_some() {
                return Ok(None);
            }
            Middleware::BasicAuth(BasicAuth {
                users: options.list("users").unwrap_or_default(),
                realm: text(options, "realm"),
                remove_header: flag(options, "removeheader")?,
                header_field: text(options, "headerfield"),
            })
        }
        "ipallowlist" | "ipwhitelist" => Middleware::IpAllowList(IpAllowList {
            source_range: options.list("sourcerange").unwrap_or_default(),
            reject_status_code: options.number(service, "rejectstatuscode")?,
        }),
        "ratelimit" => {
            let usual = RateLimit::default();
            Middleware::RateLimit(RateLimit {
                average: options.number(service, "average")?.unwrap_or(usual.average),
                period: options.text("period").unwrap_or(usual.period),
                burst: options.number(service, "burst")?.unwrap_or(usual.burst),
            })
        }
        "inflightreq" => {
            Middleware::InFlightReq(InFlightReq { amount: options.number(service, "amount")?.unwrap_or(0) })
        }
        "compress" => {
            // Nothing but `compress=true`.
            options.flag(service, "")?;
            let usual = Compress::default();
            Middleware::Compress(Compress {
                excluded_content_types: options.list("excludedcontenttypes").unwrap_or_default(),
                included_content_types: options.list("includedcontenttypes").unwrap_or_default(),
                min_response_body_bytes: options.number(service, "minresponsebodybytes")?.unwrap_or(0),
                encodings: options.list("encodings").unwrap_or(usual.encodings),
                default_encoding: text(options, "defaultencoding"),
            })
        }
        _ => return Ok(None),
    }))
}

fn headers(service: &str, options: &mut Options) -> Result<Headers, RouteError> {
    let text = |options: &mut Options, option| options.text(option).unwrap_or_default();
    let list = |options: &mut Options, option| options.list(option).unwrap_or_default();
    let flag =
        |options: &mut Options, option| Ok::<_, RouteError>(options.flag(service, option)?.unwrap_or(false));
    Ok(Headers {
        custom_request_headers: options.below("customrequestheaders"),
        custom_response_headers: options.below("customresponseheaders"),
        access_control_allow_credentials: flag(options, "accesscontrolallowcredentials")?,
        access_control_allow_headers: list(options, "accesscontrolallowheaders"),
        access_control_allow_methods: list(options, "accesscontrolallowmethods"),
        access_control_allow_origin_list: list(options, "accesscontrolalloworiginlist"),
        access_control_allow_origin_list_regex: list(options, "accesscontrolalloworiginlistregex"),
        access_control_expose_headers: list(options, "accesscontrolexposeheaders"),
        access_control_max_age: options.number(service, "accesscontrolmaxage")?.unwrap_or(0),
        add_vary_header: flag(options, "addvaryheader")?,
        allowed_hosts: list(options, "allowedhosts"),
        hosts_proxy_headers: list(options, "hostsproxyheaders"),
        ssl_proxy_headers: options.below("sslproxyheaders"),
        sts_seconds: options.number(service, "stsseconds")?.unwrap_or(0),
        sts_include_subdomains: flag(options, "stsincludesubdomains")?,
        sts_preload: flag(options, "stspreload")?,
        force_sts_header: flag(options, "forcestsheader")?,
        frame_deny: flag(options, "framedeny")?,
        custom_frame_options_value: text(options, "customframeoptionsvalue"),
        content_type_nosniff: flag(options, "contenttypenosniff")?,
        browser_xss_filter: flag(options, "browserxssfilter")?,
        custom_browser_xss_value: text(options, "custombrowserxssvalue"),
        content_security_policy: text(options, "contentsecuritypolicy"),
        content_security_policy_report_only: text(options, "contentsecuritypolicyreportonly"),
        referrer_policy: text(options, "referrerpolicy"),
        permissions_policy: text(options, "permissionspolicy"),
        is_development: flag(options, "isdevelopment")?,
    })
}

/// All middlewares of a workspace; a service's own come before those of the others with the same name.
pub struct Wardrobe<'d> {
    pub own: &'d BTreeMap<String, Defined>,
    pub others: Vec<&'d BTreeMap<String, Defined>>,
}

impl Wardrobe<'_> {
    /// What a router's list of names stands for.
    pub fn dress(
        &self,
        service: &str,
        router: &str,
        names: &[String],
    ) -> Result<Vec<Middleware>, RouteError> {
        let mut worn = Vec::new();
        self.add(service, router, names, &mut Vec::new(), &mut worn)?;
        Ok(worn)
    }

    fn add(
        &self,
        service: &str,
        router: &str,
        names: &[String],
        within: &mut Vec<String>,
        worn: &mut Vec<Middleware>,
    ) -> Result<(), RouteError> {
        /// More than anybody means.
        const MOST: usize = 64;
        for name in names {
            let (service, router, middleware) = (service.to_owned(), router.to_owned(), name.clone());
            if within.contains(name) || worn.len() >= MOST {
                return Err(RouteError::Circle { service, middleware });
            }
            match self.find(name) {
                None => return Err(RouteError::Middleware { service, router, middleware }),
                Some(Defined::Known(known)) => worn.push(known.clone()),
                Some(Defined::Skipped) => {}
                Some(Defined::Refused { kind }) => {
                    return Err(RouteError::Unsupported { service, router, middleware, kind: kind.clone() });
                }
                Some(Defined::Chain(chained)) => {
                    within.push(name.clone());
                    self.add(&service, &router, chained, within, worn)?;
                    within.pop();
                }
            }
        }
        Ok(())
    }

    fn find(&self, name: &str) -> Option<&Defined> {
        self.own.get(name).or_else(|| self.others.iter().find_map(|others| others.get(name)))
    }
}

/// A name without Traefik's `@docker`.
pub fn plain(name: &str) -> String {
    let name = name.trim();
    name.strip_suffix("@docker").unwrap_or(name).to_owned()
}
