//! An API that answers what it is told, in order, and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::Client;

pub struct Api {
    address: String,
    asked: Arc<Mutex<Vec<Request>>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub line: String,
    pub body: String,
}

/// An answer with a status, which may bring headers, and a body.
pub fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

impl Api {
    pub fn answering(answers: impl IntoIterator<Item = String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (asked, answers) = (Arc::<Mutex<Vec<Request>>>::default(), Vec::from_iter(answers));
        let remembered = asked.clone();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let request = read(&mut BufReader::new(&stream));
                remembered.lock().unwrap().push(request);
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        Self { address, asked }
    }

    pub fn client(&self) -> Client {
        Client::at(&self.address, "token".to_owned(), true).unwrap()
    }

    pub fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }
}

/// A request; a body comes in chunks, if there is one.
fn read(from: &mut BufReader<&TcpStream>) -> Request {
    let line = |from: &mut BufReader<&TcpStream>| {
        let mut text = String::new();
        from.read_line(&mut text).unwrap();
        text.trim_end().to_owned()
    };
    let first = line(from);
    let mut chunked = false;
    loop {
        let header = line(from);
        if header.is_empty() {
            break;
        }
        chunked |= header.eq_ignore_ascii_case("transfer-encoding: chunked");
    }
    let mut body = Vec::new();
    while chunked {
        let size = usize::from_str_radix(&line(from), 16).unwrap();
        let mut chunk = vec![0; size];
        from.read_exact(&mut chunk).unwrap();
        body.extend(chunk);
        line(from);
        chunked = size > 0;
    }
    Request { line: first, body: String::from_utf8(body).unwrap() }
}
