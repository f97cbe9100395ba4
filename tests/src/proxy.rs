//! What stands between a platform and a server, and behaves as a bad day: passes everything on, answers 500, never
//! answers, breaks every connection, keeps no status, refuses what somebody lacks the right for, or says that the bucket is
//! elsewhere. It counts what it is asked, so that a platform which asks too often is noticed.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Passes,
    Answers500,
    Hangs,
    Breaks,
    /// Answers 500 to whoever writes a status, and passes on everything else.
    KeepsNoStatus,
    /// Answers 403 to whoever writes to the bucket `workspaces`, and passes on everything else.
    MayNotWrite,
    /// The same to whoever reads an object there.
    MayNotRead,
    /// The same to whoever reads an object of the bucket `cloudyknight`.
    MayNotReadState,
    /// The same to whoever asks a queue for this, such as `ReceiveMessage`, or `SendMessage` also in batches.
    MayNot(&'static str),
    /// As S3 and SQS do with credentials that ran out.
    TokenExpired,
    /// As S3 does with a bucket that is in this region, and it in another.
    IsElsewhere(&'static str),
    /// Passes everything on, with this header in the answers in the place of the one there is.
    Tells(&'static str),
}

pub struct Proxy {
    address: String,
    shared: Arc<Mutex<Shared>>,
    accepts: Option<JoinHandle<()>>,
}

struct Shared {
    server: String,
    mood: Mood,
    requests: usize,
    refused: usize,
    /// Every connection that is open, so that a change of mood is felt by all.
    open: Vec<TcpStream>,
    ended: bool,
}

/// As S3 says it; for SQS the status is enough.
const INTERNAL_ERROR: &str = "<Error><Code>InternalError</Code><Message>a bad day</Message></Error>";

impl Proxy {
    /// A proxy before the server of this endpoint.
    pub fn before(endpoint: &str) -> Self {
        let server = endpoint.strip_prefix("http://").expect("it speaks HTTP").to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("its address").to_string();
        let shared =
            Shared { server, mood: Mood::Passes, requests: 0, refused: 0, open: Vec::new(), ended: false };
        let shared = Arc::new(Mutex::new(shared));
        let accepts = std::thread::spawn({
            let shared = shared.clone();
            move || accept(&listener, &shared)
        });
        Self { address, shared, accepts: Some(accepts) }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on. Whatever is under way is broken off.
    pub fn turns(&self, mood: Mood) {
        let mut shared = self.shared.lock().expect("nobody panics");
        shared.mood = mood;
        for connection in shared.open.drain(..) {
            // It may have ended by itself.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// How many requests have come so far, whatever became of them.
    pub fn requests(&self) -> usize {
        self.shared.lock().expect("nobody panics").requests
    }

    /// How many of them were refused.
    pub fn refused(&self) -> usize {
        self.shared.lock().expect("nobody panics").refused
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.lock().expect("nobody panics").ended = true;
        self.turns(Mood::Breaks);
        // Whoever waits for a connection gets one, and sees that it is over.
        let _ = TcpStream::connect(&self.address);
        let _ = self.accepts.take().map(JoinHandle::join);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Mutex<Shared>>) {
    for connection in listener.incoming() {
        let Ok(connection) = connection else { continue };
        let mut now = shared.lock().expect("nobody panics");
        if now.ended {
            return;
        }
        now.open.retain(|connection| connection.peer_addr().is_ok());
        if let Ok(held) = connection.try_clone() {
            now.open.push(held);
        }
        let shared = shared.clone();
        // One request each: the answers say that the connection closes. An error is the end of the connection, too.
        std::thread::spawn(move || {
            let _ = handle(&connection, &shared);
            let _ = connection.shutdown(Shutdown::Both);
        });
    }
}

fn handle(mut client: &TcpStream, shared: &Mutex<Shared>) -> std::io::Result<()> {
    let Some((head, rest)) = head(client)? else { return Ok(()) };
    let (mood, server) = {
        let mut shared = shared.lock().expect("nobody panics");
        shared.requests += 1;
        (shared.mood, shared.server.clone())
    };
    let first = head.lines().next().unwrap_or_default();
    let asks_queue = |what: &str| {
        let asked = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("x-amz-target").then(|| value.trim().strip_prefix("AmazonSQS."))?
        });
        asked.is_some_and(|asked| asked.starts_with(what))
    };
    let reads = |bucket: &str| {
        let key = first.strip_prefix(&format!("GET /{bucket}/"));
        key.is_some_and(|key| !key.starts_with('?'))
    };
    let refuses = |status: &str, code: &str| {
        shared.lock().expect("nobody panics").refused += 1;
        drain(client, &head, rest.len())?;
        if asks_queue("") {
            let body = format!(r#"{{"__type":"com.amazonaws.sqs#{code}","message":"not you"}}"#);
            answer(client, &format!("{status}\r\ncontent-type: application/x-amz-json-1.0"), &body)
        } else {
            answer(client, status, &format!("<Error><Code>{code}</Code><Message>not you</Message></Error>"))
        }
    };
    let writes_status =
        head.starts_with("PUT ") && head.lines().next().is_some_and(|line| line.contains("/status/"));
    let writes_source = ["PUT ", "DELETE ", "POST "].iter().any(|method| {
        head.strip_prefix(method)
            .is_some_and(|rest| rest.starts_with("/workspaces/") || rest.starts_with("/workspaces?"))
    });
    match mood {
        Mood::MayNotWrite if !writes_source => pass(client, &head, &rest, &server, shared),
        Mood::KeepsNoStatus if !writes_status => pass(client, &head, &rest, &server, shared),
        Mood::MayNotRead if !reads("workspaces") => pass(client, &head, &rest, &server, shared),
        Mood::MayNotReadState if !reads("cloudyknight") => pass(client, &head, &rest, &server, shared),
        Mood::MayNot(what) if !asks_queue(what) => pass(client, &head, &rest, &server, shared),
        Mood::Passes => pass(client, &head, &rest, &server, shared),
        Mood::Tells(header) => pass_with(client, &head, &rest, &server, shared, Some(header)),
        Mood::Answers500 | Mood::KeepsNoStatus => {
            shared.lock().expect("nobody panics").refused += 1;
            drain(client, &head, rest.len())?;
            answer(client, "500 Internal Server Error", INTERNAL_ERROR)
        }
        Mood::MayNotWrite | Mood::MayNotRead | Mood::MayNotReadState | Mood::MayNot(_) => {
            refuses("403 Forbidden", "AccessDenied")
        }
        Mood::TokenExpired => refuses("400 Bad Request", "ExpiredToken"),
        Mood::IsElsewhere(region) => {
            refuses(&format!("301 Moved Permanently\r\nx-amz-bucket-region: {region}"), "PermanentRedirect")
        }
        // Until the mood changes, or the client has had enough.
        Mood::Hangs => std::io::copy(&mut client, &mut std::io::sink()).map(drop),
        Mood::Breaks => Ok(()),
    }
}

/// The request line and the headers, with what was read beyond them; none from a client that asks nothing.
fn head(mut client: &TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    const END: &[u8] = b"\r\n\r\n";
    let (mut bytes, mut piece) = (Vec::new(), [0; 8192]);
    loop {
        let read = client.read(&mut piece)?;
        if read == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&piece[..read]);
        if let Some(at) = bytes.windows(END.len()).position(|window| window == END) {
            let rest = bytes.split_off(at + END.len());
            return Ok(Some((String::from_utf8_lossy(&bytes).into_owned(), rest)));
        }
    }
}

fn answer(mut client: &TcpStream, status: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    write!(client, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

/// Reads what the client still sends: closing before would take the answer back.
fn drain(client: &TcpStream, head: &str, had: usize) -> std::io::Result<()> {
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let left = length.unwrap_or_default().saturating_sub(had);
    let left = u64::try_from(left).unwrap_or(u64::MAX);
    std::io::copy(&mut client.take(left), &mut std::io::sink()).map(drop)
}

fn pass(
    client: &TcpStream,
    head: &str,
    rest: &[u8],
    server: &str,
    shared: &Mutex<Shared>,
) -> std::io::Result<()> {
    pass_with(client, head, rest, server, shared, None)
}

fn pass_with(
    mut client: &TcpStream,
    request: &str,
    rest: &[u8],
    server: &str,
    shared: &Mutex<Shared>,
    header: Option<&str>,
) -> std::io::Result<()> {
    let mut upstream = TcpStream::connect(server)?;
    shared.lock().expect("nobody panics").open.push(upstream.try_clone()?);
    let request = replaced(request, "connection: close");
    upstream.write_all(request.as_bytes())?;
    upstream.write_all(rest)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, upstream.try_clone()?);
    std::thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
    if let Some(header) = header
        && let Some((answer, rest)) = head(&upstream)?
    {
        client.write_all(replaced(&answer, header).as_bytes())?;
        client.write_all(&rest)?;
    }
    let answered = std::io::copy(&mut upstream, &mut client);
    upstream.shutdown(Shutdown::Both).and(answered).map(drop)
}

/// A head with this header in the place of its own of that name.
fn replaced(head: &str, header: &str) -> String {
    let name = header.split(':').next().unwrap_or_default();
    let first = head.find("\r\n").expect("a head has lines");
    let others = head[first..]
        .split("\r\n")
        .filter(|line| line.split_once(':').is_none_or(|(other, _)| !other.eq_ignore_ascii_case(name)));
    let others: Vec<&str> = others.collect();
    format!("{}\r\n{header}{}", &head[..first], others.join("\r\n"))
}
