//! The labels that Traefik 3 knows for HTTP, and what each may hold. It is needed because Traefik drops all files of the
//! folder when one of them has a field that it does not know, or a number that is none: what is written must fit.

/// What a label may hold, and so how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Flag,
    Number,
    Port,
    /// As Go writes them: `1m30s`; or whole seconds.
    Duration,
    /// With commas in between.
    List,
    /// A group that may also stand alone, as `true`.
    Group,
    /// Names of middlewares, of one service, of routers.
    Middlewares,
    Service,
    Routers,
    /// The name of something that only the operator's configuration can hold.
    Operators,
    /// Reaches beyond the workspace; why.
    Refused(&'static str),
}

use Kind::{
    Duration, Flag, Group, List, Middlewares, Number, Operators, Port, Refused, Routers, Service, Text,
};

const FILE: Kind = Refused("it names a file on the machine of Traefik");
const AWAY: Kind = Refused("it leads to an address that is no container of the workspace");

/// Below `traefik.http.`, in lower case. `*` stands for a name of the user's own; `[]` for an index.
const KNOWN: &[(&str, Kind)] = &[
    ("routers.*.rule", Text),
    ("routers.*.rulesyntax", Text),
    ("routers.*.priority", Number),
    ("routers.*.entrypoints", List),
    ("routers.*.middlewares", Middlewares),
    ("routers.*.service", Service),
    ("routers.*.parentrefs", Routers),
    ("routers.*.tls", Group),
    ("routers.*.tls.certresolver", Text),
    ("routers.*.tls.options", Operators),
    ("routers.*.tls.domains[].main", Text),
    ("routers.*.tls.domains[].sans", List),
    ("routers.*.observability.accesslogs", Flag),
    ("routers.*.observability.metrics", Flag),
    ("routers.*.observability.tracing", Flag),
    ("routers.*.observability.traceverbosity", Text),
    ("services.*.loadbalancer.server.port", Port),
    ("services.*.loadbalancer.server.scheme", Text),
    ("services.*.loadbalancer.server.weight", Number),
    ("services.*.loadbalancer.server.preservepath", Flag),
    ("services.*.loadbalancer.server.url", AWAY),
    ("services.*.loadbalancer.strategy", Text),
    ("services.*.loadbalancer.passhostheader", Flag),
    ("services.*.loadbalancer.responseforwarding.flushinterval", Duration),
    ("services.*.loadbalancer.serverstransport", Operators),
    ("services.*.loadbalancer.sticky", Group),
    ("services.*.loadbalancer.sticky.cookie", Group),
    ("services.*.loadbalancer.sticky.cookie.name", Text),
    ("services.*.loadbalancer.sticky.cookie.secure", Flag),
    ("services.*.loadbalancer.sticky.cookie.httponly", Flag),
    ("services.*.loadbalancer.sticky.cookie.samesite", Text),
    ("services.*.loadbalancer.sticky.cookie.maxage", Number),
    ("services.*.loadbalancer.sticky.cookie.path", Text),
    ("services.*.loadbalancer.sticky.cookie.domain", Text),
    ("services.*.loadbalancer.healthcheck.path", Text),
    ("services.*.loadbalancer.healthcheck.method", Text),
    ("services.*.loadbalancer.healthcheck.mode", Text),
    ("services.*.loadbalancer.healthcheck.status", Number),
    ("services.*.loadbalancer.healthcheck.scheme", Text),
    ("services.*.loadbalancer.healthcheck.hostname", Text),
    ("services.*.loadbalancer.healthcheck.port", Port),
    ("services.*.loadbalancer.healthcheck.interval", Duration),
    ("services.*.loadbalancer.healthcheck.unhealthyinterval", Duration),
    ("services.*.loadbalancer.healthcheck.timeout", Duration),
    ("services.*.loadbalancer.healthcheck.followredirects", Flag),
    ("services.*.loadbalancer.healthcheck.headers.*", Text),
    ("services.*.loadbalancer.passivehealthcheck.failurewindow", Duration),
    ("services.*.loadbalancer.passivehealthcheck.maxfailedattempts", Number),
    ("middlewares.*.addprefix.prefix", Text),
    ("middlewares.*.basicauth.users", List),
    ("middlewares.*.basicauth.usersfile", FILE),
    ("middlewares.*.basicauth.realm", Text),
    ("middlewares.*.basicauth.removeheader", Flag),
    ("middlewares.*.basicauth.headerfield", Text),
    ("middlewares.*.buffering.maxrequestbodybytes", Number),
    ("middlewares.*.buffering.memrequestbodybytes", Number),
    ("middlewares.*.buffering.maxresponsebodybytes", Number),
    ("middlewares.*.buffering.memresponsebodybytes", Number),
    ("middlewares.*.buffering.retryexpression", Text),
    ("middlewares.*.buffering.disablerequestbuffer", Flag),
    ("middlewares.*.chain.middlewares", Middlewares),
    ("middlewares.*.circuitbreaker.expression", Text),
    ("middlewares.*.circuitbreaker.checkperiod", Duration),
    ("middlewares.*.circuitbreaker.fallbackduration", Duration),
    ("middlewares.*.circuitbreaker.recoveryduration", Duration),
    ("middlewares.*.circuitbreaker.responsecode", Number),
    ("middlewares.*.compress", Group),
    ("middlewares.*.compress.excludedcontenttypes", List),
    ("middlewares.*.compress.includedcontenttypes", List),
    ("middlewares.*.compress.minresponsebodybytes", Number),
    ("middlewares.*.compress.encodings", List),
    ("middlewares.*.compress.defaultencoding", Text),
    ("middlewares.*.contenttype", Group),
    ("middlewares.*.contenttype.autodetect", Flag),
    ("middlewares.*.digestauth.users", List),
    ("middlewares.*.digestauth.usersfile", FILE),
    ("middlewares.*.digestauth.realm", Text),
    ("middlewares.*.digestauth.removeheader", Flag),
    ("middlewares.*.digestauth.headerfield", Text),
    ("middlewares.*.encodedcharacters.allowencodedslash", Flag),
    ("middlewares.*.encodedcharacters.allowencodedbackslash", Flag),
    ("middlewares.*.encodedcharacters.allowencodednullcharacter", Flag),
    ("middlewares.*.encodedcharacters.allowencodedsemicolon", Flag),
    ("middlewares.*.encodedcharacters.allowencodedpercent", Flag),
    ("middlewares.*.encodedcharacters.allowencodedquestionmark", Flag),
    ("middlewares.*.encodedcharacters.allowencodedhash", Flag),
    ("middlewares.*.errors.status", List),
    ("middlewares.*.errors.statusrewrites.*", Number),
    ("middlewares.*.errors.service", Service),
    ("middlewares.*.errors.query", Text),
    ("middlewares.*.forwardauth.address", Text),
    ("middlewares.*.forwardauth.trustforwardheader", Flag),
    ("middlewares.*.forwardauth.authresponseheaders", List),
    ("middlewares.*.forwardauth.authresponseheadersregex", Text),
    ("middlewares.*.forwardauth.authrequestheaders", List),
    ("middlewares.*.forwardauth.addauthcookiestoresponse", List),
    ("middlewares.*.forwardauth.headerfield", Text),
    ("middlewares.*.forwardauth.forwardbody", Flag),
    ("middlewares.*.forwardauth.maxbodysize", Number),
    ("middlewares.*.forwardauth.preservelocationheader", Flag),
    ("middlewares.*.forwardauth.preserverequestmethod", Flag),
    ("middlewares.*.forwardauth.maxresponsebodysize", Number),
    ("middlewares.*.forwardauth.authsigninurl", Text),
    ("middlewares.*.forwardauth.tls.caoptional", Flag),
    ("middlewares.*.forwardauth.tls.ca", FILE),
    ("middlewares.*.forwardauth.tls.cert", FILE),
    ("middlewares.*.forwardauth.tls.key", FILE),
    ("middlewares.*.forwardauth.tls.insecureskipverify", Flag),
    ("middlewares.*.grpcweb.alloworigins", List),
    ("middlewares.*.headers.customrequestheaders.*", Text),
    ("middlewares.*.headers.customresponseheaders.*", Text),
    ("middlewares.*.headers.accesscontrolallowcredentials", Flag),
    ("middlewares.*.headers.accesscontrolallowheaders", List),
    ("middlewares.*.headers.accesscontrolallowmethods", List),
    ("middlewares.*.headers.accesscontrolalloworiginlist", List),
    ("middlewares.*.headers.accesscontrolalloworiginlistregex", List),
    ("middlewares.*.headers.accesscontrolexposeheaders", List),
    ("middlewares.*.headers.accesscontrolmaxage", Number),
    ("middlewares.*.headers.addvaryheader", Flag),
    ("middlewares.*.headers.allowedhosts", List),
    ("middlewares.*.headers.hostsproxyheaders", List),
    ("middlewares.*.headers.sslredirect", Flag),
    ("middlewares.*.headers.ssltemporaryredirect", Flag),
    ("middlewares.*.headers.sslhost", Text),
    ("middlewares.*.headers.sslforcehost", Flag),
    ("middlewares.*.headers.sslproxyheaders.*", Text),
    ("middlewares.*.headers.stsseconds", Number),
    ("middlewares.*.headers.stsincludesubdomains", Flag),
    ("middlewares.*.headers.stspreload", Flag),
    ("middlewares.*.headers.forcestsheader", Flag),
    ("middlewares.*.headers.framedeny", Flag),
    ("middlewares.*.headers.customframeoptionsvalue", Text),
    ("middlewares.*.headers.contenttypenosniff", Flag),
    ("middlewares.*.headers.browserxssfilter", Flag),
    ("middlewares.*.headers.custombrowserxssvalue", Text),
    ("middlewares.*.headers.contentsecuritypolicy", Text),
    ("middlewares.*.headers.contentsecuritypolicyreportonly", Text),
    ("middlewares.*.headers.publickey", Text),
    ("middlewares.*.headers.referrerpolicy", Text),
    ("middlewares.*.headers.permissionspolicy", Text),
    ("middlewares.*.headers.featurepolicy", Text),
    ("middlewares.*.headers.isdevelopment", Flag),
    ("middlewares.*.inflightreq.amount", Number),
    ("middlewares.*.inflightreq.sourcecriterion.ipstrategy.depth", Number),
    ("middlewares.*.inflightreq.sourcecriterion.ipstrategy.excludedips", List),
    ("middlewares.*.inflightreq.sourcecriterion.ipstrategy.ipv6subnet", Number),
    ("middlewares.*.inflightreq.sourcecriterion.requestheadername", Text),
    ("middlewares.*.inflightreq.sourcecriterion.requesthost", Flag),
    ("middlewares.*.ipallowlist.sourcerange", List),
    ("middlewares.*.ipallowlist.ipstrategy.depth", Number),
    ("middlewares.*.ipallowlist.ipstrategy.excludedips", List),
    ("middlewares.*.ipallowlist.ipstrategy.ipv6subnet", Number),
    ("middlewares.*.ipallowlist.rejectstatuscode", Number),
    ("middlewares.*.ipwhitelist.sourcerange", List),
    ("middlewares.*.ipwhitelist.ipstrategy.depth", Number),
    ("middlewares.*.ipwhitelist.ipstrategy.excludedips", List),
    ("middlewares.*.ipwhitelist.ipstrategy.ipv6subnet", Number),
    ("middlewares.*.passtlsclientcert.pem", Flag),
    ("middlewares.*.passtlsclientcert.info.notafter", Flag),
    ("middlewares.*.passtlsclientcert.info.notbefore", Flag),
    ("middlewares.*.passtlsclientcert.info.sans", Flag),
    ("middlewares.*.passtlsclientcert.info.serialnumber", Flag),
    ("middlewares.*.passtlsclientcert.info.subject.country", Flag),
    ("middlewares.*.passtlsclientcert.info.subject.province", Flag),
    ("middlewares.*.passtlsclientcert.info.subject.locality", Flag),
    ("middlewares.*.passtlsclientcert.info.subject.organization", Flag),
    ("middlewares.*.passtlsclientcert.info.subject.organizationalunit", Flag),
    ("middlewares.*.passtlsclientcert.info.subject.commonname", Flag),
    ("middlewares.*.passtlsclientcert.info.subject.serialnumber", Flag),
    ("middlewares.*.passtlsclientcert.info.subject.domaincomponent", Flag),
    ("middlewares.*.passtlsclientcert.info.issuer.country", Flag),
    ("middlewares.*.passtlsclientcert.info.issuer.province", Flag),
    ("middlewares.*.passtlsclientcert.info.issuer.locality", Flag),
    ("middlewares.*.passtlsclientcert.info.issuer.organization", Flag),
    ("middlewares.*.passtlsclientcert.info.issuer.commonname", Flag),
    ("middlewares.*.passtlsclientcert.info.issuer.serialnumber", Flag),
    ("middlewares.*.passtlsclientcert.info.issuer.domaincomponent", Flag),
    ("middlewares.*.ratelimit.average", Number),
    ("middlewares.*.ratelimit.burst", Number),
    ("middlewares.*.ratelimit.period", Duration),
    ("middlewares.*.ratelimit.sourcecriterion.ipstrategy.depth", Number),
    ("middlewares.*.ratelimit.sourcecriterion.ipstrategy.excludedips", List),
    ("middlewares.*.ratelimit.sourcecriterion.ipstrategy.ipv6subnet", Number),
    ("middlewares.*.ratelimit.sourcecriterion.requestheadername", Text),
    ("middlewares.*.ratelimit.sourcecriterion.requesthost", Flag),
    ("middlewares.*.ratelimit.redis.**", AWAY),
    ("middlewares.*.redirectregex.regex", Text),
    ("middlewares.*.redirectregex.replacement", Text),
    ("middlewares.*.redirectregex.permanent", Flag),
    ("middlewares.*.redirectregex.statuscode", Number),
    ("middlewares.*.redirectscheme.scheme", Text),
    ("middlewares.*.redirectscheme.port", Text),
    ("middlewares.*.redirectscheme.permanent", Flag),
    ("middlewares.*.replacepath.path", Text),
    ("middlewares.*.replacepathregex.regex", Text),
    ("middlewares.*.replacepathregex.replacement", Text),
    ("middlewares.*.retry.attempts", Number),
    ("middlewares.*.retry.initialinterval", Duration),
    ("middlewares.*.retry.timeout", Duration),
    ("middlewares.*.retry.status", List),
    ("middlewares.*.retry.maxrequestbodybytes", Number),
    ("middlewares.*.retry.retrynonidempotentmethod", Flag),
    ("middlewares.*.retry.disableretryonnetworkerror", Flag),
    ("middlewares.*.stripprefix.prefixes", List),
    ("middlewares.*.stripprefix.forceslash", Flag),
    ("middlewares.*.stripprefixregex.regex", List),
    ("middlewares.*.plugin.**", Text),
];

/// One part of a label: a field by Traefik's name or a name of the user's own, or an element of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Member(String),
    Element(String, u16),
}

/// What the label with these parts may hold, and the way to its place: fields in lower case, for Traefik takes any, and
/// users' names as they are.
pub fn find(parts: &[&str]) -> Option<(Kind, Vec<Step>)> {
    KNOWN.iter().find_map(|(pattern, kind)| Some((*kind, steps(pattern, parts)?)))
}

fn steps(pattern: &str, parts: &[&str]) -> Option<Vec<Step>> {
    let mut steps = Vec::with_capacity(parts.len());
    let mut rest = parts.iter();
    for wanted in pattern.split('.') {
        if wanted == "**" {
            let deeper: Vec<Step> = rest.map(|part| Step::Member((*part).to_owned())).collect();
            return (!deeper.is_empty()).then(|| [steps, deeper].concat());
        }
        let part = rest.next()?;
        steps.push(match wanted.strip_suffix("[]") {
            Some(name) => {
                let (_, index) = index(part).filter(|(own, _)| own.eq_ignore_ascii_case(name))?;
                Step::Element(name.to_owned(), index)
            }
            None if wanted == "*" => Step::Member((*part).to_owned()),
            None if part.eq_ignore_ascii_case(wanted) => Step::Member(wanted.to_owned()),
            None => return None,
        });
    }
    rest.next().is_none().then_some(steps)
}

/// `domains[1]` is the second of the `domains`.
fn index(part: &str) -> Option<(&str, u16)> {
    let (name, index) = part.strip_suffix(']')?.split_once('[')?;
    Some((name, index.parse().ok()?))
}

#[cfg(test)]
pub fn all() -> impl Iterator<Item = (&'static str, Kind)> {
    KNOWN.iter().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_known_whatever_their_case_and_whatever_the_user_s_names() {
        let check = |label: &str, expected: Option<Kind>| {
            let parts: Vec<&str> = label.split('.').collect();
            assert_eq!(find(&parts).map(|(kind, _)| kind), expected, "{label}");
        };
        check("routers.Web.Rule", Some(Text));
        check("ROUTERS.r.tls", Some(Group));
        check("routers.r.tls.domains[1].SANs", Some(List));
        check("routers.r.tls.domains[x].sans", None);
        check("routers.r.tls.domains.sans", None);
        check("middlewares.m.headers.customRequestHeaders.X-Any", Some(Text));
        check("middlewares.m.headers", None);
        check("middlewares.m.plugin.mine.deep.down", Some(Text));
        check("middlewares.m.plugin", None);
        check("middlewares.m.basicauth.usersFile", Some(FILE));
        check("routers.r.rulez", None);
        check("routers.rule", None);
    }
}
