//! Whether a queue's policy lets S3 put notifications on it: the setting that is forgotten most, and that S3 checks
//! only when the wiring is made.

use serde_json::Value;

/// Whether `policy` lets S3 send to the queue for the bucket.
///
/// Caveat: conditions on anything but the bucket's ARN (an account, TLS) are taken as met, since only AWS can tell; so
/// `true` means that nothing here speaks against it.
pub fn policy_lets_s3_send(policy: &str, queue_arn: &str, bucket_name: &str) -> bool {
    let Ok(policy) = serde_json::from_str::<Value>(policy) else { return false };
    let partition = queue_arn.split(':').nth(1).unwrap_or("aws");
    let sending = Sending { queue_arn, bucket_arn: format!("arn:{partition}:s3:::{bucket_name}") };
    let statements = many(&policy["Statement"]);
    let any = |effect: &str| {
        statements.iter().any(|statement| statement["Effect"] == effect && sending.is_meant_by(statement))
    };
    any("Allow") && !any("Deny")
}

/// What S3 does for a bucket.
struct Sending<'a> {
    queue_arn: &'a str,
    bucket_arn: String,
}

impl Sending<'_> {
    fn is_meant_by(&self, statement: &Value) -> bool {
        let denies = statement["Effect"] == "Deny";
        is_s3(&statement["Principal"])
            && texts(&statement["Action"])
                .iter()
                .any(|action| matches_ignoring_case(action, "sqs:SendMessage"))
            && texts(&statement["Resource"]).iter().any(|resource| matches(resource, self.queue_arn))
            && self.conditions_hold(&statement["Condition"], denies)
    }

    /// A condition that cannot be judged counts in the operator's favour: it holds in what allows, and not in what
    /// denies.
    fn conditions_hold(&self, conditions: &Value, denies: bool) -> bool {
        let Some(conditions) = conditions.as_object() else { return true };
        conditions.iter().all(|(operator, keys)| {
            keys.as_object().is_none_or(|keys| {
                keys.iter().all(|(key, wanted)| {
                    if !key.eq_ignore_ascii_case("aws:SourceArn") {
                        return !denies;
                    }
                    let wanted = texts(wanted);
                    let exact = || wanted.iter().any(|wanted| *wanted == self.bucket_arn);
                    let like = || wanted.iter().any(|wanted| matches(wanted, &self.bucket_arn));
                    match operator.strip_suffix("IfExists").unwrap_or(operator) {
                        "StringEquals" | "StringEqualsIgnoreCase" => exact(),
                        "StringNotEquals" => !exact(),
                        // The two are the same: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
                        "ArnEquals" | "ArnLike" | "StringLike" => like(),
                        "ArnNotEquals" | "ArnNotLike" | "StringNotLike" => !like(),
                        _ => !denies,
                    }
                })
            })
        })
    }
}

fn is_s3(principal: &Value) -> bool {
    principal == "*"
        || texts(&principal["AWS"]).contains(&"*")
        || texts(&principal["Service"])
            .iter()
            .any(|service| *service == "s3.amazonaws.com" || *service == "*")
}

/// A list, which JSON policies allow to leave out around a single value.
fn many(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        Value::Null => &[],
        one => std::slice::from_ref(one),
    }
}

fn texts(value: &Value) -> Vec<&str> {
    many(value).iter().filter_map(Value::as_str).collect()
}

fn matches_ignoring_case(pattern: &str, text: &str) -> bool {
    matches(&pattern.to_ascii_lowercase(), &text.to_ascii_lowercase())
}

/// `*` is any run of characters, `?` any one.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut read) = (0, 0);
    // Where to go on when what follows the last `*` did not fit: that `*` takes one more.
    let mut back: Option<(usize, usize)> = None;
    while read < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                back = Some((at, read));
                at += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[read] => (at, read) = (at + 1, read + 1),
            _ => match back {
                Some((star, from)) => {
                    back = Some((star, from + 1));
                    (at, read) = (star + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: &str = "arn:aws:sqs:eu-central-1:111122223333:events";

    fn check(statement: &str, expected: bool) {
        let policy = format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#);
        assert_eq!(policy_lets_s3_send(&policy, QUEUE, "workspaces"), expected, "{statement}");
    }

    fn allow(principal: &str, action: &str, resource: &str, condition: &str) -> String {
        format!(
            r#"{{"Effect":"Allow","Principal":{principal},"Action":{action},"Resource":{resource},"Condition":{condition}}}"#
        )
    }

    const S3: &str = r#"{"Service":"s3.amazonaws.com"}"#;
    const SEND: &str = r#""sqs:SendMessage""#;
    const HERE: &str = r#""arn:aws:sqs:eu-central-1:111122223333:events""#;
    const OURS: &str = r#"{"ArnEquals":{"aws:SourceArn":"arn:aws:s3:::workspaces"}}"#;

    #[test]
    fn the_documented_policy_lets_s3_send_alone_or_in_a_list() {
        let statement = allow(S3, SEND, HERE, OURS);
        check(&statement, true);
        check(&format!("[{statement}]"), true);
    }

    #[test]
    fn principal_action_and_resource_must_all_fit() {
        check(&allow(r#""*""#, r#"["sqs:Get*","SQS:sendmessage"]"#, r#""*""#, "{}"), true);
        check(&allow(r#"{"AWS":"*"}"#, r#""sqs:*""#, r#""arn:aws:sqs:*:*:ev?nts""#, "null"), true);
        check(&allow(r#"{"Service":["sns.amazonaws.com","s3.amazonaws.com"]}"#, SEND, HERE, "{}"), true);
        check(&allow(r#"{"Service":"sns.amazonaws.com"}"#, SEND, HERE, "{}"), false);
        check(&allow(r#"{"AWS":"arn:aws:iam::1:root"}"#, SEND, HERE, "{}"), false);
        check(&allow(S3, r#""sqs:ReceiveMessage""#, HERE, "{}"), false);
        check(&allow(S3, SEND, r#""arn:aws:sqs:eu-central-1:111122223333:event""#, "{}"), false);
    }

    #[test]
    fn the_source_must_be_the_bucket_and_other_conditions_are_left_to_aws() {
        check(&allow(S3, SEND, HERE, r#"{"ArnLike":{"AWS:SourceArn":["arn:aws:s3:*:*:work*"]}}"#), true);
        check(&allow(S3, SEND, HERE, r#"{"ArnEquals":{"aws:SourceArn":"arn:aws:s3:::other"}}"#), false);
        check(&allow(S3, SEND, HERE, r#"{"StringEquals":{"aws:SourceArn":"arn:aws:s3:::work*"}}"#), false);
        check(&allow(S3, SEND, HERE, r#"{"StringEquals":{"aws:SourceAccount":"1"}}"#), true);
    }

    #[test]
    fn a_denial_wins_when_it_surely_means_s3() {
        let allowed = allow(S3, SEND, HERE, OURS);
        let deny =
            |condition: &str| allow(r#""*""#, r#""sqs:*""#, HERE, condition).replace("\"Allow\"", "\"Deny\"");
        check(&format!("[{allowed},{}]", deny("{}")), false);
        check(&format!("[{allowed},{}]", deny(r#"{"Bool":{"aws:SecureTransport":"false"}}"#)), true);
    }

    #[test]
    fn what_is_no_policy_lets_nobody_send() {
        for policy in ["", "{}", "[]", "null", r#"{"Statement":3}"#, r#"{"Statement":[{}]}"#] {
            assert!(!policy_lets_s3_send(policy, QUEUE, "workspaces"), "{policy}");
        }
    }
}
