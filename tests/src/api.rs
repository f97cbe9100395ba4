//! The agent's API, spoken by hand: quicker than the binary, and able to say what the binary would not.

use std::io;

use serde_json::Value;

use crate::http::{Answer, Connection};
use crate::platform::Platform;

pub struct Api {
    address: String,
    token: String,
}

impl Api {
    pub fn of(platform: &Platform) -> Self {
        let url = &platform.variables()["CLOUDYKNIGHT_API"];
        let address = url.strip_prefix("http://").expect("the API speaks HTTP").to_owned();
        Self { address, token: platform.variables()["CLOUDYKNIGHT_TOKEN"].clone() }
    }

    /// A request as it is written here, whatever that may be; without headers it is an anonymous one.
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> io::Result<Answer> {
        let headers = [headers, &[("connection", "close")]].concat();
        Connection::open(&self.address)?.request(method, &self.address, path, &headers, b"")
    }

    /// A request with the token.
    pub fn get(&self, path: &str) -> io::Result<Answer> {
        self.request("GET", path, &[("authorization", &format!("Bearer {}", self.token))])
    }

    /// Asks for something, with the token and no body.
    pub fn post(&self, path: &str) -> io::Result<Answer> {
        self.request("POST", path, &[("authorization", &format!("Bearer {}", self.token))])
    }

    /// Sends a body, with the token.
    pub fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> io::Result<Answer> {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("authorization", bearer.as_str()), ("content-type", kind), ("connection", "close")];
        Connection::open(&self.address)?.request(method, &self.address, path, &headers, body)
    }

    /// Has something deleted, with the token.
    pub fn delete(&self, path: &str) -> io::Result<Answer> {
        self.request("DELETE", path, &[("authorization", &format!("Bearer {}", self.token))])
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn token(&self) -> &str {
        &self.token
    }

    /// What it answers, if it does and it is JSON.
    pub fn read(&self, path: &str) -> Option<Value> {
        let answer = self.get(path).ok().filter(|answer| answer.status == 200)?;
        serde_json::from_str(&answer.body).ok()
    }

    /// The step that the deployment of a workspace is at, if one runs.
    pub fn step(&self, workspace: &str) -> Option<String> {
        let status = self.read(&format!("/api/v1/workspaces/{workspace}"))?;
        let steps = status["deployment"]["steps"].as_array()?;
        let running = steps.iter().rev().find(|step| step["took_ms"].is_null())?;
        running["name"].as_str().map(str::to_owned)
    }
}
