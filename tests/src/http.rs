//! A small HTTP/1.1 client that does only what it is told: it retries nothing, follows nothing, and keeps a
//! connection open for as long as its owner does. So a request that fails is a request that the platform dropped.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// One connection, for one request after another.
pub struct Connection(BufReader<TcpStream>);

const PATIENCE: Duration = Duration::from_secs(30);

/// One request on a connection of its own.
pub fn get(address: &str, host: &str, path: &str) -> io::Result<Answer> {
    Connection::open(address)?.get(host, path)
}

impl Connection {
    pub fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    pub fn get(&mut self, host: &str, path: &str) -> io::Result<Answer> {
        self.request("GET", host, path, &[], b"")
    }

    pub fn request(
        &mut self,
        method: &str,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        self.send(method, host, path, headers, body)?;
        // What a head says of a body is about the one that GET would get.
        if method == "HEAD" { self.head() } else { self.answer() }
    }

    /// A request without a body, and the answer up to its own, which may be long in coming.
    pub fn request_head(
        &mut self,
        method: &str,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<Answer> {
        self.send(method, host, path, headers, b"")?;
        self.head()
    }

    fn send(
        &mut self,
        method: &str,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<()> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            request.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        let mut bytes = request.into_bytes();
        bytes.extend_from_slice(body);
        self.0.get_mut().write_all(&bytes)
    }

    /// Reads an answer to what was sent by hand.
    pub fn answer(&mut self) -> io::Result<Answer> {
        let mut answer = self.head()?;
        let body = if answer.header("transfer-encoding") == Some("chunked") {
            self.chunks()?
        } else if let Some(length) = answer.header("content-length") {
            let length = length.parse().map_err(|_| broken("the length is no number"))?;
            self.exactly(length)?
        } else if matches!(answer.status, 101 | 204 | 304) {
            Vec::new()
        } else {
            let mut rest = Vec::new();
            self.0.read_to_end(&mut rest)?;
            rest
        };
        answer.body = String::from_utf8_lossy(&body).into_owned();
        Ok(answer)
    }

    fn head(&mut self) -> io::Result<Answer> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| broken(&format!("no status line: {first:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) =
                line.split_once(':').ok_or_else(|| broken(&format!("no header: {line:?}")))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Ok(Answer { status, headers, body: String::new() })
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or_default();
            let size =
                usize::from_str_radix(size, 16).map_err(|_| broken("the size of a chunk is no number"))?;
            body.extend(self.exactly(size)?);
            if !self.line()?.is_empty() {
                return Err(broken("a chunk is longer than it says"));
            }
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(body)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed"));
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// The bytes of an upgraded connection, both ways.
    pub fn stream(&mut self) -> &mut BufReader<TcpStream> {
        &mut self.0
    }
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
