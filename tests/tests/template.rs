//! What infra/template.yaml promises, read from its text: encryption, TLS, no public access, versions and their end, dead
//! letters, alarms, a schedule, and who may do what. Needs no server; tests/infra.rs carries it out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cloudyknight_tests::client::python;
use cloudyknight_tests::run::{run, succeeded};
use serde_json::{Value, json};

/// YAML with CloudFormation's short forms, as JSON with its long ones. PyYAML comes with the aws command.
const LONG_FORM: &str = r#"
import json, sys, yaml
def long_form(loader, suffix, node):
    name = suffix if suffix in ("Ref", "Condition") else "Fn::" + suffix
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}
yaml.SafeLoader.add_multi_constructor("!", long_form)
print(json.dumps(yaml.safe_load(open(sys.argv[1]))))
"#;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn template() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/template.yaml");
    let answer = succeeded("reading the template", &run(python().args(["-c", LONG_FORM]).arg(path)));
    serde_json::from_str(&answer).expect("JSON")
}

/// Name → properties of each resource of a type.
fn of_type<'a>(template: &'a Value, kind: &str) -> BTreeMap<&'a str, &'a Value> {
    let resources = template["Resources"].as_object().expect("resources");
    let chosen: BTreeMap<_, _> = resources
        .iter()
        .filter(|(_, resource)| resource["Type"] == kind)
        .map(|(name, resource)| (name.as_str(), &resource["Properties"]))
        .collect();
    assert!(!chosen.is_empty(), "there is no {kind}");
    chosen
}

fn names<'a>(resources: &BTreeMap<&'a str, &Value>) -> Vec<&'a str> {
    resources.keys().copied().collect()
}

fn parameter<'a>(template: &'a Value, name: &str) -> &'a Value {
    let found = &template["Parameters"][name];
    assert!(found.is_object(), "there is no parameter {name}");
    found
}

fn refers(name: &str) -> Value {
    json!({"Ref": name})
}

fn arn(name: &str) -> Value {
    json!({"Fn::GetAtt": [name, "Arn"]})
}

#[test]
fn buckets_are_encrypted_private_versioned_and_outlive_the_stack() {
    let template = template();
    let buckets = of_type(&template, "AWS::S3::Bucket");
    assert_eq!(names(&buckets), ["PlatformBucket", "WorkspacesBucket"]);
    for (name, bucket) in &buckets {
        let resource = &template["Resources"][name];
        assert_eq!(resource["DeletionPolicy"], "RetainExceptOnCreate", "{name}");
        assert_eq!(resource["UpdateReplacePolicy"], "Retain", "{name}");
        let rules = &bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"];
        assert_eq!(*rules, json!([{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]), "{name}");
        let all = json!({"BlockPublicAcls": true, "BlockPublicPolicy": true, "IgnorePublicAcls": true,
            "RestrictPublicBuckets": true});
        assert_eq!(bucket["PublicAccessBlockConfiguration"], all, "{name}");
        let owner = json!([{"ObjectOwnership": "BucketOwnerEnforced"}]);
        assert_eq!(bucket["OwnershipControls"]["Rules"], owner, "{name}");
        let versioning = name.replace("Bucket", "Versioning");
        assert_eq!(bucket["VersioningConfiguration"]["Status"], refers(&versioning), "{name}");
        let rules = bucket["LifecycleConfiguration"]["Rules"].as_array().expect("rules");
        assert!(rules.iter().all(|rule| rule["Status"] == "Enabled") && rules.len() == 2, "{name}");
        let versions = json!({"NoncurrentDays": refers("NoncurrentDays")});
        assert_eq!(rules[0]["NoncurrentVersionExpiration"], versions, "{name}");
        let uploads = json!({"DaysAfterInitiation": refers("AbortMultipartDays")});
        assert_eq!(rules[1]["AbortIncompleteMultipartUpload"], uploads, "{name}");
        // What is current never expires.
        assert!(rules.iter().all(|rule| rule.get("ExpirationInDays").is_none()), "{name}");
    }
    assert_eq!(parameter(&template, "WorkspacesVersioning")["Default"], "Enabled");
    assert_eq!(parameter(&template, "PlatformVersioning")["Default"], "Suspended");

    // Only one of them tells of changes: what the platform writes about itself must not make it look again.
    assert!(buckets["PlatformBucket"].get("NotificationConfiguration").is_none());
    let told = buckets["WorkspacesBucket"]["NotificationConfiguration"].as_object().expect("a wiring");
    assert_eq!(told.keys().collect::<Vec<_>>(), ["QueueConfigurations"]);
    let told = told["QueueConfigurations"].as_array().expect("queues");
    let events: Vec<_> = told.iter().map(|one| one["Event"].as_str().expect("an event")).collect();
    assert_eq!(events, ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:LifecycleExpiration:*"]);
    for one in told {
        assert!(one["Queue"] == arn("EventsQueue") && one.get("Filter").is_none(), "{one}");
    }
}

#[test]
fn nothing_is_taken_that_does_not_come_over_tls() {
    let template = template();
    let refuses = |document: &Value, action: &str, resource: &Value| {
        document["Statement"].as_array().expect("statements").iter().any(|statement| {
            statement["Effect"] == "Deny"
                && statement["Principal"] == "*"
                && statement["Action"] == action
                && statement["Resource"] == *resource
                && statement["Condition"] == json!({"Bool": {"aws:SecureTransport": "false"}})
        })
    };
    let policies = of_type(&template, "AWS::S3::BucketPolicy");
    for bucket in names(&of_type(&template, "AWS::S3::Bucket")) {
        let policy = policies.values().find(|policy| policy["Bucket"] == refers(bucket)).expect(bucket);
        let resource = json!([arn(bucket), {"Fn::Sub": format!("${{{bucket}.Arn}}/*")}]);
        assert!(refuses(&policy["PolicyDocument"], "s3:*", &resource), "{bucket}");
    }
    let policies = of_type(&template, "AWS::SQS::QueuePolicy");
    for queue in names(&of_type(&template, "AWS::SQS::Queue")) {
        let policy =
            policies.values().find(|policy| policy["Queues"] == json!([refers(queue)])).expect(queue);
        assert!(refuses(&policy["PolicyDocument"], "sqs:*", &arn(queue)), "{queue}");
    }
    // Beside that, one allowance: S3's, for this bucket of this account.
    let allowed: Vec<_> = policies
        .values()
        .flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().expect("statements"))
        .filter(|statement| statement["Effect"] == "Allow")
        .collect();
    assert_eq!(allowed.len(), 1, "{allowed:?}");
    assert_eq!(allowed[0]["Principal"], json!({"Service": "s3.amazonaws.com"}));
    assert_eq!(
        (&allowed[0]["Action"], &allowed[0]["Resource"]),
        (&json!("sqs:SendMessage"), &arn("EventsQueue"))
    );
    let condition = allowed[0]["Condition"].as_object().expect("a condition");
    assert_eq!(condition["StringEquals"]["aws:SourceAccount"], refers("AWS::AccountId"));
    assert!(condition["ArnEquals"].get("aws:SourceArn").is_some());
}

#[test]
fn queues_are_encrypted_and_what_they_give_up_on_is_written_down() {
    let template = template();
    let queues = of_type(&template, "AWS::SQS::Queue");
    assert_eq!(names(&queues), ["CommandsDeadLetters", "CommandsQueue", "EventsDeadLetters", "EventsQueue"]);
    let sources: Vec<_> = of_type(&template, "AWS::Lambda::EventSourceMapping").into_values().collect();
    for source in &sources {
        // One that is bad must not have the others come again.
        assert_eq!(source["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]), "{source}");
    }
    let reads = |function: &str, queue: &str| {
        sources
            .iter()
            .any(|one| one["FunctionName"] == refers(function) && one["EventSourceArn"] == arn(queue))
    };
    for (name, queue) in &queues {
        assert_eq!(queue["SqsManagedSseEnabled"], true, "{name}");
        assert_eq!(queue["MessageRetentionPeriod"], 14 * 24 * 3600, "{name}");
        if name.ends_with("DeadLetters") {
            assert!(reads("DeadLetterFunction", name) && queue.get("RedrivePolicy").is_none(), "{name}");
        } else {
            let dead = name.replace("Queue", "DeadLetters");
            let redrive = json!({"deadLetterTargetArn": arn(&dead), "maxReceiveCount": 5});
            assert_eq!(queue["RedrivePolicy"], redrive, "{name}");
            assert_eq!(queue["FifoQueue"], queues[dead.as_str()]["FifoQueue"], "{name}");
        }
    }
    assert!(reads("ObjectChangedFunction", "EventsQueue") && sources.len() == 3);
    assert_eq!(queues["CommandsQueue"]["FifoQueue"], true);
    assert!(queues["EventsQueue"].get("FifoQueue").is_none(), "S3 cannot notify one");

    // Lambda asks for six times as long as the function may run.
    let visibility = json!({"Fn::FindInMap": ["Visibility", "OfTimeout", refers("FunctionTimeout")]});
    for (name, queue) in queues.iter().filter(|(name, _)| **name != "CommandsQueue") {
        assert_eq!(queue["VisibilityTimeout"], visibility, "{name}");
    }
    let timeouts = parameter(&template, "FunctionTimeout")["AllowedValues"].as_array().expect("values");
    for timeout in timeouts.iter().filter_map(Value::as_str) {
        let six = 6 * timeout.parse::<u64>().expect("seconds");
        assert_eq!(template["Mappings"]["Visibility"]["OfTimeout"][timeout], six, "{timeout}");
    }
}

#[test]
fn functions_run_on_either_kind_of_machine_on_a_schedule_and_log_for_a_while() {
    let template = template();
    let functions = of_type(&template, "AWS::Lambda::Function");
    assert_eq!(
        names(&functions),
        ["DeadLetterFunction", "IngestFunction", "ObjectChangedFunction", "SweepFunction"]
    );
    let groups = of_type(&template, "AWS::Logs::LogGroup");
    for (name, function) in &functions {
        assert_eq!(function["Architectures"], json!([refers("Architecture")]), "{name}");
        assert_eq!(function["Runtime"], "provided.al2023", "{name}");
        let group = function["LoggingConfig"]["LogGroup"]["Ref"].as_str().expect("a log group");
        assert_eq!(groups[group]["RetentionInDays"], refers("LogRetentionDays"), "{name}");
    }
    assert_eq!(parameter(&template, "Architecture")["AllowedValues"], json!(["x86_64", "arm64"]));
    let rules = of_type(&template, "AWS::Events::Rule");
    let rule = rules["SweepRule"];
    assert_eq!(rule["ScheduleExpression"], refers("SweepSchedule"));
    assert_eq!(rule["Targets"], json!([{"Id": "sweep", "Arn": arn("SweepFunction")}]));
    assert_eq!(parameter(&template, "SweepSchedule")["Default"], "rate(15 minutes)");
    let permissions = of_type(&template, "AWS::Lambda::Permission");
    assert_eq!(permissions["SweepPermission"]["SourceArn"], arn("SweepRule"));
    // Only the webhook is for everybody, and it is there only with a token.
    for (name, permission) in permissions {
        if permission["Principal"] == "*" {
            assert_eq!(permission["FunctionName"], refers("IngestFunction"), "{name}");
            assert_eq!(template["Resources"][name]["Condition"], "HasIngest", "{name}");
        }
    }
    assert_eq!(parameter(&template, "IngestToken")["NoEcho"], true);
}

#[test]
fn every_queue_and_every_function_has_its_alarms_and_they_are_told() {
    let template = template();
    let alarms = of_type(&template, "AWS::CloudWatch::Alarm");
    let mut watched = BTreeSet::new();
    for (name, alarm) in &alarms {
        // Nothing that is not measured is an alarm, and both its beginning and its end are told.
        assert_eq!(alarm["TreatMissingData"], "notBreaching", "{name}");
        let topic = json!({"Fn::If": ["HasOwnTopic", refers("AlarmTopicArn"), refers("AlarmTopic")]});
        let told = json!({"Fn::If": ["Tells", [topic], refers("AWS::NoValue")]});
        assert!(alarm["AlarmActions"] == told && alarm["OKActions"] == told, "{name}: {alarm}");
        assert!(alarm["AlarmDescription"].as_str().is_some_and(|words| !words.is_empty()), "{name}");
        assert_eq!(alarm["ComparisonOperator"], "GreaterThanThreshold", "{name}");
        let of = &alarm["Dimensions"][0]["Value"];
        let of = of["Ref"].as_str().or(of["Fn::GetAtt"][0].as_str()).unwrap_or("the stack");
        let metric = alarm["MetricName"].as_str().unwrap_or("of its own");
        watched.insert((of, metric));
    }
    let wanted = [
        ("CommandsDeadLetters", "ApproximateNumberOfMessagesVisible"),
        ("CommandsDeadLetters", "NumberOfMessagesReceived"),
        ("CommandsQueue", "ApproximateAgeOfOldestMessage"),
        ("DeadLetterFunction", "Errors"),
        ("EventsDeadLetters", "ApproximateNumberOfMessagesVisible"),
        ("EventsDeadLetters", "NumberOfMessagesReceived"),
        ("EventsQueue", "ApproximateAgeOfOldestMessage"),
        ("IngestFunction", "Errors"),
        ("ObjectChangedFunction", "Errors"),
        ("SweepFunction", "Errors"),
        ("the stack", "of its own"),
    ];
    assert_eq!(watched, wanted.into());
    assert_eq!(alarms["EventsAge"]["Threshold"], refers("EventsAgeAlarm"));
    assert_eq!(alarms["CommandsAge"]["Threshold"], refers("CommandsAgeAlarm"));
    // What the README counts, as it costs money.
    let without_webhook = alarms.len() - 1;
    assert!(
        read("infra/README.md")
            .contains(&format!("| alarms | {without_webhook} ({} with the webhook)", alarms.len()))
    );

    // The metric of the stack's own counts a line of the log, and the text must be the one that is written.
    let filters = of_type(&template, "AWS::Logs::MetricFilter");
    let filter = filters["ObjectChangedDoubts"];
    assert_eq!(filter["LogGroupName"], refers("ObjectChangedLogs"));
    let metric = &filter["MetricTransformations"][0];
    assert_eq!(alarms["RecordsInDoubt"]["MetricName"], metric["MetricName"]);
    assert_eq!(alarms["RecordsInDoubt"]["Namespace"], metric["MetricNamespace"]);
    let pattern = filter["FilterPattern"].as_str().expect("a pattern");
    let text = pattern.strip_prefix("{ $.fields.message = \"").and_then(|rest| rest.strip_suffix("\" }"));
    let written = format!("tracing::warn!(records, first = %doubt, {:?});", text.expect("a text"));
    assert!(read("functions/src/object_changed.rs").contains(&written), "{written}");
    assert_eq!(metric["MetricValue"], "$.fields.records");
}

/// Who may do what, and on what: all of it.
#[test]
fn nobody_may_more_than_is_written_here() {
    let template = template();
    let mut allowed = BTreeSet::new();
    let roles = of_type(&template, "AWS::IAM::Role");
    for (name, role) in &roles {
        for policy in role["Policies"].as_array().into_iter().flatten() {
            collect(name, &policy["PolicyDocument"], &mut allowed);
        }
    }
    for (name, policy) in of_type(&template, "AWS::IAM::ManagedPolicy") {
        collect(name, &policy["PolicyDocument"], &mut allowed);
    }
    let lines: Vec<&str> = allowed.iter().map(String::as_str).collect();
    assert_eq!(
        lines,
        [
            "AgentPolicy: s3:DeleteObject on PlatformBucket/*",
            "AgentPolicy: s3:DeleteObject on WorkspacesBucket/* if AgentPublishes",
            "AgentPolicy: s3:GetBucketLocation on PlatformBucket",
            "AgentPolicy: s3:GetBucketLocation on WorkspacesBucket",
            "AgentPolicy: s3:GetObject on PlatformBucket/*",
            "AgentPolicy: s3:GetObject on WorkspacesBucket/*",
            "AgentPolicy: s3:ListBucket on PlatformBucket",
            "AgentPolicy: s3:ListBucket on WorkspacesBucket",
            "AgentPolicy: s3:PutObject on PlatformBucket/*",
            "AgentPolicy: s3:PutObject on WorkspacesBucket/* if AgentPublishes",
            "AgentPolicy: sqs:ChangeMessageVisibility on CommandsQueue",
            "AgentPolicy: sqs:DeleteMessage on CommandsQueue",
            "AgentPolicy: sqs:GetQueueAttributes on CommandsQueue",
            "AgentPolicy: sqs:ReceiveMessage on CommandsQueue",
            "DeadLetterRole: logs:CreateLogStream on DeadLetterLogs",
            "DeadLetterRole: logs:PutLogEvents on DeadLetterLogs",
            "DeadLetterRole: s3:PutObject on PlatformBucket/dead-letters/*",
            "DeadLetterRole: sqs:DeleteMessage on CommandsDeadLetters",
            "DeadLetterRole: sqs:DeleteMessage on EventsDeadLetters",
            "DeadLetterRole: sqs:GetQueueAttributes on CommandsDeadLetters",
            "DeadLetterRole: sqs:GetQueueAttributes on EventsDeadLetters",
            "DeadLetterRole: sqs:ReceiveMessage on CommandsDeadLetters",
            "DeadLetterRole: sqs:ReceiveMessage on EventsDeadLetters",
            "IngestRole: logs:CreateLogStream on IngestLogs",
            "IngestRole: logs:PutLogEvents on IngestLogs",
            "IngestRole: sqs:SendMessage on EventsQueue",
            "ObjectChangedRole: logs:CreateLogStream on ObjectChangedLogs",
            "ObjectChangedRole: logs:PutLogEvents on ObjectChangedLogs",
            "ObjectChangedRole: sqs:DeleteMessage on EventsQueue",
            "ObjectChangedRole: sqs:GetQueueAttributes on EventsQueue",
            "ObjectChangedRole: sqs:ReceiveMessage on EventsQueue",
            "ObjectChangedRole: sqs:SendMessage on CommandsQueue",
            "PushPolicy: s3:AbortMultipartUpload on WorkspacesBucket/*",
            "PushPolicy: s3:DeleteObject on WorkspacesBucket/*",
            "PushPolicy: s3:GetBucketLocation on WorkspacesBucket",
            "PushPolicy: s3:GetObject on WorkspacesBucket/*",
            "PushPolicy: s3:ListBucket on WorkspacesBucket",
            "PushPolicy: s3:ListBucketMultipartUploads on WorkspacesBucket",
            "PushPolicy: s3:ListMultipartUploadParts on WorkspacesBucket/*",
            "PushPolicy: s3:PutObject on WorkspacesBucket/*",
            "SweepRole: logs:CreateLogStream on SweepLogs",
            "SweepRole: logs:PutLogEvents on SweepLogs",
            "SweepRole: s3:GetObject on PlatformBucket/status/*",
            "SweepRole: s3:ListBucket on PlatformBucket",
            "SweepRole: s3:ListBucket on WorkspacesBucket",
            "SweepRole: sqs:SendMessage on CommandsQueue",
        ]
    );
    // Each function has its own role, and the agent none but its policy.
    for (name, function) in of_type(&template, "AWS::Lambda::Function") {
        assert_eq!(function["Role"], arn(&name.replace("Function", "Role")), "{name}");
    }
    assert_eq!(roles["AgentRole"]["ManagedPolicyArns"], json!([refers("AgentPolicy")]));
    assert_eq!(
        of_type(&template, "AWS::IAM::User")["AgentUser"]["ManagedPolicyArns"],
        json!([refers("AgentPolicy")])
    );
    // Keys are made by whoever deploys: the stack would show them.
    let kinds = template["Resources"].as_object().expect("resources").values().map(|one| &one["Type"]);
    assert!(kinds.into_iter().all(|kind| kind != "AWS::IAM::AccessKey"));
}

/// A line for each action on each resource that a policy allows.
fn collect(who: &str, document: &Value, allowed: &mut BTreeSet<String>) {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    for statement in document["Statement"].as_array().expect("statements") {
        let (statement, condition) = match statement["Fn::If"].as_array() {
            Some(choice) => (&choice[1], format!(" if {}", choice[0].as_str().expect("a condition"))),
            None => (statement, String::new()),
        };
        assert_eq!(statement["Effect"], "Allow", "{who}");
        for action in list(&statement["Action"]) {
            for resource in list(&statement["Resource"]) {
                let named = resource["Fn::GetAtt"][0].as_str().map(str::to_owned);
                let below = || Some(resource["Fn::Sub"].as_str()?.replace("${", "").replace(".Arn}", ""));
                let resource = named.or_else(below).unwrap_or_else(|| panic!("{who}: {resource}"));
                allowed.insert(format!(
                    "{who}: {} on {resource}{condition}",
                    action.as_str().expect("an action")
                ));
            }
        }
    }
}
