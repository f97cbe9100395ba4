//! A server that answers as it is told, counts, and knows nothing of S3 or SQS.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloudyknight_store::aws::{self, Clients, ConnectSettings, Patience, StaticCredentials};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Does {
    Answers(Answer),
    /// Takes it, and says nothing.
    Hangs,
    /// Takes it, and closes the connection.
    Cuts,
}

#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    /// Promises so many bytes more than it sends, and says nothing more.
    missing: usize,
}

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub headers: HashMap<String, String>,
    pub body: String,
}

/// Decides by the request and by how many came before it.
type Decide = dyn Fn(usize, &Request) -> Does + Send + Sync;

pub struct FaultyServer {
    pub endpoint: String,
    requests: Arc<Mutex<Vec<Request>>>,
    running: JoinHandle<()>,
}

/// Short, so that tests of waiting do not wait.
pub const PATIENCE: Patience = Patience {
    connect: Duration::from_millis(500),
    attempt: Duration::from_millis(300),
    stalled: Duration::from_millis(300),
    attempts: 3,
    pause: Duration::from_millis(10),
};

impl FaultyServer {
    pub async fn start(decide: impl Fn(usize, &Request) -> Does + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, decide) = (Arc::clone(&requests), Arc::new(decide));
        let running = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(converse(stream, Arc::clone(&seen), decide.clone()));
            }
        });
        Self { endpoint, requests, running }
    }

    /// Answers every request like this.
    pub async fn always(does: Does) -> Self {
        Self::start(move |_, _| does.clone()).await
    }

    pub async fn clients(&self) -> Clients {
        let settings = ConnectSettings {
            endpoint: Some(self.endpoint.clone()),
            region: Some("us-east-1".into()),
            credentials: Some(StaticCredentials::new("key", "secret")),
            path_style: true,
            patience: PATIENCE,
            ..ConnectSettings::default()
        };
        aws::connect(settings).await.unwrap()
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for FaultyServer {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Does {
    pub fn answers(status: u16, body: impl Into<String>) -> Self {
        Self::Answers(Answer { status, headers: Vec::new(), body: body.into(), missing: 0 })
    }

    /// An error of S3, as XML.
    pub fn s3(status: u16, code: &str, message: &str) -> Self {
        Self::answers(status, format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"))
    }

    /// An error of SQS, as JSON, with the name that older clients know.
    pub fn sqs(status: u16, code: &str, message: &str) -> Self {
        let name = code.rsplit('.').next().unwrap();
        Self::answers(
            status,
            serde_json::json!({"__type": format!("com.amazonaws.sqs#{name}"), "message": message})
                .to_string(),
        )
        .with("x-amzn-query-error", &format!("{code};Sender"))
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        if let Self::Answers(answer) = &mut self {
            answer.headers.push((name.into(), value.into()));
        }
        self
    }

    pub fn missing(mut self, bytes: usize) -> Self {
        if let Self::Answers(answer) = &mut self {
            answer.missing = bytes;
        }
        self
    }
}

async fn converse(stream: TcpStream, seen: Arc<Mutex<Vec<Request>>>, decide: Arc<Decide>) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await {
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            seen.len() - 1
        };
        match decide(number, &request) {
            Does::Cuts => return,
            Does::Hangs => std::future::pending().await,
            Does::Answers(Answer { status, headers, body, missing }) => {
                let mut head =
                    format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n", body.len() + missing);
                for (name, value) in headers {
                    head += &format!("{name}: {value}\r\n");
                }
                let body = if request.method == "HEAD" { String::new() } else { body };
                if stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.is_err() {
                    return;
                }
                if missing > 0 {
                    std::future::pending().await
                }
            }
        }
    }
}

/// One request; none when the client has gone.
async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let method = words.next()?;
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request { method, headers, body: String::from_utf8_lossy(&body).into_owned() })
}
