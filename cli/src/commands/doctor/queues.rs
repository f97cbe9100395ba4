//! The queues of SQS that the settings name.

use anyhow::Context;
use cloudyknight_store::aws::{QueueFacts, connect};

use super::{Finding, Findings, broken, fine, wrong};
use crate::backends::{Commands, Events, QueueUrl};
use crate::config::Config;

pub async fn look(config: &Config, findings: &mut Findings) {
    if let Events::Sqs(queue) = &config.events {
        one("events queue", queue, config, findings).await;
    }
    if let Commands::Sqs(queue) = &config.commands {
        one("commands queue", queue, config, findings).await;
    }
}

async fn one(check: &'static str, queue: &QueueUrl, config: &Config, findings: &mut Findings) {
    let facts = async {
        let clients = connect(super::quickly(config.connect_queue(queue))).await?;
        clients.queue(&queue.url).facts().await.context("could not ask the queue about itself")
    };
    findings.push(match facts.await {
        Ok(facts) => judged(check, queue, &facts),
        Err(error) => broken(check, error, "is its URL right, and may this identity receive from it?"),
    });
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
