//! The queues of SQS that the settings name: what they are, and what this identity may do with them and with those for
//! dead letters behind them.

use anyhow::Context;
use cloudyknight_store::aws::QueueRight::{self, Delete, Extend, Receive, Send};
use cloudyknight_store::aws::{QueueFacts, SqsQueue, connect};

use super::{Finding, Findings, broken, fine, wrong};
use crate::backends::{Commands, Events, QueueUrl};
use crate::config::Config;

pub async fn look(config: &Config, findings: &mut Findings) {
    // Where the functions run elsewhere, so does the one for dead letters.
    let functions = config.events != Events::None;
    if let Events::Sqs(queue) = &config.events {
        let mut rights = vec![Receive, Delete, Extend];
        if config.ingest_listen.is_some() {
            rights.push(Send);
        }
        one(
            ["events queue", "rights on it", "its dead letters"],
            queue,
            &rights,
            functions,
            config,
            findings,
        )
        .await;
    }
    if let Commands::Sqs(queue) = &config.commands {
        let mut rights = vec![Receive, Delete, Extend];
        if functions || config.sweep_interval_s > 0 {
            rights.push(Send);
        }
        one(
            ["commands queue", "rights on it", "its dead letters"],
            queue,
            &rights,
            functions,
            config,
            findings,
        )
        .await;
    }
}

async fn one(
    [check, rights_check, dead_check]: [&'static str; 3],
    queue: &QueueUrl,
    rights: &[QueueRight],
    reads_dead_letters: bool,
    config: &Config,
    findings: &mut Findings,
) {
    let asked = async {
        let clients = connect(super::quickly(config.connect_queue(queue))).await?;
        let asked = clients.queue(&queue.url);
        let facts = asked.facts().await.context("could not ask the queue about itself")?;
        anyhow::Ok((asked, facts))
    };
    let (asked, facts) = match asked.await {
        Ok(asked) => asked,
        Err(error) => {
            return findings.push(broken(
                check,
                error,
                "is its URL right, and may this identity receive from it?",
            ));
        }
    };
    findings.push(judged(check, queue, &facts));
    allowed(rights_check, &asked, rights, findings).await;
    if !reads_dead_letters || facts.dead_letter.is_none() {
        return;
    }
    match asked.dead_letter_queue().await {
        Ok(Some(dead)) => allowed(dead_check, &dead, &[Receive, Delete], findings).await,
        Ok(None) => {}
        Err(error) => findings.push(broken(
            dead_check,
            error.into(),
            "is the queue that its redrive policy names there?",
        )),
    }
}

/// Each right that is missing, or that none is.
async fn allowed(check: &'static str, queue: &SqsQueue, rights: &[QueueRight], findings: &mut Findings) {
    let mut well = true;
    for right in rights {
        if let Err(error) = queue.may(*right).await {
            well = false;
            findings.push(broken(
                check,
                error.into(),
                "let this identity do that; `infra/template.yaml` says who may do what",
            ));
        }
    }
    if well {
        let words: Vec<_> = rights.iter().map(|right| word(*right)).collect();
        findings.push(fine(check, format!("this identity may {} on `{}`", words.join(", "), queue.name())));
    }
}

fn word(right: QueueRight) -> &'static str {
    match right {
        Receive => "receive",
        Delete => "delete",
        Extend => "extend",
        Send => "send",
    }
}

fn judged(check: &'static str, queue: &QueueUrl, facts: &QueueFacts) -> Finding {
    if facts.fifo != queue.fifo {
        return wrong(check, format!("{} is not of the kind that its name says", facts.arn), "make it anew");
    }
    match &facts.dead_letter {
        None => wrong(
            check,
            format!(
                "{} has no dead-letter queue: a message that cannot be handled comes again until it expires",
                facts.arn
            ),
            "give it a redrive policy with a maxReceiveCount of 5",
        ),
        Some(dead) => fine(
            check,
            format!(
                "{} answers; after {} tries a message goes to {}",
                facts.arn, dead.max_receives, dead.arn
            ),
        ),
    }
}
