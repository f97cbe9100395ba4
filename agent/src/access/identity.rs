//! Whose secret was brought: the operator's, a token's, or that of a session.

use time::OffsetDateTime;

use super::name::OPERATOR;
use super::role::Role;
use super::secret::{Digest, Secret};
use super::session::{Of, Sessions};
use super::token::{Token, Tokens};
use crate::policy::Pattern;

#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    pub name: String,
    pub role: Role,
    pub workspaces: Option<Vec<Pattern>>,
    pub kind: Kind,
    pub expires_at: Option<OffsetDateTime>,
    /// The id of the token that it comes from; the operator's has none.
    pub token: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Operator,
    Token,
    Session,
}

pub fn identify(
    secret: &Secret,
    operator: &Digest,
    tokens: &Tokens,
    sessions: &Sessions,
    now: OffsetDateTime,
) -> Option<Identity> {
    let digest = secret.digest();
    if digest == *operator {
        return Some(the_operator(Kind::Operator, None));
    }
    if let Some(token) = tokens.with(&digest) {
        return token.is_valid(now).then(|| of(token, Kind::Token, token.expires_at));
    }
    let session = sessions.with(&digest, now)?;
    match &session.of {
        // A session that a former token of the operator gave is none.
        Of::Operator { digest } => {
            (digest == operator).then(|| the_operator(Kind::Session, Some(session.expires_at)))
        }
        Of::Token { id } => {
            let token = tokens.find(id).filter(|token| token.is_valid(now))?;
            let end = token.expires_at.map_or(session.expires_at, |end| end.min(session.expires_at));
            Some(of(token, Kind::Session, Some(end)))
        }
    }
}

fn the_operator(kind: Kind, expires_at: Option<OffsetDateTime>) -> Identity {
    Identity { name: OPERATOR.to_owned(), role: Role::Admin, workspaces: None, kind, expires_at, token: None }
}

fn of(token: &Token, kind: Kind, expires_at: Option<OffsetDateTime>) -> Identity {
    Identity {
        name: token.name.to_string(),
        role: token.role,
        workspaces: token.workspaces.clone(),
        kind,
        expires_at,
        token: Some(token.id.clone()),
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::super::session::Session;
    use super::super::token::tests::token;
    use super::*;

    #[test]
    fn a_secret_is_known_for_as_long_as_what_it_comes_from() {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::days(1);
        let [operator, ci, signed_in, over, of_operator] = [(); 5].map(|()| Secret::session().unwrap());
        let mut tokens = Tokens::default();
        let expires_at = Some(now + Duration::hours(1));
        tokens.add(Token { expires_at, ..token("ci", &ci) }).unwrap();
        let mut sessions = Sessions::default();
        let id = tokens.tokens[0].id.clone();
        for (secret, of, lasts) in [
            (&signed_in, Of::Token { id: id.clone() }, 12),
            (&over, Of::Token { id: id.clone() }, 0),
            (&of_operator, Of::Operator { digest: operator.digest() }, 12),
        ] {
            let expires_at = now + Duration::hours(lasts);
            sessions.sessions.push(Session { digest: secret.digest(), of, expires_at });
        }
        let found = |secret: &Secret, tokens: &Tokens, operator: &Secret, now| {
            identify(secret, &operator.digest(), tokens, &sessions, now).map(|one| (one.name, one.kind))
        };
        let ci_is = |kind| Some(("ci".to_owned(), kind));
        let operator_is = |kind| Some((OPERATOR.to_owned(), kind));
        assert_eq!(found(&operator, &tokens, &operator, now), operator_is(Kind::Operator));
        assert_eq!(found(&ci, &tokens, &operator, now), ci_is(Kind::Token));
        assert_eq!(found(&signed_in, &tokens, &operator, now), ci_is(Kind::Session));
        assert_eq!(found(&over, &tokens, &operator, now), None);
        assert_eq!(found(&of_operator, &tokens, &operator, now), operator_is(Kind::Session));
        assert_eq!(found(&Secret::token().unwrap(), &tokens, &operator, now), None);

        let later = now + Duration::hours(1);
        assert_eq!(found(&ci, &tokens, &operator, later), None, "the token has expired");
        assert_eq!(found(&signed_in, &tokens, &operator, later), None, "and its sessions with it");
        tokens.remove(&id).unwrap();
        assert_eq!(found(&ci, &tokens, &operator, now), None);
        assert_eq!(found(&signed_in, &tokens, &operator, now), None);
        let another = Secret::token().unwrap();
        assert_eq!(found(&of_operator, &tokens, &another, now), None, "the operator's token is another one");
    }
}
