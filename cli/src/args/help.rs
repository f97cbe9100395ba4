//! How help looks: the commands in groups, by what people want, and colours on terminals.

use clap::builder::Styles;
use clap::builder::styling::{AnsiColor, Effects, Style};
use clap::{Command, CommandFactory};

use super::Args;

const HEADING: Style = AnsiColor::Green.on_default().effects(Effects::BOLD);
const WORD: Style = AnsiColor::Cyan.on_default().effects(Effects::BOLD);

pub const STYLES: Styles = Styles::styled()
    .header(HEADING)
    .usage(HEADING)
    .literal(WORD)
    .placeholder(AnsiColor::Cyan.on_default())
    .error(AnsiColor::Red.on_default().effects(Effects::BOLD))
    .valid(AnsiColor::Green.on_default())
    .invalid(AnsiColor::Yellow.on_default());

/// Every command that is not hidden stands in one of them, which a test sees to.
const GROUPS: &[(&str, &[&str])] = &[
    ("Deploy", &["push", "new", "wait", "retry", "cancel", "open"]),
    ("Look", &["ls", "status", "logs", "history", "diff", "volumes", "policy", "audit"]),
    ("Change", &["rollback", "unpin", "restart", "stop", "start", "rm", "restore", "forget"]),
    ("Platform", &["up", "down", "doctor", "mount", "unmount", "migrate", "token", "run", "ingest"]),
    ("For shells and programs", &["env", "config", "completions", "man", "schema"]),
];

/// The command line with its groups.
pub fn command() -> Command {
    let command = Args::command();
    let template = format!("{{about}}\n\n{{usage-heading}} {{usage}}\n{}\n", groups(&command));
    command.help_template(format!("{template}{HEADING}Options:{HEADING:#}\n{{options}}{{after-help}}"))
}

fn groups(command: &Command) -> String {
    let mut text = String::new();
    let shown = command.get_subcommands().filter(|one| !one.is_hide_set());
    let width = shown.map(|one| one.get_name().len()).max().unwrap_or_default();
    for (group, names) in GROUPS {
        text.push_str(&format!("\n{HEADING}{group}:{HEADING:#}\n"));
        for one in names.iter().filter_map(|name| command.find_subcommand(name)) {
            let about = one.get_about().map(ToString::to_string).unwrap_or_default();
            text.push_str(&format!("  {WORD}{:width$}{WORD:#}  {about}\n", one.get_name()));
        }
    }
    text
}

/// What is worth knowing of all commands alike.
pub const AFTER: &str = "\
Examples:
  cloudyknight new hello --template node     a folder to begin with
  cloudyknight push hello                    upload it, and follow it until it is live
  cloudyknight push hello --watch            the same again at each save
  cloudyknight rollback hello                back to the release before

Exit codes:
  0    it is done
  1    it failed: what failed and what to do about it is on stderr
  2    the command line makes no sense
  78   of `run` and `ingest`: the settings make no sense, and starting again would not help
  124  it did not end in the time that --timeout gives

With CLOUDYKNIGHT_API and CLOUDYKNIGHT_TOKEN set, commands speak to the platform there; what is about its machine is
refused.
`cloudyknight schema COMMAND` tells what a command prints with --json.";

pub const PUSH: &str = "\
Left out are .git, node_modules, and what .gitignore, .git/info/exclude and .cloudyknightignore say, all in the syntax
of .gitignore; what .cloudyknightignore says counts more (`!dist` there pushes what git ignores).

Examples:
  cloudyknight push                          this folder, under its own name
  cloudyknight push site blog                the folder `site` as the workspace `blog`
  cloudyknight push site blog --watch        and again at each save, until Ctrl-C
  cloudyknight push site blog --dry-run      only tell what would be uploaded and deleted

The exit code is 0 when it is live, 1 when it failed, 124 when neither was so in time.";

pub const NEW: &str = "\
Examples:
  cloudyknight new                           list the templates
  cloudyknight new hello --template node     make the folder `hello`
  cloudyknight push hello --watch            and work in it";

pub const LOGS: &str = "\
Examples:
  cloudyknight logs shop -f                  what its containers say, and go on
  cloudyknight logs shop --service db -n 20  the last lines of one service
  cloudyknight logs shop --build             what its last installation or build said
  cloudyknight logs --platform -f            what the platform says";

pub const TOKEN: &str = "\
Examples:
  cloudyknight token create ci --role deploy --workspace 'shop-*' --expires 90d
  cloudyknight token create ada --role read --password < password.txt
  cloudyknight token ls
  cloudyknight token rm ci

A token is shown once, when it is made. Whoever has it sets CLOUDYKNIGHT_TOKEN, and CLOUDYKNIGHT_API to the address of
the platform, and needs nothing else to push.";

pub const COMPLETIONS: &str = "\
Examples:
  source <(cloudyknight completions bash)
  cloudyknight completions zsh > \"${fpath[1]}/_cloudyknight\"
  cloudyknight completions fish > ~/.config/fish/completions/cloudyknight.fish";

pub const MAN: &str = "\
Examples:
  cloudyknight man | man -l -                read the first page
  cloudyknight man ~/.local/share/man/man1   write a page for each command";

pub const CONFIG: &str = "\
Examples:
  cloudyknight config                        every setting, and where it comes from
  cloudyknight config edge_listen            one of them
  cloudyknight config path                   where the file is";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_stands_in_one_group() {
        let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        for one in command().get_subcommands().filter(|one| !one.is_hide_set()) {
            let name = one.get_name();
            assert_eq!(grouped.iter().filter(|grouped| **grouped == name).count(), 1, "{name}");
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn every_command_and_argument_says_what_it_is() {
        fn check(command: &Command) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for one in command.get_arguments().filter(|one| !one.is_positional()) {
                assert!(one.get_help().is_some(), "{} {}", command.get_name(), one.get_id());
            }
            command.get_subcommands().for_each(check);
        }
        check(&command());
    }

    #[test]
    fn help_shows_the_commands_by_what_people_want() {
        let help = command().render_help().to_string();
        insta::assert_snapshot!(help);
    }
}
