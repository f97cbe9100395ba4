//! `cloudyknight token`: with what people and programs use the API. What is secret of a token is printed once, when it is
//! made.

use std::io::{IsTerminal, Read};
use std::process::ExitCode;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::args::{TokenCreate, TokenRole};
use crate::client::{Client, segment};
use crate::errors::hinted;
use crate::home::Home;
use crate::output::{HINT, Output};
use crate::pages::Paged;
use crate::{show, suggest};

/// What `token create --json` prints.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct CreatedToken {
    #[serde(flatten)]
    token: Token,
    /// The token itself, which is not shown again; none for a password.
    #[serde(default, rename = "token", skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// What `token ls --json` prints.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct Tokens {
    tokens: Vec<Token>,
    #[serde(default, skip_serializing)]
    next: Option<String>,
}

#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Token {
    id: String,
    name: String,
    role: String,
    /// Patterns of the workspaces that it is about; null for all.
    workspaces: Option<Vec<String>>,
    /// `token` or `password`.
    kind: String,
    /// RFC 3339, UTC, as all times.
    created_at: String,
    expires_at: Option<String>,
    last_used_at: Option<String>,
}

/// What `token rm --json` prints.
#[derive(Serialize, ToSchema)]
pub struct TokenDeleted {
    version: u32,
    /// The id of the token.
    deleted: String,
}

/// What the API is asked for.
#[derive(Serialize)]
struct Wanted<'a> {
    name: &'a str,
    role: &'static str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    workspaces: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

pub async fn create(home: &Home, asked: &TokenCreate, output: Output) -> anyhow::Result<ExitCode> {
    let wanted = Wanted {
        name: &asked.name,
        role: match asked.role {
            TokenRole::Read => "read",
            TokenRole::Deploy => "deploy",
            TokenRole::Admin => "admin",
        },
        workspaces: &asked.workspaces,
        expires_in_s: asked.expires,
        password: if asked.password { Some(password()?) } else { None },
    };
    let made: CreatedToken = Client::new(home)?.tell("/api/v1/tokens", &wanted).await?;
    if output.is_json() {
        anstream::println!("{}", serde_json::to_string(&made)?);
        return Ok(ExitCode::SUCCESS);
    }
    match &made.secret {
        // Alone on stdout: TOKEN=$(cloudyknight token create …)
        Some(secret) => {
            anstream::println!("{secret}");
            if output.talks() {
                anstream::eprintln!(
                    "{HINT} it is not shown again; `cloudyknight token rm {}` takes it back",
                    made.token.name
                );
            }
        }
        None if output.talks() => anstream::println!("{} can sign in with that password.", made.token.name),
        None => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// From stdin, so that no list of processes and no shell history has it.
fn password() -> anyhow::Result<String> {
    if std::io::stdin().is_terminal() {
        anstream::eprintln!("The password, and Ctrl-D:");
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("could not read the password")?;
    let password = text.trim_end_matches(['\n', '\r']);
    if password.is_empty() {
        return Err(hinted(
            "there was no password on stdin",
            "cloudyknight token create NAME --password < FILE",
        ));
    }
    Ok(password.to_owned())
}

pub async fn ls(home: &Home, output: Output) -> anyhow::Result<ExitCode> {
    let tokens: Tokens = Client::new(home)?.all(TOKENS).await?;
    if output.is_json() {
        anstream::println!("{}", serde_json::to_string(&tokens)?);
    } else if tokens.tokens.is_empty() {
        anstream::println!("There is no token but the operator's, which `cloudyknight env` prints.");
    } else {
        anstream::print!("{}", table(&tokens.tokens));
    }
    Ok(ExitCode::SUCCESS)
}

const TOKENS: &str = "/api/v1/tokens";

impl Paged for Tokens {
    fn next(&mut self) -> &mut Option<String> {
        &mut self.next
    }

    fn add(&mut self, page: Self) {
        self.tokens.extend(page.tokens);
    }
}

fn table(tokens: &[Token]) -> String {
    let header =
        ["NAME", "ROLE", "WORKSPACES", "KIND", "CREATED", "EXPIRES", "LAST USED", "ID"].map(str::to_owned);
    let or = |time: &Option<String>, none: &str| time.as_deref().map_or(none.to_owned(), show::when);
    let rows = tokens.iter().map(|token| {
        [
            token.name.escape_debug().to_string(),
            token.role.clone(),
            token.workspaces.as_ref().map_or("all".to_owned(), |patterns| patterns.join(", ")),
            token.kind.clone(),
            show::when(&token.created_at),
            or(&token.expires_at, "never"),
            or(&token.last_used_at, "never"),
            token.id.clone(),
        ]
    });
    show::columns(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}

pub async fn rm(home: &Home, asked: &str, output: Output) -> anyhow::Result<ExitCode> {
    let client = Client::new(home)?;
    let Tokens { tokens, .. } = client.all(TOKENS).await?;
    let found: Vec<&Token> = tokens.iter().filter(|token| token.id == asked || token.name == asked).collect();
    let token = match found.as_slice() {
        [token] => *token,
        [] => {
            let names = tokens.iter().map(|token| token.name.as_str());
            let hint = suggest::hint(asked, names, "`cloudyknight token ls` lists them");
            return Err(hinted(format!("there is no token `{asked}`"), hint));
        }
        several => {
            let ids: Vec<&str> = several.iter().map(|token| token.id.as_str()).collect();
            let message = format!("{} tokens are called `{asked}`", several.len());
            return Err(hinted(message, format!("say which by its id: {}", ids.join(", "))));
        }
    };
    client.delete(&format!("/api/v1/tokens/{}", segment(&token.id))).await?;
    if output.is_json() {
        anstream::println!(
            "{}",
            serde_json::to_string(&TokenDeleted { version: 1, deleted: token.id.clone() })?
        );
    } else if output.talks() {
        anstream::println!("The {} of {} is deleted; whoever has it is refused.", token.kind, token.name);
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_tells_what_each_token_may_and_never_the_token() {
        let token = |name: &str, role: &str, workspaces: Option<&[&str]>, kind: &str| Token {
            id: format!("tok_{name}"),
            name: name.into(),
            role: role.into(),
            workspaces: workspaces.map(|patterns| patterns.iter().map(|one| (*one).to_owned()).collect()),
            kind: kind.into(),
            created_at: "2026-11-23T12:00:00Z".into(),
            expires_at: workspaces.map(|_| "2027-02-21T12:00:00.5Z".into()),
            last_used_at: None,
        };
        let tokens = [
            token("ci", "deploy", Some(&["shop-*", "blog"]), "token"),
            token("ada", "admin", None, "password"),
        ];
        insta::assert_snapshot!(table(&tokens));
    }
}
