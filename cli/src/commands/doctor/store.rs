//! The store, through S3, as the platform and its users reach it: credentials, both buckets, the clock, conditional
//! writes, and whether anybody is told when an object changes.

use anyhow::Context;
use cloudyknight_store::aws::{QueueFacts, S3Bucket, Target, Wiring, connect, policy_lets_s3_send};
use cloudyknight_store::bucket::{Bucket, BucketError, Follow};

use super::{Finding, Findings, broken, fine, unknown, wrong};
use crate::backends::{Commands, Events, QueueUrl, Store};
use crate::config::Config;
use crate::errors;
use crate::home::Home;
use crate::s3::Place;

/// More than this, in seconds, and signatures are refused soon: AWS allows fifteen minutes.
const SKEW: i64 = 300;
/// Written and deleted again, below the documents of the platform.
const SCRATCH: &str = "doctor/probe";
/// In no workspace, and never there where the server knows conditions.
const UNSEEN: &str = ".cloudyknight/doctor";

pub async fn look(home: &Home, config: &Config, findings: &mut Findings) {
    let place = match Place::with(home, super::quickly).await {
        Ok(place) => place,
        Err(error) => return findings.push(broken("store", error, "`cloudyknight up` starts the platform")),
    };
    let workspaces = place.clients.bucket(&place.workspaces);
    let platform = place.clients.bucket(&place.platform);
    if let Err(error) = place.clients.credentials().await {
        findings.push(broken("credentials", error.into(), NO_CREDENTIALS));
        return;
    }
    match workspaces.folders().await {
        Ok(folders) => {
            findings
                .push(fine("bucket", format!("s3://{} holds {} folders", place.workspaces, folders.len())));
        }
        Err(error) => {
            // Whatever else is asked of it would fail the same way.
            return findings.push(broken("bucket", error.into(), "are the credentials those of the store?"));
        }
    }
    match workspaces.facts().await {
        Ok(facts) => {
            if let Some(skew) = facts.clock_skew {
                findings.push(clock(skew));
            }
            if let Some(region) = facts.region.filter(|region| *region != place.region) {
                findings.push(wrong(
                    "region",
                    format!(
                        "s3://{} is in {region}, and the settings say {}",
                        place.workspaces, place.region
                    ),
                    format!("set `region = \"{region}\"`, or the endpoint of that region as `store`"),
                ));
            }
        }
        Err(error) => findings.push(broken("bucket", error.into(), "may this identity list it?")),
    }
    findings.push(reading(&workspaces).await);
    findings.push(publishing(&workspaces).await);
    platform_bucket(&platform, &place.platform, findings).await;
    if config.store != Store::Embedded {
        notifications(&workspaces, config, findings).await;
    }
}

const NO_CREDENTIALS: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or `profile` in the settings";

fn clock(skew: i64) -> Finding {
    let message = format!("this machine and the store differ by {} s", skew.abs());
    if skew.abs() <= SKEW {
        fine("clock", message)
    } else {
        wrong(
            "clock",
            message,
            "set the clock of this machine, by NTP: requests are refused when it is wrong",
        )
    }
}

/// Whether what is listed may be read as well. A key that is not there is as good as any to find out.
async fn reading(bucket: &S3Bucket) -> Finding {
    const CHECK: &str = "reading";
    match bucket.get(UNSEEN, None).await {
        Ok(_) | Err(BucketError::NotFound { .. }) => {
            fine(CHECK, format!("s3://{} can be read", bucket.name()))
        }
        Err(error) => broken(CHECK, error.into(), "let the agent read the objects of the bucket"),
    }
}

/// Only some of what the platform does writes there.
async fn publishing(bucket: &S3Bucket) -> Finding {
    const CHECK: &str = "publishing";
    match bucket.may_write(UNSEEN).await {
        Ok(()) => fine(CHECK, format!("s3://{} can be written: archives and `restore` work", bucket.name())),
        Err(error) if error.follow() == Follow::Human => {
            let hint = "let the agent put and delete objects there (`PublishFiles` in `infra/template.yaml`); all else \
                        works without it";
            wrong(CHECK, errors::sentence(&error.into()), hint)
        }
        Err(error) => broken(CHECK, error.into(), "try again"),
    }
}

/// It must be writable: releases and statuses are there.
async fn platform_bucket(bucket: &S3Bucket, name: &str, findings: &mut Findings) {
    let listed = bucket.list(SCRATCH).await;
    if let Err(error) = listed {
        return findings.push(broken(
            "platform bucket",
            error.into(),
            "make the bucket, or correct `platform_bucket`",
        ));
    }
    let held = bucket.conditional_writes(SCRATCH).await;
    let cleaned = bucket.delete(SCRATCH).await;
    findings.push(match held.and_then(|held| cleaned.map(|()| held)) {
        Ok(true) => fine("platform bucket", format!("s3://{name} can be written, also under conditions")),
        Ok(false) => fine(
            "platform bucket",
            format!(
                "s3://{name} can be written; the server knows no conditional writes, so two agents that follow the \
                 same buckets would not notice each other"
            ),
        ),
        Err(error) => broken("platform bucket", error.into(), "the platform writes statuses there; may it?"),
    });
}

async fn notifications(bucket: &S3Bucket, config: &Config, findings: &mut Findings) {
    let queue = match &config.events {
        Events::Sqs(queue) => queue,
        Events::Embedded if config.ingest_listen.is_some() => {
            let message =
                "the store must post to the webhook of `ingest`; from here its configuration cannot be seen";
            return findings.push(unknown(NOTIFICATIONS, message));
        }
        // Somebody sends to that queue: the functions elsewhere.
        Events::None if let Commands::Sqs(commands) = &config.commands => {
            return elsewhere(bucket, commands, config, findings).await;
        }
        Events::Embedded | Events::None if config.sweep_interval_s > 0 => {
            let message = format!("none are read here; a sweep looks every {} s", config.sweep_interval_s);
            return findings.push(fine(NOTIFICATIONS, message));
        }
        Events::None => {
            return findings.push(unknown(NOTIFICATIONS, "read elsewhere: by the functions on Lambda"));
        }
        Events::Embedded => {
            let message = "nothing tells of changes: no queue, no webhook and no sweep";
            let hint = "set `events` to the queue that the bucket notifies, or `ingest_listen`, or `sweep_interval_s`";
            return findings.push(wrong(NOTIFICATIONS, message, hint));
        }
    };
    let facts = async {
        let clients = connect(super::quickly(config.connect_queue(queue))).await?;
        clients.queue(&queue.url).facts().await.context("could not ask the events queue about itself")
    };
    let facts = match facts.await {
        Ok(facts) => facts,
        // That is told where the queues are looked at.
        Err(_) => return,
    };
    match bucket.wiring().await {
        Ok(wirings) => findings.extend(wired(&wirings, &facts.arn, bucket.name())),
        Err(error) => findings.push(unasked(error)),
    }
    findings.push(let_in(&facts, bucket.name(), is_aws(config)));
}

/// The functions run elsewhere. What tells them of changes is seen by an identity that may look at it, which the agent's
/// own need not.
async fn elsewhere(bucket: &S3Bucket, commands: &QueueUrl, config: &Config, findings: &mut Findings) {
    let wirings = match bucket.wiring().await {
        Ok(wirings) => wirings,
        Err(error) => return findings.push(unasked(error)),
    };
    let queue = wirings.iter().find_map(|wiring| match &wiring.target {
        Target::Queue(arn) => Some(arn.as_str()),
        _ => None,
    });
    let Some(arn) = queue else {
        findings.push(match (wirings.is_empty(), config.sweep_interval_s) {
            (false, _) => unknown(
                NOTIFICATIONS,
                format!("s3://{} notifies no queue, but something else", bucket.name()),
            ),
            (true, 0) => wrong(NOTIFICATIONS, format!("s3://{} notifies nobody", bucket.name()), WIRE_IT),
            (true, interval) => {
                fine(NOTIFICATIONS, format!("none are sent; a sweep looks every {interval} s"))
            }
        });
        return;
    };
    findings.extend(wired(&wirings, arn, bucket.name()));
    let facts = async {
        let clients = connect(super::quickly(config.connect_queue(commands))).await?;
        anyhow::Ok(clients.queue(&commands.url).beside(arn).await?.facts().await?)
    };
    findings.push(match facts.await {
        Ok(facts) => let_in(&facts, bucket.name(), is_aws(config)),
        Err(error) => {
            unknown(POLICY, format!("it cannot be seen by this identity: {}", errors::sentence(&error)))
        }
    });
}

const NOTIFICATIONS: &str = "notifications";
const POLICY: &str = "queue policy";

fn is_aws(config: &Config) -> bool {
    matches!(&config.store, Store::S3(endpoint) if endpoint.is_aws)
}

/// Whether the queue lets S3 in.
fn let_in(facts: &QueueFacts, bucket: &str, is_aws: bool) -> Finding {
    if facts.policy.as_deref().is_some_and(|policy| policy_lets_s3_send(policy, &facts.arn, bucket)) {
        return fine(POLICY, "it lets S3 send the notifications of the bucket");
    }
    let message = format!("that of {} does not let S3 send what s3://{bucket} notifies", facts.arn);
    if is_aws {
        let hint = "allow sqs:SendMessage to the service s3.amazonaws.com for the bucket; `infra/template.yaml` does";
        wrong(POLICY, message, hint)
    } else {
        // Servers that stand in for AWS deliver without one.
        unknown(POLICY, format!("{message}; AWS would not notify"))
    }
}

const WIRE_IT: &str = "notify a queue of s3:ObjectCreated:* and s3:ObjectRemoved:*, without a filter; `infra/template.yaml` does";

/// Whether what changes reaches the queue.
fn wired(wirings: &[Wiring], arn: &str, bucket: &str) -> Vec<Finding> {
    const CHECK: &str = NOTIFICATIONS;
    let hint = WIRE_IT;
    let ours: Vec<_> =
        wirings.iter().filter(|wiring| wiring.target == Target::Queue(arn.to_owned())).collect();
    if ours.is_empty() {
        return vec![wrong(CHECK, format!("s3://{bucket} does not notify {arn}"), hint)];
    }
    let told = |kind: &str| ours.iter().any(|wiring| wiring.events.iter().any(|event| event.contains(kind)));
    let missing: Vec<_> =
        ["ObjectCreated:*", "ObjectRemoved:*"].into_iter().filter(|kind| !told(kind)).collect();
    if !missing.is_empty() {
        let message = format!("s3://{bucket} notifies the queue, but not of {}", missing.join(" and "));
        return vec![wrong(CHECK, message, hint)];
    }
    if let Some(filtered) = ours.iter().find(|wiring| !(wiring.prefix.is_empty() && wiring.suffix.is_empty()))
    {
        let (prefix, suffix) = (&filtered.prefix, &filtered.suffix);
        let message = format!("s3://{bucket} notifies the queue only of `{prefix}*{suffix}`");
        return vec![unknown(CHECK, message)];
    }
    vec![fine(CHECK, format!("s3://{bucket} notifies the events queue"))]
}

/// The right to read the configuration is one that the work itself does not need.
fn unasked(error: BucketError) -> Finding {
    if error.follow() == Follow::Human {
        unknown(NOTIFICATIONS, "this identity may not see how the bucket is wired (s3:GetBucketNotification)")
    } else {
        broken(NOTIFICATIONS, error.into(), "try again")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wiring(arn: &str, events: &[&str], prefix: &str) -> Wiring {
        Wiring {
            target: Target::Queue(arn.to_owned()),
            events: events.iter().map(|event| (*event).to_owned()).collect(),
            prefix: prefix.to_owned(),
            suffix: String::new(),
        }
    }

    #[test]
    fn what_is_missing_of_the_wiring_is_named() {
        let all = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"];
        let check = |wirings: &[Wiring], ok: bool, said: &str| {
            let findings = wired(wirings, "arn:ours", "b");
            assert!(findings.iter().all(|finding| finding.ok) == ok, "{}", findings[0].message);
            assert!(findings[0].message.contains(said), "{}", findings[0].message);
        };
        check(&[], false, "does not notify arn:ours");
        check(&[wiring("arn:other", &all, "")], false, "does not notify arn:ours");
        check(&[wiring("arn:ours", &all[..1], "")], false, "not of ObjectRemoved:*");
        check(&[wiring("arn:ours", &all, "app/")], true, "only of `app/*`");
        check(&[wiring("arn:ours", &all, "")], true, "notifies the events queue");
        check(
            &[wiring("arn:ours", &all[..1], ""), wiring("arn:ours", &all[1..], "")],
            true,
            "notifies the events",
        );
    }

    #[test]
    fn a_queue_that_does_not_let_s3_in_is_wrong_on_aws_and_nowhere_else() {
        let facts = |policy: Option<&str>| QueueFacts {
            arn: "arn:aws:sqs:eu-west-1:1:events".to_owned(),
            fifo: false,
            content_deduplication: false,
            visibility_s: 30,
            dead_letter: None,
            policy: policy.map(str::to_owned),
        };
        let open =
            r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"sqs:SendMessage","Resource":"*"}}"#;
        let check = |policy, is_aws, ok: bool| {
            let finding = let_in(&facts(policy), "workspaces", is_aws);
            assert_eq!(finding.ok, ok, "{policy:?} {is_aws}");
            assert_eq!(finding.hint.is_some(), !ok);
        };
        check(Some(open), true, true);
        check(None, true, false);
        check(Some("{}"), true, false);
        check(None, false, true);
    }

    #[test]
    fn a_clock_may_be_off_by_minutes_and_no_more() {
        assert!(clock(-SKEW).ok && clock(SKEW).ok);
        assert!(!clock(SKEW + 1).ok && !clock(-SKEW - 1).ok);
    }
}
