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

    /// The same with a token, and with a JSON document where there is one.
    pub fn ask(&self, token: &str, method: &str, path: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("connection", "close")];
        if !token.is_empty() {
            headers.push(("authorization", &bearer));
        }
        if !body.is_empty() {
            headers.push(("content-type", "application/json"));
        }
        let connection = Connection::open(&self.address);
        let answer = connection
            .and_then(|mut open| open.request(method, &self.address, path, &headers, body.as_bytes()));
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Makes a token as the operator; answers its id, and its secret if it has no password.
    #[track_caller]
    pub fn token(&self, body: &str) -> (String, String) {
        let made = self.ask(&self.token, "POST", "/api/v1/tokens", body);
        assert_eq!(made.status, 201, "{made:?}");
        let made: Value = serde_json::from_str(&made.body).expect("JSON");
        let text = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
        (text("id"), text("token"))
    }

    /// The operator's.
    pub fn operator(&self) -> &str {
        &self.token
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
