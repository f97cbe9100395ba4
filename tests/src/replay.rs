//! What a bucket told of its changes, told again: as often and in whatever order the test likes. On SQS, as anybody can
//! who may send to the queue; on the embedded queues, in the store's file.

use std::time::Duration;

use crate::backend::Backend;
use crate::client::Client;
use crate::platform::Platform;
use crate::run::{run, succeeded};
use crate::sqs::Sqs;
use crate::store_file::StoreFile;
use crate::wait::eventually;

pub enum Replay<'a> {
    Embedded { platform: &'a Platform, file: StoreFile },
    Sqs { platform: &'a Platform, events: Sqs, commands: Option<Sqs>, copies: Sqs },
}

const PATIENCE: Duration = Duration::from_secs(60);

/// Messages of the test bear numbers above this one; the platform counts from 1.
const OURS: u64 = 1 << 40;

impl<'a> Replay<'a> {
    pub fn of(platform: &'a Platform, backend: &Backend) -> Self {
        match backend.endpoint() {
            None => Self::Embedded { platform, file: StoreFile::of(platform) },
            Some(endpoint) => {
                let queue = |name| Sqs::at(endpoint, &backend.queue(name));
                let commands = backend.queues_commands().then(|| queue("commands.fifo"));
                Self::Sqs { platform, events: queue("events"), commands, copies: queue("copies") }
            }
        }
    }

    /// Makes this many changes and answers what the bucket told of them, as the messages were. On SQS, where a message
    /// goes to one reader only, it is told to another queue meanwhile, and the platform hears nothing.
    #[track_caller]
    pub fn told_of(&self, changes: usize, make: impl FnOnce()) -> Vec<String> {
        match self {
            Self::Embedded { file, .. } => {
                file.sql("CREATE TABLE kept (body TEXT)", &[]);
                file.sql(
                    "CREATE TRIGGER keep AFTER INSERT ON messages
                     WHEN new.queue = (SELECT id FROM queues WHERE name = 'events')
                     BEGIN INSERT INTO kept VALUES (new.body); END",
                    &[],
                );
                make();
                let told = eventually("the bucket tells of each change", PATIENCE, || {
                    let rows = file.sql("SELECT body FROM kept ORDER BY rowid", &[]);
                    (rows.len() >= changes).then_some(rows)
                });
                file.sql("DROP TRIGGER keep", &[]);
                told.iter().filter_map(|row| row[0].as_str().map(str::to_owned)).collect()
            }
            Self::Sqs { platform, events, copies, .. } => {
                notify(platform, copies.name());
                make();
                let mut told = Vec::new();
                eventually("the bucket tells of each change", PATIENCE, || {
                    // Some begin by telling that they will tell.
                    told.extend(copies.take().into_iter().filter(|body| body.contains("Records")));
                    (told.len() >= changes).then_some(())
                });
                notify(platform, events.name());
                told
            }
        }
    }

    /// From now on, changes tell nothing to anybody.
    #[track_caller]
    pub fn silence(&self) {
        match self {
            Self::Embedded { file, .. } => {
                file.sql("DELETE FROM notifications", &[]);
            }
            Self::Sqs { platform, .. } => notify(platform, ""),
        }
    }

    /// Tells it again, and returns when the platform has done with it.
    #[track_caller]
    pub fn tell(&self, bodies: &[String]) {
        match self {
            Self::Embedded { platform, file } => {
                for (number, body) in bodies.iter().enumerate() {
                    let number = OURS + u64::try_from(number).expect("there are few");
                    file.sql(
                        "INSERT INTO messages (id, queue, grp, body)
                         SELECT ?, id, '', ? FROM queues WHERE name = 'events'",
                        &[number.into(), body.as_str().into()],
                    );
                }
                // Nobody knows of them yet: another change has the queues looked at.
                platform.s3(Client::Boto3).put("bell/index.html", format!("{} rings", bodies.len()));
                platform.live("bell");
                eventually("all of it is handled", PATIENCE, || {
                    (file.messages("events") + file.messages("commands") == 0).then_some(())
                });
            }
            Self::Sqs { events, commands, .. } => {
                events.send(bodies);
                eventually("all of it is handled", PATIENCE, || (events.depth() == 0).then_some(()));
                eventually("all of it is done", PATIENCE, || {
                    commands.as_ref().is_none_or(|commands| commands.depth() == 0).then_some(())
                });
            }
        }
    }
}

const NOTIFY: &str = "
queues = []
if sys.argv[1]:
    sqs = boto3.client('sqs')
    url = sqs.create_queue(QueueName=sys.argv[1])['QueueUrl']
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=['QueueArn'])['Attributes']['QueueArn']
    queues = [{'QueueArn': arn, 'Events': ['s3:ObjectCreated:*', 's3:ObjectRemoved:*']}]
wanted = {'QueueConfigurations': queues} if queues else {}
s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=wanted)
";

/// Has the bucket tell this queue of changes, which is made if it is not there; or nobody.
fn notify(platform: &Platform, queue: &str) {
    let mut program = platform.s3(Client::Boto3).python(NOTIFY, &[queue]);
    succeeded("the bucket's notifications", &run(&mut program));
}
