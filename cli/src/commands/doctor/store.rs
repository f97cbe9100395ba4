//! The store, through S3, as the platform and its users reach it: credentials, both buckets, the clock, conditional
//! writes, and whether anybody is told when an object changes.

use anyhow::Context;
use cloudyknight_store::aws::{QueueFacts, S3Bucket, Target, Wiring, connect, policy_lets_s3_send};
use cloudyknight_store::bucket::{Bucket, BucketError, Follow};

use super::{Finding, Findings, broken, fine, noted, unknown, wrong};
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

/// Only some of what the platform does writes there, and whoever deploys it may have chosen that it does not.
async fn publishing(bucket: &S3Bucket) -> Finding {
    const CHECK: &str = "publishing";
    match bucket.may_write(UNSEEN).await {
        Ok(()) => fine(CHECK, format!("s3://{} can be written: archives and `restore` work", bucket.name())),
        Err(error) if error.follow() == Follow::Human => {
            let message = format!(
                "s3://{} may not be written: archives and `restore` fail, and all else works ({})",
                bucket.name(),
                errors::sentence(&error.into())
            );
            let hint = "if they are wanted, let the agent put and delete objects there (`AgentMayPublish` of \
                        `infra/template.yaml`)";
            noted(CHECK, message, hint)
        }
        Err(error) => broken(CHECK, error.into(), "try again"),
    }
}

/// It must be readable and writable: releases and statuses are there.
async fn platform_bucket(bucket: &S3Bucket, name: &str, findings: &mut Findings) {
    let listed = bucket.list(SCRATCH).await;
    if let Err(error) = listed {
        return findings.push(broken(
            "platform bucket",
            error.into(),
            "make the bucket, or correct `platform_bucket`",
        ));
    }
    // A key that is not there is as good as any.
    if let Err(error) = bucket.get(SCRATCH, None).await
        && !matches!(error, BucketError::NotFound { .. })
    {
        let hint = "let the agent read the objects of that bucket: its releases and statuses are there";
        return findings.push(broken("platform bucket", error.into(), hint));
    }
    let held = bucket.conditional_writes(SCRATCH).await;
    let cleaned = bucket.delete(SCRATCH).await;
    findings.push(match held.and_then(|held| cleaned.map(|()| held)) {
        Ok(true) => {
            fine("platform bucket", format!("s3://{name} can be read and written, also under conditions"))
        }
        Ok(false) => fine(
            "platform bucket",
            format!(
                "s3://{name} can be read and written; the server knows no conditional writes, so two agents that follow the \
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
    let wirings = bucket.wiring().await;
    findings.push(let_in(
        &facts,
        bucket.name(),
        sender(wirings.as_deref().unwrap_or_default()),
        is_aws(config),
    ));
    findings.extend(match wirings {
        Ok(wirings) => wired(&wirings, &facts.arn, bucket.name(), is_aws(config)),
        Err(error) => vec![unasked(error)],
    });
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
        findings.push(match (wirings.first(), config.sweep_interval_s) {
            (Some(wiring), _) => by_way_of(wiring, bucket.name(), "the queue of the functions"),
            (None, 0) => wrong(NOTIFICATIONS, format!("s3://{} notifies nobody", bucket.name()), WIRE_IT),
            (None, interval) => {
                fine(NOTIFICATIONS, format!("none are sent; a sweep looks every {interval} s"))
            }
        });
        return;
    };
    findings.extend(wired(&wirings, arn, bucket.name(), is_aws(config)));
    let facts = async {
        let clients = connect(super::quickly(config.connect_queue(commands))).await?;
        anyhow::Ok(clients.queue(&commands.url).beside(arn).await?.facts().await?)
    };
    findings.push(match facts.await {
        Ok(facts) => let_in(&facts, bucket.name(), Sender::S3, is_aws(config)),
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

/// Who puts notifications onto the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    S3,
    /// Something that S3 tells: a topic, a function or EventBridge.
    Another,
    /// Nobody, as far as this identity can see.
    Unseen,
}

fn sender(wirings: &[Wiring]) -> Sender {
    match wirings {
        [] => Sender::Unseen,
        all if all.iter().any(|wiring| matches!(wiring.target, Target::Queue(_))) => Sender::S3,
        _ => Sender::Another,
    }
}

/// Whether the queue lets S3 in.
fn let_in(facts: &QueueFacts, bucket: &str, sender: Sender, is_aws: bool) -> Finding {
    if sender == Sender::Another {
        return unknown(POLICY, "S3 does not send there itself; whoever does must be let in");
    }
    if facts.policy.as_deref().is_some_and(|policy| policy_lets_s3_send(policy, &facts.arn, bucket)) {
        return fine(POLICY, "it lets S3 send the notifications of the bucket");
    }
    let message = format!("that of {} does not let S3 send what s3://{bucket} notifies", facts.arn);
    let hint =
        "allow sqs:SendMessage to the service s3.amazonaws.com for the bucket; `infra/template.yaml` does";
    match (sender, is_aws) {
        (Sender::S3, true) => wrong(POLICY, message, hint),
        (_, true) => noted(POLICY, format!("{message}, if it does"), hint),
        // Servers that stand in for AWS deliver without one.
        (_, false) => {
            noted(POLICY, format!("{message}; this server sends all the same, and AWS would not"), hint)
        }
    }
}

const WIRE_IT: &str = "notify a queue of s3:ObjectCreated:*, s3:ObjectRemoved:* and s3:LifecycleExpiration:*, without a filter; \
                       `infra/template.yaml` does";

/// Something that is told in the queue's place, and that may pass it on.
fn by_way_of(wiring: &Wiring, bucket: &str, queue: &str) -> Finding {
    let target = match &wiring.target {
        Target::Queue(arn) | Target::Topic(arn) | Target::Function(arn) => arn,
        Target::EventBridge => "EventBridge",
    };
    let message = format!(
        "s3://{bucket} notifies {target}; whether that passes it on to {queue} cannot be seen from here"
    );
    noted(
        NOTIFICATIONS,
        message,
        "push something: `cloudyknight status` says whether a notification or the sweep found it",
    )
}

/// Whether what changes reaches the queue.
fn wired(wirings: &[Wiring], arn: &str, bucket: &str, is_aws: bool) -> Vec<Finding> {
    const CHECK: &str = NOTIFICATIONS;
    let hint = WIRE_IT;
    let ours: Vec<_> =
        wirings.iter().filter(|wiring| wiring.target == Target::Queue(arn.to_owned())).collect();
    if ours.is_empty() {
        let passes_on = |wiring: &&Wiring| matches!(wiring.target, Target::Topic(_) | Target::EventBridge);
        return vec![match wirings.iter().find(passes_on) {
            Some(wiring) => by_way_of(wiring, bucket, arn),
            None => wrong(CHECK, format!("s3://{bucket} does not notify {arn}"), hint),
        }];
    }
    let of = |family: &str| -> Vec<&Wiring> {
        let tells = |wiring: &&Wiring| wiring.events.iter().any(|event| event.contains(family));
        ours.iter().copied().filter(tells).collect()
    };
    let families = ["ObjectCreated:*", "ObjectRemoved:*"];
    let missing: Vec<_> = families.into_iter().filter(|family| of(family).is_empty()).collect();
    if !missing.is_empty() {
        let message = format!("s3://{bucket} notifies the queue, but not of {}", missing.join(" and "));
        return vec![wrong(CHECK, message, hint)];
    }
    let is_filtered = |wiring: &&Wiring| !(wiring.prefix.is_empty() && wiring.suffix.is_empty());
    for family in families {
        let told = of(family);
        if told.iter().all(is_filtered) {
            let only: Vec<_> =
                told.iter().map(|wiring| format!("`{}*{}`", wiring.prefix, wiring.suffix)).collect();
            let only = only.join(" and ");
            let message = format!(
                "s3://{bucket} notifies the queue of {family} only for {only}: nothing tells of other keys"
            );
            return vec![wrong(CHECK, message, hint)];
        }
    }
    let message = format!("s3://{bucket} notifies the events queue");
    // Only on AWS does anything expire.
    if is_aws && of("LifecycleExpiration:*").iter().all(is_filtered) {
        let message =
            format!("{message}, but not of all that a lifecycle rule deletes: only the sweep finds that");
        return vec![noted(CHECK, message, hint)];
    }
    vec![fine(CHECK, message)]
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
            let findings = wired(wirings, "arn:ours", "b", false);
            assert!(findings.iter().all(|finding| finding.ok) == ok, "{}", findings[0].message);
            assert!(findings[0].message.contains(said), "{}", findings[0].message);
        };
        check(&[], false, "does not notify arn:ours");
        check(&[wiring("arn:other", &all, "")], false, "does not notify arn:ours");
        check(&[wiring("arn:ours", &all[..1], "")], false, "not of ObjectRemoved:*");
        check(&[wiring("arn:ours", &all, "app/")], false, "of ObjectCreated:* only for `app/*`");
        check(
            &[
                wiring("arn:ours", &all[..1], ""),
                wiring("arn:ours", &all[1..], "app/"),
                wiring("arn:ours", &all[1..], "b/"),
            ],
            false,
            "of ObjectRemoved:* only for `app/*` and `b/*`: nothing tells of other keys",
        );
        check(
            &[wiring("arn:ours", &all, ""), wiring("arn:ours", &all, "app/")],
            true,
            "notifies the events queue",
        );
        check(&[wiring("arn:ours", &all, "")], true, "notifies the events queue");
        check(
            &[wiring("arn:ours", &all[..1], ""), wiring("arn:ours", &all[1..], "")],
            true,
            "notifies the events",
        );
    }

    #[test]
    fn a_way_through_a_topic_or_eventbridge_is_noted_and_not_wrong() {
        let told_to = |target: Target| Wiring { target, ..wiring("", &["s3:ObjectCreated:*"], "") };
        let check = |target: Target, ok: bool, said: &str| {
            let finding = &wired(&[told_to(target)], "arn:ours", "b", true)[0];
            assert!(finding.ok == ok && finding.hint.is_some(), "{}", finding.message);
            assert!(finding.message.contains(said), "{}", finding.message);
        };
        check(
            Target::Topic("arn:topic".into()),
            true,
            "notifies arn:topic; whether that passes it on to arn:ours",
        );
        check(Target::EventBridge, true, "notifies EventBridge");
        check(Target::Function("arn:function".into()), false, "does not notify arn:ours");
    }

    #[test]
    fn what_lifecycle_rules_delete_is_noted_where_anything_expires() {
        let all = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:LifecycleExpiration:*"];
        let check = |events: &[&str], is_aws, noted: bool| {
            let finding = &wired(&[wiring("arn:ours", events, "")], "arn:ours", "b", is_aws)[0];
            assert!(finding.ok && finding.hint.is_some() == noted, "{}", finding.message);
        };
        check(&all, true, false);
        check(&all[..2], true, true);
        check(&all[..2], false, false);
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
        let check = |policy, sender, is_aws, expected: (bool, bool, bool)| {
            let finding = let_in(&facts(policy), "workspaces", sender, is_aws);
            let found = (finding.ok, finding.checked, finding.hint.is_some());
            assert_eq!(found, expected, "{policy:?} {sender:?} {is_aws}");
        };
        let (fine, noted, wrong, unknown) =
            ((true, true, false), (true, true, true), (false, true, true), (true, false, false));
        check(Some(open), Sender::S3, true, fine);
        check(None, Sender::S3, true, wrong);
        check(Some("{}"), Sender::S3, true, wrong);
        check(None, Sender::S3, false, noted);
        check(None, Sender::Another, true, unknown);
        check(Some(open), Sender::Another, true, unknown);
        check(None, Sender::Unseen, true, noted);
    }

    #[test]
    fn a_clock_may_be_off_by_minutes_and_no_more() {
        assert!(clock(-SKEW).ok && clock(SKEW).ok);
        assert!(!clock(SKEW + 1).ok && !clock(-SKEW - 1).ok);
    }
}
