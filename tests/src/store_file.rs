//! The platform's store, opened from outside while it runs: for what no client can do, such as losing a notification.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::platform::Platform;
use crate::run::{run, succeeded};

pub struct StoreFile(PathBuf);

const SQLITE: &str = "
import json, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
cursor = connection.execute(sys.argv[2], json.loads(sys.argv[3]))
print(json.dumps(cursor.fetchall()))
";

impl StoreFile {
    pub fn of(platform: &Platform) -> Self {
        Self(platform.home().join("store/store.sqlite"))
    }

    /// Runs one statement, in a transaction of its own, and answers its rows.
    #[track_caller]
    pub fn sql(&self, statement: &str, parameters: &[Value]) -> Vec<Value> {
        let parameters = serde_json::to_string(parameters).expect("plain data");
        let mut command = Command::new("python3");
        command.args(["-c", SQLITE]).arg(&self.0).args([statement, &parameters]);
        let rows = succeeded(statement, &run(&mut command));
        serde_json::from_str(&rows).unwrap_or_else(|error| panic!("{statement}: {error}: {rows}"))
    }

    /// How many messages are on a queue, in flight or not.
    #[track_caller]
    pub fn messages(&self, queue: &str) -> u64 {
        let statement =
            "SELECT count(*) FROM messages JOIN queues ON queues.id = messages.queue WHERE queues.name = ?";
        self.sql(statement, &[queue.into()])[0][0].as_u64().expect("a count")
    }
}
